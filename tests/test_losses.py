"""Softmax, losses and batch normalization against PyTorch; what they refuse, by the text."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
import pytest

import nnfast
from nnfast import ops
from nnfast.autograd import grad
from nnfast.errors import ArgumentError, DTypeError, NNFastError, StateError
from nnfast.nn import functional as F
from nnfast.tensor import Tensor

REDUCTIONS = ["none", "mean", "sum"]
CLASS_SHAPES = [(3,), (4, 3), (1, 1), (0, 3), (5, 2, 4), (2, 3, 2, 2), (40, 1000)]
RNG = np.random.default_rng
Array = np.ndarray


# ---- against PyTorch ------------------------------------------------------------------------


def derivatives(tensor: Any, pull: Any, fn: Callable[..., Any], arrays: list[Array]) -> list[Any]:
    """Value, gradient and gradient of the gradient, of a function of the float arrays."""
    xs = [tensor(a).requires_grad_() if a.dtype.kind == "f" else tensor(a) for a in arrays]
    y = fn(*xs)
    floats = [x for x, a in zip(xs, arrays, strict=True) if a.dtype.kind == "f"]
    rng = RNG(1)
    u = tensor(rng.standard_normal(tuple(y.shape))).requires_grad_()
    dxs = pull(y, floats, u, create_graph=True)
    vs = [tensor(rng.standard_normal(tuple(dx.shape))) for dx in dxs]
    slope = sum((dx * v).sum() for dx, v in zip(dxs, vs, strict=True))
    ddxs = pull(slope, [*floats, u], None, allow_unused=True)
    # Adding zeros gives memory to what PyTorch knows to be zero without any.
    filled = [t if t is None else t.detach() + tensor(np.zeros(t.shape)) for t in [y, *dxs, *ddxs]]
    return [t if t is None else t.numpy() for t in filled]


def compare(name: str, arrays: list[Array], call: Callable[..., Any], scale: float = 1) -> None:
    """`call(function, *tensors)` gives the same with PyTorch's function and with ours."""
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    fn = getattr(torch.nn.functional, name)
    theirs = derivatives(torch.tensor, torch.autograd.grad, lambda *x: call(fn, *x), arrays)
    fn = getattr(F, name)
    ours = derivatives(nnfast.tensor, grad, lambda *x: call(fn, *x), arrays)
    assert len(ours) == len(theirs) == 2 + 2 * sum(a.dtype.kind == "f" for a in arrays)
    for a, b in zip(ours, theirs, strict=True):
        a, b = (np.float64(0) if x is None else x for x in (a, b))
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12 * scale)


def _like(x: Any, a: Any) -> Any:
    """The array `a` as a tensor of the library that x belongs to; None stays."""
    if a is None:
        return None
    return nnfast.tensor(np.asarray(a)) if isinstance(x, Tensor) else x.new_tensor(a)


def class_target(rng: Any, shape: tuple[int, ...], ignore_index: int) -> Array:
    """Class numbers for logits of that shape, about a third of them `ignore_index`."""
    axis = min(len(shape) - 1, 1)
    of_target = tuple(n for d, n in enumerate(shape) if d != axis)
    t = np.asarray(rng.integers(0, shape[axis], of_target))
    return np.where(rng.random(of_target) < 0.3, ignore_index, t) if t.size > 2 else t


@pytest.mark.parametrize("shape", CLASS_SHAPES, ids=str)
@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_cross_entropy_of_class_numbers(reduction: str, shape: tuple[int, ...]) -> None:
    rng = RNG(len(shape))
    if reduction == "mean" and 0 in shape:
        pytest.skip("the mean of an empty batch is an error")
    for weighted, ignore, smoothing in product([False, True], [-100, 0], [0.0, 0.3]):
        w = rng.random(shape[min(len(shape) - 1, 1)]) + 0.5
        kwargs = {"reduction": reduction, "label_smoothing": smoothing, "ignore_index": ignore}
        target = class_target(rng, shape, ignore)
        if reduction == "mean" and (target == ignore).all():
            continue  # NaN: see below

        def call(
            fn: Any, x: Any, t: Any, kwargs: Any = kwargs, w: Any = w if weighted else None
        ) -> Any:
            return fn(x, t, weight=_like(x, w), **kwargs)

        compare("cross_entropy", [rng.standard_normal(shape) * 3, target], call)


@pytest.mark.parametrize("shape", CLASS_SHAPES, ids=str)
@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_cross_entropy_of_probabilities(reduction: str, shape: tuple[int, ...]) -> None:
    rng = RNG(len(shape))
    if reduction == "mean" and 0 in shape:
        pytest.skip("the mean of an empty batch is an error")
    for weighted, smoothing in product([False, True], [0.0, 0.3]):
        w = rng.random(shape[min(len(shape) - 1, 1)]) + 0.5

        def call(
            fn: Any, x: Any, t: Any, s: float = smoothing, w: Any = w if weighted else None
        ) -> Any:
            return fn(x, t, weight=_like(x, w), reduction=reduction, label_smoothing=s)

        compare("cross_entropy", [rng.standard_normal(shape), rng.random(shape)], call, 1e3)


@pytest.mark.parametrize("shape", CLASS_SHAPES, ids=str)
@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_nll_loss(reduction: str, shape: tuple[int, ...]) -> None:
    rng = RNG(len(shape))
    if reduction == "mean" and 0 in shape:
        pytest.skip("the mean of an empty batch is an error")
    for ignore in (-100, 0):
        target = class_target(rng, shape, ignore)
        if reduction == "mean" and (target == ignore).all():
            continue
        compare(
            "nll_loss",
            [rng.standard_normal(shape), target],
            lambda fn, x, t, i=ignore: fn(x, t, reduction=reduction, ignore_index=i),
        )


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("name", ["mse_loss", "l1_loss"])
def test_losses_of_numbers(name: str, reduction: str) -> None:
    for shape in [(), (1,), (3, 4), (70, 33)]:
        a, b = RNG(1).standard_normal((2, *shape))
        compare(name, [np.asarray(a), np.asarray(b)], lambda fn, *x: fn(*x, reduction=reduction))


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("weighted", [False, True])
def test_binary_cross_entropy(weighted: bool, reduction: str) -> None:
    for shape in [(), (3, 4), (70, 33)]:
        p, t, w = RNG(2).uniform(0.05, 0.95, (3, *shape))

        def call(fn: Any, x: Any, t: Any, w: Any = w if weighted else None) -> Any:
            return fn(x, t, _like(x, w), reduction=reduction)

        compare("binary_cross_entropy", [np.asarray(p), np.asarray(t)], call, 1e3)


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("positive", [False, True])
def test_binary_cross_entropy_with_logits(positive: bool, weighted: bool, reduction: str) -> None:
    rng = RNG(3)
    x, t, w = 20 * rng.standard_normal((9, 5)), rng.random((9, 5)), rng.random((9, 1))
    p = rng.random(5) + 0.5

    def call(fn: Any, x: Any, t: Any) -> Any:
        weight, pos_weight = _like(x, w if weighted else None), _like(x, p if positive else None)
        return fn(x, t, weight, reduction=reduction, pos_weight=pos_weight)

    compare("binary_cross_entropy_with_logits", [x, t], call, 1e3)


@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
def test_softmax(name: str) -> None:
    for shape, dim in [((), 0), ((5,), -1), ((3, 4), 0), ((2, 3, 40), 1), ((6, 300), 1)]:
        x = np.asarray(10 * RNG(4).standard_normal(shape))
        compare(name, [x], lambda fn, x, dim=dim: fn(x, dim=dim))


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("affine", [True, False])
def test_batch_norm(affine: bool, training: bool) -> None:
    for shape in [(5, 3), (2, 3, 4), (4, 3, 5, 6), (64, 70)]:
        rng = RNG(5)
        C = shape[1]
        x, w, b = rng.standard_normal(shape) + 3, rng.standard_normal(C), rng.standard_normal(C)
        mean, var = rng.standard_normal(C), rng.random(C) + 0.5
        seen: list[Any] = []

        def call(fn: Any, x: Any, *wb: Any, m: Any = mean, v: Any = var, s: Any = seen) -> Any:
            s[:] = [*s, _like(x, m), _like(x, v)]
            return fn(x, s[-2], s[-1], *wb, training=training, momentum=0.3, eps=1e-3)

        compare("batch_norm", [x, w, b] if affine else [x], call, 1e3)
        torch_mean, torch_var, our_mean, our_var = (np.asarray(t.numpy()) for t in seen)
        np.testing.assert_allclose(our_mean, torch_mean, rtol=1e-12)
        np.testing.assert_allclose(our_var, torch_var, rtol=1e-12)
        assert training != np.array_equal(our_mean, mean)


# ---- what PyTorch need not tell -------------------------------------------------------------


def test_softmax_without_overflow() -> None:
    x = nnfast.tensor([[1e30, 0.0, -1e30], [-np.inf, 0.0, 0.0]])
    assert F.softmax(x, 1).tolist() == [[1, 0, 0], [0, 0.5, 0.5]]
    assert F.cross_entropy(x, nnfast.tensor([0, 1]), reduction="sum").item() == pytest.approx(
        np.log(2)
    )
    assert np.isnan(F.softmax(nnfast.tensor([np.nan, 0.0]), 0).numpy()).all()


def test_rows_of_a_batch_do_not_depend_on_each_other() -> None:
    rng = RNG(6)
    x, t = rng.standard_normal((37, 10)).astype("f"), rng.integers(0, 10, 37)
    mean, var = nnfast.zeros(10), nnfast.ones(10)
    fns = [
        lambda x, t: F.softmax(nnfast.tensor(x), 1),
        lambda x, t: F.cross_entropy(nnfast.tensor(x), nnfast.tensor(t), reduction="none"),
        lambda x, t: F.batch_norm(nnfast.tensor(x), mean, var),
    ]
    for fn in fns:
        whole = fn(x, t).numpy()
        assert all(
            np.array_equal(whole[i], fn(x[i : i + 1], t[i : i + 1]).numpy()[0]) for i in range(37)
        )


@pytest.mark.parametrize("n", [3, 10, 17, 300])
def test_a_nan_stays_in_its_row(n: int) -> None:
    x, t = RNG(7).standard_normal((20, n)).astype("f"), nnfast.zeros(20, dtype=nnfast.int64)
    x[5, 1] = np.nan
    logits = nnfast.tensor(x)
    loss = F.cross_entropy(logits, t, reduction="none")
    for y in (F.softmax(logits, 1), F.log_softmax(logits, 1), loss):
        values = y.numpy().reshape(20, -1)
        assert np.isnan(values[5]).all() and np.isfinite(np.delete(values, 5, 0)).all()


def test_every_ignored() -> None:
    x, t = nnfast.ones(3, 2, requires_grad=True), nnfast.tensor([-100] * 3)
    assert np.isnan(F.cross_entropy(x, t).item())
    loss = F.cross_entropy(x, t, reduction="sum")
    loss.backward()
    assert loss.item() == 0 and x.grad is not None and not x.grad.numpy().any()


def test_empty_batches() -> None:
    x, t = nnfast.ones(0, 3, requires_grad=True), nnfast.tensor(np.zeros(0, np.int64))
    loss = F.cross_entropy(x, t, reduction="sum")
    loss.backward()
    assert loss.item() == 0 and x.grad is not None and x.grad.shape == (0, 3)
    assert F.mse_loss(x.detach(), nnfast.zeros(0, 3), reduction="none").shape == (0, 3)
    assert F.batch_norm(x.detach(), nnfast.zeros(3), nnfast.ones(3)).shape == (0, 3)


@pytest.mark.parametrize("dtype", ["uint8", "int8", "int16", "int32", "uint32", "uint64"])
def test_labels_of_any_integer_width(dtype: str) -> None:
    x, t = nnfast.tensor(RNG(7).standard_normal((4, 3))), np.array([0, 2, 1, 1])
    want = F.cross_entropy(x, nnfast.tensor(t)).item()
    assert F.cross_entropy(x, nnfast.tensor(t.astype(dtype))).item() == want
    assert F.cross_entropy(x, t.astype(dtype)).item() == want
    assert F.nll_loss(x, t.astype(dtype)).item() == F.nll_loss(x, t).item()


def test_labels_of_any_strides() -> None:
    x, t = nnfast.tensor(RNG(8).standard_normal((2, 3, 4))), RNG(8).integers(0, 3, (4, 2))
    assert F.cross_entropy(x, t.T).item() == F.cross_entropy(x, t.T.copy()).item()
    assert F.cross_entropy(x, t[::-1].T).item() == F.cross_entropy(x, t[::-1].T.copy()).item()


def test_binary_cross_entropy_at_the_ends() -> None:
    p, t = (
        nnfast.tensor([0.0, 1.0, 0.0, 1.0], requires_grad=True),
        nnfast.tensor([0.0, 1.0, 1.0, 0.0]),
    )
    loss = F.binary_cross_entropy(p, t, reduction="none")
    assert loss.tolist() == [0, 0, 100, 100]
    loss.sum().backward()
    assert p.grad is not None and np.isfinite(p.grad.numpy()).all()


def test_logits_of_any_size() -> None:
    x = nnfast.tensor([-1e4, 1e4, -1e4, 1e4])
    loss = F.binary_cross_entropy_with_logits(
        x, nnfast.tensor([0.0, 1.0, 1.0, 0.0]), reduction="none"
    )
    assert loss.tolist() == [0, 0, 1e4, 1e4]


def test_a_batch_of_two() -> None:
    y = F.batch_norm(nnfast.tensor([[1.0], [5.0]]), None, None, training=True, eps=0.0)
    assert y.tolist() == [[-1], [1]]


def test_variance_far_from_zero() -> None:
    x = (RNG(9).standard_normal((100, 3, 8, 8)) + 1000).astype("f")
    y = F.batch_norm(nnfast.tensor(x), None, None, training=True).numpy()
    wide = x.astype("d")
    want = (wide - wide.mean((0, 2, 3), keepdims=True)) / wide.std((0, 2, 3), keepdims=True)
    assert abs(y - want).max() < 1e-3


def test_running_statistics_count_as_changed() -> None:
    mean, var = nnfast.zeros(3), nnfast.ones(3)
    x = nnfast.ones(4, 3, requires_grad=True)
    before = F.batch_norm(x, mean, var)
    F.batch_norm(nnfast.tensor(RNG(0).random((5, 3)).astype("f")), mean, var, training=True)
    with pytest.raises(StateError, match="changed in place"):
        before.sum().backward()


# ---- errors ---------------------------------------------------------------------------------

X = nnfast.ones(4, 3)
T = nnfast.tensor([0, 1, 2, 0])
S = nnfast.ones(3)
ERRORS: list[tuple[Callable[[], Any], type[Exception], str]] = [
    (lambda: F.softmax(X, 2), ArgumentError, "softmax: expected a dim from -2 to 1, got dim=2"),
    (lambda: F.softmax(X, 0.5), DTypeError, "softmax: expected an integer dim, got 0.5"),
    (
        lambda: F.softmax(T, 0),
        DTypeError,
        "softmax: expected float32 or float64, got input: (4,) int64",
    ),
    (lambda: ops.softmax(nnfast.ones(2), None), DTypeError, "expected an integer dim, got None"),
    (
        lambda: F.cross_entropy(X, nnfast.tensor([0, 1, 3, 0])),
        ArgumentError,
        "cross_entropy: expected class numbers from 0 to 2 (or ignore_index=-100) as target, got 3 "
        "at (2,). input: (4, 3) float32, target: (4,) int64. Hint: number the classes from 0",
    ),
    (lambda: F.cross_entropy(X, nnfast.tensor([0, -1, 1, 0])), ArgumentError, "got -1 at (1,)"),
    (
        lambda: F.cross_entropy(X, nnfast.tensor([0, -100, 1, 0]), ignore_index=-1),
        ArgumentError,
        "got -100 at",
    ),
    (
        lambda: F.nll_loss(X, nnfast.tensor([0, 1, 7, 0])),
        ArgumentError,
        "nll_loss: expected class numbers",
    ),
    (
        lambda: F.cross_entropy(X, nnfast.tensor([0.0, np.nan, 1.0, 2.0])),
        DTypeError,
        "cross_entropy: expected class numbers of an integer dtype as target or probabilities of "
        "input's shape, got float32 of shape (4,)",
    ),
    (
        lambda: F.cross_entropy(X, X * np.nan),
        ArgumentError,
        "expected a target without NaN, got NaN",
    ),
    (lambda: F.cross_entropy(X, T > 0), DTypeError, "an integer dtype as target"),
    (lambda: F.nll_loss(X, X), DTypeError, "nll_loss: expected class numbers of an integer dtype"),
    (
        lambda: F.cross_entropy(X, nnfast.tensor([0, 1])),
        ArgumentError,
        "expected a target of class numbers of shape (4,), got shape (2,)",
    ),
    (
        lambda: F.cross_entropy(X, nnfast.zeros(4, 3, dtype="int64")),
        ArgumentError,
        "got shape (4, 3)",
    ),
    (lambda: F.cross_entropy(nnfast.tensor(1.0), nnfast.tensor(0)), ArgumentError, "got a scalar"),
    (
        lambda: F.cross_entropy(nnfast.ones(4, 0), T),
        ArgumentError,
        "expected at least one class, got none",
    ),
    (lambda: F.cross_entropy(T, T), DTypeError, "expected float32 or float64 input, got int64"),
    (
        lambda: F.cross_entropy(X, T, weight=nnfast.ones(4)),
        ArgumentError,
        "a float32 weight for each of 3 classes",
    ),
    (
        lambda: F.cross_entropy(X, T, weight=nnfast.ones(3, dtype="float64")),
        ArgumentError,
        "got float64 of shape (3,)",
    ),
    (
        lambda: F.cross_entropy(X, T, reduction="avg"),
        ArgumentError,
        "expected reduction='none', 'mean' or 'sum', got 'avg'",
    ),
    (
        lambda: F.cross_entropy(X, T, label_smoothing=1.5),
        ArgumentError,
        "label_smoothing from 0 to 1, got 1.5",
    ),
    (
        lambda: F.cross_entropy(X, T, label_smoothing=np.nan),
        ArgumentError,
        "label_smoothing from 0 to 1, got nan",
    ),
    (
        lambda: F.cross_entropy(X, T, label_smoothing="0"),
        DTypeError,
        "a number as label_smoothing, got '0'",
    ),
    (
        lambda: F.cross_entropy(X, T, ignore_index=1.0),
        DTypeError,
        "an integer ignore_index, got 1.0",
    ),
    (lambda: F.cross_entropy(X, T, ignore_index=2**63), ArgumentError, "ignore_index"),
    (
        lambda: F.cross_entropy(nnfast.ones(0, 3), nnfast.zeros(0, dtype="int64")),
        ArgumentError,
        "cross_entropy: expected at least one sample, got an empty batch",
    ),
    (
        lambda: F.mse_loss(nnfast.ones(0), nnfast.ones(0)),
        ArgumentError,
        "mse_loss: expected at least one sample",
    ),
    (
        lambda: F.mse_loss(nnfast.ones(4, 1), nnfast.ones(4)),
        ArgumentError,
        "mse_loss: expected a target of input's shape (4, 1), got (4,)",
    ),
    (
        lambda: F.l1_loss(X, S),
        ArgumentError,
        "l1_loss: expected a target of input's shape (4, 3), got (3,)",
    ),
    (
        lambda: F.mse_loss(T, T),
        DTypeError,
        "mse_loss: expected float32 or float64 input, got int64",
    ),
    (lambda: F.l1_loss(X, X, reduction=None), ArgumentError, "l1_loss: expected reduction='none'"),
    (
        lambda: F.binary_cross_entropy(nnfast.tensor([0.5, 1.5]), nnfast.ones(2)),
        ArgumentError,
        "binary_cross_entropy: expected probabilities from 0 to 1 as input, got values from 0.5 to "
        "1.5",
    ),
    (
        lambda: F.binary_cross_entropy(nnfast.tensor([np.nan]), nnfast.ones(1)),
        ArgumentError,
        "values from nan to nan",
    ),
    (
        lambda: F.binary_cross_entropy(nnfast.ones(2), nnfast.ones(3)),
        ArgumentError,
        "input's shape (2,), got (3,)",
    ),
    (
        lambda: F.binary_cross_entropy(S, S, nnfast.ones(2)),
        ArgumentError,
        "expected shapes that broadcast",
    ),
    (
        lambda: F.binary_cross_entropy(S, S, nnfast.ones(2, 3)),
        ArgumentError,
        "a weight that broadcasts to (3,), got (2, 3)",
    ),
    (
        lambda: F.binary_cross_entropy_with_logits(S, nnfast.tensor([0.0, 1.0, np.nan])),
        ArgumentError,
        "binary_cross_entropy_with_logits: expected a target without NaN, got NaN. target: (3,)",
    ),
    (
        lambda: F.binary_cross_entropy_with_logits(X, X, pos_weight=nnfast.ones(4)),
        ArgumentError,
        "binary_cross_entropy_with_logits: expected shapes that broadcast",
    ),
    (
        lambda: F.binary_cross_entropy_with_logits(S, S.array.astype("d")),
        DTypeError,
        "expected one dtype",
    ),
    (
        lambda: F.batch_norm(nnfast.ones(1, 3), None, None, training=True),
        ArgumentError,
        "batch_norm: expected more than 1 value per channel in training, got shape (1, 3)",
    ),
    (
        lambda: F.batch_norm(nnfast.ones(0, 3), S, S, training=True),
        ArgumentError,
        "more than 1 value per channel",
    ),
    (
        lambda: F.batch_norm(S, S, S),
        ArgumentError,
        "expected input of shape (N, C) or (N, C, ...), got shape (3,)",
    ),
    (
        lambda: F.batch_norm(X, nnfast.ones(4), S),
        ArgumentError,
        "running_mean of shape (3,), input's channels, got shape (4,)",
    ),
    (lambda: F.batch_norm(X, S, S, nnfast.ones(4)), ArgumentError, "expected weight of shape (3,)"),
    (
        lambda: F.batch_norm(X, S, S, S, nnfast.ones(1, 3)),
        ArgumentError,
        "expected bias of shape (3,)",
    ),
    (
        lambda: F.batch_norm(X, None, None),
        StateError,
        "expected running statistics in evaluation, got none",
    ),
    (
        lambda: F.batch_norm(X, S, None),
        ArgumentError,
        "expected running_mean and running_var, or neither",
    ),
    (
        lambda: F.batch_norm(X, S, S, eps=-1.0),
        ArgumentError,
        "expected a finite eps >= 0, got -1.0",
    ),
    (
        lambda: F.batch_norm(X, S, S, training=True, momentum=np.inf),
        ArgumentError,
        "expected a finite momentum, got inf",
    ),
    (
        lambda: F.batch_norm(X, S, S, training=True, momentum=None),
        DTypeError,
        "a number as momentum, got None",
    ),
    (
        lambda: F.batch_norm(X, S.array.astype("d"), S.array.astype("d"), training=True),
        DTypeError,
        "batch_norm: expected running_mean of input's dtype float32, got float64",
    ),
    (
        lambda: F.batch_norm(X, nnfast.ones(3).expand(3), nnfast.ones(1).expand(3), training=True),
        ArgumentError,
        "expected a contiguous, writable array as running_",
    ),
    (lambda: F.batch_norm(T, S, S), DTypeError, "expected float32 or float64"),
]


@pytest.mark.parametrize(("call", "error", "text"), ERRORS, ids=[e[2][:40] for e in ERRORS])
def test_errors(call: Callable[[], Any], error: type[Exception], text: str) -> None:
    with pytest.raises(error) as caught:
        call()
    assert isinstance(caught.value, NNFastError)
    assert text in str(caught.value)
