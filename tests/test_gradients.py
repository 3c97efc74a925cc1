"""Gradients in plans: what is left in `grad`, what an update uses up, histories."""

from __future__ import annotations

import copy
from itertools import product

import pytest

import nnfast
from nnfast import nn, optim
from nnfast.errors import StateError
from nnfast.nn import functional as F
from nnfast.nn import utils
from tests.plans import bits, mlp, planned, trainer


def test_gradients_without_an_update_are_left_in_grad():
    net = mlp(4, 3)
    other = copy.deepcopy(net)
    x = nnfast.ones(2, 4)

    def gradients(model):
        def fn(x):
            loss = (model(x) ** 2).sum()
            loss.backward()
            return loss

        return fn

    plan, eager = planned(gradients(net)), gradients(other)
    for _ in range(3):  # they add up
        assert plan(x).item() == eager(x).item()
        for p, q in zip(net.parameters(), other.parameters(), strict=True):
            assert p.grad.tolist() == q.grad.tolist()
    held = net[0].weight.grad
    before = held.tolist()
    plan(x)
    assert held.tolist() == before  # each run gives new memory


def test_used_gradients_say_so():
    net = mlp(4, 3)
    step = planned(trainer(net, optim.SGD(net.parameters(), lr=0.1), F.mse_loss))
    step(nnfast.ones(2, 4), nnfast.zeros(2, 3))
    with pytest.raises(StateError, match="used it up"):
        net[0].weight.grad.numpy()
    copy.deepcopy(net)
    net.double()
    net.zero_grad()
    assert net[0].weight.grad is None


def test_a_generator_learns_from_a_discriminator_of_another_plan():
    """Its loss adds gradients to those that the discriminator's step used up, and forgets both."""
    results = []
    for wraps in product((lambda f: f, planned), repeat=2):
        nnfast.manual_seed(0)
        g, d = mlp(2, 4), mlp(4, 1)
        og, od = optim.Adam(g.parameters(), lr=0.1), optim.SGD(d.parameters(), lr=0.1, momentum=0.9)

        def discriminate(x, g=g, d=d, od=od):
            od.zero_grad()
            loss = (F.softplus(-d(x)) + F.softplus(d(g(nnfast.randn(3, 2)).detach()))).mean()
            loss.backward()
            od.step()
            return loss

        def generate(n, g=g, d=d, og=og):
            og.zero_grad()
            loss = F.softplus(-d(g(nnfast.randn(n, 2)))).mean()
            loss.backward()
            og.step()
            return loss

        first, second = wraps[0](discriminate), wraps[1](generate)
        losses = []
        for n in (3, 3, 5, 3):
            losses += [first(nnfast.ones(3, 4)).item(), second(n).item()]
        losses += [second(3).item()]
        results.append((losses, bits(g), bits(d)))
        if wraps[0] is planned:
            with pytest.raises(StateError, match="used it up"):
                od.step()
    assert all(r == results[0] for r in results)


def test_gradients_are_added_again_once_they_were_forgotten():
    net = mlp(4, 3)
    step = planned(trainer(net, optim.SGD(net.parameters(), lr=0.1), F.mse_loss))
    add = planned(lambda x: net(x).sum().backward())
    for first in (lambda: None, lambda: step(nnfast.ones(2, 4), nnfast.zeros(2, 3))):
        first()
        add(nnfast.ones(2, 4))
        net.zero_grad()
        add(nnfast.ones(2, 4))
        add(nnfast.ones(2, 4))
        got = [p.grad.tolist() for p in net.parameters()]
        net.zero_grad()
        (2 * net(nnfast.ones(2, 4)).sum()).backward()
        assert got == [p.grad.tolist() for p in net.parameters()]
        net.zero_grad()


@pytest.mark.parametrize(
    "part",
    [
        lambda w: w[:, :2].unsqueeze(1),
        lambda w: w.t().reshape(4, 3, 1),
        lambda w: w[:1].expand(5, 4).unsqueeze(0).squeeze(0),
        lambda w: w[:, 1:3].unflatten(0, (3, 1)).flatten(0, 1),
        lambda w: w.t().flatten(),  # a copy
    ],
)
def test_parts_of_a_weight_show_its_update_where_they_are_views(part):
    results = []
    for wrap in (lambda f: f, planned):
        w = nn.Parameter(nnfast.arange(12.0).reshape(3, 4).clone())
        opt = optim.SGD([w], lr=0.1)

        def step(x, w=w, opt=opt):
            seen = part(w)
            opt.zero_grad()
            (w * x).sum().backward()
            opt.step()
            return seen.detach() + 0.0

        results.append(wrap(step)(nnfast.ones(3, 4)).tolist())
    assert results[0] == results[1]


def test_zero_grad_may_come_last():
    results = []
    for wrap in (lambda f: f, planned):
        nnfast.manual_seed(0)
        net = mlp(4, 3)
        opt = optim.Adam(net.parameters(), lr=0.1)

        def step(x, t, net=net, opt=opt):
            F.mse_loss(net(x), t).backward()
            opt.step()
            opt.zero_grad()

        step = wrap(step)
        for _ in range(3):
            assert step(nnfast.ones(2, 4), nnfast.zeros(2, 3)) is None
        results.append(bits(net))
        assert net[0].weight.grad is None
    assert results[0] == results[1]


def test_clipped_gradients():
    results = []
    for wrap in (lambda f: f, planned):
        nnfast.manual_seed(0)
        net = mlp(4, 5, 3)
        opt = optim.SGD(net.parameters(), lr=0.1)

        def step(x, t, net=net, opt=opt):
            opt.zero_grad()
            F.mse_loss(net(x), t).backward()
            norm = utils.clip_grad_norm_(net.parameters(), 0.1)
            utils.clip_grad_value_(net.parameters(), 0.05)
            opt.step()
            return norm

        step = wrap(step)
        norms = [step(nnfast.ones(2, 4), nnfast.zeros(2, 3)).item() for _ in range(3)]
        results.append((norms, bits(net)))
    assert results[0] == results[1]


def test_one_gradient_for_two_leaves_is_not_shared():
    a, b = (nnfast.ones(3, requires_grad=True) for _ in range(2))

    @nnfast.compile
    def fn():
        a.grad = b.grad = None
        (a + b).sum().backward()

    fn()
    a.grad.numpy()[0] = 7
    assert b.grad.tolist() == [1, 1, 1]


def test_gradient_of_a_gradient():
    def fn(x):
        (g,) = nnfast.autograd.grad((x**3).sum(), [x], create_graph=True)
        (h,) = nnfast.autograd.grad(g.sum(), [x])
        return g, h

    x = nnfast.tensor([1.0, 2.0], requires_grad=True)
    g, h = planned(fn)(x)
    assert g.tolist() == [3.0, 12.0] and h.tolist() == [6.0, 12.0]


def test_history_ends_at_a_plan():
    net = mlp(4, 3)
    y = nnfast.compile(net)(nnfast.ones(2, 4))
    with pytest.raises(StateError, match="inside the compiled function"):
        y.sum().backward()
    with nnfast.no_grad():
        assert not nnfast.compile(net)(nnfast.ones(2, 4)).requires_grad


def test_gradients_made_outside_are_read_anew():
    results = []
    for wrap in (lambda f: f, planned):
        w = nnfast.tensor([1.0, 2.0], requires_grad=True)
        opt = optim.SGD([w], lr=1.0)
        apply = wrap(lambda opt=opt: opt.step())
        clip = wrap(lambda w=w: utils.clip_grad_norm_([w], 0.5))
        for i in range(3):
            opt.zero_grad()
            (w * float(i + 1)).sum().backward()
            clip()
            apply()
        results.append(w.tolist())
    assert results[0] == results[1]
