"""Every example in a docstring runs."""

from __future__ import annotations

import doctest
import pkgutil
from importlib import import_module
from types import FunctionType

import pytest

import nnfast

MODULES = ["nnfast"] + [
    module.name
    for module in pkgutil.walk_packages(nnfast.__path__, "nnfast.")
    if module.name != "nnfast._core" and not module.name.endswith("__main__")
]


@pytest.mark.parametrize("name", MODULES)
def test_examples(name: str) -> None:
    # "..." stands for digits that the instruction set may round differently.
    done = doctest.testmod(import_module(name), optionflags=doctest.ELLIPSIS)
    assert done.failed == 0


def test_examples_of_made_functions() -> None:
    """Functions that are made by others stand in no module: methods, changes in place."""
    runner, finder = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS), doctest.DocTestFinder()
    for name, fn in {**vars(nnfast.Tensor), **vars(nnfast.nn.functional)}.items():
        if isinstance(fn, FunctionType) and not hasattr(import_module(fn.__module__), name):
            for test in finder.find(fn, name, globs={}):
                runner.run(test)
    assert runner.tries >= 8 + 2 * 8 and runner.failures == 0


def test_examples_of_op_records_are_found() -> None:
    tests = doctest.DocTestFinder().find(import_module("nnfast.ops.activation"))
    assert any(t.name == "nnfast.ops.activation.sigmoid" and t.examples for t in tests)
