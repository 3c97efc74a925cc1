"""Parametrized tensors, batch norm taken into the layer before it, norms of gradients."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import nnfast
from nnfast import nn
from nnfast.errors import NNFastError
from nnfast.nn.utils import parametrize
from tests.modules import both_ways, close, load_same
from tests.plans import planned

RNG = np.random.default_rng(8)
X = RNG.standard_normal((5, 4))


def symmetric(lib: Any) -> Any:
    class Symmetric(lib.Module):
        def forward(self, x: Any) -> Any:
            return x.triu() + x.triu(1).mT

        def right_inverse(self, a: Any) -> Any:
            return a.triu()

    return Symmetric()


def positive(lib: Any) -> Any:
    class Positive(lib.Module):
        def forward(self, x: Any) -> Any:
            return x.exp()

        def right_inverse(self, a: Any) -> Any:
            return a.log()

    return Positive()


def made(lib: Any, utils: Any) -> Any:
    m = lib.Linear(4, 4)
    utils.register_parametrization(m, "weight", symmetric(lib))
    return m


def test_a_parametrized_weight() -> None:
    m = made(nn, parametrize)
    w = m.weight
    assert (w == w.mT).all() and parametrize.is_parametrized(m, "weight")
    assert not parametrize.is_parametrized(m, "bias")
    m.weight = nnfast.ones(4, 4)
    assert (m.weight == 1).all() and m.parametrizations.weight.original[1, 0].item() == 0
    assert parametrize.type_before_parametrizations(m) is nn.Linear
    with parametrize.cached():
        assert m.weight is m.weight
    assert m.weight is not m.weight
    both_ways(lambda x: m(x), [X.astype(np.float32)])


def test_trains_in_a_plan() -> None:
    results = []
    for way in (lambda f: f, planned):
        nnfast.manual_seed(0)
        m = made(nn, parametrize)
        opt = nnfast.optim.SGD(m.parameters(), lr=0.1)

        def step(x: Any, m: Any = m, opt: Any = opt) -> Any:
            opt.zero_grad()
            loss = (m(x) ** 2).sum()
            loss.backward()
            opt.step()
            return loss

        step = way(step)
        for _ in range(3):
            step(nnfast.from_numpy(X.astype(np.float32)))
        results.append([v.numpy().tobytes() for v in m.state_dict().values()])
    assert results[0] == results[1]


def test_two_of_them_and_the_way_back() -> None:
    m = nn.Linear(4, 4, bias=False)
    start = np.abs(RNG.standard_normal((4, 4))).astype(np.float32) + 1
    m.load_state_dict({"weight": start})
    parametrize.register_parametrization(m, "weight", positive(nn))
    parametrize.register_parametrization(m, "weight", positive(nn))
    close(m.weight, start, 64)
    close(m.parametrizations.weight.original, np.log(np.log(start)), 64)
    parametrize.remove_parametrizations(m, "weight")
    assert list(m.state_dict()) == ["weight"] and not parametrize.is_parametrized(m)
    assert type(m) is nn.Linear
    close(m.weight, start, 64)
    parametrize.register_parametrization(m, "weight", symmetric(nn))
    parametrize.remove_parametrizations(m, "weight", leave_parametrized=False)
    assert (np.tril(m.weight.detach().numpy(), -1) == 0).all()


@pytest.mark.parametrize("kind", ["symmetric", "weight_norm", "spectral_norm"])
@pytest.mark.parametrize("training", [False, True])
def test_is_pytorchs(kind: str, training: bool) -> None:
    torch = pytest.importorskip("torch")
    pair = []
    for lib, utils in ((nn, nn.utils), (torch.nn, torch.nn.utils)):
        if kind == "symmetric":
            pair.append(made(lib, utils.parametrize))
        else:
            pair.append(getattr(utils.parametrizations, kind)(lib.Linear(4, 3)))
    mine, theirs = pair
    load_same(mine, theirs)
    results = []
    for lib, m in ((nnfast, mine), (torch, theirs)):
        m.train(training)
        y = m(lib.tensor(X))
        (y * y).sum().backward()
        results.append([y.detach().numpy(), *(p.grad.numpy() for p in m.parameters())])
        results[-1] += [b.numpy() for b in m.buffers()]
    for got, want in zip(*results, strict=True):
        close(got, want, 512)


def test_refuses() -> None:
    class Wider(nn.Module):
        def forward(self, x: Any) -> Any:
            return nnfast.cat([x, x])

    m = nn.Linear(2, 2)
    for call, message in (
        (lambda: parametrize.register_parametrization(m, "none", nn.ReLU()), "a parameter or"),
        (lambda: parametrize.register_parametrization(m, "weight", Wider()), "of shape"),
        (lambda: parametrize.remove_parametrizations(m, "weight"), "a parametrized 'weight'"),
    ):
        with pytest.raises(NNFastError, match=message):
            call()
    parametrize.register_parametrization(m, "weight", Wider(), unsafe=True)
    assert m.weight.shape == (4, 2)


# ---- beside layers ----------------------------------------------------------------------------


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("kind", ["Linear", "Conv1d", "Conv2d", "ConvTranspose2d"])
def test_batch_norm_goes_into_the_layer(kind: str, bias: bool) -> None:
    args = (4, 6) if kind == "Linear" else (4, 6, 3)
    layer = getattr(nn, kind)(*args, bias=bias, dtype=nnfast.float64).eval()
    bn = getattr(nn, "BatchNorm2d" if "2d" in kind else "BatchNorm1d")(6, dtype=nnfast.float64)
    for t in bn.state_dict().values():
        if t.is_floating_point():
            t.array[...] = RNG.uniform(0.5, 2.0, t.shape)
    bn.eval()
    shape = {"Linear": (3, 4), "Conv1d": (3, 4, 7)}.get(kind, (3, 4, 7, 7))
    x = nnfast.from_numpy(RNG.standard_normal(shape))
    if kind == "Linear":
        fused = nn.utils.fuse_linear_bn_eval(layer, bn)
    else:
        fused = nn.utils.fuse_conv_bn_eval(layer, bn, transpose="Transpose" in kind)
    close(fused(x), bn(layer(x)).detach().numpy(), 64)
    with pytest.raises(NNFastError, match="evaluation"):
        nn.utils.fuse_conv_bn_eval(layer.train(), bn)


def test_norm_of_gradients_in_two_steps() -> None:
    w = [nnfast.ones(3, requires_grad=True), nnfast.ones(2, requires_grad=True)]
    for p in w:
        p.grad = nnfast.from_numpy(RNG.standard_normal(p.shape).astype(np.float32))
    before = [p.grad.numpy().copy() for p in w]
    norm = nn.utils.get_total_norm([p.grad for p in w])
    np.testing.assert_allclose(norm.item(), np.linalg.norm(np.concatenate(before)), rtol=1e-6)
    nn.utils.clip_grads_with_norm_(w, 0.5, norm)
    for p, g in zip(w, before, strict=True):
        np.testing.assert_allclose(p.grad.numpy(), g * 0.5 / (norm.item() + 1e-6), rtol=1e-6)
    with pytest.raises(NNFastError, match="finite"):
        nn.utils.get_total_norm([nnfast.tensor([np.inf])], error_if_nonfinite=True)
