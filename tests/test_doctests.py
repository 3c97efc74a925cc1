"""Every example in a docstring runs."""

from __future__ import annotations

import doctest
import pkgutil
from importlib import import_module

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


def test_examples_of_op_records_are_found() -> None:
    tests = doctest.DocTestFinder().find(import_module("nnfast.ops.activation"))
    assert any(t.name == "nnfast.ops.activation.sigmoid" and t.examples for t in tests)
