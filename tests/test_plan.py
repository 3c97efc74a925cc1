"""What cannot be planned, what a plan tells of itself, and random programs."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import nnfast
from nnfast import nn, ops, optim
from nnfast.errors import ArgumentError
from nnfast.graph import compiled as graph_compiled
from nnfast.graph import plan as graph_plan
from nnfast.graph.memory import plan_memory
from nnfast.models import MODELS
from nnfast.nn import functional as F
from tests.plans import RNG, X, Y, bits, falls_back, mlp, planned, trainer

OPTIMIZERS = {
    "sgd": lambda p: optim.SGD(p, lr=0.05),
    "momentum": lambda p: optim.SGD(p, lr=0.05, momentum=0.9, dampening=0.5, weight_decay=1e-2),
    "nesterov": lambda p: optim.SGD(p, lr=0.05, momentum=0.9, nesterov=True),
    "adam": lambda p: optim.Adam(p, lr=1e-2),
    "amsgrad": lambda p: optim.Adam(p, lr=1e-2, amsgrad=True, weight_decay=1e-2),
    "adamw": lambda p: optim.AdamW(p, lr=1e-2),
}


def run(make_model, make_optimizer, steps, compiled, batches=None):
    nnfast.manual_seed(3)
    model = make_model()
    step = trainer(model, make_optimizer(model.parameters()))
    step = planned(step) if compiled else step
    losses = [step(*(batches[i % len(batches)] if batches else (X, Y))).item()
              for i in range(steps)]  # fmt: skip
    return losses, bits(model)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_several_steps_in_one_call(name):
    def many(compiled):
        nnfast.manual_seed(3)
        model = mlp(784, 9, 10)
        one = trainer(model, OPTIMIZERS[name](model.parameters()))
        call = planned(lambda x, y: [one(x, y) for _ in range(3)]) if compiled else None
        x = X.reshape(6, 784)
        for _ in range(2):
            call(x, Y) if call else [one(x, Y) for _ in range(3)]
        return bits(model)

    assert many(True) == many(False)


# ---- what cannot be planned ----------------------------------------------------------------------


W = nnfast.tensor([1.0, -2.0])


@pytest.mark.parametrize(
    ("fn", "match"),
    [
        (lambda x: x * 2 if x.sum() > 0 else x, "values"),
        (lambda x: x * 2 if float(x.sum()) > 0 else x, "values"),
        (lambda x: x * np.asarray(x.numpy() + 1), "values"),
        (lambda x: x * (2.0 if W[0] > 0 else 1.0), "values"),
        (lambda x: x * W.item() if W.ndim == 0 else x * W.numpy()[0], "values"),
        (lambda x: x.tolist(), "values"),
        (lambda x: (x, 3.0), "returns float"),
        (lambda x: f"{x.sum()}", "values"),
    ],
)
def test_functions_that_look_at_values_run_eagerly(fn, match):
    x = nnfast.tensor([1.0, 2.0])
    for answer in falls_back(nnfast.compile(fn), x, match=match):
        assert str(answer) == str(fn(x))


@pytest.mark.parametrize("known", [False, True])
def test_what_never_has_a_plan_is_not_asked_again_and_again(known, monkeypatch):
    """Each number is another kind of arguments; a function that has a plan is asked for more."""
    monkeypatch.setattr(graph_compiled, "REFUSED", 50)
    made = []
    entry = graph_compiled.Entry
    monkeypatch.setattr(graph_compiled, "Entry", lambda *a, **k: made.append(1) or entry(*a, **k))
    f = nnfast.compile(lambda x, k: x * k if k < 0 or x.sum().item() > 0 else x)
    if known:
        f(nnfast.ones(2), -1.0)
    with pytest.warns(UserWarning, match="runs eagerly"):
        for k in range(120):
            assert f(nnfast.ones(2), float(k)).tolist() == [k, k]
    assert len(made) == (121 if known else graph_compiled.TRIES)
    assert len(f._refused) <= 50


def test_a_number_that_always_changes_is_told_once(monkeypatch):
    monkeypatch.setattr(graph_compiled, "NUMBERS", 5)
    f = nnfast.compile(lambda x, k: x * k)
    with pytest.warns(UserWarning, match="give what changes as a tensor") as notes:
        for k in range(8):
            assert f(nnfast.ones(2), k / 2).tolist() == [k / 2, k / 2]
    assert len(notes) == 1
    monkeypatch.setattr(graph_compiled, "PLAN_BYTES", 30000)  # so that few are kept
    g = nnfast.compile(lambda x, k: x * k)
    with pytest.warns(UserWarning, match="give what changes as a tensor") as notes:
        for k in range(12):
            g(nnfast.ones(2), float(k)), g(nnfast.ones(k), 0.5)
    assert len(notes) == 1 and len(g._entries) == 3
    shapes = planned(lambda x, k: x * k)
    for n in range(8):
        assert shapes(nnfast.ones(n), float(n)).tolist() == [n] * n


def test_an_exception_that_the_function_catches_does_not_hide_it():
    @nnfast.compile
    def f(x):
        try:
            return x * x.sum().item()
        except Exception:
            return x

    x = nnfast.tensor([1.0, 2.0])
    assert [y.tolist() for y in falls_back(f, x)] == [[3.0, 6.0]] * 2


def test_side_effects_happen_once_a_call():
    kept: list = []
    counts = {"calls": 0}

    @nnfast.compile
    def keeps(x):
        kept.append(x * 2)
        return x + 1

    @nnfast.compile
    def counts_calls(x):
        counts["calls"] += 1
        return x + 1

    falls_back(keeps, nnfast.ones(2), match="keeps a tensor|changes kept")
    assert [k.tolist() for k in kept] == [[2.0, 2.0]] * 2
    falls_back(counts_calls, nnfast.ones(2), match="changes counts")
    assert counts["calls"] == 2


def test_a_module_that_changes_itself_runs_eagerly():
    class Counting(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.calls = 0

        def forward(self, x):
            self.calls += 1
            return x * self.calls

    net = Counting()
    assert [y.tolist() for y in falls_back(nnfast.compile(net), nnfast.ones(1))] == [[1.0], [2.0]]
    assert net.calls == 2


def test_errors_are_those_of_eager_code():
    net = nn.Sequential(nn.Linear(4, 3), nn.Linear(4, 3))
    with pytest.raises(ArgumentError) as planned_error:
        nnfast.compile(net)(nnfast.ones(2, 4))
    with pytest.raises(ArgumentError) as eager_error:
        net(nnfast.ones(2, 4))
    assert str(planned_error.value) == str(eager_error.value)
    w = nnfast.ones(2, requires_grad=True)

    @nnfast.compile
    def fails():
        (w * 2).sum().backward()
        raise KeyError("mine")

    with pytest.raises(KeyError):
        fails()
    assert w.grad.tolist() == [2.0, 2.0] and (w * 2).node is not None
    with pytest.raises(nnfast.errors.DTypeError):
        nnfast.compile(3)


# ---- the plan ------------------------------------------------------------------------------------


def test_blocks_overlap_only_when_their_times_do_not():
    net = MODELS["lenet"]()
    step = planned(trainer(net, optim.Adam(net.parameters())))
    step(X, Y)
    plan = step.compiled.plan
    outside = {v.memory for c in plan.graph.calls for v in (*c.inputs, *c.outputs)
               if v is not None and v.memory.source is not None}  # fmt: skip
    blocks, arena = plan_memory(plan.graph, outside | set(plan.graph.results))
    unique = list({id(b): b for b in blocks.values()}.values())
    assert len(unique) > 10 and arena == plan.arena
    for i, a in enumerate(unique):
        assert a.offset % 64 == 0 and a.offset + a.nbytes <= arena
        for b in unique[:i]:
            apart = a.offset + a.nbytes <= b.offset or b.offset + b.nbytes <= a.offset
            assert apart or a.last < b.first or b.last < a.first
    assert arena < sum(b.nbytes for b in unique)


def test_a_plan_tells_what_it_does():
    net = mlp(4, 5, 3)
    step = planned(trainer(net, optim.Adam(net.parameters()), F.mse_loss))
    step(nnfast.ones(2, 4), nnfast.zeros(2, 3))
    plan = step.compiled.plan
    plan.timed = True
    for _ in range(3):
        step(nnfast.ones(2, 4), nnfast.zeros(2, 3))
    lines = plan.explain().splitlines()
    assert len(lines) == len(plan.graph.calls) + 1 and plan.core.timed_runs == 3
    assert sum("adam_update" in line for line in lines) == 1
    assert all(line.endswith(("GB/s", "once")) for line in lines[:-1])
    weights = sum(p.numel() for p in net.parameters()) * 4
    # With two moments and a step count each; and two numbers.
    memory = plan.memory()
    assert memory.weights == weights and memory.state == 2 * weights + 4 * 8 + 2 * 4 + plan.kept
    assert memory.gradients == weights


def test_a_refused_run_draws_no_random_numbers():
    net = nn.Sequential(nn.Linear(3, 2, bias=False), nn.Dropout(0.5))
    f = planned(net)
    f(nnfast.ones(1, 3))
    net[0].weight.data = nnfast.ones(5, 3)
    before = nnfast.default_generator.get_state().tolist()
    f(nnfast.ones(1, 3))
    assert nnfast.default_generator.get_state().tolist() == [before[0], before[1] + 1]


def test_plans_share_their_memory_and_go_with_the_function(monkeypatch):
    monkeypatch.setattr(graph_compiled, "PLAN_BYTES", 100 * 3 * graph_plan.BYTES_OF_A_CALL)
    f = planned(lambda x: (x.exp() + x).sum())
    for n in range(1, 200):
        f(nnfast.ones(n))
        f(nnfast.ones(7))  # used again and again, so never the one that goes
    assert len(f.compiled._entries) == 100
    kept = [key for key in f.compiled._entries if "(7,)" in str(key)]
    assert len(kept) == 1


def test_several_threads_may_call_it():
    net = mlp(20, 30, 10)
    predict = nnfast.compile(net)
    batches = [nnfast.from_numpy(RNG.standard_normal((8, 20)).astype(np.float32))
               for _ in range(40)]  # fmt: skip
    with nnfast.no_grad():
        want = [net(x).tolist() for x in batches]

    def call(x):
        with nnfast.no_grad():
            return predict(x).tolist()

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(call, batches * 5)) == want * 5
    assert threading.active_count() >= 1


# ---- random programs -----------------------------------------------------------------------------

UNARY = [
    ops.exp,
    ops.tanh,
    ops.relu,
    ops.neg,
    ops.sigmoid,
    lambda x: x.softmax(-1),
    lambda x: x * 0.5,
    lambda x: x.T.contiguous().T,
    lambda x: x[1:],
    lambda x: x[:, 0],
    lambda x: x[0],
    lambda x: x[-1:, ..., None],
    lambda x: x.unsqueeze(0).expand(2, *x.shape).sum(0),
    lambda x: x.reshape(-1),
    lambda x: x.sum(),
    lambda x: x.mean(-1, True) if x.ndim else x,
    lambda x: x.detach(),
    lambda x: x.permute(*reversed(range(x.ndim))),
    lambda x: x.double(),
    lambda x: x.float(),
    lambda x: (x * 2).long(),
    lambda x: x.clone().mul_(1.5),
]
BINARY = [ops.add, ops.mul, ops.sub, ops.maximum, lambda a, b: ops.where(a > b, a, b)]


@given(st.lists(st.tuples(st.integers(0, 99), st.integers(0, 99), st.integers(0, 99)),
                min_size=1, max_size=14), st.integers(1, 3),
       st.none() | st.sampled_from(sorted(graph_plan.OPTIONAL)))  # fmt: skip
@settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)
def test_random_programs(code, threads, left_out):
    """Shared nodes, views, casts, broadcasting, gradients: the plan's bits are eager's."""

    def program(x, w):
        values = [x, w, w * x]
        for which, i, j in code:
            a, b = values[i % len(values)], values[j % len(values)]
            try:
                if which % 2:
                    values.append(UNARY[which // 2 % len(UNARY)](a))
                else:
                    values.append(BINARY[which // 2 % len(BINARY)](a, b))
            except (nnfast.NNFastError, IndexError):
                continue  # shapes that do not fit: so in both
        (dw,) = nnfast.autograd.grad(values[-1].sum() + w.sum(), [w])
        return values[-1], values[len(values) // 2], dw

    rng = np.random.default_rng(len(code))
    x = nnfast.from_numpy(rng.standard_normal((3, 4)).astype(np.float32))
    w = nnfast.from_numpy(rng.standard_normal((3, 4)).astype(np.float32)).requires_grad_()
    with nnfast.threads(threads):
        want = [t.detach().numpy().tobytes() for t in program(x, w)]
        f = planned(program, disable=() if left_out is None else (left_out,))
        for _ in range(2):
            assert [t.detach().numpy().tobytes() for t in f(x, w)] == want
