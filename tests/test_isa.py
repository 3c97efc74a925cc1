"""Each ISA's object keeps its code to itself, and the right one runs."""

from __future__ import annotations

import re
import runpy
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import setuptools

import nnfast
from nnfast import _core
from tests.conftest import ISAS

ROOT = Path(__file__).parent.parent
SOURCES = ROOT / "csrc"
# What the compiler itself calls, or the C library has compiled for every processor.
ALLOWED = {"memcpy", "memset", "memmove", "memcmp", "_GLOBAL_OFFSET_TABLE_"}
ALLOWED |= {"__stack_chk_fail", "__stack_chk_guard"}  # some Pythons compile with these checks
# libm, which chooses by the processor it runs on: huge angles, remainders.
ALLOWED |= {name + t for name in ("sin", "cos", "tan", "fmod") for t in ("", "f")}
SANITIZER = re.compile(r"__(asan|ubsan|sanitizer)_")

pytestmark = pytest.mark.skipif(
    not SOURCES.is_dir() or not shutil.which("nm"), reason="needs the source tree and nm"
)


def build_script(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """setup.py's names, without its building anything."""
    monkeypatch.setattr(setuptools, "setup", lambda **arguments: None)
    monkeypatch.chdir(ROOT)
    return runpy.run_path("setup.py")


@pytest.fixture(scope="module")
def objects(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The object file of each ISA: of the last build if nothing changed since, else compiled."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        script = build_script(monkeypatch)
    newest = max(
        p.stat().st_mtime for p in SOURCES.rglob("*") if p.suffix in (".h", ".cpp", ".def")
    )
    folder = tmp_path_factory.mktemp("isa")

    def compiled(source: str) -> Path:
        stem = Path(source).with_suffix(".o")
        for built in ROOT.glob(f"build/temp*/{stem}"):
            if built.stat().st_mtime > newest:
                return built
        target = folder / stem.name
        command = [
            "g++",
            "-fPIC",
            "-Icsrc",
            *script["flags"](source),
            "-c",
            source,
            "-o",
            str(target),
        ]
        subprocess.run(command, cwd=ROOT, check=True)
        return target

    with ThreadPoolExecutor() as pool:
        sources = list(script["ISA_FLAGS"])
        return {Path(s).stem: o for s, o in zip(sources, pool.map(compiled, sources), strict=True)}


def symbols(path: Path) -> list[tuple[str, str]]:
    """(kind, name) of each symbol, as nm tells them."""
    text = subprocess.run(["nm", str(path)], check=True, capture_output=True, text=True).stdout
    return [(line.split()[-2], line.split()[-1]) for line in text.splitlines()]


def test_each_isa_that_is_built_has_a_file(objects: dict[str, Path]) -> None:
    assert sorted(objects) == sorted(_core.built_isas())


def test_an_object_defines_its_table_and_nothing_else(objects: dict[str, Path]) -> None:
    """A weak or visible function compiled for AVX-512 could be linked into the baseline path."""
    for isa, path in objects.items():
        found = symbols(path)
        assert sum(kind == "t" for kind, _ in found) > 50, f"{isa}: hardly any kernels?"
        visible = [(kind, name) for kind, name in found if kind.isupper() and kind != "U"]
        assert [name for _, name in visible] == [f"_ZN3nnf{len('kernels_' + isa)}kernels_{isa}E"]
        assert visible[0][0] in "DBR", visible
        assert not [name for kind, name in found if kind in "wvuWVC"], f"{isa}: weak or shared"


def test_an_object_needs_only_the_c_library(objects: dict[str, Path]) -> None:
    for isa, path in objects.items():
        needed = {name for kind, name in symbols(path) if kind == "U"}
        strange = {n for n in needed - ALLOWED if not SANITIZER.match(n)}
        assert not strange, f"{isa} calls {strange}, compiled who knows for which processor"


def test_flags_name_no_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """No flag that depends on the machine that builds; only better ISAs have instruction sets."""
    script = build_script(monkeypatch)
    worst, *better = script["ISA_FLAGS"]
    for source in [worst, *better, "csrc/ops/matmul.cpp"]:
        flags = script["flags"](source)
        assert not [f for f in flags if "native" in f or "-ffast-math" in f or "-Ofast" in f]
        assert source in better or not [f for f in flags if f.startswith("-m")]


def test_set_isa_is_a_cap() -> None:
    before = _core.isa()
    try:
        for isa in _core.isas():
            _core.set_isa(isa)
            assert _core.isa() == isa
            assert nnfast.config.config()["isa"].startswith(isa)
        with pytest.raises(ValueError, match="no ISA is called 'mmx'"):
            _core.set_isa("mmx")
        assert _core.isa() == _core.isas()[-1], "a refused cap changes nothing"
        _core.set_isa("")
        assert _core.isa() == _core.isas()[-1]
    finally:
        _core.set_isa(before)


def test_the_best_isa_up_to_the_cap_is_chosen() -> None:
    assert ISAS[0] == _core.built_isas()[0] and ISAS[-1] == _core.isa()
    assert set(_core.isas()) <= set(_core.built_isas())
    config = nnfast.config.config()
    assert config["isas of this machine"] == ", ".join(_core.isas())


def test_the_chosen_isa_is_the_one_that_runs() -> None:
    """Fused multiply-add keeps the last bit of x * x, which the baseline rounds away."""
    if ISAS[-1] == "baseline":
        pytest.skip("needs an ISA with fused multiply-add")
    x = 1 + 2.0**-12
    a = nnfast.tensor([[1.0, x]] * 16, dtype=nnfast.float32)
    b = nnfast.tensor([[-(1 + 2.0**-11)] * 16, [x] * 16], dtype=nnfast.float32)
    before = _core.isa()
    try:
        for isa in ISAS:
            _core.set_isa(isa)
            rest = (a @ b).numpy()
            assert (rest == (0 if isa == "baseline" else 2.0**-24)).all()
    finally:
        _core.set_isa(before)
