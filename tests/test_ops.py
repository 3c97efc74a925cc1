"""Every op of nnfast.ops.OPS, by its record and its spec: on each ISA, in float32 and float64."""

from __future__ import annotations

import pytest

from nnfast.ops import OPS
from tests import op_checks
from tests.specs import all_specs

SPECS = all_specs()
NAMES = sorted(OPS.keys() & SPECS.keys())
VALUES = [(name, dtype) for name in NAMES for dtype in SPECS[name].dtypes]
KERNELS = [(name, dtype) for name, dtype in VALUES if OPS[name].kernel is not None]
GRADIENTS = [name for name in NAMES if SPECS[name].grad]


def test_every_op_has_a_spec_and_every_spec_an_op() -> None:
    assert OPS.keys() == SPECS.keys()


def test_the_checks_cover_the_ops() -> None:
    assert len(KERNELS) >= len(NAMES) and len(GRADIENTS) > len(NAMES) // 2
    for name in NAMES:
        assert SPECS[name].cases, f"{name} has no cases"
        assert SPECS[name].grad == bool(OPS[name].rules or OPS[name].joint), name


@pytest.mark.parametrize("name", sorted(OPS))
def test_docstring(name: str) -> None:
    op = OPS[name]
    assert op.__doc__ and op.__doc__.split("\n")[0].endswith("."), "one line, then the rest"
    internal = name.endswith("_backward") or op.mutates
    assert internal or ">>>" in op.__doc__, "a public op shows an example"


@pytest.mark.parametrize(("name", "dtype"), VALUES)
def test_values(isa: str, name: str, dtype: str) -> None:
    assert op_checks.check_values(OPS[name], SPECS[name], dtype) > 0


@pytest.mark.parametrize(("name", "dtype"), KERNELS)
def test_memory(isa: str, name: str, dtype: str) -> None:
    assert op_checks.check_memory(OPS[name], SPECS[name], dtype) > 0


@pytest.mark.parametrize(("name", "dtype"), KERNELS)
def test_same_bits_for_any_number_of_threads(isa: str, name: str, dtype: str) -> None:
    assert op_checks.check_threads(OPS[name], SPECS[name], dtype) > 0


@pytest.mark.parametrize("name", GRADIENTS)
def test_gradient(isa: str, name: str) -> None:
    assert op_checks.check_gradient(OPS[name], SPECS[name], order=1) > 0


@pytest.mark.parametrize("name", GRADIENTS)
def test_gradient_of_the_gradient(isa: str, name: str) -> None:
    assert op_checks.check_gradient(OPS[name], SPECS[name], order=2) > 0


@pytest.mark.parametrize("name", GRADIENTS)
def test_float32_gradient(isa: str, name: str) -> None:
    assert op_checks.check_gradient_dtypes(OPS[name], SPECS[name]) > 0
