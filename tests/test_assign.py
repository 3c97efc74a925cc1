"""Changes in place of tensors from outside, and gradients that the function itself sets, in plans:
the bits of eager code."""

from __future__ import annotations

from copy import deepcopy

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nnfast
from nnfast import nn
from nnfast.errors import NonFiniteError
from nnfast.nn import functional as F
from tests.passes import randn
from tests.plans import bits, falls_back, mlp, planned

SIZES = (4, 4, 3, 4)  # rows of the batches of `compare`


def state(things) -> list[bytes]:
    """Bits and gradients of modules and tensors."""
    found = []
    for x in things:
        if isinstance(x, nn.Module):
            found += bits(x)
        else:
            found += [x.detach().numpy().tobytes()]
    return found


def compare(make, plans=None):
    """Calls with different batches in turns: what they return, and all that they change.

    `make` gives the function and what it changes."""
    found = []
    for how in ("eager", "planned"):
        nnfast.manual_seed(0)
        fn, *things = make()
        run = planned(fn) if how == "planned" else fn
        for k, rows in enumerate(SIZES):
            x = nnfast.tensor(np.linspace(-1, 1, 3 * rows, dtype=np.float32).reshape(rows, 3))
            with nnfast.threads(1 + k % 2):
                y = run(x)
            found.append((how, k, [y.detach().numpy().tobytes(), *state(things)]))
    n = len(SIZES)
    for (_, k, want), (_, _, got) in zip(found[:n], found[n:], strict=True):
        assert got == want, k
    if plans is not None:
        assert sum(map(len, run.compiled._entries.values())) == plans
    return run.compiled


# ---- averages of weights -----------------------------------------------------------------------


def lerped(q, p):
    q.lerp_(p, 0.1)


def scaled(q, p):
    q.mul_(0.9).add_(p, alpha=0.1)


def copied(q, p):
    q.copy_(0.9 * q + 0.1 * p)


def detached(q, p):
    q.detach().mul_(0.9).add_(p.detach(), alpha=0.1)


def of_data(q, p):
    q.data.mul_(0.9)
    q.data.add_(0.1 * p.data)


@pytest.mark.parametrize("average", [lerped, scaled, copied, detached, of_data])
def test_averages_of_weights(average):
    def make():
        model = mlp(3, 4, 2, norm=True)
        mean = deepcopy(model)
        optimizer = nnfast.optim.Adam(model.parameters(), 0.1)

        def step(x):
            optimizer.zero_grad()
            loss = (model(x) ** 2).mean()
            loss.backward()
            optimizer.step()
            with nnfast.no_grad():
                for p, q in zip(model.parameters(), mean.parameters(), strict=True):
                    average(q, p)
                for p, q in zip(model.buffers(), mean.buffers(), strict=True):
                    q.copy_(p)
            return loss + mean[0].weight.sum().detach()

        return step, model, mean

    compiled = compare(make, plans=2)
    writes = [c for c in compiled.plan.graph.calls if c.op.name == "clone" and c.changed]
    assert len(writes) == 8 + 6  # one for each parameter and buffer


def test_an_average_before_the_update():
    """It sees the weights as they were."""

    def make():
        w = randn(3, 2, requires_grad=True)
        nnfast.nn.init.constant_(w, 0.5)
        mean = nnfast.zeros(3, 2)
        optimizer = nnfast.optim.SGD([w], 0.1, momentum=0.9)

        def step(x):
            optimizer.zero_grad()
            (x @ w).square().mean().backward()
            mean.lerp_(w.detach(), 0.5)
            optimizer.step()
            return mean.sum() + w.detach().sum()

        return step, w, mean

    compare(make)


# ---- buffers -----------------------------------------------------------------------------------


class Counts(nn.Module):
    """A layer that keeps statistics of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 2)
        self.register_buffer("total", nnfast.zeros(3))
        self.register_buffer("batches", nnfast.tensor(0))
        self.register_buffer("most", nnfast.full((3,), -float("inf")))

    def forward(self, x):
        if self.training:
            with nnfast.no_grad():
                self.total += x.sum(0)
                self.batches += 1
                self.most.copy_(nnfast.maximum(self.most, x.amax(0)))
        return self.linear(x * self.total / self.batches)


def test_buffers():
    def make():
        model = Counts()
        optimizer = nnfast.optim.SGD(model.parameters(), 0.1)

        def step(x):
            optimizer.zero_grad()
            loss = model(x).square().mean()
            loss.backward()
            optimizer.step()
            return loss

        return step, model

    compare(make, plans=2)


def test_evaluation_leaves_them():
    model = Counts()
    predict = planned(model)
    x = randn(4, 3)
    predict(x)
    model.eval()
    before = bits(model)
    with nnfast.no_grad():
        a, b = predict(x), predict(x)
    assert bits(model) == before and a.tolist() == b.tolist()


def test_what_is_made_of_them_follows():
    """What depends on captured tensors alone is computed again when the plan changes them."""

    def make():
        table = nnfast.ones(3)

        def step(x):
            y = (x * table.exp()).sum()
            table.mul_(0.5)
            return y + table.exp().sum()

        return step, table

    compare(make)


def test_mixed_with_eager_code():
    def make():
        return nnfast.ones(3)

    table, mine = make(), make()

    def step(x):
        table.add_(x.sum(0))
        return table * 2

    def eager(x):
        mine.add_(x.sum(0))
        return mine * 2

    run = planned(step)
    x = randn(2, 3)
    for k in range(4):
        assert run(x).tolist() == eager(x).tolist()
        if k == 1:
            table.zero_()
            mine.zero_()
        if k == 2:
            table[1] = 5.0
            mine[1] = 5.0
    assert table.tolist() == mine.tolist()


@pytest.mark.parametrize("index", [1, slice(0, 2), (slice(None), 1)])
def test_elements(index):
    def make():
        table = nnfast.zeros(3, 3)

        def step(x):
            table[index] = x.sum(0)[0]
            table[index] = table[index] * 2
            return table.sum()

        return step, table

    compare(make)


def test_an_eager_history_notices():
    """A node that saved the old values refuses, as after a change in eager code."""
    table = nnfast.ones(3)
    w = nnfast.ones(3, requires_grad=True)
    y = (w * table).sum()

    def step(x):
        table.add_(x)
        return table.sum()

    planned(step)(randn(3))
    with pytest.raises(nnfast.errors.StateError, match="changed in place"):
        y.backward()


# ---- views -------------------------------------------------------------------------------------


def row(t, x):
    t[0] += x.sum(0)
    t[1] *= 2
    t[2, 1] -= 1
    t[0, :2].clamp_(-1, 1)


def columns(t, x):
    t.T.add_(x[:3])
    t[:, 0].fill_(3.0)
    t[::2, 1:].zero_()


def other_shapes(t, x):
    t.view(-1)[2:5].mul_(0.5)
    t.diagonal().copy_(x[0])
    t.unsqueeze(0).sub_(x[0])
    t.reshape(9).add_(1.0)
    t[0:0] += 1


def again_and_again(t, x):
    for i in range(3):
        for j in range(2):
            t[i, j] = t[i, j] * 2 + x[0, j]


def held(t, x):
    first = t[0]
    first.add_(x[0])
    y = first * 2
    first.mul_(y)
    del first
    t[1].copy_(t[0] * 1)


def whole(t, x):
    t[:].copy_(x[:3])
    t.mul_(2.0)
    t[...].add_(1.0)


def exchanged(t, x):
    t[0], t[1] = t[1] * 1, t[0] * 1


@pytest.mark.parametrize(
    "fn", [row, columns, other_shapes, again_and_again, held, whole, exchanged]
)
@pytest.mark.parametrize("kind", ["buffer", "weight", "data"])
def test_views(fn, kind):
    """A change of a view of what is outside is one of the whole."""

    def make():
        w = nnfast.randn(3, 3).requires_grad_(kind != "buffer")
        optimizer = nnfast.optim.SGD([w], 0.1, momentum=0.9)

        def step(x):
            loss = x.sum()
            if kind != "buffer":
                optimizer.zero_grad()
                loss = (x @ w).square().mean()
                loss.backward()
                optimizer.step()
            with nnfast.no_grad():
                fn(w.data if kind == "data" else w, nnfast.cat([x, x])[:4])
            return loss + w.detach().sum()

        return step, w

    compare(make, plans=2)


def test_views_of_what_is_copied():
    """The values that were copied are another tensor's."""

    def make():
        t = nnfast.zeros(3)

        def step(x):
            y = x.sum(0) * 2
            t[:].copy_(y)
            part = y[1:]
            t[1:].mul_(3.0)
            return (y.sum() + part.sum()) * t.sum()

        return step, t

    compare(make)


@pytest.mark.parametrize(
    "change",
    [
        lambda t, first, x: first[1:].add_(x),  # which another view sees
        lambda t, first, x: t[:1].add_(x),
        lambda t, first, x: t.unfold(0, 2, 1).mul_(x),  # elements that share a place
    ],
)
def test_views_that_others_see(change):
    found = []
    for how in ("eager", "compiled"):
        t = nnfast.ones(3)

        def step(x, t=t):
            first = t[:2]
            change(t, first, x)
            return first.sum() + t.sum()

        x = nnfast.tensor([2.0])
        if how == "eager":
            answers = step(x), step(x)
        else:
            answers = falls_back(nnfast.compile(step), x, match="others see")
        found.append(([y.item() for y in answers], t.tolist()))
    assert found[0] == found[1]


def test_a_view_that_the_backward_pass_needs():
    t, w = nnfast.ones(2, 3), nnfast.ones(3, requires_grad=True)

    def step(x):
        part = t[0]
        y = (w * part * x).sum()
        part.add_(1.0)
        y.backward()
        return y

    for fn in (step, nnfast.compile(step)):
        with pytest.raises(nnfast.errors.StateError, match="changed in place"):
            fn(nnfast.ones(3))


# ---- who else looks ----------------------------------------------------------------------------


def test_exchange_and_order():
    def make():
        a, b = nnfast.ones(3), nnfast.full((3,), 2.0)

        def step(x):
            old = a.clone()
            a.copy_(b)
            b.copy_(old + x.sum(0))
            a.add_(b)
            return (a * b).sum()

        return step, a, b

    compare(make)


def test_changes_before_an_update():
    """The kernel of the optimizer goes on with what they leave."""

    def make():
        w = nnfast.ones(3, 2, requires_grad=True)
        optimizer = nnfast.optim.Adam([w], 0.1)

        def step(x):
            optimizer.zero_grad()
            loss = (x @ w).square().mean()
            loss.backward()
            with nnfast.no_grad():
                w.mul_(0.5).add_(1.0)
            optimizer.step()
            return loss + w.detach().sum()

        return step, w

    compare(make)


def test_a_copy_of_a_weight_that_changes_later():
    def make():
        w = nnfast.ones(3, 2, requires_grad=True)
        before = nnfast.zeros(3, 2)
        optimizer = nnfast.optim.SGD([w], 0.1)

        def step(x):
            optimizer.zero_grad()
            (x @ w).square().mean().backward()
            before.copy_(w.detach())
            optimizer.step()
            return (w.detach() - before).sum()

        return step, w, before

    compare(make)


def test_views_that_are_read_later():
    """A view sees the change, so that there is no plan."""
    table = nnfast.ones(2, 3)

    def step(x):
        first = table[0]
        table.add_(x)
        return first.sum() + table.sum()

    answers = falls_back(nnfast.compile(step), nnfast.ones(3), match="others see")
    assert [y.item() for y in answers] == [6 + 12, 9 + 18]


def test_what_the_backward_pass_needs():
    """Eager code refuses to go on, and so does a compiled function."""
    table = nnfast.ones(3)
    w = nnfast.ones(3, requires_grad=True)

    def step(x):
        y = (w * table * x).sum()
        table.add_(1.0)
        y.backward()
        return y

    for fn in (step, nnfast.compile(step)):
        with pytest.raises(nnfast.errors.StateError, match="changed in place"):
            fn(nnfast.ones(3))


@pytest.mark.parametrize("part", [lambda t: t, lambda t: t.detach(), lambda t: t[1:]])
def test_an_argument_that_the_plan_changes(part):
    """It comes with a later call: what the function reads of it then is the new."""
    found = []
    for how in ("eager", "compiled"):
        w = nnfast.ones(4, requires_grad=True)
        optimizer = nnfast.optim.SGD([w], 0.1)

        def step(x, w=w, optimizer=optimizer):
            optimizer.zero_grad()
            (w * w).sum().backward()
            optimizer.step()
            return x * 2

        x = part(w.detach())
        run = planned(step) if how == "compiled" else step
        got = [run(nnfast.ones(*x.shape)).tolist()]
        if how == "compiled":
            got += [y.tolist() for y in falls_back(run.compiled, x, match="shares its memory")]
        else:
            got += [step(x).tolist() for _ in range(2)]
        found.append(got)
    assert found[0] == found[1]


def test_memory_that_cannot_be_written():
    whole = nnfast.ones(4, 3)
    table = whole.T  # not in C order

    def step(x):
        table.add_(x)
        return table.sum()

    answers = falls_back(nnfast.compile(step), nnfast.ones(4), match="others see")
    assert [y.item() for y in answers] == [24, 36] and whole.sum().item() == 36


# ---- updates that are written out --------------------------------------------------------------


def test_updates_by_hand():
    def make():
        model = mlp(3, 4, 2)

        def step(x):
            loss = model(x).square().mean()
            for p in model.parameters():
                p.grad = None
            loss.backward()
            with nnfast.no_grad():
                for p in model.parameters():
                    p -= 0.1 * p.grad
                    p.clamp_(-0.5, 0.5)
            return loss

        return step, model

    compare(make)


def test_a_bad_step_changes_nothing():
    w = nnfast.ones(3, requires_grad=True)
    seen = nnfast.zeros(3)

    def step(x):
        w.grad = None
        loss = (w * x).log().sum()
        loss.backward()
        with nnfast.no_grad():
            w.sub_(0.1 * w.grad)
            seen.add_(x)
        return loss

    run = planned(step)
    run(nnfast.ones(3))
    before = state([w, seen])
    with pytest.raises(NonFiniteError, match="log"):
        run(nnfast.tensor([1.0, -1.0, 1.0]))
    assert state([w, seen]) == before


# ---- gradients that the function sets ----------------------------------------------------------


@pytest.mark.parametrize("optimizer", [nnfast.optim.SGD, nnfast.optim.Adam])
def test_gradients_forgotten_one_by_one(optimizer):
    """As zero_grad does: two plans, the first for weights that have no gradient yet."""

    def make():
        model = mlp(3, 4, 2)
        update = optimizer(model.parameters(), 0.1)

        def step(x):
            for p in model.parameters():
                p.grad = None
            loss = model(x).square().mean()
            loss.backward()
            update.step()
            return loss

        return step, model

    compiled = compare(make, plans=3)
    assert "used up" in repr(next(iter(compiled.fn.__closure__[0].cell_contents.parameters())).grad)


def test_gradients_after_a_run():
    """Those that are left are in `grad`; those that the function takes away are gone."""
    for keep in (True, False):
        w = nnfast.ones(3, requires_grad=True)

        def step(x, w=w, keep=keep):
            w.grad = None
            (w * x).sum().backward()
            y = w.grad * 2
            if not keep:
                w.grad = None
            return y

        run = planned(step)
        for k in range(3):
            x = nnfast.full((3,), float(k))
            assert run(x).tolist() == [2.0 * k] * 3
            assert (w.grad.tolist() == [k] * 3) if keep else w.grad is None


def test_gradients_that_are_set():
    def make():
        w = nnfast.ones(3, requires_grad=True)
        optimizer = nnfast.optim.SGD([w], 0.1)

        def step(x):
            w.grad = x.sum(0) * w.detach()
            optimizer.step()
            return w.detach().sum()

        return step, w

    compare(make)


def test_tracing_restores_them():
    w = nnfast.ones(3, requires_grad=True)
    w.sum().backward()
    before = w.grad

    def step(x):
        w.grad = None
        (w * x).sum().backward()
        return float(w.grad.sum()) * x

    falls_back(nnfast.compile(step), nnfast.ones(3))
    w.grad = before
    compiled = nnfast.compile(lambda x: step(x))
    with pytest.raises(nnfast.errors.StateError, match="has none"):
        compiled.prepare(nnfast.ones(3))
    assert w.grad is before


# ---- any program -------------------------------------------------------------------------------

STATEMENTS = {
    "scale": lambda t, i, j, x: t[i].mul_(0.5),
    "add": lambda t, i, j, x: t[i].add_(t[j], alpha=0.25),
    "copy": lambda t, i, j, x: t[i].copy_(t[j]),
    "copy of a part": lambda t, i, j, x: t[i].copy_(t[j][0]),
    "from the argument": lambda t, i, j, x: t[i].copy_(x[0]),
    "product": lambda t, i, j, x: t[i].copy_(t[j] * x[1]),
    "alias": lambda t, i, j, x: t[i].detach().sub_(t[j] * 0.125),
    "element": lambda t, i, j, x: t[i].__setitem__(0, t[j].sum()),
    "kernel": lambda t, i, j, x: F.batch_norm(x, t[i], t[j], training=True),
    "read": lambda t, i, j, x: t[i] * t[j],
    "part": lambda t, i, j, x: t[i][1:].add_(x[0, 0]),
    "item": lambda t, i, j, x: t[i].__setitem__(1, t[i][1].mul_(0.5)),
    "view": lambda t, i, j, x: t[i][1:],
}


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    st.lists(
        st.tuples(st.sampled_from(sorted(STATEMENTS)), st.integers(0, 2), st.integers(0, 2)),
        min_size=1,
        max_size=8,
    )
)
def test_any_program(program):
    """A plan is made of it, unless it keeps a view."""
    found = []
    for how in ("eager", "compiled"):
        tensors = [nnfast.tensor(np.array([k, k + 0.5], np.float32)) for k in range(3)]

        def fn(x, tensors=tensors):
            reads = [STATEMENTS[name](tensors, i, j, x) for name, i, j in program]
            return sum([r.sum() for r in reads if r is not None], x.sum())

        run = nnfast.compile(fn) if how == "compiled" else fn
        views = "view" in [name for name, _, _ in program]
        if how == "compiled" and not views:
            run = planned(fn)
        got = []
        for k in range(3):
            x = nnfast.tensor(np.array([[1, 2], [k, 4]], np.float32) / 4)
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr("warnings.warn", lambda *a, **k: None)
                got.append(run(x).item())
            got += [t.tolist() for t in tensors]
        found.append(repr(got))  # NaN is equal to NaN
    assert found[0] == found[1]
