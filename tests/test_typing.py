"""What type checkers are told of Tensor is what the op records put there."""

from __future__ import annotations

import ast
import inspect
from importlib.resources import files

import nnfast
from nnfast.tensor import Tensor


def declared() -> set[str]:
    """Names that nnfast/methods.pyi has."""
    stub = files("nnfast").joinpath("methods.pyi").read_text()
    (methods,) = [node for node in ast.parse(stub).body if isinstance(node, ast.ClassDef)]
    return {node.name for node in methods.body if isinstance(node, ast.FunctionDef)}


def added() -> set[str]:
    """Names on Tensor that its own source does not define."""
    source = ast.parse(inspect.getsource(Tensor)).body[0]
    assert isinstance(source, ast.ClassDef)
    own = {node.name for node in source.body if isinstance(node, ast.FunctionDef)}
    has_source = own | set(Tensor.__slots__) | {"__hash__", "__array_priority__", "__array_ufunc__"}
    of_class = {"__module__", "__doc__", "__slots__", "__annotations__", "__firstlineno__"}
    return set(vars(Tensor)) - has_source - of_class - {"__static_attributes__"}


def test_declared_methods_are_those_of_the_records() -> None:
    assert nnfast.ops.OPS
    assert declared() == added()


def test_package_says_it_is_typed() -> None:
    assert files("nnfast").joinpath("py.typed").is_file()
    assert files("nnfast").joinpath("_core.pyi").is_file()
