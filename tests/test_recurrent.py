"""Recurrent layers, their cells, and packed sequences."""

from __future__ import annotations

import itertools
import warnings
from typing import Any

import numpy as np
import pytest

import nnfast
from nnfast import nn
from nnfast.errors import NNFastError
from nnfast.nn import functional as F
from nnfast.nn.utils import rnn as U
from nnfast.tensor import Tensor
from tests.modules import close, load_same, numpy_of

Array = np.ndarray
KINDS = ["RNN", "GRU", "LSTM"]


def normal(*shape: int, seed: int = 0, dtype: str = "float64") -> Array:
    return np.asarray(np.random.default_rng(seed).standard_normal(shape)).astype(dtype)


def listed(state: Any) -> list[Any]:
    return list(state) if isinstance(state, tuple) else [state]


# ---- against PyTorch ------------------------------------------------------------------------

OPTIONS: list[tuple[str, dict[str, Any]]] = [
    *((kind, {}) for kind in KINDS),
    *((kind, {"num_layers": 2, "bidirectional": True}) for kind in KINDS),
    *((kind, {"bias": False, "batch_first": True}) for kind in KINDS),
    ("RNN", {"nonlinearity": "relu", "num_layers": 2}),
    ("LSTM", {"proj_size": 2}),
    ("LSTM", {"proj_size": 2, "num_layers": 2, "bidirectional": True}),
]
LENGTHS = [3, 6, 1, 4]


def first_states(kind: str, options: dict[str, Any], N: int | None) -> Any:
    count = options.get("num_layers", 1) * (1 + options.get("bidirectional", False))
    batch = () if N is None else (N,)
    h = normal(count, *batch, options.get("proj_size", 5), seed=8)
    return (h, normal(count, *batch, 5, seed=9)) if kind == "LSTM" else h


def of_each(make: Any, tree: Any) -> Any:
    return tuple(make(x) for x in tree) if isinstance(tree, tuple) else make(tree)


def gradients(layer: Any, tensor: Any, call: Any, seed: int = 3) -> list[Array]:
    """All that call finds, and all gradients of a random linear function of it."""
    layer.zero_grad()
    found, leaves = call()
    total = sum((y * tensor(normal(*y.shape, seed=seed + i))).sum() for i, y in enumerate(found))
    total.backward()
    grads = [x.grad for x in [*leaves, *layer.parameters()]]
    return [numpy_of(x) for x in [*found, *grads]]


@pytest.mark.parametrize("form", ["batch", "batch hx", "one", "one hx", "packed", "packed hx"])
@pytest.mark.parametrize(("kind", "options"), OPTIONS, ids=str)
def test_layers_are_pytorchs(kind: str, options: dict[str, Any], form: str) -> None:
    torch = pytest.importorskip("torch")
    mine, theirs = (getattr(lib, kind)(3, 5, **options) for lib in (nn, torch.nn))
    assert repr(mine) == repr(theirs)
    load_same(mine, theirs)
    first = options.get("batch_first", False)
    one, packed = form.startswith("one"), form.startswith("packed")
    x = normal(6, 3) if one else normal(4, 6, 3) if first else normal(6, 4, 3)
    hx = first_states(kind, options, None if one else 4) if form.endswith("hx") else None

    def run(layer: Any, lib: Any, tensor: Any, utils: Any) -> list[Array]:
        def call() -> Any:
            leaf = tensor(x).requires_grad_()
            states = None if hx is None else of_each(lambda a: tensor(a).requires_grad_(), hx)
            input = leaf
            if packed:
                lengths = LENGTHS if lib is nnfast else torch.tensor(LENGTHS)
                input = utils.pack_padded_sequence(leaf, lengths, first, enforce_sorted=False)
            y, last = layer(input, states)
            if packed:
                y = utils.pad_packed_sequence(y, first)[0]
            return [y, *listed(last)], [leaf, *([] if states is None else listed(states))]

        return gradients(layer, tensor, call)

    got = run(mine, nnfast, nnfast.from_numpy, U)
    want = run(theirs, torch, torch.tensor, torch.nn.utils.rnn)
    assert len(got) == len(want)
    for a, b in zip(got, want, strict=True):
        close(a, b, 4096)


@pytest.mark.parametrize("batched", [True, False])
@pytest.mark.parametrize(
    ("kind", "options"),
    [("RNNCell", {}), ("RNNCell", {"nonlinearity": "relu", "bias": False}), ("GRUCell", {}),
     ("GRUCell", {"bias": False}), ("LSTMCell", {}), ("LSTMCell", {"bias": False})],
    ids=str,
)  # fmt: skip
def test_cells_are_pytorchs(kind: str, options: dict[str, Any], batched: bool) -> None:
    torch = pytest.importorskip("torch")
    mine, theirs = (getattr(lib, kind)(3, 5, **options) for lib in (nn, torch.nn))
    assert repr(mine) == repr(theirs)
    load_same(mine, theirs)
    batch = (4,) if batched else ()
    h = normal(*batch, 5, seed=1)
    hx = (h, normal(*batch, 5, seed=2)) if kind == "LSTMCell" else h
    for states in (None, hx):

        def run(layer: Any, tensor: Any, states: Any = states) -> list[Array]:
            def call() -> Any:
                leaf = tensor(normal(*batch, 3)).requires_grad_()
                given = None if states is None else of_each(tensor, states)
                return listed(layer(leaf, given)), [leaf]

            return gradients(layer, tensor, call)

        pairs = zip(run(mine, nnfast.from_numpy), run(theirs, torch.tensor), strict=True)
        for a, b in pairs:
            close(a, b, 1024)


# ---- without PyTorch ------------------------------------------------------------------------


def cell_of(layer: Any, suffix: str = "_l0") -> Any:
    """The cell with the weights of one direction of a layer."""
    cell = getattr(nn, f"{type(layer).__name__}Cell")(layer.input_size, layer.hidden_size).double()
    state = layer.state_dict()
    cell.load_state_dict({k: state[k + suffix] for k in cell.state_dict()})
    return cell


def states_of(layer: Any, N: int, seed: int) -> Any:
    found = tuple(normal(1, N, layer.hidden_size, seed=seed + i) for i in range(2))
    return of_each(nnfast.from_numpy, found if isinstance(layer, nn.LSTM) else found[0])


@pytest.mark.parametrize("kind", KINDS)
def test_a_layer_is_its_cell_step_by_step(kind: str) -> None:
    layer = getattr(nn, kind)(3, 7).double()
    cell = cell_of(layer)
    x, hx = nnfast.from_numpy(normal(9, 4, 3)), states_of(layer, 4, 5)
    y, last = layer(x, hx)
    state: Any = tuple(s[0] for s in hx) if kind == "LSTM" else hx[0]
    for t in range(9):
        state = cell(x[t], state)
        close(y[t], numpy_of(listed(state)[0]), 64)
    for a, b in zip(listed(last), listed(state), strict=True):
        close(a[0], numpy_of(b), 64)


@pytest.mark.parametrize("kind", KINDS)
def test_the_other_direction_is_the_reversed_sequence(kind: str) -> None:
    both = getattr(nn, kind)(3, 7, bidirectional=True).double()
    one = getattr(nn, kind)(3, 7).double()
    state = both.state_dict()
    one.load_state_dict({k: state[k + "_reverse"] for k in one.state_dict()})
    x = normal(6, 4, 3)
    y, last = both(nnfast.from_numpy(x))
    z, end = one(nnfast.from_numpy(x[::-1].copy()))
    assert np.array_equal(numpy_of(y)[..., 7:], numpy_of(z)[::-1])
    for a, b in zip(listed(last), listed(end), strict=True):
        assert np.array_equal(numpy_of(a)[1], numpy_of(b)[0])


@pytest.mark.parametrize("kind", KINDS)
def test_later_steps_and_other_sequences_do_not_matter(kind: str) -> None:
    layer = getattr(nn, kind)(3, 7, num_layers=2)
    x = normal(6, 40, 3, dtype="float32")
    y = numpy_of(layer(nnfast.from_numpy(x))[0])
    changed = x.copy()
    changed[4:] += 1
    assert np.array_equal(numpy_of(layer(nnfast.from_numpy(changed))[0])[:4], y[:4])
    for rows in (slice(0, 1), slice(7, 30)):
        alone = numpy_of(layer(nnfast.from_numpy(x[:, rows].copy()))[0])
        assert np.array_equal(alone, y[:, rows])


@pytest.mark.parametrize("options", [{}, {"bidirectional": True, "num_layers": 2}], ids=str)
@pytest.mark.parametrize("kind", KINDS)
def test_a_packed_batch_is_its_sequences_one_by_one(kind: str, options: dict[str, Any]) -> None:
    layer = getattr(nn, kind)(3, 5, **options)
    x = [nnfast.from_numpy(normal(n, 3, seed=n, dtype="float32")) for n in LENGTHS]
    y, last = layer(U.pack_sequence(x, enforce_sorted=False))
    for i, (found, input) in enumerate(zip(U.unpack_sequence(y), x, strict=True)):
        want, end = layer(input)
        assert np.array_equal(numpy_of(found), numpy_of(want))
        for a, b in zip(listed(last), listed(end), strict=True):
            assert np.array_equal(numpy_of(a)[:, i], numpy_of(b))


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_are_derivatives(kind: str) -> None:
    layer = getattr(nn, kind)(2, 3, bidirectional=True).double()
    params = list(layer.parameters())

    def f(x: Tensor, *weights: Tensor) -> tuple[Tensor, ...]:
        y, last = layer(x)
        return (y, *listed(last))

    x = nnfast.tensor(normal(3, 2, 2), requires_grad=True)
    for order in (1, 2):
        nnfast.autograd.gradcheck(f, [x, *params], order=order)


def test_dropout_acts_between_layers_in_training() -> None:
    layer = nn.GRU(3, 5, num_layers=2, dropout=1.0)
    x = nnfast.from_numpy(normal(4, 2, 3, dtype="float32"))
    y = numpy_of(layer(x)[0])
    assert np.array_equal(y[:, 0], y[:, 1])  # the second layer sees nothing
    z = numpy_of(layer.eval()(x)[0])
    assert not np.array_equal(z[:, 0], z[:, 1])
    with pytest.warns(UserWarning, match="dropout=0.5 acts between layers"):
        nn.LSTM(3, 5, dropout=0.5)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("kind", [*KINDS, "proj"])
def test_training_compiled_gives_the_same_bits(kind: str, packed: bool, threads: int) -> None:
    def train(compiled: bool) -> tuple[list[float], list[bytes]]:
        nnfast.manual_seed(1)
        options = {"proj_size": 3} if kind == "proj" else {"bidirectional": True, "dropout": 0.2}
        layer = getattr(nn, kind if kind in KINDS else "LSTM")(3, 6, 2, batch_first=True, **options)
        optimizer = nnfast.optim.Adam(layer.parameters(), lr=1e-2)

        def step(x: Tensor, target: Tensor) -> Tensor:
            optimizer.zero_grad()
            if packed:
                input = U.pack_padded_sequence(x, LENGTHS, True, enforce_sorted=False)
                y = U.pad_packed_sequence(layer(input)[0], True)[0]
            else:
                y = layer(x)[0]
            loss = F.mse_loss(y[..., :3], target)
            loss.backward()
            optimizer.step()
            return loss

        run = nnfast.compile(step) if compiled else step
        losses = []
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # a fall back to eager would warn
            for i in range(3):
                x, target = (normal(4, 6, 3, seed=i + n, dtype="float32") for n in (5, 40))
                losses.append(run(nnfast.from_numpy(x), nnfast.from_numpy(target)).item())
        return losses, [numpy_of(p).tobytes() for p in layer.parameters()]

    with nnfast.threads(threads):
        assert train(True) == train(False)


def test_a_plan_follows_the_lengths_it_was_made_for() -> None:
    lengths = np.array([3, 2])
    lstm = nn.LSTM(2, 3)

    def f(x: Tensor) -> Tensor:
        return lstm(U.pack_padded_sequence(x, nnfast.from_numpy(lengths)))[0].data

    compiled = nnfast.compile(f)
    x = nnfast.ones(4, 2, 2)
    assert compiled(x).shape == (5, 3)
    lengths[1] = 1
    assert compiled(x).shape == (4, 3)


def test_no_sequences() -> None:
    for kind in KINDS:
        y, last = getattr(nn, kind)(3, 5)(nnfast.zeros(4, 0, 3))
        assert y.shape == (4, 0, 5) and listed(last)[0].shape == (1, 0, 5)


def test_unit_forget_keeps_the_cell() -> None:
    """With f = 1 and i = 0 the cell stays: c = c_0 to the last bit, whatever the input."""
    cell = nn.LSTMCell(2, 3)
    for name, p in cell.named_parameters():
        p.array[...] = 0
        if name == "bias_ih":
            p.array[:3], p.array[3:6] = -200, 200
    c = nnfast.from_numpy(normal(4, 3, dtype="float32"))
    assert np.array_equal(numpy_of(cell(nnfast.ones(4, 2), (c, c))[1]), numpy_of(c))


# ---- padding and packing --------------------------------------------------------------------


def sequences(*shape: int) -> list[Tensor]:
    return [nnfast.tensor(normal(n, *shape, seed=n), requires_grad=True) for n in LENGTHS]


@pytest.mark.parametrize(
    ("first", "side", "shape"),
    list(itertools.product([False, True], ["left", "right"], [(), (2, 3)])),
)
def test_pad_sequence(first: bool, side: str, shape: tuple[int, ...]) -> None:
    xs = sequences(*shape)
    y = U.pad_sequence(xs, first, padding_value=7.0, padding_side=side)
    padded = numpy_of(y) if first else np.swapaxes(numpy_of(y), 0, 1)
    assert padded.shape == (4, 6, *shape)
    for row, x, n in zip(padded, xs, LENGTHS, strict=True):
        inside = slice(None, n) if side == "right" else slice(6 - n, None)
        assert np.array_equal(row[inside], numpy_of(x))
        assert (np.delete(row, range(6)[inside], 0) == 7).all()
    if side == "right":
        back = U.unpad_sequence(y, nnfast.tensor(LENGTHS), first)
        assert all(np.array_equal(numpy_of(a), numpy_of(b)) for a, b in zip(back, xs, strict=True))


@pytest.mark.parametrize("first", [False, True])
def test_packing_is_pytorchs(first: bool) -> None:
    torch = pytest.importorskip("torch")
    x = normal(4, 8, 2) if first else normal(8, 4, 2)
    a, b = nnfast.tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
    T = torch.nn.utils.rnn
    p = U.pack_padded_sequence(a, LENGTHS, first, enforce_sorted=False)
    q = T.pack_padded_sequence(b, torch.tensor(LENGTHS), first, enforce_sorted=False)
    assert p._fields == ("data", "batch_sizes", "sorted_indices", "unsorted_indices")
    for name in p._fields:
        assert np.array_equal(numpy_of(getattr(p, name)), numpy_of(getattr(q, name))), name
    y, n = U.pad_packed_sequence(p, first, -1.0, total_length=9)
    z, m = T.pad_packed_sequence(q, first, -1.0, total_length=9)
    assert n.tolist() == m.tolist() == LENGTHS
    assert np.array_equal(numpy_of(y), numpy_of(z))
    dy = normal(*y.shape, seed=1)
    y.backward(nnfast.from_numpy(dy))
    z.backward(torch.tensor(dy))
    assert np.array_equal(numpy_of(a.grad), numpy_of(b.grad))


def test_packed_sequences_have_dtypes() -> None:
    packed = U.pack_sequence([nnfast.ones(2), nnfast.ones(1)])
    assert packed.double().data.dtype == packed.to(nnfast.float64).data.dtype == nnfast.float64
    assert packed.double().float().data.dtype == nnfast.float32 and packed.cpu() is packed
    assert packed.double().batch_sizes is packed.batch_sizes


def test_packing_and_back() -> None:
    xs = sequences(2)
    packed = U.pack_sequence(xs, enforce_sorted=False)
    assert packed.batch_sizes.tolist() == [4, 3, 3, 2, 1, 1]
    for a, b in zip(U.unpack_sequence(packed), xs, strict=True):
        assert np.array_equal(numpy_of(a), numpy_of(b))
    packed.data.sum().backward()
    assert all((numpy_of(x.grad) == 1).all() for x in xs)


X = nnfast.zeros(4, 2, 3)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: nn.LSTM(3, 5)(X[..., :2]), "an input of size 3"),
        (lambda: nn.LSTM(3, 5)(X[0, 0]), "2 or 3 dimensions, got 1"),
        (lambda: nn.LSTM(3, 5)(X[:0]), "at least one step"),
        (lambda: nn.LSTM(3, 5)(X, nnfast.zeros(1, 2, 5)), "hx = (h_0, c_0)"),
        (lambda: nn.GRU(3, 5)(X, nnfast.zeros(2, 5)), "hx of shape (1, 2, 5), got shape (2, 5)"),
        (lambda: nn.GRU(3, 5)(X[0], nnfast.zeros(1, 2, 5)), "hx of shape (1, 5)"),
        (lambda: nn.GRU(3, 5)(X.double()), "one dtype"),
        (lambda: nn.GRU(3, 0), "hidden_size >= 1"),
        (lambda: nn.LSTM(3, 5, proj_size=5), "proj_size of an LSTM, below hidden_size"),
        (lambda: nn.RNN(3, 5, nonlinearity="gelu"), "nonlinearity one of 'tanh', 'relu'"),
        (lambda: nn.RNN(3, 5, dropout=2), "dropout from 0 to 1"),
        (lambda: nn.LSTMCell(3, 5)(X), "an input of shape (3,) or (N, 3)"),
        (lambda: nn.LSTMCell(3, 5)(X[0], X[0]), "hx = (h_0, c_0)"),
        (lambda: nn.GRUCell(3, 5)(X[0], X[0]), "hx of shape (2, 5)"),
        (lambda: U.pack_padded_sequence(X, [1, 2]), "descending order, got [1, 2]"),
        (lambda: U.pack_padded_sequence(X, [5, 2]), "lengths from 1 to 4"),
        (lambda: U.pack_padded_sequence(X, [2, 0]), "lengths from 1 to 4"),
        (lambda: U.pack_padded_sequence(X, [2]), "a length for each of 2"),
        (lambda: U.pack_padded_sequence(X, [2.0, 1.0]), "a vector of integers"),
        (lambda: U.pad_sequence([]), "tensors that agree"),
        (lambda: U.pad_sequence([X, X[0]]), "tensors that agree"),
        (lambda: U.pad_packed_sequence(U.pack_sequence([X]), total_length=3), "at least 4"),
    ],
)
def test_wrong_arguments(call: Any, message: str) -> None:
    with pytest.raises(NNFastError) as caught:
        call()
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("make", "pairs"),
    [
        (nn.LSTM, [("lstm", 0, 3), ("lstm_backward", 3, 0)]),
        (nn.RNN, [("rnn", 0, 0), ("rnn_backward", 2, 0)]),
    ],
)
def test_a_plan_writes_over_what_is_not_read_again(make, pairs):
    """With the bits of eager code."""
    nnfast.manual_seed(5)
    net = make(3, 4)
    x = nnfast.tensor(np.random.default_rng(2).standard_normal((5, 2, 3)).astype(np.float32))

    def gradients(x):
        net.zero_grad()
        (net(x)[0] ** 2).sum().backward()

    gradients(x)
    want = [p.grad.numpy().tobytes() for p in net.parameters()]
    compiled = nnfast.compile(gradients)
    compiled(x)
    assert [p.grad.numpy().tobytes() for p in net.parameters()] == want
    plan = compiled.plan
    calls = {c.op.name: c for c in plan.graph.calls}
    for name, i, k in pairs:
        x, y = calls[name].inputs[i], calls[name].outputs[k]
        assert plan.blocks[x.memory] is plan.blocks[y]
