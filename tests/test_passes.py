"""Passes of a plan: each, left out or not, gives the bits of eager code."""

from __future__ import annotations

import ctypes
import gc

import numpy as np
import pytest

import nnfast
from nnfast import nn, optim
from nnfast.errors import ArgumentError
from nnfast.graph.cost import flops_of
from nnfast.graph.ir import algorithm
from nnfast.graph.plan import OPTIONAL
from nnfast.models import MODELS
from nnfast.nn import functional as F
from nnfast.ops.update import add_
from tests.passes import names, randn, same_bits

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
    disable = (*disable, "fold_batch_norm")  # which rounds otherwise
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


@pytest.mark.parametrize(
    "name", ["Adadelta", "Adagrad", "Adamax", "ASGD", "NAdam", "RAdam", "RMSprop", "Rprop"]
)
def test_updates_of_any_kind_are_one_call(name):
    updates = update_names(lambda p: getattr(optim, name)(p, lr=0.1))
    assert updates == [f"{name.lower()}_update"]


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


# ---- share_common -----------------------------------------------------------------------------


def test_the_same_again_is_computed_once():
    def fn(x, w):
        a = (x @ w.mT).exp()
        b = (x @ w.mT).exp()
        return (a * 2.0).sum(0) + b.sum(1, keepdim=True)[:1, 0], a.sum()

    compiled = same_bits(fn, randn(4, 3), randn(5, 3))
    assert names(compiled).count("matmul") == 1
    assert sum("exp" in n for n in names(compiled)) == 1


def test_views_of_what_is_left_out_are_views_of_what_stays():
    def fn(x):
        return x.sum(1) * (x * x).mT[0].exp(), (x * x)[:, 0].sum()

    same_bits(fn, randn(4, 3))


def test_random_numbers_are_drawn_again():
    def fn(x):
        return F.dropout(x, 0.5) + F.dropout(x, 0.5) * 2.0

    results = []
    for wrap in (lambda f: f, nnfast.compile):
        nnfast.manual_seed(4)
        results.append(wrap(fn)(nnfast.ones(50)).tolist())
    assert results[0] == results[1]
    assert len(set(results[0])) > 2


def test_what_changed_in_between_is_computed_again():
    def run(wrap):
        w = nnfast.tensor([1.0, 2.0])

        def fn():
            a = w.exp()
            add_(w, nnfast.tensor([1.0, 1.0]))
            return a + w.exp()

        return wrap(fn)().tolist()

    assert run(nnfast.compile) == run(lambda f: f)


@pytest.mark.parametrize("dtype", [np.bool_, np.int64, np.float32])
def test_casts_to_several_dtypes_are_several_calls(dtype):
    def fn(x):
        return x.long() + 1, x.float() * 2.0, x.double().sum(), x.to(nnfast.bool) & True

    compiled = same_bits(fn, nnfast.from_numpy(np.array([3, 0, 5]).astype(dtype)))
    assert names(compiled).count("cast") == 3


def test_equal_results_are_two_arrays():
    a, b = nnfast.compile(lambda x: (x.exp(), x.exp()))(randn(3))
    assert a.tolist() == b.tolist()
    assert not np.shares_memory(a.numpy(), b.numpy())


# ---- fold_batch_norm, pack_weights, hoist_constants -------------------------------------------


def evaluated(net: nn.Module, *shape: int):
    """A network with statistics and weights far from where they begin, in evaluation."""
    for p in net.parameters():
        p.data = randn(*p.shape, dtype=p.dtype)
    for name, b in net.named_buffers():
        if b.dtype.kind == "f":
            b.data = randn(*b.shape, dtype=b.dtype).abs() + (0.1 if "var" in name else 0.0)
    net.eval()
    return net, nnfast.compile(nnfast.no_grad()(lambda x: net(x))), randn(*shape)


CONV_NETS = {
    "conv": lambda: nn.Sequential(nn.Conv2d(3, 5, 3, padding=1), nn.BatchNorm2d(5), nn.ReLU()),
    "no bias": lambda: nn.Sequential(nn.Conv2d(3, 6, 3, bias=False), nn.BatchNorm2d(6)),
    "groups": lambda: nn.Sequential(nn.Conv2d(3, 6, 3, groups=3), nn.BatchNorm2d(6, eps=0.1)),
    "plain": lambda: nn.Sequential(nn.Conv2d(3, 6, 1), nn.BatchNorm2d(6, affine=False)),
}


@pytest.mark.parametrize("name", sorted(CONV_NETS))
def test_batch_norm_is_part_of_the_weights(name):
    net, predict, x = evaluated(CONV_NETS[name](), 2, 3, 7, 6)
    with nnfast.no_grad():
        expected = net(x).numpy()
    got = predict(x).numpy()
    assert "conv2d" in names(predict)[-2:] and "batch_norm_eval" not in names(predict)
    # Products and sums of some tens of terms, each rounded once more than before.
    scale = np.abs(expected).max() * 64
    assert np.abs(got - expected).max() <= scale * np.finfo(np.float32).eps


def test_a_norm_after_a_linear_layer_is_part_of_it_too():
    net, predict, x = evaluated(nn.Sequential(nn.Linear(7, 9), nn.BatchNorm1d(9)), 6, 7)
    with nnfast.no_grad():
        np.testing.assert_allclose(predict(x).numpy(), net(x).numpy(), rtol=1e-4, atol=1e-4)
    assert names(predict)[-1] == "linear"


def test_a_norm_in_training_stays():
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))
    compiled = nnfast.compile(lambda x: net(x).sum())
    compiled(randn(2, 1, 5, 5))
    assert "batch_norm_train" in names(compiled)


def prologue(compiled) -> int:
    return compiled.plan.graph.prologue


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("rows", [1, 3, 4, 33, 200])
@pytest.mark.parametrize(("n", "k"), [(1, 1), (70, 3), (33, 600), (300, 130)])
def test_packed_weights_give_the_same_bits(isa, rows, n, k, dtype):
    w, b = randn(n, k, dtype=dtype), randn(n, dtype=dtype)
    predict = same_bits(lambda x: F.linear(x, w, b).relu(), randn(rows, k, dtype=dtype))
    assert names(predict) == ["pack_linear", "linear"]
    turned = same_bits(lambda x: F.linear(x, w.mT), randn(rows, n, dtype=dtype))
    assert prologue(turned) == 1


@pytest.mark.parametrize("groups", [1, 2])
def test_transformed_weights_give_the_same_bits(isa, groups):
    net = nn.Sequential(nn.Conv2d(32, 32, 3, padding=1, groups=groups), nn.Conv2d(32, 5, 1)).eval()
    with nnfast.no_grad():
        predict = same_bits(net, randn(3, 32, 18, 20))
    assert names(predict) == ["transform_conv2d", "conv2d", "conv2d"]
    assert prologue(predict) == 1
    assert [algorithm(c) for c in predict.plan.graph.calls][1] == "winograd"
    assert flops_of(predict.plan.graph.calls[1]) == 2 * 3 * 32 * 18 * 20 * 9 * 32 // groups


def test_the_weight_of_a_strided_convolution_is_not_transformed():
    """Winograd's algorithm works on its phases, not on itself."""
    net = nn.Conv2d(16, 32, 5, stride=2, padding=2).eval()
    with nnfast.no_grad():
        predict = same_bits(net, randn(2, 16, 57, 57))
    assert [algorithm(c) for c in predict.plan.graph.calls] == ["winograd"]
    assert names(predict) == ["conv2d"]


def test_a_weight_that_a_batch_norm_scales_is_packed_too():
    net = nn.Sequential(nn.Conv2d(32, 32, 3), nn.BatchNorm2d(32), nn.Flatten(), nn.Linear(8192, 3))
    predict = nnfast.compile(net.eval())
    with nnfast.no_grad():
        predict(randn(2, 32, 18, 18))
    assert names(predict)[prologue(predict) :] == ["conv2d", "linear"]
    assert "transform_conv2d" in names(predict)


def test_a_large_weight_is_not_transformed():
    """Its transform would cost more to read than to make."""
    net = nn.Conv2d(256, 256, 3, padding=1).eval()
    with nnfast.no_grad():
        predict = same_bits(net, randn(1, 256, 8, 8))
    assert names(predict) == ["conv2d"]


def changes(net: nn.Module):
    """Ways to change a weight: by an op, an array, an optimizer, a plan, a state."""
    weight = net[0].weight

    def by_plan():
        opt = optim.SGD(net.parameters(), lr=0.1)

        @nnfast.compile
        def step(x):
            opt.zero_grad()
            net(x).sum().backward()
            opt.step()

        step(nnfast.ones(5, 7))

    def by_optimizer():
        opt = optim.SGD(net.parameters(), lr=0.1)
        opt.zero_grad()
        net(nnfast.ones(5, 7)).sum().backward()
        opt.step()

    def by_state():
        net.load_state_dict({k: v.detach() * 2.0 for k, v in net.state_dict().items()})

    def by_array():
        weight.array[0] += 1

    def by_view():
        weight.detach().numpy()[:, 1] *= 2

    def by_data():
        weight.data = randn(*weight.shape)

    def by_op():
        add_(weight, nnfast.tensor([1.0]))

    return [by_plan, by_optimizer, by_state, by_array, by_view, by_data, by_op]


def test_constants_are_computed_once_and_again_after_a_change():
    net, predict, x = evaluated(nn.Sequential(nn.Linear(7, 9), nn.ReLU(), nn.Linear(9, 3)), 5, 7)
    for change in changes(net):
        for _ in range(3):  # also right when nothing changed
            with nnfast.no_grad():
                assert predict(x).tolist() == net(x).tolist(), change.__name__
        assert prologue(predict) == 2
        assert names(predict)[:2] == ["pack_linear"] * 2
        change()
        for _ in range(2):
            got = predict(x).tolist()
            with nnfast.no_grad():
                assert got == net(x).tolist(), change.__name__


def test_a_change_through_an_array_that_somebody_holds():
    net, predict, x = evaluated(nn.Sequential(nn.Linear(7, 9)), 5, 7)
    held = net[0].weight.detach().numpy()
    part = held[2:3]
    predict(x), predict(x)
    held[0] = 3.0
    with nnfast.no_grad():
        assert predict(x).tolist() == net(x).tolist()
    del held
    part[:] = 7.0  # a view of it
    got = predict(x).tolist()
    with nnfast.no_grad():
        assert got == net(x).tolist()


def test_a_change_to_memory_from_outside():
    array = np.ones((9, 7), np.float32)
    weight = nnfast.from_numpy(array)
    predict = nnfast.compile(lambda x: F.linear(x, weight))
    x = randn(5, 7)
    for k in range(3):
        array[:] = k
        assert predict(x).tolist() == F.linear(x, weight).tolist()


def test_what_a_step_changes_is_no_constant():
    net = nn.Linear(3, 2)
    opt = optim.SGD(net.parameters(), lr=0.1)

    @nnfast.compile
    def step(x):
        opt.zero_grad()
        loss = net(x).sum()
        loss.backward()
        opt.step()
        return loss

    step(randn(8, 3))
    weights = {id(net.weight), id(net.bias)}
    for call in step.plan.graph.calls[: prologue(step)]:
        assert all(not m.source or id(m.source.tensor) not in weights for m in call.reads())
    assert "pack_linear" not in names(step)


# ---- what a plan tells ------------------------------------------------------------------------


def test_explain_counts_operations_and_bytes():
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(100, 8))
    net, predict, x = evaluated(net, 2, 3, 7, 7)
    predict(x)
    plan = predict.plan
    plan.timed = True
    predict(x)
    lines = plan.explain().splitlines()
    cost = {c.op.name: flops_of(c) for c in plan.graph.calls}
    assert cost["conv2d"] == 2 * 2 * 4 * 25 * 27
    assert cost["linear"] == 2 * 2 * 8 * 100
    assert any("conv2d(" in x and " direct " in x for x in lines)
    assert sorted(algorithm(c) for c in plan.graph.calls) == [*[""] * (len(lines) - 2), "direct"]
    assert all(
        "MFLOP" in x and ("once" in x or ("GFLOP/s" in x and "GB/s" in x)) for x in lines[:-1]
    )


def test_operations_of_a_backward_pass():
    w, v = randn(4, 3, 3, 3, requires_grad=True), randn(4, 5, requires_grad=True)

    @nnfast.compile
    def step(x):
        (F.conv2d(x, w).sum((2, 3)) @ v).tanh().sum().backward()

    x = randn(2, 3, 7, 7)
    step(x)
    cost = {c.op.name: flops_of(c) for c in step.plan.graph.calls}
    assert cost["conv2d_weight"] == 2 * (2 * 4 * 25) * 27
    assert cost["conv2d"] == cost["conv2d_weight"]


def test_steps_keep_no_memory():
    """What the core has allocated is the same before and after many steps."""
    libc = ctypes.CDLL(None)
    if not hasattr(libc, "mallinfo2"):
        pytest.skip("no glibc")
    fields = [(f"f{i}", ctypes.c_size_t) for i in range(10)]
    info = type("Info", (ctypes.Structure,), {"_fields_": fields})
    libc.mallinfo2.restype = info

    def allocated() -> int:  # in use of the heap, and mapped
        now = libc.mallinfo2()
        return now.f7 + now.f4

    net = nn.Sequential(nn.Linear(30, 20), nn.Tanh(), nn.Linear(20, 5))
    opt = optim.Adam(net.parameters())

    @nnfast.compile
    def step(x, y):
        opt.zero_grad()
        loss = F.mse_loss(net(x), y)
        loss.backward()
        opt.step()
        return loss

    x, y = randn(40, 30), randn(40, 5)
    for _ in range(20):
        step(x, y)
    gc.collect()
    before = allocated()
    for _ in range(1000):
        step(x, y)
    gc.collect()
    assert allocated() - before < 4096
