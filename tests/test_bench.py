"""The bench runs on toy sizes, so that it cannot rot. No figure is judged here."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nnfast
from bench import __main__ as bench
from bench import (
    conv,
    gemm,
    harness,
    inference,
    loader,
    memory,
    ops,
    report,
    run,
    shapes,
    small,
    steps,
)
from nnfast import cli
from nnfast.graph.mode import MODE
from nnfast.ops import OPS
from tests.conftest import ISAS, run_untraced

MODULES = (gemm, conv, memory, small, ops, inference, steps, loader)


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> report.Record:
    """Every subject at toy size, with the peers that are installed."""
    file = tmp_path_factory.mktemp("bench") / "all.json"
    peers = [p for p in report.PEERS if not harness.missing(p)]
    assert bench.main(["all", "--toy", "--peers", *peers, "--json", str(file)]) == 0
    return json.loads(file.read_text())


def test_every_case_gives_a_row(record: report.Record) -> None:
    expected = [(c.group, c.op, c.shape) for module in MODULES for c in module.cases(toy=True)]
    assert [(r["group"], r["op"], r["shape"]) for r in record["rows"]] == expected
    for row in record["rows"]:
        assert "nnfast" in row["sides"]
        assert all(s["time"] > 0 <= s["error"] for s in row["sides"].values())


def test_every_side_of_an_installed_peer_is_measured(record: report.Record) -> None:
    cases = [c for module in MODULES for c in module.cases(toy=True)]
    for case, row in zip(cases, record["rows"], strict=True):
        present = [s for s in case.sides if not harness.missing(s.partition(" ")[0])]
        present = [s for s in present if s != "torch compile"]  # it takes minutes
        assert list(row["sides"]) == present, case.name


def test_figures(record: report.Record) -> None:
    told = record["figures"]
    assert len([name for name in told if "batch" not in name]) == 5
    assert sum("first call" in name for name in told) == 2
    assert all(v >= 0 for name, v in told.items() if "beyond" not in name and "call" not in name)


def test_header_and_peak(record: report.Record) -> None:
    assert {"CPU", "ISA", "compiler", "versions", "commit"} <= record["header"].keys()
    assert list(record["peaks"]) == [f"{ISAS[-1]}, threads 1"]


def test_names_are_unique_in_full_size() -> None:
    names = [c.name for module in MODULES for c in module.cases()]
    assert len(set(names)) == len(names)


# Formats of the ISA's own, made once of a weight: no other library has them.
WITHOUT_A_ROW = {"pack_linear", "transform_conv2d"}


def test_every_op_has_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: set[str] = set()

    def note(op: Any, inputs: Any, result: Any, packed: Any) -> Any:
        seen.add(op.name)
        return run_untraced(op, inputs, result)

    note.array_taken = lambda x: None  # no plan comes of it

    for case in (c for module in MODULES for c in module.cases(toy=True)):
        with nnfast.set_grad_enabled(case.grad):
            call = case.sides["nnfast"](*case.arrays(np.random.default_rng(0)))
            with monkeypatch.context() as patch:
                patch.setattr(MODE, "trace", note)
                call()
    assert OPS.keys() - seen == WITHOUT_A_ROW, "bench/ops.py lists them"


def test_every_library_has_the_threads_that_are_asked_for() -> None:
    with harness.workers(["nnfast", "numpy"], threads=1, isa="baseline") as at:
        assert at["nnfast"].call(_isa_and_threads) == ("baseline", 1)
        assert at["numpy"].call(_cpus) == 1


def _isa_and_threads() -> tuple[str, int]:
    from nnfast import _core

    return _core.isa(), _core.num_threads()


def _cpus() -> int:
    import os

    return len(os.sched_getaffinity(0))


# ---- wrong results --------------------------------------------------------------------------


def _right(x: np.ndarray) -> Callable[[], np.ndarray]:
    return lambda: x + 1


def _wrong(x: np.ndarray) -> Callable[[], np.ndarray]:
    return lambda: x + 1.01


def _broken(x: np.ndarray) -> Callable[[], np.ndarray]:
    raise RuntimeError("no such op")


CASE = harness.Case(
    group="test",
    op="x + 1",
    shape="8",
    sides={"nnfast": _right, "numpy": _right, "numpy wrong": _wrong, "numpy broken": _broken},
    arrays=lambda rng: (rng.random(8, np.float32),),
    reference=lambda x: x + 1,
)


@pytest.fixture
def at() -> Iterator[dict[str, harness.Worker]]:
    """Workers of nnfast and NumPy."""
    with harness.workers(["nnfast", "numpy"], threads=1) as started:
        yield started


def test_a_peer_that_is_wrong_or_fails_is_left_out_and_named(
    at: dict[str, harness.Worker], capsys: pytest.CaptureFixture[str]
) -> None:
    sides = harness.measure(CASE, at, harness.Settings.of(toy=True))
    assert list(sides) == ["nnfast", "numpy"]
    text = capsys.readouterr().out
    assert "numpy wrong has an error of" in text and "no such op" in text


@pytest.mark.parametrize(
    "build, error", [(_wrong, harness.WrongResult), (_broken, harness.WorkerError)]
)
def test_nnfast_must_be_right(
    at: dict[str, harness.Worker], build: Callable[..., Any], error: type[Exception]
) -> None:
    case = dataclasses.replace(CASE, sides={"nnfast": build})
    with pytest.raises(error):
        harness.measure(case, at, harness.Settings.of(toy=True))
    assert "nnfast" in harness.measure(CASE, at, harness.Settings.of(toy=True))  # it goes on


@pytest.mark.parametrize("failed", [False, True])
def test_a_row_that_fails_does_not_end_the_run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], failed: bool
) -> None:
    wrong = dataclasses.replace(CASE, sides={"nnfast": _wrong if failed else _right})
    monkeypatch.setattr(gemm, "cases", lambda toy: [wrong, CASE])
    assert bench.main(["gemm", "--toy", "--peers"]) == failed
    text = capsys.readouterr().out
    assert ("FAILED test x + 1 8" in text) == failed and "numpy" in text


@pytest.mark.parametrize("c", conv.TOY)
def test_references_of_convolution_are_gradients_of_one_another(c: shapes.Conv) -> None:
    """<dy, conv(x, w)> = <dx(dy, w), x> = <dw(dy, x), w>."""
    rng = np.random.default_rng(0)
    x, w = (a.astype(np.float64) for a in conv._arrays(c, "forward", rng))
    dy = conv._arrays(c, "dx", rng)[0].astype(np.float64)
    y = (dy * conv._forward(c, x, w)).sum()
    assert math.isclose(y, (conv._dx(c, dy, w) * x).sum(), rel_tol=1e-9)
    assert math.isclose(y, (conv._dw(c, dy, x) * w).sum(), rel_tol=1e-9)


# ---- what is made of the rows ---------------------------------------------------------------


def _row(op: str, ours: float, **peers: float) -> dict[str, Any]:
    sides = {"nnfast": ours, **{k.replace("_", " "): v for k, v in peers.items()}}
    return {
        "group": "g",
        "op": op,
        "shape": "8",
        "isa": "avx2",
        "threads": 1,
        "gflops": 1.0,
        "gbs": 1.0,
        "peak": 0.5,
        "sides": {s: {"time": t, "spread": 0.1, "error": 1e-7} for s, t in sides.items()},
    }


ROWS = [_row("a", 1.0, numpy=4.0, torch=3.0, torch_channels_last=2.0), _row("b", 1.0, numpy=0.5)]


def test_ratios_take_the_best_side_of_a_peer() -> None:
    assert report.ratios(ROWS[0]) == {"numpy": 4.0, "torch": 2.0}
    assert report.means(ROWS) == pytest.approx({"numpy": 2**0.5, "torch": 2.0, "best": 1.0})
    text = list(report.summary(ROWS))
    assert text[1].startswith("worst row: 0.50 numpy: b 8") and text[2] == "1 of 2 rows below 1.0"


def test_page_of_results() -> None:
    first = {"header": {"CPU": "x"}, "peaks": {}, "figures": {"idle": 1.0}, "rows": [ROWS[1]]}
    second = first | {"rows": [_row("b", 1.0, numpy=5.0), ROWS[0]]}
    page = report.markdown([first, second])
    assert "| b | 8 | 1 s | 10% | 1.0 | 1.0 | 50% | 1e-07 | 5.00 | - | - | - | 5.00 |" in page
    assert page.count("| b | 8 |") == 1 and "- idle: 1" in page


def test_compare(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    files = []
    for name, row in (("before", ROWS[1]), ("after", _row("b", 0.5, numpy=0.5))):
        files.append(str(tmp_path / name))
        Path(files[-1]).write_text(json.dumps({"rows": [row, _row(name, 1.0)]}))
    bench.main(["compare", *files])
    text = capsys.readouterr().out
    assert "2.00x  numpy 0.50 -> 1.00" in text and "only before: 1 rows; only after: 1" in text


@pytest.mark.parametrize("text", [None, "", "[1]", "{}", "\xff"])
def test_compare_with_what_is_no_record(text: str | None, tmp_path: Path) -> None:
    file = tmp_path / "before"
    if text is not None:
        file.write_bytes(text.encode("latin-1"))
    with pytest.raises(SystemExit, match="expected a file that --json wrote, got /"):
        bench.main(["compare", str(file), str(file)])


# ---- the command ----------------------------------------------------------------------------


def test_without_peers(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(harness, "missing", lambda library: [library])
    bench.main(["gemm", "--toy", "--filter", "5x7x9"])
    text = capsys.readouterr().out
    assert "skipped: torch: torch not installed" in text and "matmul NN" in text
    assert "geometric mean of 1 rows without peers" in text


def test_nnfast_bench(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(run, "measure", lambda s, o: print(s, o.filter) or {"failed": []})
    monkeypatch.chdir(Path(bench.__file__).parents[1])
    assert cli.main(["bench", "gemm", "--filter", "512"]) == 0
    assert capsys.readouterr().out == "['gemm'] 512\n"


def test_nnfast_bench_needs_a_checkout(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("nnfast.__file__", str(tmp_path / "nnfast" / "__init__.py"))
    monkeypatch.chdir(tmp_path)
    assert cli.main(["bench", "gemm"]) == 1
    assert "run it in a checkout of nnfast" in capsys.readouterr().err
