"""Passes of a plan: each, left out or not, gives the bits of eager code."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import nnfast
from nnfast import nn, optim
from nnfast.errors import ArgumentError
from nnfast.graph.plan import OPTIONAL
from nnfast.models import MODELS
from nnfast.nn import functional as F
from nnfast.ops.update import add_

RNG = np.random.default_rng(11)


def randn(*shape: int, dtype=np.float32, **options) -> nnfast.Tensor:
    return nnfast.tensor(RNG.standard_normal(shape).astype(dtype), **options)


def names(compiled) -> list[str]:
    """The kernels of the plan that ran last."""
    return [c.op.name for c in compiled.plan.graph.calls]


def same_bits(fn, *args, disable=(), expected=None):
    """Run a function eagerly and as a plan; the plan."""
    compiled = nnfast.compile(fn, disable=disable)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        got = compiled(*args)
    found = fn(*args) if expected is None else expected
    for a, b in zip(*(x if isinstance(x, tuple) else (x,) for x in (got, found)), strict=True):
        assert (a.shape, a.dtype) == (b.shape, b.dtype)
        assert a.detach().numpy().tobytes() == b.detach().numpy().tobytes()
    return compiled


# ---- all passes -------------------------------------------------------------------------------


class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(4)
        self.again = nn.Conv2d(4, 4, 3, padding=1)
        self.last = nn.Linear(4, 10)

    def forward(self, x):
        y = F.relu(self.norm(self.conv(x)))
        y = F.relu(self.again(y) + y)
        return self.last(F.dropout(y.mean((2, 3)), 0.25, self.training))


def perceptron() -> nn.Module:
    return nn.Sequential(
        nn.Flatten(), nn.Linear(784, 12), nn.GELU(), nn.Linear(12, 9), nn.LeakyReLU(0.2),
        nn.LayerNorm(9), nn.Linear(9, 8), nn.Sigmoid(), nn.Linear(8, 10),
    )  # fmt: skip


NETS = {
    "mlp": MODELS["mlp"], "lenet": MODELS["lenet"], "residual": Residual, "perceptron": perceptron,
}  # fmt: skip
TRAINERS = {
    "adam": lambda p: optim.Adam(p, lr=1e-2),
    "momentum": lambda p: optim.SGD(p, lr=0.1, momentum=0.9, weight_decay=1e-3),
}


def trained(name: str, optimizer: str, compiled: bool, disable=()) -> list[bytes]:
    nnfast.manual_seed(2)
    rng = np.random.default_rng(1)
    x = nnfast.from_numpy(rng.standard_normal((2, 1, 28, 28), dtype=np.float32))
    y = nnfast.from_numpy(rng.integers(0, 10, 2))
    net = NETS[name]()
    opt = TRAINERS[optimizer](net.parameters())

    def step(x, y):
        opt.zero_grad()
        loss = F.cross_entropy(net(x), y)
        loss.backward()
        opt.step()
        return loss

    run = nnfast.compile(step, disable=disable) if compiled else step
    losses = [run(x, y) for _ in range(2)]
    net.eval()
    predict = nnfast.compile(net, disable=disable) if compiled else net
    with nnfast.no_grad():
        losses += [predict(x), predict(x)]
    return [t.detach().numpy().tobytes() for t in (*losses, *net.state_dict().values())]


@pytest.mark.parametrize("name", sorted(NETS))
def test_each_pass_left_out_gives_the_same_bits(name):
    optimizer = "momentum" if name == "mlp" else "adam"
    eager = trained(name, optimizer, False)
    for disable in ((), sorted(OPTIONAL), *((p,) for p in sorted(OPTIONAL))):
        assert trained(name, optimizer, True, disable) == eager, disable


def test_an_unknown_pass_is_refused():
    with pytest.raises(ArgumentError, match="join_updates"):
        nnfast.compile(F.relu, disable=("join_update",))


# ---- join_updates -----------------------------------------------------------------------------


def update_names(make, shapes=((3, 2), (2,), (40, 500), (7,)), dtypes=(np.float32,) * 4):
    """Two steps with gradients of their own, planned and eager; the updates of the plan."""
    results = []
    for compiled in (False, True):
        rng = np.random.default_rng(4)
        params = [
            nnfast.tensor(rng.standard_normal(s).astype(t), requires_grad=True)
            for s, t in zip(shapes, dtypes, strict=True)
        ]
        opt = make(params)

        def step(params=params, opt=opt):
            opt.zero_grad()
            loss = sum(((p * p).sum() for p in params[1:]), (params[0] * params[0]).sum())
            loss.backward()
            opt.step()
            return loss

        run = nnfast.compile(step) if compiled else step
        for _ in range(3):
            run()
        results.append([p.detach().numpy().tobytes() for p in params])
    assert results[0] == results[1]
    return [n for n in names(run) if n.endswith("update")]


def test_updates_of_all_parameters_are_one_call():
    assert update_names(lambda p: optim.Adam(p, lr=0.1)) == ["adam_update"]
    assert update_names(lambda p: optim.SGD(p, lr=0.1)) == ["sgd_update"]


def test_groups_with_rates_of_their_own_are_one_call_too():
    def make(params):
        return optim.AdamW([{"params": params[:2]}, {"params": params[2:], "lr": 0.5}], lr=0.1)

    assert update_names(make) == ["adam_update"]


def test_parameters_that_began_later_count_their_own_steps():
    results = []
    for compiled in (False, True):
        a, b = nnfast.ones(3, requires_grad=True), nnfast.ones(3, requires_grad=True)
        opt = optim.Adam([a, b], lr=0.1)
        (a * a).sum().backward()
        opt.step()

        def step(a=a, b=b, opt=opt):
            opt.zero_grad()
            (a * b).sum().backward()
            opt.step()

        run = nnfast.compile(step) if compiled else step
        run(), run()
        results.append((a.detach().numpy().tobytes(), b.detach().numpy().tobytes()))
    assert results[0] == results[1]
    assert names(run).count("adam_update") == 1


def test_dtypes_are_calls_of_their_own():
    both = (np.float32, np.float64, np.float32, np.float64)
    params = [nnfast.tensor(np.ones(3, t), requires_grad=True) for t in both]
    opt = optim.SGD(params, lr=0.25)

    @nnfast.compile
    def run():
        opt.zero_grad()
        (params[0] * params[2]).sum().backward()
        (params[1] * params[3]).sum().backward()
        opt.step()

    run()
    assert names(run).count("sgd_update") == 2
    assert all((p.detach().numpy() == 0.75).all() for p in params)


def test_a_second_step_waits_for_the_first():
    def make():
        w = nnfast.tensor([1.0, 2.0], requires_grad=True)
        v = nnfast.tensor([3.0], requires_grad=True)
        opt = optim.SGD([w, v], lr=0.1)

        def step():
            for _ in range(2):
                opt.zero_grad()
                (w * w * v).sum().backward()
                opt.step()

        return step, w, v

    eager, w, v = make()
    eager()
    step, w2, v2 = make()
    compiled = nnfast.compile(step)
    compiled()
    assert names(compiled).count("sgd_update") == 2
    assert (w.tolist(), v.tolist()) == (w2.tolist(), v2.tolist())


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_updates_that_span_tasks(threads):
    """Pieces of 16,384 elements begin and end within parameters."""
    with nnfast.threads(threads):
        update_names(
            lambda p: optim.Adam(p, lr=0.1), ((16383,), (2, 3), (0, 4), (33000,), (1,)),
            (np.float32,) * 5,
        )  # fmt: skip


# ---- fuse_chains ------------------------------------------------------------------------------


def chains(compiled) -> list[int]:
    """How many maps each chain holds."""
    return [len(n.split()) for n in names(compiled) if n.startswith("chain")]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(), (0, 3), (1, 1), (3, 5), (7, 2049), (5000,), (33, 1000)])
def test_maps_of_one_shape_are_a_chain(shape, dtype):
    x, y = randn(*shape, dtype=dtype), randn(*shape, dtype=dtype)
    compiled = same_bits(lambda x, y: (((x + y) * x).tanh() - y).exp(), x, y)
    assert chains(compiled) == [5]
    assert compiled.plan.arena == 0  # nothing passes through memory


@pytest.mark.parametrize(
    "shape", [(1,), (70,), (30, 1), (1, 70), (2, 1, 1), (2, 30, 1), (2, 1, 70), ()]
)
def test_inputs_broadcast(shape):
    x, b = randn(2, 30, 70), randn(*shape)
    compiled = same_bits(lambda x, b: F.relu((x * b + 1.0) * 3.0) - b, x, b)
    assert chains(compiled) == [5]


def test_rows_with_a_step_are_read_where_they_lie():
    x = randn(300, 40)
    compiled = same_bits(lambda x: x[:, :10].sigmoid() * x[:, 10:20].tanh() + x[:, 20:30], x)
    assert names(compiled) == ["chain[sigmoid tanh mul add]"]


def test_columns_are_left_to_the_map_itself():
    x = randn(30, 40)
    compiled = same_bits(lambda x: (x.mT.exp() + 1.0) * 2.0, x)
    assert names(compiled) == ["exp", "chain[add mul]"]


def test_what_others_read_is_written():
    def fn(x):
        a = x.exp()
        b = a + 1.0
        c = b * a
        return c, b.sum(), a.sum(0)

    assert chains(same_bits(fn, randn(40, 50))) == [3]


def test_a_reader_in_between_ends_a_chain():
    def fn(x):
        a = x.exp() * 2.0
        return a / a.sum()

    compiled = same_bits(fn, randn(40, 50))
    assert names(compiled) == ["chain[exp mul]", "sum", "div"]


def test_a_view_of_a_link_is_another_thing():
    def fn(x):
        a = x.exp()
        return a + a.mT, (a * 2.0)[1:] + a[:-1]

    assert names(same_bits(fn, randn(6, 6))) == ["exp", "add", "mul", "add"]


def test_a_change_in_place_ends_a_chain():
    def run(wrap):
        w = nnfast.tensor([1.0, 2.0])

        def fn():
            a = w.exp()
            add_(w, nnfast.tensor([1.0, 1.0]))
            return a * w

        return wrap(fn)().tolist(), w.tolist()

    assert run(nnfast.compile) == run(lambda f: f)


def test_long_wide_and_deep_chains_are_cut():
    def long(x):
        for k in range(40):
            x = (x * 0.5) + float(k)
        return x

    def power(x):
        y = x
        for _ in range(20):
            y = y * x
        return y

    def wide(*xs):
        y = xs[0]
        for x in xs[1:]:
            y = y * x
        return y

    def deep(x):  # all ten are alive at once
        ys = [(x + float(k)).tanh() for k in range(10)]
        y = ys[0]
        for other in ys[1:]:
            y = y * other
        for other in ys:
            y = y - other
        return y

    assert max(chains(same_bits(long, randn(9)))) == 11  # each with a number of its own
    assert max(chains(same_bits(power, randn(9)))) == 16
    assert max(chains(same_bits(wide, *(randn(5, 3) for _ in range(14))))) == 11
    same_bits(deep, randn(4, 3000))


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_chains_on_threads(threads):
    x = randn(5, 40_001)
    with nnfast.threads(threads):
        same_bits(lambda x: F.gelu(x * 2.0) + x, x)


UNARY = ("exp", "tanh", "sigmoid", "relu", "abs", "neg")
BINARY = ("add", "mul", "sub", "maximum", "minimum")


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_random_graphs_of_maps(data):
    """Any graph of maps over shapes that broadcast, some of whose values are results."""
    shapes = [(3, 5), (5,), (3, 1), (1, 1), (), (4, 3, 5)]
    inputs = [
        randn(*s) for s in data.draw(st.lists(st.sampled_from(shapes), min_size=1, max_size=4))
    ]
    program = []
    for k in range(data.draw(st.integers(1, 25))):
        at = st.integers(0, len(inputs) + k - 1)
        kind = data.draw(st.sampled_from((*UNARY, *BINARY, "sum")))
        program.append((kind, data.draw(at), data.draw(at)))
    wanted = data.draw(st.lists(st.integers(0, len(program) - 1), min_size=1, max_size=4))

    def fn(*inputs):
        values = list(inputs)
        for kind, a, b in program:
            if kind == "sum":
                values.append(values[a].sum(-1, keepdim=True) if values[a].ndim else values[a])
            elif kind in UNARY:
                values.append(getattr(values[a], kind)())
            else:
                values.append(getattr(nnfast, kind)(values[a], values[b]))
        return tuple(values[len(inputs) + k] for k in wanted)

    same_bits(fn, *inputs)
