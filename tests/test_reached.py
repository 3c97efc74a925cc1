"""What a compiled function reaches through containers, objects, classes and arguments is never
stale; which arguments are one tensor, and what is asked of them, is as in eager code."""

from __future__ import annotations

import array
import contextvars
import datetime
import functools
import io
import itertools
import queue
import random
import sys
import threading
import types
import uuid
import weakref
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import nnfast
from nnfast import nn, optim
from nnfast.nn import functional as F
from tests.plans import falls_back, mlp, planned, trainer

X = nnfast.tensor([1.0, 2.0])
RATE = 2.0


def helper(x):
    return x * RATE


@functools.cache
def kept(n):
    return RATE * n


class Scale:
    def __init__(self) -> None:
        self.made = RATE

    def times(self, x):
        return x * RATE

    def __getitem__(self, key):
        return RATE

    def __enter__(self):
        return RATE

    def __exit__(self, *args):
        return None

    def __bool__(self):
        return RATE > 2.5

    @classmethod
    def of_class(cls, x):
        return x * RATE


class Half(Scale):
    def times(self, x):
        return super().times(x) / 2


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.steps = [helper]
        self.scales = {"one": Half()}

    def forward(self, x):
        for step in self.steps:
            x = step(x)
        return self.scales["one"].times(x)


class Deep(Net):
    def forward(self, x):
        return super().forward(x) + 1


SCALE, HALF, SCALES, TABLE = Scale(), Half(), [Half()], {"double": helper}
NAME = "times"
SPACE = SimpleNamespace(steps=[helper])
NET, DEEP = Net(), Deep()


def entered(x):
    with SCALE as rate:
        return x * rate


def with_default(x, steps=(helper,)):
    return steps[0](x)


def passed(scale, x):
    return scale.times(x)


@pytest.mark.parametrize(
    "fn",
    [
        lambda x: x * kept(3),
        lambda x: x * SCALE["rate"],
        lambda x: x * 2 if SCALE else x,
        entered,
        with_default,
        lambda x: HALF.times(x),
        lambda x: sum(s.times(x) for s in SCALES),
        lambda x: passed(SCALES[0], x),
        lambda x: TABLE["double"](x),
        lambda x: sum(f(x) for f in TABLE.values()),
        lambda x: SPACE.steps[0](x),
        lambda x: functools.reduce(lambda y, f: f(y), SPACE.steps, x),
        lambda x: x * Scale().made,
        lambda x: Scale.of_class(x),
        lambda x: SCALE.of_class(x),
        lambda x: getattr(SCALE, NAME)(x),
        NET,
        DEEP,
        DEEP.forward,
    ],
)
def test_functions_behind_others_are_read(fn: Callable[..., Any], monkeypatch) -> None:
    compiled = planned(fn)
    before = compiled(X).tolist()
    assert before == fn(X).tolist()
    kept.cache_clear()
    monkeypatch.setitem(globals(), "RATE", 3.0)
    assert compiled(X).tolist() == fn(X).tolist() != before
    kept.cache_clear()


def test_what_it_calls_globals_runs_eagerly() -> None:
    falls_back(nnfast.compile(lambda x: x * globals()["RATE"]), X, match="globals")


class Trainer:
    rate = 2.0

    def __init__(self, bias: float) -> None:
        self.bias, self.calls, self.options = bias, 0, SimpleNamespace(power=2)

    @nnfast.compile
    def step(self, x):
        return x**self.options.power * self.rate + self.bias


def test_a_compiled_method_follows_its_instance(monkeypatch) -> None:
    one, two = Trainer(1.0), Trainer(2.0)
    square = lambda t: (X**t.options.power * t.rate + t.bias).tolist()
    changes: list[Callable[[], Any]] = [
        lambda: setattr(one, "bias", 5.0),
        lambda: setattr(two.options, "power", 3),
        lambda: monkeypatch.setattr(Trainer, "rate", 7.0),
        lambda: setattr(two, "rate", -1.0),
    ]
    for change in [lambda: None, *changes]:
        change()
        for _ in range(2):
            assert one.step(X).tolist() == square(one)
            assert two.step(X).tolist() == square(two)
    plan = Trainer.step.plan
    two.calls += 1  # nobody reads it
    two.step(X)
    assert Trainer.step.plan is plan


def test_a_plain_object_as_an_argument() -> None:
    f = planned(lambda c, x: passed(c.scale, x) * c.rate)
    c = SimpleNamespace(scale=SCALE, rate=2.0)
    config = type("Config", (), {})()
    config.__dict__.update(vars(c))
    for rate in (2.0, 3.0, 3.0):
        config.rate = rate
        assert f(config, X).tolist() == (X * RATE * rate).tolist()
    given = planned(lambda cs, x: x * cs[0].rate)
    for rate in (2.0, 5.0, 5.0):
        config.rate = rate
        assert given([config], X).tolist() == (X * rate).tolist()


def test_a_method_that_an_instance_replaces() -> None:
    net = Net()
    by_method, by_name = planned(net.forward), planned(lambda x: net.scales["one"].times(x))
    for f in (by_method, by_name):
        f(X)
    net.scales["one"].times = lambda x: x - 1
    assert by_method(X).tolist() == net(X).tolist()
    assert by_name(X).tolist() == (X - 1).tolist()


class Rated(nn.Module):
    def forward(self, x):
        return x


class Called:
    def __call__(self, x):
        return x


class Slotted(Called):
    __slots__ = ("calls", "rate", "table")


class Listed(list):
    """A list with attributes."""


def rated(x, holder):
    return x * holder.rate * holder.table["b"]


def counts(x, holder):
    holder.calls = holder.calls + 1
    return x * 1.0


HOLDERS = [Rated, lambda: nnfast.compile(Rated()), lambda: nn.Linear(1, 1), Called, Slotted, Listed]


@pytest.mark.parametrize("make", HOLDERS)
@pytest.mark.parametrize(
    "way",
    [
        lambda holder: lambda x: rated(x, holder),
        lambda holder: lambda x: rated(x, [holder][0]),
        lambda holder: lambda x: rated(x, {"a": holder}["a"]),
        lambda holder: lambda x: x * getattr(holder, "rate") * getattr(holder, "table")["b"],  # noqa: B009
        lambda holder: functools.partial(rated, holder=holder),
    ],
)
def test_attributes_of_what_is_not_called(make: Callable[[], Any], way: Any) -> None:
    """Of modules, of objects that can be called, with slots, of lists: read by a helper."""
    holder = make()
    holder.rate, holder.table = 2.0, {"b": 1.0}
    fn = way(holder)
    f = planned(fn)
    for change in (
        lambda: None,
        lambda: setattr(holder, "rate", 5.0),
        lambda: holder.table.update(b=3.0),
        lambda: setattr(holder, "table", {"b": 7.0}),
    ):
        change()
        for _ in range(2):
            assert f(X).tolist() == fn(X).tolist()


@pytest.mark.parametrize("make", HOLDERS)
def test_attributes_of_what_is_not_called_that_change(make: Callable[[], Any]) -> None:
    holder = make()
    holder.calls = 0
    falls_back(nnfast.compile(lambda x: counts(x, holder)), X, match="changes")
    assert holder.calls == 2


@pytest.mark.parametrize("make", HOLDERS)
def test_attributes_of_any_name(make: Callable[[], Any]) -> None:
    """Where names are put together, all attributes are read."""

    def rate(holder, n):
        return getattr(holder, f"rate{n}")

    holder = make() if make is not Slotted else Called()
    holder.rate1 = 2.0
    f = planned(lambda x: x * rate(holder, 1))
    for value in (2.0, 3.0, 3.0):
        holder.rate1 = value
        assert f(X).tolist() == (X * value).tolist()


@pytest.mark.parametrize("make", HOLDERS)
def test_attributes_that_are_new(make: Callable[[], Any]) -> None:
    def notes(x, holder):
        holder.calls = len(log)
        return x * 1.0

    holder, log = make(), [1]
    falls_back(nnfast.compile(lambda x: notes(x, holder)), X, match="changes")
    assert holder.calls == 1


@pytest.mark.parametrize(
    "read", [lambda m: m.state_dict()["weight"], lambda m: dict(m.named_parameters())["weight"]]
)
def test_parameters_of_a_module_that_is_not_called(read: Callable[[Any], Any]) -> None:
    layer = nn.Linear(2, 1)
    f = planned(lambda x: x * read(layer))
    for _ in range(2):
        assert f(X).tolist() == (X * layer.weight).tolist()
        layer.weight = nn.Parameter(nnfast.tensor([[5.0, 7.0]]))


def test_one_tensor_given_twice_has_the_gradient_of_both() -> None:
    f = planned(lambda a, b: nnfast.autograd.grad((a * a * b).sum(), [a, b]))
    x, y = X.clone().requires_grad_(), (X + 1).requires_grad_()
    for a, b in [(x, x), (x, y), (x, x), (y, x), (y, y)]:
        expected = nnfast.autograd.grad((a * a * b).sum(), [a, b])
        assert [g.tolist() for g in f(a, b)] == [g.tolist() for g in expected]


def test_an_argument_that_is_asked_for_gradients() -> None:
    f = planned(lambda x: nnfast.autograd.grad((x.requires_grad_() ** 3).sum(), x)[0])
    for _ in range(2):
        x = X.clone()
        assert f(x).tolist() == (3 * X**2).tolist()
        assert x.requires_grad

    def fills(x):
        (x * x).sum().backward()
        return x.detach() * 1

    x = X.clone().requires_grad_()
    falls_back(nnfast.compile(fills), x, match="a gradient in an argument")
    assert x.grad.tolist() == (4 * X).tolist()


def test_a_gradient_penalty_has_a_plan() -> None:
    """A leaf made inside gets a gradient on the way, which nobody sees."""

    def penalty(critic, x):
        x = x.detach().requires_grad_()
        slope = nnfast.autograd.grad(critic(x).sum(), x, create_graph=True)[0]
        return ((slope.norm(dim=1) - 1) ** 2).mean() + F.mse_loss(x, x * 2)

    rows = nnfast.tensor([[1.0, 2.0], [3.0, -1.0]])
    losses = []
    for run in (planned, lambda step: step):
        nnfast.manual_seed(0)
        critic = mlp(2, 4, 1)
        opt = optim.Adam(critic.parameters(), lr=0.1)
        step = run(trainer(critic, opt, lambda y, x, c=critic: penalty(c, x)))
        losses.append([step(rows, rows).item() for _ in range(4)])
    assert losses[0] == losses[1]
    assert losses[0][-1] < losses[0][0]


def test_gradients_made_outside_are_read_anew() -> None:
    net = mlp(2, 2)
    weight = net[0].weight
    norm = planned(lambda: sum(p.grad.pow(2).sum() for p in net.parameters()).sqrt())
    some = planned(lambda x: x if weight.grad is None else x + weight.grad.sum())
    kept = [nnfast.ones(2, 2)]
    held = planned(lambda: kept[0] * 2)  # a tensor that is a gradient, but is read by itself
    for k in (1.0, 2.0, 3.0):
        net.zero_grad()
        assert some(X).tolist() == X.tolist()
        (net(X * k) * k).sum().backward()
        parts = [p.grad.pow(2).sum() for p in net.parameters()]
        before = weight.grad
        assert norm().item() == sum(parts).sqrt().item()
        assert some(X).tolist() == (X + weight.grad.sum()).tolist()
        assert weight.grad is before
        if k == 1.0:
            kept[0] = before
        assert held().tolist() == (kept[0] * 2).tolist()


def test_what_comes_before_an_exception_is_done() -> None:
    w = nnfast.ones(2, requires_grad=True)
    opt = optim.SGD([w], lr=1.0)

    def step(x, fails):
        opt.zero_grad()
        loss = (w * x).sum()
        loss.backward()
        opt.step()
        if fails:
            raise ValueError("after the update")
        return loss

    f = planned(step)
    for done, fails in enumerate((True, False, True), start=1):
        try:
            f(X, fails)
            assert not fails
        except ValueError as error:
            assert str(error) == "after the update"
        assert w.tolist() == (1 - X * done).tolist()


def test_an_exception_while_it_is_traced_alone() -> None:
    def shy(x):
        try:
            return x * x.sum().item()
        except Exception:
            raise KeyError("none of its business") from None

    assert [y.tolist() for y in falls_back(nnfast.compile(shy), X)] == [[3.0, 6.0]] * 2


def test_a_layer_of_a_compiled_module_is_replaced() -> None:
    net = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
    net.compile()
    assert net(X).tolist() == F.relu(net[0](X)).tolist()
    net[1] = nn.Tanh()
    assert net(X).tolist() == net[0](X).tanh().tolist()
    drop = nn.Dropout(1.0)
    drop.compile()
    assert drop(X).tolist() == [0.0, 0.0]
    drop.p = 0.0
    assert drop(X).tolist() == X.tolist()


def puts(batch):
    batch["double"] = batch["x"] * 2
    return batch["double"].sum()


def appends(batch):
    batch["more"].append(batch["x"])
    return batch["x"].sum()


def pops(batch):
    return batch.pop("x").sum()


@pytest.mark.parametrize("fn", [puts, appends, pops])
def test_lists_and_dicts_that_are_given_and_changed(fn) -> None:
    compiled, found = nnfast.compile(fn), []
    for _ in range(2):
        eager, batch = {"x": X, "more": []}, {"x": X, "more": []}
        want = fn(eager).item()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("warnings.warn", lambda message, **k: found.append(message))
            assert compiled(batch).item() == want
        assert {k: len(v) for k, v in batch.items()} == {k: len(v) for k, v in eager.items()}
    assert len(found) == 1 and "changes a list or dict" in found[0]


def test_gradients_of_arguments() -> None:
    """What the function does may depend on them, or it may set them."""
    ask, put = nnfast.compile(lambda x: x * (2 if x.grad is None else 3)), nnfast.compile(sets)
    x = nnfast.ones(2, requires_grad=True)
    assert ask(x).tolist() == [2, 2]
    x.grad = nnfast.ones(2)
    assert [y.tolist() for y in falls_back(ask, x, match="gradient of an argument")] == [[3, 3]] * 2
    x.grad = None
    assert ask(x).tolist() == [2, 2]
    falls_back(put, X, match="leaves a gradient in an argument")
    assert X.grad.tolist() == (X * 2).tolist()
    X.grad = None


def sets(x):
    x.grad = x * 2
    return x.sum()


# ---- what gives something else at each call, or writes ------------------------------------------

RNG, OLD_RNG = np.random.default_rng(0), np.random.RandomState(0)
RATED = Called()
WEAK, EVENT, VARIABLE = (
    weakref.ref(RATED),
    threading.Event(),
    contextvars.ContextVar("v", default=2),
)
RATED.rate, NUMERALS = 2.0, array.array("d", [2.0])
VIEW, PROXY = memoryview(NUMERALS), types.MappingProxyType({"rate": 2.0})
PLAIN_RNG, NUMBERS = random.Random(0), itertools.count()


@pytest.mark.parametrize(
    "draw",
    [
        lambda x: x + RNG.normal(),
        lambda x: x + OLD_RNG.rand(),
        lambda x: x + PLAIN_RNG.random(),
        lambda x: x + NUMBERS.__next__(),
        lambda x: x * (uuid.uuid4().int % 1000),
        lambda x: x * datetime.datetime.now().microsecond,
        lambda x: x * WEAK().rate,
        lambda x: x * VARIABLE.get(),
        lambda x: x * 2 if EVENT.is_set() else x,
        lambda x: x * NUMERALS[0],
        lambda x: x * memoryview(NUMERALS)[0] * VIEW[0],
        lambda x: x * PROXY["rate"],
    ],
)
def test_what_gives_something_else_at_each_call_is_asked_each_time(draw):
    falls_back(nnfast.compile(draw), X, match="gives something else at each call")


def test_arrays_that_a_function_changes_are_changed_once():
    counts, holder = np.zeros(2), SimpleNamespace(seen=np.zeros(1))

    def step(x):
        counts[0] += 1
        np.add(holder.seen, 1, out=holder.seen)
        return x * 2

    falls_back(nnfast.compile(step), X, match="it changes")
    assert counts.tolist() == [2, 0] and holder.seen.tolist() == [2]


def test_what_is_written_is_written_at_each_call(capsys):
    text, jobs = io.StringIO(), queue.Queue()

    def write(x):
        text.write("a")
        return x * 2

    def put(x):
        jobs.put(1)
        return x * 2

    def show(x):
        sys.stdout.write("b")
        return x * 2

    for fn in (write, put, show):
        falls_back(nnfast.compile(fn), X, match="may write")
    assert text.getvalue() == "aa" and jobs.qsize() == 2 and capsys.readouterr().out == "bb"
