"""Plans for smaller batches, made of that for a larger one: the same bits, never those of another
program."""

from __future__ import annotations

import gc

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import nnfast
from nnfast import nn
from nnfast.errors import NonFiniteError
from nnfast.nn import functional as F
from tests.passes import names, randn
from tests.plans import bits, mlp, planned, trainer

BIG = 6  # rows of the larger batch; dimensions of weights are the same number on purpose


def is_made(compiled) -> bool:
    """Whether the latest plan was made of another."""
    return compiled.plan.base is not compiled.plan


def check(fn, *arrays, sizes=(5, 3, 2, 1), made=None):
    """The plan for BIG rows, then those for fewer: the bits of eager code. How many were made."""
    f = planned(fn)
    found = []
    for rows in (BIG, *sizes, BIG):
        args = [a[:rows].clone() for a in arrays]
        want, got = fn(*args), f(*args)
        for a, b in zip(*(x if isinstance(x, tuple) else (x,) for x in (got, want)), strict=True):
            assert (a.shape, a.dtype) == (b.shape, b.dtype)
            assert a.detach().numpy().tobytes() == b.detach().numpy().tobytes(), rows
        found.append(is_made(f.compiled))
    assert not found[0] and not found[-1]
    if made is not None:
        assert found[1:-1] == [made and rows > 1 for rows in sizes]
    return sum(found)


# ---- whole networks ----------------------------------------------------------------------------


class Attention(nn.Module):
    """One block of a transformer, as wide as a batch is long."""

    def __init__(self) -> None:
        super().__init__()
        self.block = nn.TransformerEncoderLayer(6, 2, 12, 0.0, batch_first=True)
        self.head = nn.Linear(6, 3)

    def forward(self, x):
        return self.head(self.block(x)).mean(1)


NETS = {
    "mlp": (lambda: mlp(6, 6, 3), (6,)),
    "mlp with batch norm": (lambda: mlp(6, 6, 3, norm=True), (6,)),
    "convolutions": (lambda: nn.Sequential(
        nn.Conv2d(6, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 3), nn.GELU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 3),
    ), (6, 6, 6)),
    "dropout": (lambda: nn.Sequential(nn.Linear(6, 6), nn.Dropout(0.5), nn.Linear(6, 3)), (6,)),
    "attention": (Attention, (5, 6)),
}  # fmt: skip
OPTIMIZERS = {
    "Adam": lambda p: nnfast.optim.Adam(p, 0.01),
    "SGD": lambda p: nnfast.optim.SGD(p, 0.1, momentum=0.9),
}


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("name", NETS)
def test_training(name, optimizer):
    """Steps of different batch sizes in turns, also with other numbers of threads: the weights of
    eager code, and the instructions of a plan of its own."""
    make, shape = NETS[name]
    x, y = randn(BIG, *shape), nnfast.tensor([0, 1, 2, 0, 1, 2])
    found = []
    for how in ("eager", "alone", "made"):
        nnfast.manual_seed(0)
        model = make()
        step = trainer(model, OPTIMIZERS[optimizer](list(model.parameters())))
        plans = {}
        shared = planned(step)
        losses = []
        for rows in (6, 6, 4, 5, 6, 4, 2):
            run = {
                "eager": step, "made": shared, "alone": plans.setdefault(rows, planned(step))
            }[how]  # fmt: skip
            with nnfast.threads(1 + rows % 2):
                losses.append(run(x[:rows].clone(), y[:rows].clone()).item())
            if how == "made":
                assert is_made(shared.compiled) == (rows < 6)
                if rows < 6:
                    alone = nnfast.compile(step).prepare(x[:rows].clone(), y[:rows].clone())
                    assert names(shared.compiled) == [c.op.name for c in alone.graph.calls]
        found.append((losses, bits(model)))
    assert found[0] == found[1] == found[2]


@pytest.mark.parametrize("name", NETS)
def test_evaluation(name):
    """Folded and packed weights belong to each plan, and follow the model."""
    make, shape = NETS[name]
    model = make().eval()
    x = randn(BIG, *shape)
    predict = planned(model)
    for _ in range(2):
        for rows in (6, 4, 2):
            with nnfast.no_grad():
                got = predict(x[:rows].clone()).numpy()
                alone = nnfast.compile(model)(x[:rows].clone()).numpy()
            assert got.tobytes() == alone.tobytes()
            assert is_made(predict.compiled) == (rows < 6)
        with nnfast.no_grad():
            for p in model.parameters():
                p.mul_(0.9)


def test_what_one_can_ask_of_it():
    """explain, memory, draw, timing and the error of bad numbers."""
    model = mlp(6, 6, 3)
    step = nnfast.compile(trainer(model, nnfast.optim.Adam(model.parameters(), 0.01)))
    x, y = randn(BIG, 6), nnfast.tensor([0, 1, 2, 0, 1, 2])
    step(x, y)
    step(x[:4].clone(), y[:4].clone())
    assert is_made(step)
    plan = step.plan
    alone = nnfast.compile(step.fn).prepare(x[:4].clone(), y[:4].clone())
    shapes = lambda plan: [line.split("  ")[1:3] for line in plan.explain().splitlines()[:-1]]
    assert shapes(plan) == shapes(alone)
    assert plan.memory().weights == alone.memory().weights
    assert plan.memory().results == alone.memory().results
    assert plan.memory().activations == alone.memory().activations
    assert plan.memory().total == alone.memory().total
    assert plan.memory().arena == plan.base.memory().arena > alone.memory().arena
    plan.timed = True
    step(x[:4].clone(), y[:4].clone())
    assert plan.core.timed_runs == 1 and (plan.core.seconds >= 0).all()
    bad = x[:4].clone()
    bad[2] = float("inf")
    before = bits(model)
    with pytest.raises(nnfast.errors.NonFiniteError, match=r"in rows 2"):
        step(bad, y[:4].clone())
    assert bits(model) == before
    with pytest.raises(AttributeError):
        plan.nothing  # noqa: B018


def test_the_larger_plan_may_come_later():
    """Only a smaller batch is made of another, and one row is a case of its own."""
    f = planned(lambda x: (x * 2.0).relu().sum(0))
    for rows, made in ((3, False), (5, False), (4, True), (2, True), (1, False), (6, False)):
        x = randn(rows, 6)
        assert f(x).tolist() == (x * 2.0).relu().sum(0).tolist()
        assert is_made(f.compiled) == made


def test_the_collector_is_as_it_was():
    for on in (True, False):
        (gc.enable if on else gc.disable)()
        try:
            nnfast.compile(lambda x: x + x)(randn(2))
            assert gc.isenabled() == on
        finally:
            gc.enable()


# ---- programs that look at their sizes ---------------------------------------------------------


def looks(x, w):
    """Another program for each number of rows."""
    return x @ w if x.shape[0] > 4 else (x @ w).relu()


def mean(x, w):
    return (x @ w).sum() / x.shape[0]


def same_at_first(x, w):
    """Two slices that are the same one where there are BIG rows only."""
    return x[: x.shape[0] - 2].exp().sum() + x[:4].exp().sum() * 3.0


def whole_at_first(x, w):
    return (x @ w)[:6].relu(), (x @ w)[:6].exp()


def part(x, w):
    """A view of all of a product, but not where there are fewer rows."""
    y = x @ w
    return y[: 6 if y.shape[0] == 6 else 2].relu()


def last(x, w):
    return x[x.shape[0] - 2 :].exp()


def stepped(x, w):
    return x[:, :: 8 - x.shape[0]].exp().sum(-1)


def squared(x, w):
    """A view that is dense where there are as many rows as columns."""
    y = x[:, : x.shape[0]]
    return y.logsumexp(-1), y.argmax(-1), F.cross_entropy(y, nnfast.zeros(len(y)).long())


def of_columns(x, w):
    return x.t().logsumexp(-1), x.t().argmax(-1)


def packed(x, w):
    """A weight made of as many rows of a table as there are."""
    k = nnfast.cat([w, w])[: x.shape[0]]
    return F.linear(x, k).sum(-1), F.linear(x, k.exp()).sum(-1)


def leaky(x, w):
    return F.leaky_relu(x, 0.1 * x.shape[0])


def of_a_weight(x, w):
    """Adds rows of a weight, as many as the batch has, as its columns are."""
    return (x @ w + w[: x.shape[0]]).tanh()


def turned(x, w):
    return (x.t() @ x).relu() + x.t().sum(1), x.t() + 1.0


def parts(x, w):
    """Gradients of parts that meet, or do not."""
    a = x.detach().requires_grad_()
    n = x.shape[0]
    (a[: n - 3].exp().sum() + a[3:].sin().sum()).backward()
    return a.grad


def constant(x, w):
    """A weight made of as many rows as there are."""
    k = w[: x.shape[0]]
    return F.linear(x, k), F.linear(x, k.exp())


PROGRAMS = (
    looks, mean, same_at_first, whole_at_first, part, last, stepped, squared, of_columns, packed,
    leaky, of_a_weight, turned, parts, constant,
)  # fmt: skip
OTHERS = (looks, same_at_first, part, last, stepped, squared, packed, leaky)


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("graded", [False, True])
def test_programs_that_look_at_sizes(program, graded):
    w = randn(6, 6, requires_grad=graded)
    check(lambda x: program(x, w), randn(BIG, 6))


def test_what_is_made_of_another():
    """Plain programs are; those that become other ones are not."""
    w, b = randn(6, 6), randn(6)
    check(lambda x: (x @ w + b).relu() + x, randn(BIG, 6), made=True)
    check(lambda x: (x * b).sum(-1, keepdim=True), randn(BIG, 6), made=True)
    check(lambda x: x.t().contiguous(), randn(BIG, 6), made=False)


@pytest.mark.parametrize("program", OTHERS)
def test_what_is_another_program(program):
    """The plan for 4 rows is none for 6 with smaller arrays."""
    w = randn(6, 6)
    check(lambda x: program(x, w), randn(BIG, 6), sizes=(4,), made=False)


def test_two_tensors_become_one():
    """A program that reads two tensors for a large batch, and one of them twice for a small one."""
    a, b = randn(6, 6), randn(6, 6)
    check(
        lambda x: x @ a + x @ (b if x.shape[0] == 6 else a), randn(BIG, 6), sizes=(5,), made=False
    )


UNARY = (
    lambda x: x.exp(), lambda x: x.relu(), lambda x: x * 2.0 + 1.0, lambda x: x.sum(0),
    lambda x: x.sum(-1, keepdim=True), lambda x: x.mean(0, keepdim=True), lambda x: x[1:],
    lambda x: x[:4], lambda x: x[: x.shape[0] // 2], lambda x: x[:, 1:], lambda x: x[::2],
    lambda x: x.permute(*reversed(range(x.ndim))), lambda x: x.reshape(-1),
    lambda x: x.unsqueeze(0),
    lambda x: x.reshape(x.shape[0], -1, 2), lambda x: x.clone(), lambda x: x.softmax(-1),
    lambda x: x / x.shape[0], lambda x: x.reshape(-1, 6),
)  # fmt: skip
BINARY = (
    lambda a, b: a + b, lambda a, b: a * b, lambda a, b: a @ b, lambda a, b: nnfast.cat([a, b]),
    lambda a, b: F.linear(a, b), lambda a, b: nnfast.where(a > b, a, b),
)  # fmt: skip


MADE = []  # how many plans of each random program were made of the larger one


@settings(
    max_examples=120, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
)
@given(
    st.lists(
        st.tuples(st.integers(0, 99), st.integers(0, 99), st.integers(0, 99)),
        min_size=1,
        max_size=14,
    )
)
def test_random_programs(code):
    """Views, products, sums and gradients of a batch as large as the weights: eager's bits."""
    w, b = randn(6, 6, requires_grad=True), randn(6)

    def program(x):
        values = [x, w, x @ w + b]
        for which, i, j in code:
            one, other = values[-1 - i % len(values)], values[j % len(values)]
            try:
                if which % 3:
                    values.append(UNARY[which // 3 % len(UNARY)](one))
                else:
                    values.append(BINARY[which // 3 % len(BINARY)](one, other))
            except (nnfast.NNFastError, IndexError):
                continue  # sizes that do not fit: another program then
        loss = values[-1].sum() + w.sum() * 0.5 + values[len(values) // 2].sum()
        (dw,) = nnfast.autograd.grad(loss, [w])
        return values[-1], values[len(values) // 2], dw

    MADE.append(check(program, randn(BIG, 6)))


def test_random_programs_are_made_of_others():
    """The test above tests something."""
    assert not MADE or sum(MADE) > len(MADE) // 2


def test_whether_a_captured_tensor_requires_gradients_counts() -> None:
    w = nnfast.ones(3)

    @nnfast.compile
    def step(x: nnfast.Tensor) -> nnfast.Tensor:
        with nnfast.no_grad():
            g = x.mean(0)
            w.sub_(g)
        return g.sum()

    step(nnfast.ones(8, 3))
    w.requires_grad_(True)
    before = w.tolist()
    with pytest.raises(NonFiniteError):
        step(nnfast.full((4, 3), np.inf))
    assert w.tolist() == before
