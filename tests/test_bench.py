"""The bench runs on toy sizes, so that it cannot rot. No figure is judged here."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import __main__ as bench
from bench import bench_loader, bench_process, harness, report


@pytest.mark.parametrize("subject", bench.SUBJECTS)
def test_toy_rows(subject: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    peers = [p for p in report.PEERS if not harness.missing(p)]
    file = tmp_path / "rows.json"
    assert bench.main([subject, "--toy", "--peers", *peers, "--json", str(file)]) == 0
    assert "geometric mean" in capsys.readouterr().out


def test_process_figures() -> None:
    figures = bench_process.main(quick=True)
    assert len(figures) == 5
    assert all(v >= 0 for v in figures.values())


def test_loader_figures(capsys: pytest.CaptureFixture[str]) -> None:
    bench_loader.main(["--rows", "100", "--features", "4", "--rounds", "1"])
    assert "ratio" in capsys.readouterr().out
