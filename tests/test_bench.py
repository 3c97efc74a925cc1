"""The bench runs on toy sizes, so that it cannot rot. No figure is judged here."""

from __future__ import annotations

import pytest

from bench import bench_loader, bench_process


def test_process_figures() -> None:
    figures = bench_process.main(quick=True)
    assert len(figures) == 5
    assert all(v >= 0 for v in figures.values())


def test_loader_figures(capsys: pytest.CaptureFixture[str]) -> None:
    bench_loader.main(["--rows", "100", "--features", "4", "--rounds", "1"])
    assert "ratio" in capsys.readouterr().out
