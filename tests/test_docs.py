"""What the documents say is so: blocks are parts of the files they name, Python runs."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import re
import subprocess
import sys
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import nnfast
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


@lru_cache
def reference() -> ModuleType:
    """docs/reference.py."""
    path = ROOT / "docs" / "reference.py"
    spec = importlib.util.spec_from_file_location("reference", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def public(modules: Iterable[str]) -> dict[str, Any]:
    """What the reference shows of these modules, each thing once."""
    found: dict[int, tuple[str, Any]] = {}
    for name in modules:
        module = importlib.import_module(name)
        for entry in reference().public(module):
            value = getattr(module, entry)
            if getattr(value, "__module__", "").startswith("nnfast"):  # not finfo, Size
                found.setdefault(id(value), (f"{name}.{entry}", value))
    return dict(found.values())


def methods(known: Iterable[Any]) -> dict[str, Any]:
    """Methods and properties of Tensor that are not among the functions of the reference."""
    own = [c for c in nnfast.Tensor.__mro__ if c.__module__ in ("nnfast.tensor", "nnfast.facts")]
    members = {n: m for c in reversed(own) for n, m in vars(c).items() if not n.startswith("_")}
    seen = {id(value) for value in known}
    return {f"Tensor.{n}": m for n, m in members.items() if id(m) not in seen}


def for_readers() -> dict[str, Any]:
    """All but the pages of the families of ops, where what is inner stands too."""
    names = public(n for n in reference().MODULES if not n.startswith("nnfast.ops."))
    return {**names, **methods(names.values())}


def doc(value: Any) -> str:
    return inspect.getdoc(value) or ""


def test_reference_has_all_ops() -> None:
    shown = {id(value) for value in public(reference().MODULES).values()}
    inner = [op for op in OPS.values() if op.kernel is None or op.rule.__name__.startswith("_")]
    assert sorted(op.name for op in OPS.values() if id(op) not in shown and op not in inner) == []


def say(names: Iterable[str], what: str) -> None:
    """Fail with all of the names, not the first few."""
    assert not (found := list(names)), f"{len(found)} without {what}: {' '.join(found)}"


def test_every_name_has_a_sentence() -> None:
    names = {**public(reference().MODULES), **for_readers()}
    say((n for n, x in names.items() if not doc(x).split("\n\n")[0].endswith(".")), "a sentence")


def test_every_method_has_a_sentence() -> None:
    classes = {n: x for n, x in for_readers().items() if inspect.isclass(x)}
    members = {
        f"{n}.{name}": m
        for n, x in classes.items()
        for name, m in inspect.getmembers(x, inspect.isfunction)
        if not name.startswith("_") and m.__module__.startswith("nnfast")
    }
    assert len(members) > 500
    say((n for n, m in members.items() if not doc(m).split("\n\n")[0].endswith(".")), "a sentence")


IN_PLACE = re.compile(r"`\w+` (in place|of the tensor itself)")


def test_every_name_has_an_example() -> None:
    """A method that changes its tensor is shown at the function that it is made of."""
    bare = {n: x for n, x in for_readers().items() if ">>>" not in doc(x)}
    say((n for n, x in bare.items() if not IN_PLACE.match(doc(x))), "an example")


CONTAINERS = {"Module", "Sequential", "ModuleList", "ModuleDict", "ParameterList", "ParameterDict"}


def test_ops_and_layers_say_their_shapes() -> None:
    functions = public(["nnfast.ops", "nnfast.nn.functional"])
    layers = {n: x for n, x in public(["nnfast.nn"]).items() if hasattr(x, "forward")}
    names = {n: x for n, x in {**functions, **layers}.items() if x.__name__ not in CONTAINERS}
    say((n for n, x in names.items() if not re.search(r"\b[Ss]hapes\b", doc(x))), "its shapes")


def test_formulas_are_not_markdown() -> None:
    text = "y = a * b_i * c where `x_y` < 1.\n\n>>> 2 * 3 * 4\n24"
    escaped = "y = a \\* b\\_i \\* c where `x_y` &lt; 1.\n\n>>> 2 * 3 * 4\n24"
    assert reference().plain(text) == escaped


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
