"""Layers beyond PyTorch's, and containers of parameters: what they mean, eagerly and compiled."""

from __future__ import annotations

import copy
import re
import warnings
from collections import OrderedDict
from typing import Any

import numpy as np
import pytest

import nnfast
from nnfast import nn
from nnfast.autograd import grad, gradcheck
from nnfast.nn import functional as F
from nnfast.nn.wired import watts_strogatz

RNG = np.random.default_rng(8)


def normal(*shape: int) -> nnfast.Tensor:
    return nnfast.tensor(RNG.standard_normal(shape), requires_grad=True)


MODULES: dict[str, tuple[Any, tuple[int, ...]]] = {
    "locally_connected": (lambda: nn.LocallyConnected2d(2, 3, (5, 6), 3, 2, 1), (4, 2, 5, 6)),
    "maxout": (lambda: nn.Maxout(4, 3, 3), (5, 4)),
    "piecewise": (lambda: nn.AdaptivePiecewiseLinear(4, 2), (5, 4, 3)),
    "wired": (lambda: nn.RandomlyWired(3, 4, 6, 2, stride=2, seed=1), (2, 3, 6, 5)),
    "connect": (lambda: nn.DropConnect(4, 3), (5, 4)),
    "depth": (lambda: nn.StochasticDepth(0.5), (5, 4)),
}


@pytest.mark.parametrize("name", MODULES)
def test_a_plan_gives_the_bits_of_eager_code(name: str) -> None:
    make, shape = MODULES[name]
    module = make()
    x = nnfast.tensor(RNG.standard_normal(shape).astype("float32"), requires_grad=True)
    state = copy.deepcopy(module.state_dict())

    def step(x: nnfast.Tensor) -> Any:
        y = module(x)
        return y, *grad((y * y).sum() + y.sum(), [x, *module.parameters()])

    answers = []
    for fn in (step, nnfast.compile(step)):
        nnfast.manual_seed(1)
        module.load_state_dict(state)
        with warnings.catch_warnings():
            warnings.filterwarnings("error", "nnfast.compile")
            answers.append([t.detach().numpy().tobytes() for t in fn(x)])
    assert answers[0] == answers[1]


def test_locally_connected_is_a_convolution_at_each_pixel() -> None:
    layer = nn.LocallyConnected2d(2, 3, (7, 6), (3, 2), (2, 1), (1, 0), (1, 2)).double()
    x = normal(4, 2, 7, 6)
    y = layer(x).detach().numpy()
    w, b = layer.weight.detach(), layer.bias.detach().numpy()
    assert y.shape == (4, 3, *w.shape[:2])
    for u, v in np.ndindex(*w.shape[:2]):
        whole = F.conv2d(x.detach(), w[u, v], None, (2, 1), (1, 0), (1, 2)).numpy()
        np.testing.assert_allclose(y[:, :, u, v], whole[:, :, u, v] + b[:, u, v], rtol=1e-12)
    bound = 1 / np.sqrt(12)
    assert 0.9 * bound < abs(w.numpy()).max() <= bound
    small = normal(2, 2, 4, 4), normal(2, 2, 3, 2, 1, 2)
    assert gradcheck(lambda x, w: F.locally_connected2d(x, w, None, 2), small)


def test_maxout_is_the_largest_of_its_pieces() -> None:
    layer = nn.Maxout(4, 3, pieces=5).double()
    x = normal(6, 4)
    pieces = x.detach().numpy() @ layer.weight.detach().numpy().T + layer.bias.detach().numpy()
    want = pieces.reshape(6, 3, 5).max(2)
    np.testing.assert_allclose(layer(x).detach().numpy(), want, rtol=1e-13)
    absolute = nn.Maxout(1, 1, 2, bias=False)
    absolute.weight.array[...] = [[1], [-1]]
    assert absolute(nnfast.tensor([[-3.0], [2.0]])).flatten().tolist() == [3, 2]


@pytest.mark.parametrize(("n", "shape"), [(1, (5,)), (3, (4, 3)), (3, (2, 3, 4, 2))])
def test_piecewise_linear_units(n: int, shape: tuple[int, ...]) -> None:
    units = nn.AdaptivePiecewiseLinear(n, pieces=2).double()
    x = normal(*shape)
    np.testing.assert_array_equal(units(x).detach().numpy(), np.maximum(x.detach().numpy(), 0))
    units.a.array[...] = RNG.standard_normal((2, n))
    a, b = (p.detach().numpy() for p in (units.a, units.b))
    if len(shape) > 1:
        a, b = (p.reshape(2, n, *[1] * (len(shape) - 2)) for p in (a, b))
    want = np.maximum(x.detach().numpy(), 0)
    for s in range(2):
        want = want + a[s] * np.maximum(b[s] - x.detach().numpy(), 0)
    np.testing.assert_allclose(units(x).detach().numpy(), want, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("dim", [0, 1])
@pytest.mark.parametrize("norm_type", [1.0, 2.0, float("inf")])
def test_max_norm(dim: int, norm_type: float) -> None:
    w = RNG.standard_normal((6, 5, 3)) * np.linspace(0.2, 2, 6)[:, None, None]
    p = nn.Parameter(w.copy())
    nn.utils.max_norm_([p], 3.0, dim, norm_type)
    flat, after = (np.moveaxis(a, dim, 0).reshape(w.shape[dim], -1) for a in (w, p.array))
    norms = np.linalg.norm(flat, norm_type, axis=1)
    want = flat * np.where(norms > 3, 3 / (norms + 1e-7), 1)[:, None]
    np.testing.assert_allclose(after, want, rtol=1e-12)
    assert p.requires_grad and (norms > 3).any()


def test_max_norm_in_a_compiled_step() -> None:
    model = nn.Linear(4, 3)
    bits = []
    for wrap in (lambda f: f, nnfast.compile):
        model.weight.array[...] = np.arange(12).reshape(3, 4)

        def step(x: nnfast.Tensor) -> nnfast.Tensor:
            nn.utils.max_norm_(model.weight, 2.0)
            return model(x)

        bits.append(wrap(step)(nnfast.ones(2, 4)).detach().numpy().tobytes())
        assert np.linalg.norm(model.weight.array, axis=1).max() <= 2
    assert bits[0] == bits[1]


@pytest.mark.parametrize("p", [0.0, 0.5, 1.0])
def test_random_graphs(p: float) -> None:
    for seed in range(20):
        inputs = watts_strogatz(12, 4, p, seed)
        assert inputs == watts_strogatz(12, 4, p, seed)
        assert sum(map(len, inputs)) == 24 and all(j < i for i, js in enumerate(inputs) for j in js)
    assert (watts_strogatz(12, 4, p, 0) == watts_strogatz(12, 4, p, 1)) == (p == 0)


def test_randomly_wired_block() -> None:
    """Every node takes part: each parameter gets a gradient. The mean of outputs is the output."""
    block = nn.RandomlyWired(3, 4, nodes=9, k=4, p=0.75, stride=2, seed=3)
    block(nnfast.tensor(RNG.standard_normal((2, 3, 8, 8)).astype("float32"))).sum().backward()
    assert all(q.grad is not None for q in block.parameters())
    nnfast.manual_seed(0)
    first, second = nn.RandomlyWired(1, 1), nn.RandomlyWired(1, 1)
    nnfast.manual_seed(0)
    assert first.inputs == nn.RandomlyWired(1, 1).inputs != second.inputs
    assert repr(block).startswith(f"RandomlyWired(\n  9 nodes, 18 edges, {len(block.outputs)} out")


# ---- containers ---------------------------------------------------------------------------------


def test_parameter_list() -> None:
    ps = nn.ParameterList([nn.Parameter(np.ones((2, 3), np.float32)), nnfast.ones(3)])
    ps.append(nnfast.zeros(1)).extend([nnfast.ones(2)])
    ps += [nnfast.ones(4)]
    assert len(ps) == 5 and [p.shape for p in ps] == [(2, 3), (3,), (1,), (2,), (4,)]
    assert list(ps.state_dict()) == ["0", "1", "2", "3", "4"] and ps[-1].shape == (4,)
    assert all(isinstance(p, nn.Parameter) for p in ps) and len(ps[1:3]) == 2
    ps[1] = nnfast.zeros(7)
    assert ps[1].shape == (7,) and ps[1] is dict(ps.named_parameters())["1"]
    assert "(0): Parameter containing: [float32 of size 2x3]" in repr(ps)
    with pytest.raises(IndexError, match="an index below 5, got 5"):
        ps[5]
    with pytest.raises(nnfast.NNFastError, match="tensors or parameters, got int"):
        ps.append(3)


def test_parameter_dict() -> None:
    ps = nn.ParameterDict({"a": nnfast.ones(2), "b": nn.Parameter(np.zeros(3, np.float32))})
    ps.update([("c", nnfast.ones(1))])
    ps["a"] = nnfast.zeros(5)
    assert list(ps) == ["a", "b", "c"] == list(ps.keys()) and len(ps.values()) == 3
    assert ps["a"].shape == (5,) and "b" in ps and "d" not in ps and ps.get("d") is None
    assert list(ps.state_dict()) == ["a", "b", "c"]
    assert ps.pop("b").shape == (3,) and list(nn.ParameterDict(ps)) == ["a", "c"]
    other = ps.copy()
    assert other["c"] is ps["c"] and list(other) == ["a", "c"]
    assert other.setdefault("a", nnfast.ones(9)) is ps["a"]
    assert other.setdefault("d", nnfast.ones(9)).shape == (9,) and "d" not in ps
    name, latest = other.popitem()
    assert name == "d" and latest.shape == (9,) and "d" not in other
    assert [p.tolist() for p in ps.fromkeys("xy", nnfast.ones(1)).values()] == [[1], [1]]
    ps.clear()
    assert len(ps) == 0
    one = nnfast.ones(1)
    assert list(nn.ParameterDict({"b": one, "a": one})) == ["a", "b"]  # as in PyTorch
    for kept in ([("b", one), ("a", one)], OrderedDict(b=one, a=one)):
        assert list(nn.ParameterDict(kept)) == ["b", "a"]
    with pytest.raises(KeyError):
        ps["a"]


def test_containers_as_pytorch() -> None:
    torch = pytest.importorskip("torch")
    mine = nn.ParameterList([nnfast.ones(2), nnfast.ones(3, 1)])
    theirs = torch.nn.ParameterList([torch.ones(2), torch.ones(3, 1)])
    assert list(mine.state_dict()) == list(theirs.state_dict())
    named = {"x": 2, "y": 3}
    mine_dict = nn.ParameterDict({k: nnfast.ones(n) for k, n in named.items()})
    theirs_dict = torch.nn.ParameterDict({k: torch.ones(n) for k, n in named.items()})
    assert list(mine_dict.state_dict()) == list(theirs_dict.state_dict())
    w = RNG.standard_normal((4, 3, 2))
    p = nnfast.tensor(w)
    nn.utils.max_norm_(p, 1.5, 1)
    want = torch.renorm(torch.tensor(w), 2, 1, 1.5).numpy()
    np.testing.assert_allclose(p.numpy(), want, rtol=1e-12)


BAD = [
    (lambda: nn.LocallyConnected2d(1, 1, 3, 4), "a kernel within the padded input of (3, 3)"),
    (lambda: nn.LocallyConnected2d(1, 1, 5, 3)(nnfast.ones(1, 1, 6, 6)), "a kernel for each of 16"),
    (lambda: nn.LocallyConnected2d(1, 1, 5, 3)(nnfast.ones(1, 2, 5, 5)), "input (N, C, H, W) and"),
    (lambda: nn.Maxout(3, 2, 0), "pieces >= 1"),
    (lambda: nn.AdaptivePiecewiseLinear(3)(nnfast.ones(2, 4)), "an input of shape (N, 3, *)"),
    (lambda: nn.utils.max_norm_(nnfast.ones(3), 1.0), "weights of at least 2 dimensions"),
    (lambda: nn.utils.max_norm_(nnfast.ones(3, 2), -1.0), "max_norm >= 0"),
    (lambda: nn.RandomlyWired(1, 1, nodes=4, k=3), "an even k below nodes=4, got k=3"),
    (lambda: nn.ParameterList(nnfast.ones(3)), "a list of parameters, got Tensor"),
    (lambda: nn.ParameterDict({"a.b": nnfast.ones(3)}), "a name that is not empty and has no dot"),
]


@pytest.mark.parametrize(("call", "text"), BAD)
def test_bad_arguments(call: Any, text: str) -> None:
    with pytest.raises(nnfast.NNFastError, match=re.escape(text)):
        call()
