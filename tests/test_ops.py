"""Every op of nnfast.ops.OPS, by its record and its spec: on each ISA, in float32 and float64."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest

from nnfast import _core, ops
from nnfast.autograd.gradcheck import GradcheckError
from nnfast.graph.mode import MODE
from nnfast.ops import OPS
from tests import op_checks
from tests.conftest import run_untraced
from tests.specs import Spec, all_specs

SPECS = all_specs()
NAMES = sorted(OPS.keys() & SPECS.keys())
VALUES = [(name, dtype) for name in NAMES for dtype in SPECS[name].dtypes]
KERNELS = [(name, dtype) for name, dtype in VALUES if OPS[name].kernel is not None]
# Ops that write large outputs past the caches.
PAST_CACHES = ["add", "cat", "clone", "relu", "take", "layer_norm", "layer_norm_backward"]
PAST_CACHES += ["batch_norm_eval", "batch_norm_train_backward", "group_norm_backward"]
PAST_CACHES += ["softmax", "log_softmax", "softmax_backward"]
GRADIENTS = [name for name in NAMES if SPECS[name].grad]


# Ops whose result is a format of the ISA's own: the tests of what reads it are theirs.
FORMATS = {"pack_linear", "transform_conv2d"}  # tests/test_gemm.py, tests/test_winograd.py


def test_every_op_has_a_spec_and_every_spec_an_op() -> None:
    assert OPS.keys() - FORMATS == SPECS.keys()


def test_the_checks_cover_the_ops() -> None:
    assert len(KERNELS) >= len(NAMES) and len(GRADIENTS) > len(NAMES) // 2
    for name in NAMES:
        assert SPECS[name].cases, f"{name} has no cases"
        assert SPECS[name].grad == bool(OPS[name].rules or OPS[name].joint), name


@pytest.mark.parametrize("name", sorted(OPS))
def test_docstring(name: str) -> None:
    op = OPS[name]
    assert op.__doc__ and op.__doc__.split("\n")[0].endswith("."), "one line, then the rest"
    public = getattr(ops, name, op)  # itself, or the function around it
    internal = name.endswith("_backward") or op.mutates or not hasattr(ops, name)
    assert internal or ">>>" in public.__doc__, "a public op shows an example"


@pytest.mark.parametrize(("name", "dtype"), VALUES)
def test_values(isa: str, name: str, dtype: str) -> None:
    assert op_checks.check_values(OPS[name], SPECS[name], dtype) > 0


@pytest.mark.parametrize(("name", "dtype"), KERNELS)
def test_memory(isa: str, name: str, dtype: str) -> None:
    assert op_checks.check_memory(OPS[name], SPECS[name], dtype) > 0


@pytest.fixture
def tiny_cache() -> Iterator[None]:
    """Every output counts as one that no cache can hold."""
    _core.set_largest_cache(0)
    yield
    _core.set_largest_cache(-1)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", PAST_CACHES)
def test_past_the_caches(isa: str, tiny_cache: None, name: str, dtype: str) -> None:
    """Same memory written, same values, where outputs do not go through the caches."""
    assert op_checks.check_memory(OPS[name], SPECS[name], dtype) > 0


@pytest.mark.parametrize(("name", "dtype"), KERNELS)
def test_same_bits_for_any_number_of_threads(isa: str, name: str, dtype: str) -> None:
    assert op_checks.check_threads(OPS[name], SPECS[name], dtype) > 0


# Ops of a network in evaluation, and how many of their inputs have a row for each example.
BATCHED = {"linear": 1, "matmul": 1, "conv2d": 1, "conv2d_input": 1, "batch_norm_eval": 1}
BATCHED |= {"max_pool2d": 1, "avg_pool2d": 1, "avg_pool2d_backward": 1, "max_pool2d_backward": 2}
BATCHED |= {"softmax": 1, "log_softmax": 1, "softmax_backward": 2, "log_softmax_backward": 2}
BATCHED |= {"exp": 1, "log": 1, "log1p": 1, "erf": 1, "sqrt": 1, "pow": 2, "div": 2, "mul": 2}
BATCHED |= {
    "group_norm": 1,
    "layer_norm": 1,
    "sigmoid": 1,
    "tanh": 1,
    "gelu": 1,
    "gelu_tanh": 1,
    "leaky_relu": 1,
    "relu": 1,
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", BATCHED)
def test_a_row_does_not_depend_on_the_batch(isa: str, name: str, dtype: str) -> None:
    assert op_checks.check_rows(OPS[name], SPECS[name], dtype, BATCHED[name]) > 0


SERIAL = {"batch_norm_update"}  # a few numbers per channel


@pytest.mark.skipif(sys.platform != "linux", reason="counts threads in /proc")
@pytest.mark.parametrize("name", sorted({name for name, _ in KERNELS}))
def test_several_threads_really_run(name: str) -> None:
    parallel = op_checks.check_parallel(OPS[name], SPECS[name], SPECS[name].dtypes[0])
    assert parallel != (name in SERIAL), "add a larger case to its spec"


@pytest.mark.parametrize("name", GRADIENTS)
def test_gradient(isa: str, name: str) -> None:
    assert op_checks.check_gradient(OPS[name], SPECS[name], order=1) > 0


@pytest.mark.parametrize("name", GRADIENTS)
def test_gradient_of_the_gradient(isa: str, name: str) -> None:
    assert op_checks.check_gradient(OPS[name], SPECS[name], order=2) > 0


@pytest.mark.parametrize("name", GRADIENTS)
def test_float32_gradient(isa: str, name: str) -> None:
    assert op_checks.check_gradient_dtypes(OPS[name], SPECS[name]) > 0


# ---- the checks themselves ------------------------------------------------------------------
# Each breaks an op in one way and sees the check that is there for it fail.


def broken_run(monkeypatch: pytest.MonkeyPatch, damage: Any) -> None:
    """`damage(inputs, outputs)` follows every run of a kernel, called by a record or alone."""
    run = _core.run

    def damaged(inputs: Any, outputs: Any) -> None:
        if outputs[0].size:
            damage(inputs, outputs)

    def alone(op: int, attrs: bytes, inputs: Any, outputs: Any) -> None:
        run(op, attrs, inputs, outputs)
        damaged(inputs, outputs)

    class ByRecord:
        def __call__(self, op: Any, inputs: Any, result: Any, packed: Any) -> Any:
            y = run_untraced(op, inputs, result)
            damaged([x.array for x in inputs], [y.array])
            return y

        def array_taken(self, x: Any) -> None:
            """No plan comes of this."""

    monkeypatch.setattr(_core, "run", alone)
    monkeypatch.setattr(MODE, "trace", ByRecord())


def last_bit(array: np.ndarray) -> None:
    array[-1:] = np.nextafter(array[-1:], array.dtype.type(np.inf))


def rejects(check: Any, *args: Any, text: str) -> None:
    with pytest.raises(AssertionError, match=text):
        check(OPS["exp"], *args)


EXP = replace(SPECS["exp"], cases=SPECS["exp"].cases[:20])


def test_a_value_a_few_ulp_off_is_found() -> None:
    for dtype in ("float32", "float64"):
        factor = 1 + 10 * float(np.finfo(dtype).eps)
        off = replace(EXP, reference=lambda x, factor=factor: np.exp(x) * factor)
        rejects(op_checks.check_values, off, dtype, text="elements are wrong")
        rejects(op_checks.check_memory, off, dtype, text="elements are wrong")


def test_a_wrong_shape_is_found() -> None:
    wrong = replace(EXP, reference=lambda x: np.exp(x)[None])
    rejects(op_checks.check_values, wrong, "float32", text="reference")


def test_an_element_left_out_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def forget(inputs: Any, outputs: Any) -> None:
        outputs[0].view(np.uint8)[-4:] = 0xA5

    broken_run(monkeypatch, forget)
    rejects(op_checks.check_memory, EXP, "float32", text="elements are wrong")


@pytest.mark.parametrize("side", [-1, 1])
def test_a_write_outside_is_found(monkeypatch: pytest.MonkeyPatch, side: int) -> None:
    def stray(inputs: Any, outputs: Any) -> None:
        arena = op_checks.ARENAS[1]  # of the output
        beside = arena.used.start - 1 if side < 0 else arena.used.stop
        if 0 <= beside < arena.memory.size:
            arena.memory[beside] = 0

    broken_run(monkeypatch, stray)
    rejects(op_checks.check_memory, EXP, "float32", text="wrote outside its memory")


def test_a_changed_input_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def change(inputs: Any, outputs: Any) -> None:
        if inputs[0].flags.writeable:
            last_bit(inputs[0])

    broken_run(monkeypatch, change)
    rejects(op_checks.check_values, EXP, "float32", text="input changed")


def test_bits_that_depend_on_the_threads_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def depend(inputs: Any, outputs: Any) -> None:
        if _core.num_threads() == 3:
            last_bit(outputs[0])

    broken_run(monkeypatch, depend)
    rejects(op_checks.check_threads, EXP, "float32", text="bits differ")


def test_a_row_that_depends_on_the_batch_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def depend(inputs: Any, outputs: Any) -> None:
        if len(outputs[0]) == 1:
            last_bit(outputs[0])

    broken_run(monkeypatch, depend)
    rejects(op_checks.check_rows, EXP, "float32", 1, text="slice")


def break_rule(monkeypatch: pytest.MonkeyPatch, rule: Any) -> None:
    right = OPS["exp"].rules[0]
    monkeypatch.setitem(OPS["exp"].rules, 0, right._replace(fn=lambda *a: rule(right.fn(*a))))


def test_a_wrong_gradient_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    break_rule(monkeypatch, lambda dx: dx * 1.0005)
    rejects(op_checks.check_gradient, EXP, 1, text="as the derivative of output 0")


@pytest.mark.parametrize("name", GRADIENTS)
def test_a_wrong_rule_of_any_op_is_found(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Its cases reach every gradient that the op has, but for those which are 0 everywhere."""
    op, spec = OPS[name], SPECS[name]
    for i, argument in enumerate(op.inputs):
        rule = op.joint or op.rules.get(i)
        if rule is None or argument in spec.constant:
            continue
        seen: list[float] = []
        wrong = rule._replace(fn=partial(off_by_a_percent, rule.fn, i if op.joint else None, seen))
        with monkeypatch.context() as patch:
            if op.joint:
                patch.setattr(op, "joint", wrong)
            else:
                patch.setitem(op.rules, i, wrong)
            try:
                op_checks.check_gradient(op, spec, 1)
            except GradcheckError:
                continue
        assert not any(seen), f"the gradient of {argument} is not checked"


def off_by_a_percent(rule: Any, which: int | None, seen: list[float], *args: Any) -> Any:
    """What the rule says, but for that gradient (of all, where a rule is for all of them)."""
    answer = rule(*args)
    dxs = [answer] if which is None else list(answer)
    k = which or 0
    if k < len(dxs) and dxs[k] is not None:
        seen.append(float(np.abs(dxs[k].detach().numpy()).max(initial=0)))
        dxs[k] = dxs[k] * 1.01
    return dxs[0] if which is None else tuple(dxs)


def test_a_wrong_second_gradient_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    break_rule(monkeypatch, lambda dx: dx.detach())
    assert op_checks.check_gradient(OPS["exp"], EXP, 1)
    rejects(op_checks.check_gradient, EXP, 2, text="as the derivative of output 0")


def test_a_coarse_float32_gradient_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    break_rule(monkeypatch, lambda dx: dx * (1.0001 if dx.dtype == np.float32 else 1.0))
    rejects(op_checks.check_gradient_dtypes, EXP, text="elements are wrong")


def test_a_gradient_of_another_dtype_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    break_rule(monkeypatch, lambda dx: dx.double())
    rejects(op_checks.check_gradient_dtypes, EXP, text="float64")


def test_a_check_without_cases_is_found() -> None:
    none: Spec = replace(EXP, cases=EXP.cases[:1])  # of size 0
    assert none.cases[0].shapes == ((0,),)
    assert op_checks.check_values(OPS["exp"], none, "float32") == 0
    assert op_checks.check_threads(OPS["exp"], none, "float32") == 0
    assert op_checks.check_gradient(OPS["exp"], none, 1) == 0
