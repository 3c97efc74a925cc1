"""Plans against eager code: the same bits, the same state, never a stale answer."""

from __future__ import annotations

import copy
import gc
import importlib
import weakref

import numpy as np
import pytest

import nnfast
from nnfast import nn, optim
from nnfast.errors import ArgumentError
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
    "adagrad": lambda p: optim.Adagrad(p, lr=1e-2, lr_decay=0.1),
    "adadelta": lambda p: optim.Adadelta(p),
    "rmsprop": lambda p: optim.RMSprop(p, lr=1e-3, momentum=0.5, centered=True),
    "adamax": lambda p: optim.Adamax(p, lr=1e-2),
    "nadam": lambda p: optim.NAdam(p, lr=1e-2),
    "radam": lambda p: optim.RAdam(p, lr=1e-2, weight_decay=0.1, decoupled_weight_decay=True),
    "rprop": lambda p: optim.Rprop(p),
    "asgd": lambda p: optim.ASGD(p, lr=1e-2, t0=2),
}


def run(make_model, make_optimizer, steps, compiled, batches=None):
    nnfast.manual_seed(3)
    model = make_model()
    step = trainer(model, make_optimizer(model.parameters()))
    step = planned(step) if compiled else step
    losses = [step(*(batches[i % len(batches)] if batches else (X, Y))).item()
              for i in range(steps)]  # fmt: skip
    return losses, bits(model)


# ---- training ------------------------------------------------------------------------------------


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("name", sorted(MODELS))
def test_models_train_to_the_same_bits(name, threads):
    with nnfast.threads(threads):
        eager = run(MODELS[name], OPTIMIZERS["adam"], 4, compiled=False)
        assert run(MODELS[name], OPTIMIZERS["adam"], 4, compiled=True) == eager


@pytest.mark.parametrize("name", sorted(OPTIMIZERS))
def test_optimizers_give_the_same_bits(name):
    def model():
        return nn.Sequential(nn.Flatten(), mlp(784, 12, 10, norm=True))

    eager = run(model, OPTIMIZERS[name], 6, compiled=False)
    assert run(model, OPTIMIZERS[name], 6, compiled=True) == eager


def test_each_batch_size_has_a_plan_of_its_own():
    batches = [(X[:n], Y[:n]) for n in (6, 6, 2, 5, 6, 1)]

    def model():
        return nn.Sequential(nn.Flatten(), nn.Linear(784, 9), nn.ReLU(), nn.Linear(9, 10))

    eager = run(model, OPTIMIZERS["adam"], 12, False, batches)
    assert run(model, OPTIMIZERS["adam"], 12, True, batches) == eager


def test_eager_and_planned_steps_mix():
    """Weights, moments, running statistics and the random stream belong to both."""

    def model():
        return nn.Sequential(
            nn.Flatten(), nn.Linear(784, 8), nn.BatchNorm1d(8), nn.Dropout(0.5), nn.Linear(8, 10)
        )

    def trained(which: str) -> list[bytes]:
        nnfast.manual_seed(1)
        net = model()
        eager = trainer(net, optim.SGD(net.parameters(), lr=0.1, momentum=0.9))
        plan = planned(eager)
        for c in which:
            (plan if c == "p" else eager)(X, Y)
        return bits(net)

    expected = trained("eeeeee")
    for which in ("pppppp", "peepep", "eppppe"):
        assert trained(which) == expected


def test_rate_and_options_are_read_at_each_step():
    results = []
    for wrap in (lambda f: f, planned):
        nnfast.manual_seed(0)
        net = mlp(4, 3)
        opt = optim.Adam(net.parameters(), lr=0.1)
        step = wrap(trainer(net, opt, F.mse_loss))
        x, t = nnfast.ones(2, 4), nnfast.zeros(2, 3)
        for i in range(6):
            opt.param_groups[0]["lr"] = 0.1 / (i + 1)
            opt.param_groups[0]["betas"] = (0.9 - 0.1 * i, 0.99)
            step(x, t)
        results.append(bits(net))
    assert results[0] == results[1]


def test_optimizer_state_is_saved_and_loaded_between_planned_steps():
    nnfast.manual_seed(0)
    net = mlp(4, 3)
    opt = optim.Adam(net.parameters(), lr=0.1)
    step = planned(trainer(net, opt, F.mse_loss))
    x, t = nnfast.ones(2, 4), nnfast.zeros(2, 3)
    step(x, t)
    weights = {k: v.clone() for k, v in net.state_dict().items()}
    state = copy.deepcopy(opt.state_dict())
    step(x, t)
    after = bits(net)
    net.load_state_dict(weights)
    opt.load_state_dict(state)
    step(x, t)
    assert bits(net) == after


@pytest.mark.parametrize("name", ["momentum", "adam", "nadam"])
@pytest.mark.parametrize("replace", ["clear", "one", "state", "groups", "nothing"])
def test_state_replaced_by_hand_is_noticed(name, replace):
    """Also where the new buffer holds the same numbers: later steps must change it, not the old."""
    results = []
    for wrap in (lambda f: f, planned):
        nnfast.manual_seed(0)
        net = mlp(4, 3)
        opt = OPTIMIZERS[name](net.parameters())
        step = wrap(trainer(net, opt, F.mse_loss))
        x, t = nnfast.ones(2, 4), nnfast.zeros(2, 3)
        for i in range(5):
            p = opt.param_groups[0]["params"][0]
            if i == 2 and replace == "clear":
                opt.state.clear()
            elif i == 2 and replace == "one":
                opt.state[p].update(copy.deepcopy(opt.state[p]))
            elif i == 2 and replace == "state":
                opt.state[p] = {k: v * 2 if v.ndim else v for k, v in opt.state[p].items()}
            elif i == 2 and replace == "groups":
                opt.param_groups[0] = {**opt.param_groups[0], "lr": 1e-3}
            step(x, t)
        buffers = [v.tolist() for s in opt.state.values() for v in s.values()]
        results.append((bits(net), buffers))
        if replace == "nothing" and wrap is planned:
            assert sum(map(len, step.compiled._entries.values())) == 1
    assert results[0] == results[1]


def test_options_that_change_inside():
    """A list of betas is looked into, though it stays the same list."""
    results = []
    for wrap in (planned, lambda f: f):
        nnfast.manual_seed(0)
        net = mlp(4, 3)
        opt = optim.Adam(net.parameters(), lr=0.1, betas=[0.9, 0.99])
        step = wrap(trainer(net, opt, F.mse_loss))
        for i in range(4):
            opt.param_groups[0]["betas"][0] = 0.9 - i / 10
            opt.param_groups[0]["lr"] = 0.1 if i < 2 else 0.01
            step(nnfast.ones(2, 4), nnfast.zeros(2, 3))
        results.append(bits(net))
    assert results[0] == results[1]


def test_calls_that_the_latest_plan_does_not_fit():
    """Another shape, dtype, mode of gradients or kind of argument, then the first again."""
    f = planned(lambda x, scale=1.0: x * 2 * scale)
    x = nnfast.ones(3)
    for _ in range(2):
        assert f(x).tolist() == [2, 2, 2]
        assert f(nnfast.ones(2)).tolist() == [2, 2]
        assert f(x.double()).dtype == nnfast.float64
        assert f(x, 2.0).tolist() == f(x, scale=2.0).tolist() == [4, 4, 4]
        assert f(nnfast.ones(3, 2).t()[0]).tolist() == [2, 2, 2]  # strided
        assert f(nnfast.ones(3, requires_grad=True)).requires_grad
        with nnfast.no_grad():
            assert not f(nnfast.ones(3, requires_grad=True)).requires_grad


def test_a_module_and_its_plans_are_collected():
    """The core's objects hold Python's, and these may lead back to them."""
    net = mlp(4, 3)
    net.compiled = nnfast.compile(net.forward)
    net.compiled(nnfast.ones(2, 4))
    gone = weakref.ref(net)
    del net
    gc.collect()
    assert gone() is None


def test_lbfgs_runs_eagerly():
    results = []
    for compiled in (False, True):
        w = nnfast.tensor([3.0, -2.0], requires_grad=True)
        opt = optim.LBFGS([w], max_iter=3)

        def step(opt=opt, w=w):
            def closure():
                opt.zero_grad()
                loss = ((w - 1) ** 2).sum()
                loss.backward()
                return loss

            return opt.step(closure)

        if compiled:
            falls_back(nnfast.compile(step), match="values")
        else:
            step(), step()
        results.append(w.tolist())
    assert results[0] == results[1]


# ---- modes, guards ---------------------------------------------------------------------------


def test_modes_and_changed_modules_are_noticed():
    nnfast.manual_seed(0)
    net = nn.Sequential(nn.Linear(4, 4), nn.Dropout(0.5), nn.BatchNorm1d(4))
    predict = planned(net, disable=("fold_batch_norm",))  # which rounds otherwise
    x = nnfast.from_numpy(RNG.standard_normal((3, 4)).astype(np.float32))

    def check() -> None:
        state = nnfast.default_generator.get_state()
        stats = {k: v.numpy().copy() for k, v in net.state_dict().items()}
        want = net(x).detach().tolist()
        nnfast.default_generator.set_state(state)
        net.load_state_dict(stats)
        assert predict(x).detach().tolist() == want

    check()
    net.eval()
    check()
    net.train()
    net[1].p = 0.9
    check()
    net[0] = nn.Linear(4, 4, bias=False)
    check()
    net[0].weight.data = nnfast.ones(4, 4)
    check()


def test_weights_of_another_shape_get_a_new_plan():
    layer = nn.Linear(3, 2, bias=False)
    predict = planned(layer)
    assert predict(nnfast.ones(1, 3)).shape == (1, 2)
    layer.weight.data = nnfast.ones(5, 3)
    assert predict(nnfast.ones(1, 3)).tolist() == [[3.0] * 5]
    layer.weight.data = nnfast.ones(5, 4)
    with pytest.raises(ArgumentError):
        predict(nnfast.ones(1, 3))


def test_frozen_parameters_stay():
    net = mlp(4, 4, 3)
    step = planned(trainer(net, optim.SGD(net.parameters(), lr=1.0), F.mse_loss))
    x, t = nnfast.ones(2, 4), nnfast.zeros(2, 3)
    step(x, t)
    net[0].requires_grad_(False)
    before = bits(net[0]), bits(net[2])
    step(x, t)
    assert bits(net[0]) == before[0] and bits(net[2]) != before[1]
    net[0].weight.requires_grad = True
    step(x, t)
    assert bits(net[0]) != before[0]


def test_plain_values_of_the_closure_are_followed():
    factor = 2.0

    @nnfast.compile
    def scale(x):
        return x * factor

    assert scale(nnfast.ones(2)).tolist() == [2.0, 2.0]
    factor = 3.0
    assert scale(nnfast.ones(2)).tolist() == [3.0, 3.0]


def test_arguments_are_part_of_the_key():
    @nnfast.compile
    def f(x, *, power, flags=(True,)):
        return x**power if flags[0] else x

    x = nnfast.tensor([2.0, 3.0])
    assert f(x, power=2).tolist() == [4.0, 9.0]
    assert f(x, power=3).tolist() == [8.0, 27.0]
    assert f(x, power=3, flags=(False,)).tolist() == [2.0, 3.0]
    assert f(x.double(), power=2).dtype == np.float64


@pytest.mark.parametrize(
    "make",
    [
        lambda a: a.T.copy().T,
        lambda a: np.repeat(a, 2, 1)[:, ::2],
        lambda a: a[::-1].copy()[::-1],
        lambda a: np.frombuffer(b"\0" + a.tobytes(), np.uint8)[1:].view(np.float32).reshape(3, 4),
        lambda a: a.astype(">f4"),
    ],
)
def test_layouts_of_arguments(make):
    a = np.arange(12, dtype=np.float32).reshape(3, 4)
    f = nnfast.compile(lambda x: x.exp().sum(0))
    want = f(nnfast.tensor(a)).tolist()
    assert f(nnfast.tensor(make(a))).tolist() == want


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.int64])
def test_labels_of_any_width(dtype):
    loss = planned(lambda x, y: F.cross_entropy(x, y))
    x, y = nnfast.from_numpy(RNG.standard_normal((4, 3))), np.array([0, 2, 1, 1], dtype)
    want = F.cross_entropy(x, nnfast.from_numpy(y)).item()
    assert loss(x, nnfast.from_numpy(y)).item() == want
    with pytest.raises(ArgumentError, match="class numbers from 0 to 2"):
        loss(x, nnfast.from_numpy(np.array([0, 3, 1, 1], dtype)))


def test_good_labels_need_no_python_in_a_run(monkeypatch):
    softmax = importlib.import_module("nnfast.ops.softmax")
    looked = []
    check = softmax._check_classes
    monkeypatch.setattr(softmax, "_check_classes", lambda *a: looked.append(1) or check(*a))
    loss = planned(lambda x, y: F.cross_entropy(x, y.reshape(-1)))
    x, y = nnfast.ones(4, 3), nnfast.tensor([[0, 2], [1, 1]])
    loss(x, y)
    looked.clear()
    loss(x, y), loss(x, nnfast.tensor(y.numpy().T))
    assert not looked
    loss(x, nnfast.tensor([[0, 2], [-100, 1]]))  # not of the ordinary ones, but right
    assert looked
    for wrong in (3, -1):
        with pytest.raises(ArgumentError, match="class numbers from 0 to 2"):
            loss(x, nnfast.tensor([[0, 2], [1, wrong]]))


# ---- the rest -------------------------------------------------------------------------------


def test_another_model_under_the_same_name():
    net = nn.Linear(2, 1)
    predict = planned(lambda x: net(x))
    predict(nnfast.ones(1, 2))
    net = nn.Linear(2, 1)
    assert predict(nnfast.ones(1, 2)).item() == net(nnfast.ones(1, 2)).item()


def test_a_compiled_method_knows_its_instance():
    class Twice(nn.Module):
        @nnfast.compile
        def forward(self, x):
            return x * 2

    assert Twice()(nnfast.ones(2)).tolist() == [2.0, 2.0]


def test_random_numbers_are_drawn_at_each_run():
    f = nnfast.compile(lambda x: x * nnfast.rand(2))
    nnfast.manual_seed(0)
    got = [f(nnfast.ones(2)).tolist() for _ in range(2)]
    nnfast.manual_seed(0)
    assert got == [nnfast.rand(2).tolist() for _ in range(2)]


def test_arguments_without_a_hash_and_signed_zeros():
    x = nnfast.ones(1)
    falls_back(nnfast.compile(lambda x, names: x * len(names)), x, {1, 2}, match="argument")
    divide = nnfast.compile(lambda x, k: x / (x * k))
    assert [divide(x, k).item() for k in (0.0, -0.0)] == [np.inf, -np.inf]


def test_a_bad_rate_is_refused_again_and_again():
    w = nn.Parameter(nnfast.ones(3))
    opt = optim.SGD([w], lr=0.1)
    step = nnfast.compile(trainer(lambda x: w * x, opt, lambda y, t: (y * t).sum()))
    x = nnfast.ones(3)
    step(x, x)
    before = w.tolist()
    opt.param_groups[0]["lr"] = "large"
    for _ in range(3):
        with pytest.raises(ValueError, match="could not convert"):
            step(x, x)
    assert w.tolist() == before
    opt.param_groups[0]["lr"] = 0.1
    step(x, x)
    opt.zero_grad(set_to_none=False)
    assert w.grad.tolist() == [0, 0, 0]


def test_what_is_drawn_in_vain_is_drawn():
    """Random numbers that nobody uses move the generator on."""

    def fn(x):
        F.dropout(x, 0.5, training=True)
        return x + F.dropout(x, 0.5, training=True)

    answers = []
    for call in (fn, planned(fn)):
        nnfast.manual_seed(0)
        answers.append([call(nnfast.ones(8)).tolist(), nnfast.rand(2).tolist()])
    assert answers[0] == answers[1]
