"""Values of tensors that a compiled function reads by way of NumPy or of functions that look at
them, and what it calls that changes something at once: as in eager code, never stale."""

from __future__ import annotations

import warnings
from types import SimpleNamespace

import numpy as np
import pytest

import nnfast
from nnfast import nn
from nnfast.nn import functional as F
from tests.plans import planned

X = nnfast.tensor([1.0, 2.0, 3.0])
TABLE = nnfast.arange(9.0).reshape(3, 3)


def made() -> SimpleNamespace:
    """Tensors of all kinds from outside, and modules."""
    nnfast.manual_seed(0)
    w = nn.Parameter(nnfast.tensor([1.0, 2.0, 3.0]))
    w.grad = nnfast.ones(3)
    return SimpleNamespace(
        w=w,
        table=nnfast.tensor([1.0, 2.0, 3.0]),
        rows=nnfast.tensor([0, 1, 2]),
        narrow=nnfast.tensor(np.array([0, 1, 2], np.int32)),
        bytes=nnfast.tensor(np.array([0, 1, 2], np.uint8)),
        number=nnfast.tensor(1),
        scale=nnfast.tensor(2.0),
        starts=nnfast.tensor([0, 1]),
        linear=nn.Linear(3, 3),
        norm=nn.BatchNorm1d(3),
    )


def change(t: SimpleNamespace) -> None:
    """Other numbers in the same memory."""
    for x in (t.w, t.w.grad, t.table, t.scale, t.linear.weight, t.norm.running_mean):
        x.array[...] *= 3
    for x in (t.rows, t.narrow, t.bytes):
        x.array[...] = [2, 2, 1]
    t.number.array[...] = 2
    t.starts.array[1] = 2


def same_as_eager(fn, how=lambda fn: nnfast.compile(fn)) -> None:
    """Three calls with changes between: what they give, and what they leave."""
    found = []
    for wrap in (lambda fn: fn, how):
        t = made()
        run = wrap(lambda x, t=t: fn(t, x))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore" if how is not planned else "error")
            for _ in range(3):
                found += [run(X).tolist(), *[x.tolist() for x in t.linear.parameters()]]
                found += [x.tolist() for x in (t.table, *t.norm.buffers())]
                found.append(nnfast.get_rng_state().tolist())
                change(t)
    half = len(found) // 2
    assert found[:half] == found[half:]


def reset(t, x):
    t.norm(x * nnfast.ones(4, 3))
    t.norm.reset_running_stats()
    return t.norm.running_mean * 1


def loaded(t, x):
    t.linear.load_state_dict({"weight": np.eye(3), "bias": np.zeros(3)})
    return t.linear(x).detach()


def filled(t, x):
    nn.init.constant_(t.linear.weight, 2.0)
    return t.linear(x).detach()


def seeded(t, x):
    nnfast.manual_seed(3)
    return x * nnfast.rand(3)


def written(t, x):
    t.table.array[0] += 1
    return x * t.table


def replaced(t, x):
    t.table.array = t.table.numpy() + 1
    return x * t.table


@pytest.mark.parametrize(
    "fn",
    [
        lambda t, x: x * float(t.table.array.sum()),
        lambda t, x: x * t.table.array,
        lambda t, x: x * t.table.data.array[0],
        lambda t, x: x * nnfast.tensor(t.table.array),
        lambda t, x: x if t.w.array[0] > 2 else -x,
        lambda t, x: x * float(t.w.grad.array[0]),
        lambda t, x: x * t.linear.state_dict()["weight"].array[0],
        lambda t, x: x * nnfast.tensor([t.scale, t.scale, t.scale]),
        lambda t, x: x[t.number],
        lambda t, x: x * nnfast.rand(3, generator=nnfast.Generator().manual_seed(4)),
        written,
        replaced,
        reset,
        loaded,
        filled,
        seeded,
    ],
)
def test_what_only_eager_code_can_do(fn):
    same_as_eager(fn)


@pytest.mark.parametrize(
    "fn",
    [
        lambda t, x: F.embedding(t.narrow, TABLE).sum(0) * x,
        lambda t, x: F.cross_entropy(TABLE, t.bytes),
        lambda t, x: F.nll_loss(TABLE, t.narrow),
        lambda t, x: F.multi_margin_loss(TABLE, t.narrow),
        lambda t, x: x[t.narrow],
        lambda t, x: x[t.rows - 3],
        lambda t, x: nnfast.take(x, t.rows),
        lambda t, x: nnfast.gather(x, 0, t.narrow),
        lambda t, x: nnfast.zeros(3).index_put((t.narrow,), x),
        lambda t, x: nnfast.zeros(3).scatter(0, t.narrow, x),
        lambda t, x: F.one_hot(t.narrow, 3) @ x.long(),
        lambda t, x: F.embedding_bag(nnfast.tensor([0, 1, 2]), TABLE, t.starts),
        lambda t, x: nn.Softplus()(nn.Flatten(0)(x)) * t.scale,
    ],
)
def test_what_a_plan_reads_anew(fn):
    same_as_eager(fn, planned)


def test_numbers_that_become_negative():
    index = nnfast.tensor([0, 1])
    pick = planned(lambda x: x[index])
    for numbers in ([0, 1], [-1, 2], [2, -3]):
        index.array[...] = numbers
        assert pick(X).tolist() == X.numpy()[numbers].tolist()


def test_narrow_integers_of_another_length():
    index = nnfast.tensor(np.array([0, 1], np.int32))
    pick = planned(lambda x: x[index])
    assert pick(X).tolist() == [1, 2]
    index.data = nnfast.tensor(np.array([2, 1, 0], np.int32))
    assert pick(X).tolist() == [3, 2, 1]


def test_arrays_of_what_the_function_makes():
    """Nobody else sees them."""
    assert planned(lambda x: x * nnfast.tensor([1.0, 2.0, 3.0]).array[1])(X).tolist() == [2, 4, 6]
    assert planned(lambda x: nnfast.ones(*x.array.shape) * x)(X).tolist() == X.tolist()


def test_values_that_the_function_replaces_are_not_looked_at():
    """Not those that were there before, which the op does not see."""
    rows = nnfast.tensor([0, 9, 1])
    for part in (slice(None), slice(1, None)):
        pick = planned(
            lambda i, part=part: (rows[part].copy_(i[part]), F.embedding(rows, TABLE))[1]
        )
        for numbers in ([0, 1, 2], [2, 2, 1]):
            rows.array[...] = [0, 9, 9]
            assert pick(nnfast.tensor(numbers))[1].tolist() == TABLE[numbers[1]].tolist()


# ---- what the function makes itself ------------------------------------------------------------


@pytest.mark.parametrize(
    "draw",
    [
        lambda x: x * nnfast.randint(0, 9, (3,), dtype=nnfast.float32),
        lambda x: x * nnfast.randint(-5, 5, (3,), dtype=nnfast.float64),
        lambda x: x * nnfast.randperm(3, dtype=nnfast.float32),
        lambda x: nnfast.where(nnfast.randint(0, 2, (3,), dtype=nnfast.bool), x, 0),
        lambda x: nnfast.randint_like(x, 9),
        lambda x: nnfast.zeros(3).random_(0, 9) * x,
    ],
)
def test_random_integers_of_other_dtypes(draw):
    found = []
    for wrap in (lambda fn: fn, planned):
        nnfast.manual_seed(0)
        run = wrap(draw)
        found.append([(y.dtype, y.tolist()) for y in (run(X) for _ in range(4))])
    assert found[0] == found[1]


def of_zeros(t, x):
    d = nnfast.zeros(3, requires_grad=True)
    (t.linear(x + d) ** 2).sum().backward()
    return x + 0.1 * d.grad.sign()


def of_data(t, x):
    d = nnfast.tensor([1.0, 2.0, 3.0], requires_grad=True)
    return nnfast.autograd.grad((d * t.w * x).sum(), [d])[0]


def of_a_parameter(t, x):
    d = nn.Parameter(nnfast.zeros(3))
    ((x + d) ** 2).sum().backward()
    return d.grad


def of_a_copy(t, x):
    d = x.clone().detach().requires_grad_()
    (t.linear(d) ** 2).sum().backward()
    return d.grad


def of_random_numbers(t, x):
    z = nnfast.randn(3, requires_grad=True)
    ((x * z) ** 2).sum().backward()
    return z.grad


def statistics(t, x):
    mean, var = nnfast.zeros(3), nnfast.ones(3)
    for _ in range(2):
        F.batch_norm(x * TABLE, mean, var, training=True)
    return mean + var


def test_what_a_kernel_changes_of_them():
    """It begins anew at each run; nobody may see it by another name."""
    same_as_eager(statistics, planned)

    def seen(t, x):
        mean, var = nnfast.zeros(3), nnfast.ones(3)
        same = mean.detach()
        F.batch_norm(x * TABLE, mean, var, training=True)
        return mean + same

    same_as_eager(seen)


@pytest.mark.parametrize("fn", [of_zeros, of_data, of_a_parameter, of_a_copy, of_random_numbers])
def test_leaves_that_the_function_makes(fn):
    same_as_eager(fn, planned)
