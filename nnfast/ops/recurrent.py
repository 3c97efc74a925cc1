"""Recurrent layers: all steps of one direction in one op.

The caller makes the product of the inputs of all steps first, as one; the op does what has to
go step by step; the gradient of the weight is again one product.

Rows of the input are those of step 0, then of step 1, ...: N of each, or, where sequences have
several lengths, as many as batch_sizes says, which never grows; rows of the batch that end stand
at its end. With `reverse` the last step comes first: rows of the batch join as they begin.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from nnfast.errors import fail
from nnfast.graph.mode import MODE
from nnfast.graph.trace import follow
from nnfast.ops.activation import relu, sigmoid, tanh
from nnfast.ops.composite import pull_back
from nnfast.ops.join import cat
from nnfast.ops.matmul import linear, matmul
from nnfast.ops.operands import IntTensor
from nnfast.ops.record import Result, op, outs
from nnfast.ops.reduce import sum
from nnfast.tensor import Tensor


class RecurrentAttrs(NamedTuple):
    reverse: bool
    relu: bool = False


def _check(
    name: str,
    gates: int,
    rows: dict[int, tuple[Tensor, ...]],
    weight: Tensor,
    batch_sizes: Tensor | None,
    *states: Tensor,
) -> tuple[int, int]:
    """(rows, H); raises unless all shapes fit. rows: what has a row each, by the multiple of H."""
    if states[0].ndim != 2:
        fail(name, "states of shape (N, H)", f"{states[0].shape}")
    N, H = states[0].shape
    wanted = [(x, k) for k, xs in rows.items() for x in xs]
    n = wanted[0][0].shape[0] if wanted[0][0].ndim else 0
    shapes = [(x, (n, k * H)) for x, k in wanted]
    for x, shape in [*shapes, (weight, (gates * H, H)), *((s, (N, H)) for s in states)]:
        if x.shape != shape:
            fail(name, f"a tensor of shape {shape} (H is {H})", f"{x.shape}", "check hidden_size.")
    if batch_sizes is not None and batch_sizes.ndim != 1:
        fail(name, "batch_sizes of one dimension", f"shape {batch_sizes.shape}")
    if batch_sizes is None and n % max(N, 1):
        fail(name, f"a row for each of {N} in each step", f"{n} rows")
    return n, H


# ---- a plain recurrent layer ----------------------------------------------------------------


@op("rnn", attrs=RecurrentAttrs, outputs=("y", "h", "h_prev"), aux=("h_prev",), over={"y": "input"})
def _rnn(
    input: Tensor,
    h0: Tensor,
    weight: Tensor,
    batch_sizes: IntTensor | None = None,
    reverse: bool = False,
    relu: bool = False,
) -> Result:
    """h = tanh(x + weight h), or with relu, step by step: y are all, h the last.

    Shapes: input (rows, H), h0 (N, H), weight (H, H) -> (rows, H), (N, H); h_prev as y: the state
    before each.
    """
    _check("rnn", 1, {1: (input,)}, weight, batch_sizes, h0)
    each, state = (input.shape, input.dtype), (h0.shape, input.dtype)
    return outs(each, state, each, attrs=RecurrentAttrs(reverse, relu))


@op("rnn_backward", attrs=RecurrentAttrs, outputs=("dx", "dh0"), over={"dx": "y"})
def rnn_backward(
    dy: Tensor,
    dh: Tensor,
    y: Tensor,
    weight: Tensor,
    batch_sizes: IntTensor | None = None,
    reverse: bool = False,
    relu: bool = False,
) -> Result:
    """Gradients of rnn with respect to input and h0: dx = (dy + dh) (1 - y^2), dh = dx weight."""
    _check("rnn_backward", 1, {1: (dy, y)}, weight, batch_sizes, dh)
    return outs((y.shape, y.dtype), (dh.shape, y.dtype), attrs=RecurrentAttrs(reverse, relu))


def _rnn_gradients(
    input: Tensor,
    h0: Tensor,
    weight: Tensor,
    batch_sizes: Tensor | None,
    reverse: bool,
    relu: bool,
    y: Tensor,
    h_prev: Tensor,
    dy: Tensor,
    dh: Tensor,
) -> Any:
    if MODE.grad:
        given = (input, h0, weight, batch_sizes, reverse, relu)
        return _pulled(_rnn, rnn_composed, given, (dy, dh))
    dx, dh0 = rnn_backward(dy, dh, y, weight, batch_sizes, reverse, relu)
    return dx, dh0, matmul(dx.mT, h_prev), None


_rnn.vjp_joint(_rnn_gradients)


# ---- gated recurrent units ------------------------------------------------------------------


@op("gru", attrs=RecurrentAttrs, outputs=("y", "h", "gates", "h_prev"), aux=("gates", "h_prev"))
def _gru(
    input: Tensor,
    h0: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    batch_sizes: IntTensor | None = None,
    reverse: bool = False,
) -> Result:
    """With (r, z, q) = weight h + bias: h = (1 - s(z)) tanh(x_n + s(r) q) + s(z) h, s = sigmoid.

    s(r) is of x_r + r and s(z) of x_z + z. Shapes: input (rows, 3 H) for r, z and n, h0 (N, H),
    weight (3 H, H), bias (3 H) -> (rows, H), (N, H); gates (rows, 4 H) for the gradient.
    """
    rows, H = _check("gru", 3, {3: (input,)}, weight, batch_sizes, h0)
    if bias is not None and bias.shape != (3 * H,):
        fail("gru", f"a bias of shape {(3 * H,)}", f"shape {bias.shape}")
    dtype = input.dtype
    each, state = ((rows, H), dtype), (h0.shape, dtype)
    return outs(each, state, ((rows, 4 * H), dtype), each, attrs=RecurrentAttrs(reverse))


@op("gru_backward", attrs=RecurrentAttrs, outputs=("dx", "ds", "dh0"))
def gru_backward(
    dy: Tensor,
    dh: Tensor,
    gates: Tensor,
    h_prev: Tensor,
    weight: Tensor,
    batch_sizes: IntTensor | None = None,
    reverse: bool = False,
) -> Result:
    """Gradients of gru with respect to input, weight h + bias of each row, and h0."""
    given = {1: (dy, h_prev), 4: (gates,)}
    rows, H = _check("gru_backward", 3, given, weight, batch_sizes, dh)
    each = ((rows, 3 * H), dy.dtype)
    return outs(each, each, (dh.shape, dy.dtype), attrs=RecurrentAttrs(reverse))


def _gru_gradients(
    input: Tensor,
    h0: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    batch_sizes: Tensor | None,
    reverse: bool,
    gates: Tensor,
    h_prev: Tensor,
    dy: Tensor,
    dh: Tensor,
) -> Any:
    if MODE.grad:
        given = (input, h0, weight, bias, batch_sizes, reverse)
        return _pulled(_gru, gru_composed, given, (dy, dh))
    dx, ds, dh0 = gru_backward(dy, dh, gates, h_prev, weight, batch_sizes, reverse)
    db = None if bias is None else sum(ds, 0)
    return dx, dh0, matmul(ds.mT, h_prev), db, None


_gru.vjp_joint(_gru_gradients)


# ---- long short-term memory -----------------------------------------------------------------


@op(
    "lstm",
    attrs=RecurrentAttrs,
    outputs=("y", "h", "c", "gates", "h_prev", "c_prev"),
    aux=("gates", "h_prev", "c_prev"),
    over={"gates": "input"},
)
def _lstm(
    input: Tensor,
    h0: Tensor,
    c0: Tensor,
    weight: Tensor,
    batch_sizes: IntTensor | None = None,
    reverse: bool = False,
) -> Result:
    """With (i, f, g, o) = x + weight h: c = s(f) c + s(i) tanh(g), h = s(o) tanh(c), s = sigmoid.

    Shapes: input (rows, 4 H), h0 and c0 (N, H), weight (4 H, H) -> y (rows, H), h and c (N, H);
    gates, h_prev and c_prev for the gradient.
    """
    rows, H = _check("lstm", 4, {4: (input,)}, weight, batch_sizes, h0, c0)
    dtype = input.dtype
    each, state = ((rows, H), dtype), (h0.shape, dtype)
    wide = (input.shape, dtype)
    return outs(each, state, state, wide, each, each, attrs=RecurrentAttrs(reverse))


@op("lstm_backward", attrs=RecurrentAttrs, outputs=("dx", "dh0", "dc0"), over={"dx": "gates"})
def lstm_backward(
    dy: Tensor,
    dh: Tensor,
    dc: Tensor,
    gates: Tensor,
    c_prev: Tensor,
    weight: Tensor,
    batch_sizes: IntTensor | None = None,
    reverse: bool = False,
) -> Result:
    """Gradients of lstm with respect to input, h0 and c0."""
    given = {1: (dy, c_prev), 4: (gates,)}
    _check("lstm_backward", 4, given, weight, batch_sizes, dh, dc)
    state = (dh.shape, dy.dtype)
    return outs((gates.shape, dy.dtype), state, state, attrs=RecurrentAttrs(reverse))


def _lstm_gradients(
    input: Tensor,
    h0: Tensor,
    c0: Tensor,
    weight: Tensor,
    batch_sizes: Tensor | None,
    reverse: bool,
    gates: Tensor,
    h_prev: Tensor,
    c_prev: Tensor,
    dy: Tensor,
    dh: Tensor,
    dc: Tensor,
) -> Any:
    if MODE.grad:
        given = (input, h0, c0, weight, batch_sizes, reverse)
        return _pulled(_lstm, lstm_composed, given, (dy, dh, dc))
    dx, dh0, dc0 = lstm_backward(dy, dh, dc, gates, c_prev, weight, batch_sizes, reverse)
    return dx, dh0, dc0, matmul(dx.mT, h_prev), None


_lstm.vjp_joint(_lstm_gradients)


# ---- composed of simpler ops: for second derivatives, and projected states ------------------


def _pulled(record: Any, composed: Callable[..., Any], given: Any, dys: Any) -> Any:
    names = composed.__code__.co_varnames[: composed.__code__.co_argcount]
    return pull_back(record, composed, dict(zip(names, given, strict=False)), dys)


def _scan(
    step: Callable[..., tuple[Tensor, ...]],
    input: Tensor,
    states: tuple[Tensor, ...],
    batch_sizes: Tensor | None,
    reverse: bool,
) -> tuple[Tensor, ...]:
    """All steps of states = step(rows of the input, *states): the first of them, then the last."""
    N = states[0].shape[0]
    if batch_sizes is None:
        sizes = [N] * (input.shape[0] // max(N, 1))
    else:
        sizes = batch_sizes.array.tolist()
        follow(lambda: batch_sizes.array.tolist())
    first = [0]
    for n in sizes:
        first.append(first[-1] + n)
    found: list[Tensor] = []
    for t in reversed(range(len(sizes))) if reverse else range(len(sizes)):
        n = sizes[t]
        new = step(input[first[t] : first[t] + n], *(s[:n] for s in states))
        found.append(new[0])
        states = tuple(a if n == N else cat([a, s[n:]]) for a, s in zip(new, states, strict=True))
    if not found:
        return (states[0][:0], *states)
    return (cat(found[::-1] if reverse else found), *states)


def rnn_composed(
    input: Tensor,
    h0: Tensor,
    weight: Tensor,
    batch_sizes: Tensor | None,
    reverse: bool,
    relu_: bool,
) -> tuple[Tensor, ...]:
    """rnn, composed."""

    def step(x: Tensor, h: Tensor) -> tuple[Tensor, ...]:
        z = x + matmul(h, weight.mT)
        return (relu(z) if relu_ else tanh(z),)

    return _scan(step, input, (h0,), batch_sizes, reverse)


def gru_composed(
    input: Tensor,
    h0: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    batch_sizes: Tensor | None,
    reverse: bool,
) -> tuple[Tensor, ...]:
    """gru, composed."""

    def step(x: Tensor, h: Tensor) -> tuple[Tensor, ...]:
        n = h.shape[1]
        s = matmul(h, weight.mT)
        if bias is not None:
            s = s + bias
        r = sigmoid(x[:, :n] + s[:, :n])
        z = sigmoid(x[:, n : 2 * n] + s[:, n : 2 * n])
        fresh = tanh(x[:, 2 * n :] + r * s[:, 2 * n :])
        return (fresh + z * (h - fresh),)

    return _scan(step, input, (h0,), batch_sizes, reverse)


def lstm_composed(
    input: Tensor,
    h0: Tensor,
    c0: Tensor,
    weight: Tensor,
    batch_sizes: Tensor | None,
    reverse: bool,
    projection: Tensor | None = None,
) -> tuple[Tensor, ...]:
    """lstm, composed; with `projection` (P, H) the states are h = projection (s(o) tanh(c))."""

    def step(x: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, ...]:
        n = c.shape[1]
        z = x + matmul(h, weight.mT)
        i, f, g, o = (z[:, k * n : (k + 1) * n] for k in range(4))
        c = sigmoid(f) * c + sigmoid(i) * tanh(g)
        h = sigmoid(o) * tanh(c)
        return (h if projection is None else matmul(h, projection.mT)), c

    return _scan(step, input, (h0, c0), batch_sizes, reverse)


# ---- one direction of a layer ---------------------------------------------------------------


class Weights(NamedTuple):
    """Of one direction of a layer, under the names that PyTorch gives them."""

    weight_ih: Tensor
    weight_hh: Tensor
    bias_ih: Tensor | None = None
    bias_hh: Tensor | None = None
    weight_hr: Tensor | None = None


def _input(rows: Tensor, w: Weights) -> Tensor:
    bias = None if w.bias_ih is None or w.bias_hh is None else w.bias_ih + w.bias_hh
    return linear(rows, w.weight_ih, bias)


States = tuple[Tensor, ...]


def rnn_layer(
    rows: Tensor, states: States, w: Weights, sizes: Tensor | None, reverse: bool, relu: bool
) -> States:
    """One direction of a layer of tanh or relu: what it finds in each row, and its last state.

    Shapes: rows (T N, I), a state (N, H) -> (T N, H), (N, H). float32, float64.

    >>> import nnfast
    >>> from nnfast.ops.recurrent import Weights
    >>> w = Weights(nnfast.ones(1, 1), nnfast.ones(1, 1))
    >>> nnfast.ops.rnn_layer(nnfast.ones(3, 1), (nnfast.zeros(1, 1),), w, None, False, relu=True)
    (tensor([[1.],
            [2.],
            [3.]]), tensor([[3.]]))
    """
    found: States = _rnn(_input(rows, w), states[0], w.weight_hh, sizes, reverse, relu)
    return found[:2]


def gru_layer(
    rows: Tensor, states: States, w: Weights, sizes: Tensor | None, reverse: bool
) -> States:
    """One direction of a layer of gated recurrent units: each row's state, and the last.

    Shapes: rows (T N, I), a state (N, H) -> (T N, H), (N, H). float32, float64.

    >>> import nnfast
    >>> from nnfast.ops.recurrent import Weights
    >>> w = Weights(nnfast.ones(3, 1), nnfast.ones(3, 1))
    >>> y, h = nnfast.ops.gru_layer(nnfast.ones(3, 1), (nnfast.zeros(1, 1),), w, None, False)
    >>> y.shape, h.shape
    ((3, 1), (1, 1))
    """
    x = linear(rows, w.weight_ih, w.bias_ih)
    found: States = _gru(x, states[0], w.weight_hh, w.bias_hh, sizes, reverse)
    return found[:2]


def lstm_layer(
    rows: Tensor, states: States, w: Weights, sizes: Tensor | None, reverse: bool
) -> States:
    """One direction of a long short-term memory: each row's state, the last, and the last cell.

    Shapes: rows (T N, I), states (N, H) and (N, H) -> (T N, H), (N, H), (N, H).

    >>> import nnfast
    >>> from nnfast.ops.recurrent import Weights
    >>> w, states = Weights(nnfast.ones(4, 1), nnfast.ones(4, 1)), (nnfast.zeros(1, 1),) * 2
    >>> y, h, c = nnfast.ops.lstm_layer(nnfast.ones(3, 1), states, w, None, False)
    >>> y.shape, h.shape, c.shape
    ((3, 1), (1, 1), (1, 1))
    """
    x, (h, c) = _input(rows, w), states
    if w.weight_hr is not None:
        return lstm_composed(x, h, c, w.weight_hh, sizes, reverse, w.weight_hr)
    found: States = _lstm(x, h, c, w.weight_hh, sizes, reverse)
    return found[:3]
