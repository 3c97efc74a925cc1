"""Calls of ops: the short way of ordinary calls gives what the general one gives."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import nnfast
from nnfast import Tensor, _core
from nnfast.errors import ArgumentError, DTypeError, NNFastError
from nnfast.graph.mode import MODE
from nnfast.nn import functional as F
from nnfast.ops import OPS
from nnfast.ops.update import SGDHyper, sgd_update
from nnfast.tensor import wrap
from tests.conftest import run_untraced

FLOATS = [np.float32, np.float64]
VALUES: list[Any] = [
    *(nnfast.tensor(np.full(s, 3, d)) for s in ((), (2,)) for d in (*FLOATS, np.int64, np.bool_)),
    nnfast.tensor(np.full(2, 3, np.int32)), np.ones(2), np.float32(2), np.float64(2), np.int64(2),
    2, 2.5, True, -1, 2**40 + 1, 2**62, 2**63, 2**200, -(2**63), float("inf"), None, "text", [1, 2],
]  # fmt: skip


def outcome(call: Callable[[], Any]) -> Any:
    """What a call gives, to compare."""
    try:
        y = call()
    except (NNFastError, OverflowError) as e:
        return type(e), str(e)
    return y.dtype, y.shape, y.array.tobytes(), y.requires_grad


@pytest.mark.parametrize("name", ["add", "div", "eq", "where", "relu", "relu_backward", "cast"])
def test_both_ways_convert_alike(name: str) -> None:
    op = OPS[name]
    for a in VALUES:
        for b in VALUES:
            args: tuple[Any, ...] = (a, b)
            if name == "where":
                args = (nnfast.tensor([True, False]), a, b)
            elif name == "relu":
                args = (a,)
            elif name == "cast":
                args = (a, np.float32)
            for _ in range(2):  # the first answer of the shape rule, and the remembered one
                assert outcome(lambda x=args: op(*x)) == outcome(lambda x=args: op._call(*x)), args


def test_arguments_that_are_equal_but_not_the_same() -> None:
    x = nnfast.tensor([-1.0])
    for _ in range(2):
        for slope in (0.0, -0.0, 0, 1, 1.0, True):
            y = F.leaky_relu(x, slope)
            assert y.array.tobytes() == np.array([-1 * float(slope)], np.float32).tobytes()


def test_arguments_by_keyword() -> None:
    x = nnfast.tensor([[1.0, 2.0], [3.0, 5.0]])
    for _ in range(2):
        for dim in (0, 1):
            expected = F.softmax(x, dim).tolist()
            assert (
                F.softmax(x, dim=dim).tolist() == F.softmax(input=x, dim=dim).tolist() == expected
            )
            assert nnfast.amax(x, keepdim=True, dim=dim).shape == ((1, 2), (2, 1))[dim]
            assert nnfast.amax(x, dim=dim, keepdim=False).shape == (2,)
    with pytest.raises(TypeError):
        F.softmax(x, axis=1)
    assert nnfast.add(x, other=x).tolist() == nnfast.add(input=x, other=x).tolist()


def test_an_optional_input_that_is_left_out_is_none() -> None:
    x, w, b = nnfast.ones(1, 2, 4, 4), nnfast.ones(3, 2, 3, 3), nnfast.ones(3)
    for _ in range(2):
        expected = F.conv2d(x, w, None, 1, 1)
        assert F.conv2d(x, w, padding=1).tolist() == expected.tolist()
        assert F.conv2d(x, w, bias=b, padding=1).tolist() == (expected + 1).tolist()
        assert F.conv2d(x, w, padding=1, bias=None).tolist() == expected.tolist()
    with pytest.raises(TypeError):
        F.conv2d(x, w, b, bias=b)


def test_a_list_may_change_between_calls() -> None:
    x, sizes = nnfast.zeros(6), [2, 3]
    assert x.reshape(sizes).shape == (2, 3)
    sizes[:] = [3, 2]
    assert x.reshape(sizes).shape == (3, 2)


def test_more_shapes_than_are_remembered() -> None:
    for _ in range(3):
        for n in range(300):
            y = nnfast.ones(n) + nnfast.ones(n % 7 + 1, n)
            assert y.shape == (n % 7 + 1, n) and (y.array == 2).all()


def test_labels_are_checked_at_every_call() -> None:
    x, target = nnfast.zeros(2, 3), nnfast.tensor([0, 2])
    assert F.cross_entropy(x, target).item() == pytest.approx(np.log(3))
    target[0] = 3
    with pytest.raises(ArgumentError, match="class numbers from 0 to 2"):
        F.cross_entropy(x, target)


# ---- views ----------------------------------------------------------------------------------

VIEWS: dict[str, tuple[Callable[[Tensor], Tensor], Callable[[np.ndarray], np.ndarray]]] = {
    "reshape": (lambda x: x.reshape(4, 3), lambda a: a.reshape(4, 3)),
    "T": (lambda x: x.T, lambda a: a.T),
    "mT": (lambda x: x.mT, lambda a: a.T),
    "transpose": (lambda x: x.transpose(1, 0), lambda a: a.T),
    "index": (lambda x: x[1], lambda a: a[1]),
    "slice": (lambda x: x[:, ::-2], lambda a: a[:, ::-2]),
    "none": (lambda x: x[None, -1], lambda a: a[None, -1]),
    "expand": (lambda x: x.expand(2, 3, 4), lambda a: np.broadcast_to(a, (2, 3, 4))),
    "empty": (lambda x: x[:0], lambda a: a[:0]),
    "number": (lambda x: x[1, 2], lambda a: a[1, 2, ...]),
}


@pytest.mark.parametrize("name", VIEWS)
def test_views_of_any_layout(name: str) -> None:
    """The same array as NumPy gives: memory, strides, what may be written."""
    view, expected = VIEWS[name]
    base = np.arange(48.0).reshape(6, 8)
    frozen = np.arange(12.0).reshape(3, 4)
    frozen.flags.writeable = False
    fortran = np.asfortranarray(np.arange(12.0).reshape(3, 4))
    expanded = np.broadcast_to(base[:3, :1], (3, 4))
    arrays = [base[:3, :4], base[::2, ::2], base[2::-1, :4], frozen, fortran, expanded]
    for _ in range(3):
        for a in arrays:
            y, e = view(nnfast.from_numpy(a)).array, np.asarray(expected(a))
            assert y.tobytes() == e.tobytes() and y.shape == e.shape
            shared = np.shares_memory(y, a)
            assert shared == np.shares_memory(e, a)
            if shared:
                assert y.strides == e.strides and y.flags.writeable == e.flags.writeable
                assert y.__array_interface__["data"] == e.__array_interface__["data"]


def test_reshape_copies_where_numpy_does() -> None:
    rng = np.random.default_rng(3)
    for sizes in ((2, 3, 4, 8, 10), (1, 64, 1, 40), (1500, 2), (3, 1, 700)):
        for _ in range(20):
            a = rng.random(sizes).astype("f").transpose(rng.permutation(len(sizes)))
            new = tuple(rng.permutation([*sizes, 1]))
            joined = (-1, *new[2:]) if rng.random() < 0.5 else new
            y = a.reshape(joined)
            z = wrap(a).reshape(*(int(n) for n in joined)).array
            assert np.array_equal(y, z)
            assert np.shares_memory(z, a) == np.shares_memory(y, a)


def test_a_view_keeps_its_memory() -> None:
    for _ in range(2):
        x = nnfast.ones(5, 7)
        y, alive = x.T, weakref.ref(x.array)
        del x
        assert alive() is not None and (y.array == 1).all()
        del y
        assert alive() is None


# ---- in place -------------------------------------------------------------------------------


def test_updates_count_as_changes() -> None:
    p, g = nnfast.ones(3), nnfast.ones(3)
    hyper = SGDHyper(0.5, 0, 0, 0, False, False, False).tensor()
    for k in range(1, 4):
        assert sgd_update(p, g, hyper) is None
        assert p._version == k and p.tolist() == [1 - 0.5 * k] * 3 and g._version == 0
    strided = nnfast.from_numpy(np.ones(6, np.float32)[::2])
    with pytest.raises(ArgumentError, match="a contiguous, writable array as param"):
        sgd_update(strided, g, hyper)


# ---- records as functions -------------------------------------------------------------------


def test_a_record_is_a_function_and_a_method() -> None:
    x, y = nnfast.ones(2), nnfast.tensor([3.0, 4.0])
    for call in (nnfast.mul, Tensor.mul, Tensor.__mul__, nnfast.mul.__get__(None, Tensor)):
        assert call(x, y).tolist() == [3.0, 4.0]
    for bound in (x.mul, nnfast.mul.__get__(x), x.__mul__):
        assert bound(y).tolist() == [3.0, 4.0]
    with pytest.raises(NNFastError, match="mul: expected an argument 'other', got none"):
        nnfast.mul(x)
    with pytest.raises(TypeError):
        nnfast.mul(x, y, y)


def test_a_trace_gets_every_call_of_its_thread() -> None:
    seen: list[str] = []

    def trace(op: Any, inputs: Any, result: Any, packed: Any) -> Any:
        seen.append(op.name)
        return run_untraced(op, inputs, result)

    x = nnfast.tensor([1.0, -2.0], requires_grad=True)
    for _ in range(2):
        seen.clear()
        MODE.trace = trace
        try:
            (x * 2.0).relu().sum().backward()
        finally:
            MODE.trace = None
        assert seen[:3] == ["mul", "relu", "sum"] and "relu_backward" in seen
    (x * x).sum()
    assert seen[-1] != "sum"


def test_arrays_of_a_subclass_and_odd_dtypes() -> None:
    class Odd(np.ndarray):
        pass

    x = nnfast.ones(3)
    x.array = np.ones(3, np.float32).view(Odd)
    assert (x + 1.0).tolist() == [2.0] * 3
    assert (nnfast.tensor(np.ones(3, np.float16)) + 1.0).tolist() == [2.0] * 3
    with pytest.raises(DTypeError):
        F.softmax(nnfast.tensor(np.ones(3, np.float16)), 0)


def test_calls_leave_nothing_behind() -> None:
    """No object, whether a call succeeds or fails."""

    def work() -> None:
        x = nnfast.tensor([[1.0, 2.0]], requires_grad=True)
        y = (x * 2.0 + x).reshape(2).T[0:1]
        (F.softmax(y, dim=0) @ y).backward()
        for bad in (lambda: x + nnfast.ones(3), lambda: x.reshape(5), lambda: nnfast.relu("a")):
            with pytest.raises(NNFastError):
                bad()

    work()
    gc.collect()
    before = len(gc.get_objects())
    for _ in range(20):
        work()
    gc.collect()
    assert len(gc.get_objects()) <= before + 5


@pytest.mark.parametrize("strided", [False, True])
def test_all_below(strided: bool) -> None:
    step = 2 if strided else 1
    for labels, n, expected in [
        ([0, 1, 2], 3, True), ([0, 1, 3], 3, False), ([-1, 0], 3, False), ([], 0, True),
        ([2**63 - 1], 2**63 - 1, False), ([-(2**63)], 2**63, False), ([5, 0], 5, False),
    ]:  # fmt: skip
        array = np.repeat(np.array(labels, np.int64), step)[::step]
        assert _core.all_below(array, n) is expected
    for bad in (np.zeros(2, np.float32), np.zeros(2, np.int32), [1], None):
        with pytest.raises(TypeError):
            _core.all_below(bad, 1)


def test_a_gradient_does_not_write_where_a_changed_target_points() -> None:
    for loss in (nnfast.ops.select_class, F.cross_entropy):
        x = nnfast.ones(2, 3, requires_grad=True)
        labels = np.array([0, 2])
        y = loss(x, nnfast.from_numpy(labels)).sum()
        labels[0] = 1 << 40
        with pytest.raises(ArgumentError, match="class numbers from 0 to 2"):
            y.backward()
