"""What the documents say is so: blocks are parts of the files they name, Python runs."""

from __future__ import annotations

import importlib
import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

from nnfast.ops import OPS

ROOT = Path(__file__).parent.parent
ADDING = (ROOT / "docs/adding_an_op.md").read_text()


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, re.S)


def run(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_readme_program_trains() -> None:
    (program,) = blocks((ROOT / "README.md").read_text(), "python")
    percent = re.fullmatch(r"([\d.]+)% of the test images are right\n", run(program))
    assert percent and float(percent[1]) > 80  # one epoch of 5,000 images; chance is 10%


def test_readme_has_two_commands() -> None:
    commands = blocks((ROOT / "README.md").read_text(), "bash")
    assert [c.strip().partition("&& ")[2] for c in commands] == ["nnfast train", "pytest -n 2"]


def test_reference_has_all_that_is_public() -> None:
    """A page for every op, and a docstring behind every name."""
    path = ROOT / "docs" / "reference.py"
    spec = importlib.util.spec_from_file_location("reference", path)
    assert spec is not None and spec.loader is not None
    reference = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(reference)
    found = {}
    for name in reference.MODULES:
        module = importlib.import_module(name)
        found.update({id(getattr(module, n)): (module, n) for n in reference.public(module)})
    missing = [op.name for op in OPS.values() if id(op) not in found and op.kernel is not None]
    assert sorted(n for n in missing if not OPS[n].rule.__name__.startswith("_")) == []
    bare = [f"{m.__name__}.{n}" for m, n in found.values() if not getattr(m, n).__doc__]
    assert sorted(bare) == []


def test_readme_links_exist() -> None:
    for document in [ROOT / "README.md", *ROOT.glob("docs/*.md"), ROOT / "CONTRIBUTING.md"]:
        prose = re.sub(r"```.*?```", "", document.read_text(), flags=re.S)
        for target in re.findall(r"\]\(([^)#:]+)\)", prose):
            assert (document.parent / target).exists(), f"{document.name}: {target}"


@pytest.mark.parametrize("language", ["cpp", "python"])
def test_blocks_of_adding_an_op_stand_in_the_sources(language: str) -> None:
    suffixes = {"cpp": (".h", ".cpp", ".def"), "python": (".py",)}[language]
    folders = {"cpp": ("csrc",), "python": ("nnfast", "tests")}[language]
    sources = [
        p.read_text()
        for folder in folders
        for p in (ROOT / folder).rglob("*")
        if p.suffix in suffixes
    ]
    found = blocks(ADDING, language)
    assert len(found) >= 4
    for block in found:
        assert any(block.rstrip("\n") in source for source in sources), block


def test_op_of_adding_an_op_runs() -> None:
    head = """
from __future__ import annotations
from nnfast.ops.activation import _pair
from nnfast.ops.operands import Operand
from nnfast.ops.record import Result, like, op
from nnfast.tensor import Tensor
"""
    records = [b for b in blocks(ADDING, "python") if b.startswith(("@op", "sigmoid"))]
    assert len(records) == 2
    check = """
import numpy as np, nnfast
x = nnfast.tensor(np.linspace(-3, 3, 7), requires_grad=True)
assert nnfast.autograd.gradcheck(sigmoid, (x,)) and nnfast.autograd.gradgradcheck(sigmoid, (x,))
assert np.allclose(x.sigmoid().detach().numpy(), 1 / (1 + np.exp(-x.detach().numpy())))
print("checked")
"""
    assert run(head + "\n".join(records) + check) == "checked\n"
