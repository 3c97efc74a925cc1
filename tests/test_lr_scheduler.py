"""Schedules against PyTorch, against what they say of themselves, and with compiled steps."""

from __future__ import annotations

import copy
from math import cos, pi
from typing import Any

import numpy as np
import pytest

import nnfast
from nnfast.errors import NNFastError
from nnfast.nn import functional as F
from nnfast.optim import SGD, Adam, lr_scheduler
from tests.plans import planned

STEPS = 200


class Wave:
    """A function with attributes, which are saved."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, step: int) -> float:
        self.calls += 1
        return 1.5 + cos(step)


# (name, schedule of a module and an optimizer of two groups, lr=0.5 and 0.05)
SCHEDULES: dict[str, Any] = {
    "step": lambda m, o: m.StepLR(o, 30),
    "step 1": lambda m, o: m.StepLR(o, step_size=1, gamma=0.97),
    "multistep": lambda m, o: m.MultiStepLR(o, [3, 90, 90, 150], gamma=0.5),
    "constant": lambda m, o: m.ConstantLR(o, total_iters=20),
    "constant 1": lambda m, o: m.ConstantLR(o, factor=0.25, total_iters=1),
    "linear": lambda m, o: m.LinearLR(o, 0.1, 0.7, total_iters=77),
    "linear down": lambda m, o: m.LinearLR(o, 1.0, 0.0, total_iters=50),
    "exponential": lambda m, o: m.ExponentialLR(o, 0.98),
    "polynomial": lambda m, o: m.PolynomialLR(o, 120, power=2.5),
    "polynomial 1": lambda m, o: m.PolynomialLR(o),
    "cosine": lambda m, o: m.CosineAnnealingLR(o, 40, eta_min=0.01),
    "cosine once": lambda m, o: m.CosineAnnealingLR(o, T_max=200),
    "restarts": lambda m, o: m.CosineAnnealingWarmRestarts(o, 7, T_mult=2, eta_min=1e-3),
    "restarts 1": lambda m, o: m.CosineAnnealingWarmRestarts(o, 30),
    "lambda": lambda m, o: m.LambdaLR(o, lambda t: 0.95**t),
    "lambdas": lambda m, o: m.LambdaLR(o, [lambda t: 1 / (1 + t), Wave()]),
    "multiplicative": lambda m, o: m.MultiplicativeLR(o, lambda t: 0.9 if t % 3 else 1.05),
    "cyclic": lambda m, o: m.CyclicLR(o, 0.1, 0.4, 13),
    "cyclic 2": lambda m, o: m.CyclicLR(o, [0.1, 0.2], [0.4, 0.5], 13, 29, mode="triangular2"),
    "cyclic exp": lambda m, o: m.CyclicLR(o, 0.1, 0.4, 20, mode="exp_range", gamma=0.99),
    "cyclic fn": lambda m, o: m.CyclicLR(
        o, 0.1, 0.4, 20, scale_fn=lambda t: 1 / (t + 1), scale_mode="iterations",
        cycle_momentum=False,
    ),
    "one cycle": lambda m, o: m.OneCycleLR(o, 1.0, total_steps=200),
    "one cycle linear": lambda m, o: m.OneCycleLR(
        o, [1.0, 0.3], epochs=21, steps_per_epoch=10, anneal_strategy="linear", pct_start=0.1
    ),
    "one cycle three": lambda m, o: m.OneCycleLR(o, 1.0, 220, three_phase=True, div_factor=10),
    "sequential": lambda m, o: m.SequentialLR(
        o, [m.LinearLR(o, 0.1, total_iters=20), m.CosineAnnealingLR(o, 100), m.StepLR(o, 9, 0.5)],
        [20, 120],
    ),
    "sequential exp": lambda m, o: m.SequentialLR(
        o, [m.ConstantLR(o, 0.1, 20), m.ExponentialLR(o, 0.9)], milestones=[20]
    ),
    "chained": lambda m, o: m.ChainedScheduler(
        [m.ConstantLR(o, 0.1, 20), m.ExponentialLR(o, 0.99), m.MultiStepLR(o, [50, 60], 0.5)]
    ),
    "sequential chained": lambda m, o: m.SequentialLR(
        o,
        [m.ChainedScheduler([m.LinearLR(o, 0.5, total_iters=9), m.StepLR(o, 5)]),
         m.PolynomialLR(o, 100)],
        [30],
    ),
}  # fmt: skip


def make_optimizer(library: Any, momentum: float = 0.9) -> Any:
    if library is nnfast:
        a, b = nnfast.ones(1, requires_grad=True), nnfast.ones(1, requires_grad=True)
    else:
        a, b = (library.ones(1, requires_grad=True) for _ in range(2))
    groups = [{"params": [a]}, {"params": [b], "lr": 0.05}]
    return library.optim.SGD(groups, lr=0.5, momentum=momentum)


def walk(optimizer: Any, schedule: Any, steps: int) -> list[list[float]]:
    """Rates and momenta of all groups, before each step."""
    found = []
    for _ in range(steps):
        last = list(schedule.get_last_lr())
        assert last == [g["lr"] for g in optimizer.param_groups]
        found.append(last + [g["momentum"] for g in optimizer.param_groups])
        optimizer.step()
        schedule.step()
    return found


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.filterwarnings("ignore")
def test_rates_are_pytorchs(name: str) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    mine, theirs = make_optimizer(nnfast), make_optimizer(torch)
    a = walk(mine, SCHEDULES[name](lr_scheduler, mine), STEPS)
    b = walk(theirs, SCHEDULES[name](torch.optim.lr_scheduler, theirs), STEPS)
    # Changes of the rate are multiplied step by step, each rounded a few times.
    np.testing.assert_allclose(a, b, rtol=STEPS * 4 * 2.3e-16, atol=1e-17)


@pytest.mark.parametrize("name", SCHEDULES)
def test_state_goes_on(name: str) -> None:
    optimizer = make_optimizer(nnfast)
    schedule = SCHEDULES[name](lr_scheduler, optimizer)
    walk(optimizer, schedule, 37)
    saved = copy.deepcopy((optimizer.state_dict(), schedule.state_dict()))
    want = walk(optimizer, schedule, 30)
    again = make_optimizer(nnfast)
    resumed = SCHEDULES[name](lr_scheduler, again)
    again.load_state_dict(saved[0])
    resumed.load_state_dict(saved[1])
    assert walk(again, resumed, 30) == want


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.filterwarnings("ignore")
def test_pytorchs_state_can_be_loaded(name: str) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    theirs, mine = make_optimizer(torch), make_optimizer(nnfast)
    a = SCHEDULES[name](torch.optim.lr_scheduler, theirs)
    b = SCHEDULES[name](lr_scheduler, mine)
    walk(theirs, a, 21)
    b.load_state_dict(a.state_dict())
    for g, h in zip(mine.param_groups, theirs.param_groups, strict=True):
        g.update({k: v for k, v in h.items() if k != "params"})
    np.testing.assert_allclose(walk(mine, b, 20), walk(theirs, a, 20), rtol=1e-12, atol=1e-17)


FORMULAS: dict[str, Any] = {
    "StepLR": ({"step_size": 3, "gamma": 0.5}, lambda t: 0.5 ** (t // 3)),
    "MultiStepLR": ({"milestones": [2, 5]}, lambda t: 0.1 ** ((t >= 2) + (t >= 5))),
    "ConstantLR": ({"factor": 0.5, "total_iters": 3}, lambda t: 0.5 if t < 3 else 1),
    "LinearLR": ({"start_factor": 0.5, "total_iters": 4}, lambda t: 0.5 + 0.125 * min(t, 4)),
    "ExponentialLR": ({"gamma": 0.9}, lambda t: 0.9**t),
    "PolynomialLR": ({"total_iters": 6, "power": 2}, lambda t: (1 - min(t, 6) / 6) ** 2),
    "CosineAnnealingLR": ({"T_max": 4}, lambda t: (1 + cos(pi * t / 4)) / 2),
    "CosineAnnealingWarmRestarts": ({"T_0": 4}, lambda t: (1 + cos(pi * (t % 4) / 4)) / 2),
    "LambdaLR": ({"lr_lambda": lambda t: 1 / (1 + t)}, lambda t: 1 / (1 + t)),
    "MultiplicativeLR": ({"lr_lambda": lambda t: 0.5}, lambda t: 0.5**t),
    "InverseSquareRootLR": ({"warmup_steps": 4}, lambda t: min((t + 1) / 4, 2 / (t + 1) ** 0.5)),
    "CyclicLR": ({"base_lr": 1, "max_lr": 2, "step_size_up": 2, "cycle_momentum": False},
                 lambda t: [1, 1.5, 2, 1.5][t % 4]),
    "OneCycleLR": ({"max_lr": 1, "total_steps": 10, "cycle_momentum": False, "div_factor": 2,
                    "anneal_strategy": "linear", "final_div_factor": 5},
                   lambda t: np.interp(t, [0, 2, 9], [0.5, 1, 0.1])),
}  # fmt: skip


@pytest.mark.parametrize("name", FORMULAS)
def test_rates_follow_the_formulas(name: str) -> None:
    options, formula = FORMULAS[name]
    optimizer = SGD([nnfast.ones(1, requires_grad=True)], lr=1.0)
    schedule = getattr(lr_scheduler, name)(optimizer, **options)
    for t in range(10):
        assert schedule.get_last_lr()[0] == pytest.approx(formula(t), rel=1e-13, abs=1e-16)
        schedule.step()


def test_what_else_changes_the_rate_remains() -> None:
    optimizer = make_optimizer(nnfast)
    schedule = lr_scheduler.ExponentialLR(optimizer, 0.5)
    optimizer.param_groups[0]["lr"] = 8.0
    schedule.step()
    assert schedule.get_last_lr() == [4.0, 0.025]


def test_fractions_of_an_epoch() -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    rates = []
    for library in (nnfast, torch):
        optimizer = make_optimizer(library)
        schedule = library.optim.lr_scheduler.CosineAnnealingWarmRestarts(optimizer, 3, T_mult=2)
        found = []
        for i in range(60):
            optimizer.step()
            schedule.step(i / 4)
            found.append(list(schedule.get_last_lr()))
        rates.append(found)
    np.testing.assert_allclose(*rates, rtol=1e-13)


PLATEAU: list[dict[str, Any]] = [
    {"patience": 3}, {"mode": "max", "patience": 0, "factor": 0.5, "min_lr": [0.01, 0.02]},
    {"threshold_mode": "abs", "threshold": 0.1, "cooldown": 2, "patience": 2},
    {"mode": "max", "threshold_mode": "abs", "threshold": 0.1, "eps": 0.01, "factor": 0.8},
]  # fmt: skip


@pytest.mark.parametrize("options", PLATEAU, ids=str)
@pytest.mark.filterwarnings("ignore")
def test_plateau_is_pytorchs(options: dict[str, Any]) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    losses = np.random.default_rng(0).uniform(0.5, 1.5, STEPS) * np.linspace(2, 1, STEPS)
    rates = []
    for library in (nnfast, torch):
        optimizer = make_optimizer(library)
        schedule = library.optim.lr_scheduler.ReduceLROnPlateau(optimizer, **options)
        found = []
        for loss in losses:
            schedule.step(loss)
            found.append([g["lr"] for g in optimizer.param_groups])
        rates.append(found)
    assert rates[0] == rates[1] and rates[0][0] != rates[0][-1]


def test_plateau_saves_its_state() -> None:
    optimizer = make_optimizer(nnfast)
    schedule = lr_scheduler.ReduceLROnPlateau(optimizer, patience=2)
    for loss in (3.0, 2.0, 2.5, nnfast.tensor(2.5)):
        schedule.step(loss)
    other = lr_scheduler.ReduceLROnPlateau(optimizer)
    other.load_state_dict(schedule.state_dict())
    other.step(2.5)
    assert optimizer.param_groups[0]["lr"] == 0.05


# ---- with compiled steps --------------------------------------------------------------------


@pytest.mark.parametrize("inside", [False, True])
@pytest.mark.parametrize("name", ["cosine", "sequential", "one cycle", "cyclic 2"])
def test_a_compiled_step_follows_the_schedule_with_one_plan(name: str, inside: bool) -> None:
    results = []
    for compiled in (False, True):
        nnfast.manual_seed(0)
        model = nnfast.nn.Linear(4, 2)
        groups = [{"params": [model.weight]}, {"params": [model.bias], "lr": 0.05}]
        optimizer = SGD(groups, lr=0.5, momentum=0.9)
        schedule = SCHEDULES[name](lr_scheduler, optimizer)

        def step(x: Any, y: Any, model=model, optimizer=optimizer, schedule=schedule) -> Any:
            optimizer.zero_grad()
            loss = F.mse_loss(model(x), y)
            loss.backward()
            optimizer.step()
            if inside:
                schedule.step()
            return loss

        call = planned(step) if compiled else step
        x, y = nnfast.ones(3, 4), nnfast.zeros(3, 2)
        for _ in range(20):
            call(x, y)
            if not inside:
                schedule.step()
        results.append((model.weight.tolist(), schedule.get_last_lr(), schedule.last_epoch))
        if compiled:
            assert sum(map(len, call.compiled._entries.values())) == 1
    assert results[0] == results[1]


@pytest.mark.parametrize("name", ["first", "looks", "plateau"])
def test_schedules_that_a_plan_cannot_hold(name: str) -> None:
    """A schedule before the update, a rate as a number, a metric: eagerly, or a plan for each."""
    results = []
    for compiled in (False, True):
        w = nnfast.tensor([1.0, 2.0], requires_grad=True)
        optimizer = Adam([w], lr=0.1)
        schedule: Any = lr_scheduler.StepLR(optimizer, 2, 0.5)
        if name == "plateau":
            schedule = lr_scheduler.ReduceLROnPlateau(optimizer, patience=0, threshold=10)

        def step(w=w, optimizer=optimizer, schedule=schedule) -> Any:
            optimizer.zero_grad()
            loss = (w * w).sum()
            if name == "looks":
                loss = loss * schedule.get_last_lr()[0]
            loss.backward()
            if name == "first":
                schedule.step()
            optimizer.step()
            if name == "plateau":
                schedule.step(loss)
            return loss

        call = nnfast.compile(step) if compiled else step
        losses = []
        for _ in range(6):
            if compiled and name != "looks" and not losses:
                with pytest.warns(UserWarning, match="runs eagerly, with the same result"):
                    losses.append(call().item())
            else:
                losses.append(call().item())
            if name == "looks":
                schedule.step()
        results.append((losses, w.tolist(), optimizer.param_groups[0]["lr"]))
    assert results[0] == results[1]


# ---- errors ---------------------------------------------------------------------------------

O = make_optimizer(nnfast)
PLAIN = nnfast.optim.Rprop([nnfast.ones(1, requires_grad=True)])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda s: s.StepLR(None, 3), "StepLR: expected an Optimizer, got NoneType"),
        (lambda s: s.StepLR(PLAIN, 3, last_epoch=4), "expected 'initial_lr' in param_groups[0]"),
        (lambda s: s.ConstantLR(O, factor=2), "ConstantLR: expected 0 <= factor <= 1"),
        (lambda s: s.LinearLR(O, start_factor=0), "LinearLR: expected 0 < start_factor <= 1"),
        (lambda s: s.LinearLR(O, end_factor=2), "LinearLR: expected 0 <= end_factor <= 1"),
        (lambda s: s.InverseSquareRootLR(O, 0), "expected warmup_steps >= 1"),
        (lambda s: s.LambdaLR(O, [abs]), "LambdaLR: expected 2 values as lr_lambda, got 1"),
        (lambda s: s.LambdaLR(O, 0.5), "LambdaLR: expected functions of the step, got float"),
        (lambda s: s.CosineAnnealingWarmRestarts(O, 0), "expected an integer T_0 >= 1"),
        (lambda s: s.CosineAnnealingWarmRestarts(O, 2).step(-1), "expected epoch >= 0"),
        (lambda s: s.CyclicLR(O, 0.1, 0.2, mode="up"), "CyclicLR: expected mode 'triangular'"),
        (lambda s: s.CyclicLR(PLAIN, 0.1, 0.2), "expected an optimizer with momentum or betas"),
        (lambda s: s.CyclicLR(O, [0.1], 0.2), "CyclicLR: expected 2 values as base_lr, got 1"),
        (lambda s: s.OneCycleLR(O, 0.1), "OneCycleLR: expected total_steps, or epochs and steps"),
        (lambda s: s.OneCycleLR(O, 0.1, 0), "OneCycleLR: expected an integer total_steps > 0"),
        (lambda s: s.OneCycleLR(O, 0.1, 5, pct_start=2), "OneCycleLR: expected 0 <= pct_start"),
        (lambda s: s.OneCycleLR(O, 0.1, 5, anneal_strategy="x"), "anneal_strategy 'cos' or 'l"),
        (lambda s: walk(O, s.OneCycleLR(O, 0.1, 5), 9), "OneCycleLR: expected at most 5 steps"),
        (lambda s: s.ReduceLROnPlateau(O, factor=1), "ReduceLROnPlateau: expected factor < 1"),
        (lambda s: s.ReduceLROnPlateau(O, mode="low"), "expected mode 'min' or 'max', got 'low'"),
        (lambda s: s.ReduceLROnPlateau(O, threshold_mode="x"), "threshold_mode 'rel' or 'abs'"),
        (lambda s: s.SequentialLR(O, [], []), "SequentialLR: expected at least one schedule"),
        (lambda s: s.SequentialLR(O, [s.StepLR(O, 1)], [3]), "expected 0 milestones, got 1"),
        (lambda s: s.ChainedScheduler([s.ReduceLROnPlateau(O)]), "schedules that need no metric"),
        (lambda s: s.ChainedScheduler([s.StepLR(O, 1)], PLAIN), "expected schedules of one opt"),
    ],
)  # fmt: skip
def test_wrong_arguments(call: Any, message: str) -> None:
    with pytest.raises(NNFastError) as caught:
        call(lr_scheduler)
    assert message in str(caught.value)
