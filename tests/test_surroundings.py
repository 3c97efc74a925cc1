"""What a compiled function reads outside its arguments is never stale."""

from __future__ import annotations

import copy
import os
import random
import sys
import time
import warnings
from collections import ChainMap, OrderedDict, UserDict, deque
from contextlib import suppress
from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import nnfast
from nnfast import nn, optim
from tests.plans import falls_back, mlp, planned, trainer

ONE, PAIR = nnfast.ones(1), nnfast.ones(2, 1)
RATE, LIST = 2.0, [2.0]
os.environ["NNFAST_TEST_RATE"] = "2"
CONFIG = SimpleNamespace(rate=2.0, deep=SimpleNamespace(rate=2.0), rates=[2.0], table={"a": [2.0]})
VALUES = np.array([2.0, 3.0])
NUMBERS = iter(range(100))


def helper(x):
    return x * RATE


class Scale:
    factor = 2.0

    def __init__(self) -> None:
        self.rate = 2.0

    def __call__(self, x):
        return x * self.rate

    @property
    def doubled(self) -> float:
        return self.rate * 1.0

    def apply(self, x):
        return x * self.doubled


class Slots:
    __slots__ = ("later", "rate")

    def __init__(self) -> None:
        self.rate = 2.0


def of_record(x, record):
    return x * record.rate


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(1, 1)
        self.inner.rate = 2.0

    def forward(self, x):
        return helper(x) * self.inner.rate  # read, never called


SCALE, SLOTS = Scale(), Slots()
BYTES = bytearray(b"\x02")
HELD = SimpleNamespace(rate=2.0)
LEAF = nnfast.ones(1, requires_grad=True)
NET = Net()


def default(x, rate=2.0):
    return x * rate


def set_global(value: float) -> None:
    globals()["RATE"] = value


def set_variable(value: str) -> None:
    os.environ["NNFAST_TEST_RATE"] = value


@pytest.mark.parametrize(
    ("fn", "change"),
    [
        (lambda x: helper(x), lambda: set_global(3.0)),
        (lambda x: x * CONFIG.rate, lambda: setattr(CONFIG, "rate", 3.0)),
        (lambda x: x * CONFIG.deep.rate, lambda: setattr(CONFIG.deep, "rate", 3.0)),
        (lambda x: x * CONFIG.rates[0], lambda: CONFIG.rates.__setitem__(0, 3.0)),
        (lambda x: x * CONFIG.table["a"][0], lambda: CONFIG.table["a"].__setitem__(0, 3.0)),
        (lambda x: x * VALUES, lambda: VALUES.__setitem__(1, 7.0)),
        (lambda x: x * float(VALUES[0]), lambda: VALUES.__setitem__(0, 5.0)),
        (SCALE, lambda: setattr(SCALE, "rate", 3.0)),
        (SCALE.apply, lambda: setattr(SCALE, "rate", 4.0)),
        (lambda x: SCALE.apply(x), lambda: setattr(SCALE, "rate", 5.0)),
        (lambda x: x * SCALE.factor, lambda: setattr(Scale, "factor", 3.0)),
        (lambda x: sum(f(x) for f in (helper, SCALE)), lambda: set_global(4.0)),
        (NET, lambda: set_global(6.0)),
        (lambda x: NET(x), lambda: setattr(NET.inner, "rate", 3.0)),
        (default, lambda: setattr(default, "__defaults__", (3.0,))),
        (lambda x: x * SLOTS.rate, lambda: setattr(SLOTS, "rate", 3.0)),
        (lambda x: of_record(x, SLOTS), lambda: setattr(SLOTS, "rate", 4.0)),
        (
            lambda x: x * (2.0 if hasattr(SLOTS, "later") else 1.0),
            lambda: setattr(SLOTS, "later", 1),
        ),
        (lambda x: x * BYTES[0], lambda: BYTES.__setitem__(0, 3)),
        (lambda x: x * int(os.environ["NNFAST_TEST_RATE"]), lambda: set_variable("3")),
        (lambda x: x * int(os.getenv("NNFAST_TEST_RATE")), lambda: set_variable("4")),
        (partial(of_record, record=HELD), lambda: setattr(HELD, "rate", 3.0)),
        (partial(lambda rates, x: x * rates[0], LIST), lambda: LIST.__setitem__(0, 3.0)),
        (lambda x: x * (2.0 if LEAF.grad is None else 3.0), lambda: setattr(LEAF, "grad", ONE)),
        (lambda x: x * (2.0 if LEAF.requires_grad else 3.0), lambda: LEAF.requires_grad_(False)),
    ],
)
def test_changes_outside_are_noticed(fn, change):
    compiled = planned(fn)
    before = compiled(ONE).tolist()
    assert before == fn(ONE).tolist()
    assert compiled(PAIR).tolist() == fn(PAIR).tolist()  # a plan that shares what was read
    change()
    assert compiled(ONE).tolist() == fn(ONE).tolist() != before
    assert compiled(PAIR).tolist() == fn(PAIR).tolist()


def test_a_module_that_only_one_of_two_plans_calls():
    """Both share what was read; each looks at the modules that it called itself."""
    small, large = nn.Dropout(0.5).eval(), nn.Dropout(0.5).eval()

    def fn(x):
        return (small if len(x) == 1 else large)(x)

    compiled = planned(fn)
    assert compiled(ONE).tolist() == ONE.tolist()
    assert compiled(PAIR).tolist() == PAIR.tolist()
    large.p = 1.0
    large.train()
    assert compiled(ONE).tolist() == ONE.tolist()
    assert compiled(PAIR).tolist() == [[0.0], [0.0]]


def test_what_changed_between_two_plans():
    """The second is made of what there is then."""
    rates = [2.0]
    compiled = planned(lambda x: x * rates[0])
    assert compiled(ONE).tolist() == [2.0]
    rates[0] = 3.0
    assert compiled(PAIR).tolist() == [[3.0], [3.0]]
    assert compiled(ONE).tolist() == [3.0]


def test_a_helper_that_is_exchanged():
    inner = helper

    def outer(x):
        return inner(x)

    f = planned(outer)
    assert f(ONE).item() == RATE

    def other(x):
        return x * 3

    inner = other
    assert f(ONE).item() == 3
    other.__code__ = helper.__code__
    assert f(ONE).item() == helper(ONE).item()


def counter():
    return SimpleNamespace(calls=0, log=[], seen={"n": 0})


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda c: setattr(c, "calls", c.calls + 1), "calls setattr"),
        (lambda c: c.log.append(1), "changes state"),
        (lambda c: c.seen.update(n=c.seen["n"] + 1), "changes state"),
    ],
)
def test_side_effects_happen_once_a_call(change, match):
    state = counter()

    def fn(x):
        change(state)
        return x + 1

    falls_back(nnfast.compile(fn), ONE, match=match)
    assert state.calls == 2 or len(state.log) == 2 or state.seen["n"] == 2


def test_an_attribute_that_is_counted_up():
    state = counter()

    def fn(x):
        state.calls += 1
        return x * state.calls

    assert [y.item() for y in falls_back(nnfast.compile(fn), ONE, match="changes state")] == [1, 2]


def test_an_attribute_in_a_slot_that_is_counted_up():
    state = Slots()

    def fn(x):
        state.rate += 1
        return x * state.rate

    falls_back(nnfast.compile(fn), ONE, match="changes state")
    assert state.rate == 4.0  # two calls


def test_a_rate_that_the_function_changes():
    net = mlp(2, 1)
    opt = optim.SGD(net.parameters(), lr=0.5)
    step = trainer(net, opt, nn.functional.mse_loss)

    def decays(x, t):
        loss = step(x, t)
        opt.param_groups[0]["lr"] *= 0.5
        return loss

    falls_back(nnfast.compile(decays), nnfast.ones(1, 2), nnfast.ones(1, 1), match="param_groups")
    assert opt.param_groups[0]["lr"] == 0.125


@pytest.mark.parametrize(
    "fn",
    [
        lambda x: x * next(NUMBERS),
        lambda x: x * random.random(),
        lambda x: x * np.random.rand(),
        lambda x: x + time.time(),
        lambda x: print(end="") or x * 1.0,
    ],
)
def test_what_differs_from_call_to_call_runs_eagerly(fn):
    falls_back(nnfast.compile(fn), ONE)


def test_gradients_switched_for_the_caller():
    def fn(x):
        nnfast.set_grad_enabled(False)
        return x * 2

    try:
        falls_back(nnfast.compile(fn), ONE, match="switches gradients")
        assert not nnfast.is_grad_enabled()
    finally:
        nnfast.set_grad_enabled(True)


def test_two_tensors_in_one_memory():
    array = np.ones(3, np.float32)
    w = nnfast.from_numpy(array).requires_grad_()
    view = nnfast.from_numpy(array[1:])
    opt = optim.SGD([w], lr=0.5)

    def fn():
        opt.zero_grad()
        w.sum().backward()
        before = view * 1.0
        opt.step()
        return before, view * 1.0

    answers = falls_back(nnfast.compile(fn), match="shares its memory")
    assert answers[1][1].tolist() == [0.0, 0.0]


def test_an_answer_that_is_an_argument():
    f = planned(lambda x, y: (x, y * 2))
    x = nnfast.ones(2)
    assert f(x, x)[0] is x


def test_copies_of_what_is_compiled():
    net = mlp(2, 2)
    net.forward = nnfast.compile(net.forward)
    other = copy.deepcopy(net)
    x = nnfast.ones(1, 2)
    assert other(x).tolist() == net(x).tolist()
    other[0].weight.data = nnfast.zeros(2, 2)
    assert other(x).tolist() != net(x).tolist()


def test_computed_and_captured_class_numbers():
    table = nnfast.tensor([[1.0], [2.0]])
    rows = nnfast.tensor([0, 1])
    f = planned(lambda: nn.functional.embedding(rows, table))
    assert f().tolist() == [[1.0], [2.0]]
    rows.numpy()[1] = 2
    with pytest.raises(nnfast.NNFastError, match="numbers from 0 to 1"):
        f()
    g = planned(lambda i: nn.functional.embedding(i[1:], table))
    assert g(nnfast.tensor([9, 1])).tolist() == [[2.0]]
    with pytest.raises(nnfast.NNFastError, match="numbers from 0 to 1"):
        g(nnfast.tensor([0, 9]))


def test_modes_keep_their_plans():
    net = nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.5))
    f = planned(net)
    x = nnfast.ones(1, 2)
    plans = []
    for training in (True, False, True, False):
        net.train(training)
        f(x)
        plans.append(f.compiled.plan)
    assert plans[0] is plans[2] and plans[1] is plans[3]


class Rates:
    scale = 2.0

    def times(self, x):
        return x * 2.0

    @staticmethod
    def twice(x):
        return x * Rates.scale


RATES, NESTED, ORDERED, QUEUE = Rates(), {"a": {"b": 2.0}}, OrderedDict(a=2.0), deque([2.0])


USERS, CHAIN = UserDict(a=2.0), ChainMap({}, {"a": 2.0})


def keyed(x, *, scale=2.0):
    return x * scale


def replaced_list():
    global LISTED
    LISTED = [2.0]


LISTED = [2.0]


@pytest.mark.parametrize(
    ("fn", "changes"),
    [
        (lambda x: x * LISTED[0], [replaced_list, lambda: LISTED.__setitem__(0, 7.0)]),
        (
            lambda x: x * NESTED["a"]["b"],
            [lambda: NESTED.update(a={"b": 2.0}), lambda: NESTED["a"].update(b=7.0)],
        ),
        (lambda x: x * ORDERED["a"], [lambda: ORDERED.update(a=7.0)]),
        (lambda x: x * USERS["a"], [lambda: USERS.update(a=7.0)]),
        (lambda x: x * CHAIN["a"], [lambda: CHAIN.maps[1].update(a=7.0)]),
        (lambda x: x * QUEUE[0], [lambda: QUEUE.__setitem__(0, 7.0)]),
        (keyed, [lambda: keyed.__kwdefaults__.update(scale=7.0)]),
        (lambda x: x * Rates.scale, [lambda: setattr(Rates, "scale", 7.0)]),
        (lambda x: Rates.twice(x), [lambda: setattr(Rates, "scale", 5.0)]),
        (
            lambda x: RATES.times(x),
            [lambda: setattr(Rates, "times", lambda self, x: x * 7.0)],
        ),
    ],
)
def test_what_takes_its_place_is_watched_too(fn, changes):
    """An equal container may take the place of another, and then change."""
    compiled = planned(fn)
    x = nnfast.ones(2)
    compiled(x)
    for change in changes:
        change()
        for _ in range(2):
            assert compiled(x).tolist() == fn(x).tolist()


def test_a_stop_while_tracing_leaves_nothing_behind() -> None:
    kept: list[nnfast.Tensor] = []

    def fn(x: nnfast.Tensor) -> nnfast.Tensor:
        kept.append(x * 2)
        if len(kept) == 1:
            raise KeyboardInterrupt
        return nnfast.cat(kept).sum()

    with pytest.raises(KeyboardInterrupt):
        nnfast.compile(fn)(nnfast.ones(2))
    assert kept == []


def test_an_error_where_calls_are_noted_is_pythons() -> None:
    def deep(h: Any, x: nnfast.Tensor, n: int) -> nnfast.Tensor:
        return h(lambda x, n: x + 1, x, n) if n == 0 else deep(h, x, n - 1)

    limit = sys.getrecursionlimit()
    for n in range(limit - 120, limit - 4):
        names: dict[str, Any] = {}
        text = "def helper(f, x, n):\n    return f(x, n)\n"
        exec(compile(text, f"/nowhere/helper{n}.py", "exec"), names)
        with warnings.catch_warnings(), suppress(RecursionError):
            warnings.simplefilter("ignore")
            nnfast.compile(lambda x, n=n, h=names["helper"]: deep(h, x, n))(nnfast.ones(3))
