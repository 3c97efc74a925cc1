"""Initialization of whole nets: from data, of residual nets, lottery tickets; statistics."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import nnfast
from nnfast import Generator, nn, optim
from nnfast.errors import NNFastError
from nnfast.nn import functional as F
from nnfast.nn import init
from nnfast.nn.statistics import INITIALIZATIONS, initialization_experiment

Array = np.ndarray


def gen(seed: int = 1) -> Generator:
    return Generator().manual_seed(seed)


def images(*shape: int) -> Any:
    return nnfast.randn(*shape, generator=gen())


def net() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(32, 5)
    )


WEIGHTED = ["0", "2", "5"]


def outputs(model: nn.Sequential, x: Any) -> dict[str, Array]:
    found = {}
    for name, layer in model.named_children():
        x = layer(x)
        found[name] = x.detach().numpy()
    return found


# ---- from data ----------------------------------------------------------------------------------


def test_lsuv_gives_each_layer_unit_variance() -> None:
    model, x = net(), images(64, 3, 6, 6)
    assert init.lsuv_(model, x, generator=gen(2)) is model
    found = outputs(model, x)
    for name in WEIGHTED:
        assert abs(found[name].var() - 1) < 0.1
        layer = dict(model.named_children())[name]
        w = layer.weight.detach().numpy().reshape(layer.weight.shape[0], -1)
        gram = w @ w.T / np.square(w[0]).sum()  # still orthogonal
        np.testing.assert_allclose(gram, np.eye(len(w)), atol=1e-5)
        assert not layer.bias.detach().numpy().any()


def test_data_dependent_standardizes_every_channel() -> None:
    model, x = net(), images(64, 3, 6, 6)
    init.data_dependent_(model, x, mean=0.5, balance=0, generator=gen(2))
    found = outputs(model, x)
    for name in WEIGHTED:
        y = np.moveaxis(found[name], 1, -1).reshape(-1, found[name].shape[1])
        np.testing.assert_allclose(y.mean(0), 0.5, atol=1e-5)
        np.testing.assert_allclose(y.std(0), 1, rtol=1e-5)


def test_data_dependent_balances_rates_and_keeps_the_function() -> None:
    model, x = net(), images(64, 3, 6, 6)
    init.data_dependent_(model, x, balance=0, generator=gen(2))
    before = model(x).detach().numpy()

    def spread() -> float:
        y = model(x)
        direction = images(*y.shape)
        weights = [dict(model.named_children())[n].weight for n in WEIGHTED]
        dws = nnfast.autograd.grad(y, weights, direction)
        pairs = zip(dws, weights, strict=True)
        rates = [np.linalg.norm(d.numpy()) / np.linalg.norm(w.detach().numpy()) for d, w in pairs]
        return max(rates) / min(rates)

    first = spread()
    init.data_dependent_(model, x, balance=12, generator=gen(2))
    assert spread() < 1.5 < first
    np.testing.assert_allclose(model(x).detach().numpy(), before, atol=1e-4)


@pytest.mark.parametrize("nonlinearity", ["relu", "linear"])
def test_random_walk_keeps_the_length_of_signals(nonlinearity: str) -> None:
    width, depth = 100, 60
    x, steps = images(1, width), []
    generator = gen(3)
    for _ in range(depth):
        w = init.random_walk_(nnfast.zeros(width, width), nonlinearity, generator)
        y = F.linear(x, w)
        y = F.relu(y) if nonlinearity == "relu" else y
        steps.append(math.log(np.linalg.norm(y.numpy()) / np.linalg.norm(x.numpy())))
        x = y
    # The mean step is 0 within five deviations of the mean of such steps.
    assert abs(np.mean(steps)) < 5 * np.std(steps) / math.sqrt(depth)


# ---- residual nets ------------------------------------------------------------------------------


def test_fixup() -> None:
    _ = nnfast.manual_seed(0)
    blocks = [nn.FixupBlock(4, 4) for _ in range(25)]
    head = nn.Linear(4, 3)
    init.fixup_([b.branch for b in blocks], head, gen(4))
    assert not head.weight.detach().numpy().any() and not head.bias.detach().numpy().any()
    for block in blocks:
        first, last = (block.branch[i].weight.detach().numpy() for i in (1, 5))
        assert not last.any()
        std = math.sqrt(2 / 36) * 25**-0.5  # L^(-1 / (2 m - 2)), m = 2
        assert abs(first.std() / std - 1) < 5 / math.sqrt(2 * first.size)
    x = abs(images(2, 4, 5, 5))
    assert np.array_equal(nn.Sequential(*blocks)(x).detach().numpy(), x.numpy())


def test_fixup_blocks_train_and_compile() -> None:
    _ = nnfast.manual_seed(0)
    blocks = [
        nn.FixupBlock(3, 8),
        *(nn.FixupBlock(8, 8) for _ in range(6)),
        nn.FixupBlock(8, 12, 2),
    ]
    model = nn.Sequential(*blocks, nn.Flatten(), nn.Linear(12 * 9, 4))
    init.fixup_([b.branch for b in blocks], model[-1])
    opt = optim.SGD(model.parameters(), lr=0.05)
    x, t = images(16, 3, 5, 5), nnfast.tensor(np.arange(16) % 4)

    @nnfast.compile
    def step() -> Any:
        opt.zero_grad()
        loss = F.cross_entropy(model(x), t)
        loss.backward()
        opt.step()
        return loss

    losses = [step().item() for _ in range(30)]
    assert losses[0] == pytest.approx(math.log(4), rel=1e-5) and losses[-1] < 0.7 * losses[0]


# ---- lottery tickets ----------------------------------------------------------------------------


def test_lottery_ticket_prunes_small_weights_and_rewinds() -> None:
    _ = nnfast.manual_seed(0)
    model = nn.Sequential(nn.Linear(20, 30), nn.ReLU(), nn.Linear(30, 2))
    start = {k: v.detach().numpy().copy() for k, v in model.state_dict().items()}
    ticket = nn.LotteryTicket(model)
    opt = optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    x, t = images(64, 20), nnfast.tensor(np.arange(64) % 2)
    for rounds in (1, 2):
        for _ in range(5):
            opt.zero_grad()
            F.cross_entropy(model(x), t).backward()
            opt.step()
            ticket.apply()
        trained = [abs(model[i].weight.detach().numpy()) for i in (0, 2)]
        ticket.prune(0.5)
        assert ticket.remaining == pytest.approx(0.5**rounds, abs=0.01)
        for size, mask in zip(trained, ticket.masks, strict=True):
            assert size[mask].min() >= np.sort(size.ravel())[::-1][mask.sum() - 1]
        ticket.rewind()
        for i, mask in zip((0, 2), ticket.masks, strict=True):
            w = model[i].weight.detach().numpy()
            assert np.array_equal(w, np.where(mask, start[f"{i}.weight"], 0))
            assert np.array_equal(model[i].bias.detach().numpy(), start[f"{i}.bias"])


def test_lottery_ticket_across_layers() -> None:
    model = nn.Sequential(nn.Linear(10, 10), nn.Linear(10, 10))
    init.constant_(model[0].weight, 1.0)
    init.constant_(model[1].weight, 2.0)
    ticket = nn.LotteryTicket(model)
    ticket.prune(0.5, across_layers=True)
    assert [m.mean() for m in ticket.masks] == [0, 1]
    ticket.prune(1.0)
    assert ticket.remaining == 0


# ---- statistics ---------------------------------------------------------------------------------


def test_statistics_of_known_values() -> None:
    model = nn.Sequential(nn.ReLU(), nn.Sequential(nn.Tanh(), nn.Identity()))
    x = np.array([[-1.0, 0.5], [2.0, -3.0]], "f")
    found = nn.activation_statistics(model, nnfast.tensor(x))
    assert [(s.name, s.kind) for s in found] == [
        ("0", "ReLU"), ("1.0", "Tanh"), ("1.1", "Identity")
    ]  # fmt: skip
    y = np.maximum(x, 0)
    first = found[0]
    assert first[2:7] == pytest.approx((y.mean(), y.std(), 0, 2, 0.5))
    assert first.counts.sum() == 4 and first.edges[0] == 0 and first.edges[-1] == 2
    assert len(str(found).splitlines()) == 4
    assert [s.kind for s in nn.activation_statistics(model, nnfast.tensor(x), kinds=nn.Tanh)] == [
        "Tanh"
    ]
    assert not model[0]._hooks  # nothing is left behind
    odd = nn.activation_statistics(nn.Identity(), nnfast.tensor([np.nan, np.inf, 1.0]))
    assert np.isnan(odd[0].mean) and odd[0].counts.sum() == 1
    assert np.isnan(nn.activation_statistics(nn.ReLU(), nnfast.zeros(0))[0].mean)


def test_six_layer_experiment() -> None:
    found = initialization_experiment(width=512, seed=1)
    stds = {how: [s.std for s in layers] for how, layers in found.items()}
    assert list(stds) == list(INITIALIZATIONS) and all(len(s) == 6 for s in stds.values())
    small, large, xavier, xavier_relu, kaiming = stds.values()
    # 0.01 sqrt(512) = 0.23 and 0.05 sqrt(512) = 1.13 multiply the size of what comes in.
    assert small[-1] < 1e-3 * small[0]
    assert min(large) > 0.3
    assert 0.25 < xavier[-1] < xavier[0] < 0.7
    # relu halves the second moment in each layer, which Xavier's variance does not undo.
    assert xavier_relu[-1] / xavier_relu[0] == pytest.approx(2**-2.5, rel=0.3)
    assert kaiming[-1] / kaiming[0] == pytest.approx(1, rel=0.3)
    assert all(s.zeros == pytest.approx(0.5, abs=0.1) for s in found["Kaiming, ReLU"])


def test_figure_of_histograms() -> None:
    pytest.importorskip("matplotlib")
    found = nn.activation_statistics(net(), images(4, 3, 6, 6))
    figure = found.figure("net")
    assert len(figure.axes) == len(found) == 6
    assert figure.axes[0].get_ylabel() == "net"


def test_figure_without_matplotlib(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    found = nn.activation_statistics(nn.ReLU(), nnfast.ones(3))
    with pytest.raises(ImportError, match=r"nnfast\[plot\]"):
        found.figure()


# ---- errors -------------------------------------------------------------------------------------

ERRORS: list[tuple[Callable[[], Any], str]] = [
    (lambda: init.lsuv_(nn.ReLU(), nnfast.ones(3)), "lsuv_: expected a model with linear layers"),
    (lambda: init.lsuv_(nn.Linear(3, 2), nnfast.zeros(4, 3)), "expected outputs that vary"),
    (lambda: init.data_dependent_(nnfast.ones(3)), "data_dependent_: expected a module"),
    (lambda: init.random_walk_(nnfast.ones(3, 3), "tanh"), "'linear' or 'relu', got 'tanh'"),
    (lambda: init.fixup_([]), "fixup_: expected at least one residual branch"),
    (lambda: init.fixup_([nn.ReLU()]), "branches with linear layers or convolutions"),
    (lambda: nn.LotteryTicket(nn.ReLU()), "LotteryTicket: expected a model with linear layers"),
    (lambda: nn.LotteryTicket(nn.Linear(2, 2)).prune(1.5), "a fraction from 0 to 1, got 1.5"),
    (lambda: nn.activation_statistics(nnfast.ones(3)), "activation_statistics: expected a module"),
]


@pytest.mark.parametrize("call, message", ERRORS)
def test_errors(call: Callable[[], Any], message: str) -> None:
    with pytest.raises(NNFastError, match=message):
        call()
