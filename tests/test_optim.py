"""Optimizers against the formulas, against PyTorch where it is installed, and their interface."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest

import nnfast
from nnfast import _core
from nnfast.errors import NNFastError
from nnfast.optim import (
    ASGD,
    LBFGS,
    SGD,
    Adadelta,
    Adagrad,
    Adam,
    Adamax,
    AdamW,
    NAdam,
    RAdam,
    RMSprop,
    Rprop,
)
from nnfast.tensor import Tensor
from tests.specs import update_adaptive as formulas
from tests.specs.update import adam, sgd

STEPS = 20
SHAPES = [(3, 5), (17,), (), (0, 2), (40, 33)]

SGD_GRID = [
    dict(lr=0.1, momentum=m, dampening=d, weight_decay=w, nesterov=n, maximize=x)
    for m, d, w, n, x in itertools.product(
        [0, 0.9], [0, 0.3], [0, 0.05], [False, True], [False, True]
    )
    if not n or (m > 0 and d == 0)
]
ADAM_GRID = [
    dict(lr=0.05, betas=b, eps=e, weight_decay=w, amsgrad=a, maximize=x)
    for b, e, w, a, x in itertools.product(
        [(0.9, 0.999), (0.3, 0.7)], [1e-8, 0.1], [0, 0.05], [False, True], [False, True]
    )
]


def grid(**options: list[Any]) -> list[dict[str, Any]]:
    return [dict(zip(options, v, strict=True)) for v in itertools.product(*options.values())]


SIGNS = [False, True]
OTHERS: dict[Any, list[dict[str, Any]]] = {
    Adagrad: grid(lr=[0.1], lr_decay=[0, 0.1], weight_decay=[0, 0.05],
                  initial_accumulator_value=[0, 0.5], eps=[1e-10, 0.1], maximize=SIGNS),
    Adadelta: grid(lr=[1.0, 0.5], rho=[0.9, 0.5], eps=[1e-6, 0.1], weight_decay=[0, 0.05],
                   maximize=SIGNS),
    RMSprop: grid(lr=[0.01], alpha=[0.99, 0.5], eps=[1e-8, 0.1], weight_decay=[0, 0.05],
                  momentum=[0, 0.9], centered=SIGNS, maximize=SIGNS),
    Adamax: grid(lr=[0.05], betas=[(0.9, 0.999), (0.3, 0.7)], eps=[1e-8, 0.1],
                 weight_decay=[0, 0.05], maximize=SIGNS),
    NAdam: grid(lr=[0.05], betas=[(0.9, 0.999), (0.3, 0.7)], eps=[1e-8, 0.1],
                weight_decay=[0, 0.05], momentum_decay=[4e-3, 0.5],
                decoupled_weight_decay=SIGNS, maximize=SIGNS),
    RAdam: grid(lr=[0.05], betas=[(0.9, 0.999), (0.3, 0.7)], eps=[1e-8, 0.1],
                weight_decay=[0, 0.05], decoupled_weight_decay=SIGNS, maximize=SIGNS),
    Rprop: grid(lr=[0.01], etas=[(0.5, 1.2), (0.2, 3.0)], step_sizes=[(1e-6, 50), (5e-3, 0.1)],
                maximize=SIGNS),
    ASGD: grid(lr=[0.1], lambd=[1e-4, 0.1], alpha=[0.75, 0.2], t0=[1e6, 3], weight_decay=[0, 0.05],
               maximize=SIGNS),
}  # fmt: skip
GRID = [(SGD, kw) for kw in SGD_GRID] + [(c, kw) for c in (Adam, AdamW) for kw in ADAM_GRID]
GRID += [(c, kw) for c, options in OTHERS.items() for kw in options]
IDS = [f"{c.__name__}-{'-'.join(str(v) for v in kw.values())}" for c, kw in GRID]


def problem(dtype: Any) -> tuple[list[np.ndarray], list[list[np.ndarray]]]:
    """Parameters, and a gradient for each step: of size 1/2 to 3/2, of either sign."""
    rng = np.random.default_rng(0)
    values = [rng.standard_normal(s).astype(dtype) for s in SHAPES]
    grads = [
        [(rng.choice([-1, 1], s) * rng.uniform(0.5, 1.5, s)).astype(dtype) for s in SHAPES]
        for _ in range(STEPS)
    ]
    return values, grads


def run(optimizer: Any, params: list[Tensor], grads: list[list[np.ndarray]]) -> None:
    for step in grads:
        for p, g in zip(params, step, strict=True):
            p.grad = nnfast.from_numpy(np.array(g))
        optimizer.step()


def leaves(values: list[np.ndarray]) -> list[Tensor]:
    return [nnfast.from_numpy(v.copy()).requires_grad_() for v in values]


def trajectory(cls: Any, kw: dict[str, Any], w: np.ndarray, grads: list[np.ndarray]) -> np.ndarray:
    """The parameter after all steps, in float64, from the formulas."""
    w = w.astype(np.float64)
    if cls is SGD:
        buffer = np.zeros_like(w) if kw["momentum"] else None
        for t, g in enumerate(grads):
            hyper = [kw[k] for k in ("lr", "momentum", "dampening", "weight_decay", "nesterov")]
            w, *rest = sgd(w, g.astype(np.float64), [*hyper, kw["maximize"], t == 0], buffer)
            buffer = rest[0] if rest else None
        return w
    if cls in OTHERS:
        return other_trajectory(cls, kw, w, grads)
    m, v, top = np.zeros_like(w), np.zeros_like(w), np.zeros_like(w)
    (b1, b2), decay = kw["betas"], kw["weight_decay"]
    for t, g in enumerate(grads):
        hyper = [kw["lr"], b1, b2, kw["eps"], decay, cls is AdamW, kw["maximize"]]
        args = (w, g.astype(np.float64), m, v, t, hyper)
        w, m, v, _, *rest = adam(*args, top if kw["amsgrad"] else None)
        top = rest[0] if rest else top
    return w


def other_trajectory(
    cls: Any, kw: dict[str, Any], w: np.ndarray, grads: list[np.ndarray]
) -> np.ndarray:
    formula = getattr(formulas, cls.__name__.lower())
    names = {"beta1": "betas", "beta2": "betas", "decoupled": "decoupled_weight_decay"}
    hyper = [kw.get(names.get(n, n)) for n in cls.hyper._fields]
    if "betas" in kw:
        hyper[1:3] = kw["betas"]
    if cls is Rprop:
        hyper[:4] = *kw["etas"], *kw["step_sizes"]
    begin = {"sum": kw.get("initial_accumulator_value"), "step_size": kw["lr"], "mu_product": 1.0,
             "eta": kw["lr"], "mu": 1.0}  # fmt: skip
    absent = set()
    if cls is RMSprop:
        absent = {n for n in ("centered", "momentum") if not kw[n]}
    needs = {"grad_avg": "centered", "momentum_buffer": "momentum"}
    state: list[Any] = [0]
    for name in cls.op.inputs[4:]:
        number = name in ("mu_product", "eta", "mu")
        value = begin.get(name, 0.0)
        state.append(
            None if needs.get(name) in absent else value if number else np.full_like(w, value)
        )
    for g in grads:
        w, *new = formula(w, g.astype(np.float64), hyper, *state)
        found = iter(new)
        state = [None if x is None else next(found) for x in state]
    return w


def largest_step(cls: Any, kw: dict[str, Any], g: float) -> float:
    """How far an element moves at most in one step, for gradients of size up to g."""
    lr = kw["lr"]
    if cls is SGD:
        return lr * 2 * g / (1 - kw["momentum"])
    if cls is RMSprop:  # |g| / sqrt((1 - alpha) g^2), and v >= alpha s where it is centered
        return lr * 1.5 / math.sqrt(1 - kw["alpha"]) / (1 - kw["momentum"])
    if cls is Rprop:
        return min(kw["step_sizes"][1], lr * kw["etas"][1] ** STEPS)
    return lr * 6 * g  # a ratio of means: at most |g| max / |g| min = 3, and twice in NAdam


def allowed(cls: Any, kw: dict[str, Any], dtype: Any) -> float:
    """Bound of the rounding error after all steps.

    A step adds an update of size at most s to a parameter of at most 4 + STEPS s, both rounded.
    Each update has a relative error of at most 10 roundings, times the steps that its means go
    back.
    """
    s = largest_step(cls, kw, 1.5 + 4 * kw.get("weight_decay", 0))
    return float(np.finfo(dtype).eps) * STEPS * (4 + STEPS * s + 10 * STEPS * s)


# ---- trajectories ---------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("cls", "kw"), GRID, ids=IDS)
def test_trajectory_follows_the_formulas(cls: Any, kw: dict[str, Any], dtype: Any) -> None:
    values, grads = problem(dtype)
    params = leaves(values)
    run(cls(params, **kw), params, grads)
    limit = 1e-12 if dtype == np.float64 else allowed(cls, kw, dtype)
    for i, p in enumerate(params):
        want = trajectory(cls, kw, values[i], [g[i] for g in grads])
        np.testing.assert_allclose(p.detach(), want, rtol=0, atol=limit)
        assert p.dtype == dtype and p._version == STEPS


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("cls", "kw"), GRID, ids=IDS)
def test_trajectory_is_pytorchs(cls: Any, kw: dict[str, Any], dtype: str) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    values, grads = problem(dtype)
    params = leaves(values)
    run(cls(params, **kw), params, grads)
    theirs = [torch.tensor(v, requires_grad=True) for v in values]
    torch.set_default_dtype(getattr(torch, dtype))  # of the numbers in its state
    try:
        optimizer = getattr(torch.optim, cls.__name__)(theirs, **kw)
        for step in grads:
            for p, g in zip(theirs, step, strict=True):
                p.grad = torch.tensor(g)
            optimizer.step()
    finally:
        torch.set_default_dtype(torch.float32)
    limit = 1e-12 if dtype == "float64" else 2 * allowed(cls, kw, dtype)
    for p, q in zip(params, theirs, strict=True):
        np.testing.assert_allclose(p.detach(), q.detach().numpy(), rtol=0, atol=limit)


MAKERS: list[Any] = [
    lambda p: SGD(p, 0.1, momentum=0.5),
    lambda p: Adam(p, 0.1, amsgrad=True),
    lambda p: AdamW(p, 0.1),
    lambda p: Adagrad(p, 0.5, lr_decay=1e-4),
    lambda p: Adadelta(p, 1.0, eps=1e-3),
    lambda p: RMSprop(p, 0.01, momentum=0.5, centered=True),
    lambda p: Adamax(p, 0.1),
    lambda p: NAdam(p, 0.1),
    lambda p: RAdam(p, 0.1),
    lambda p: Rprop(p, 0.1),
    lambda p: ASGD(p, 0.1),
]


@pytest.mark.parametrize("name", ["SGD", "Adam", "RMSprop", "Adagrad", "LBFGS", "Rprop"])
def test_a_rate_may_be_a_tensor(name: str) -> None:
    results = []
    for lr in (0.25, nnfast.tensor(0.25), nnfast.tensor([0.25], dtype=nnfast.float64)):
        w = nnfast.tensor([1.0, -2.0], requires_grad=True)
        optimizer = getattr(nnfast.optim, name)([w], lr=lr)
        schedule = nnfast.optim.lr_scheduler.StepLR(optimizer, 1, 0.5)

        def closure(w: Any = w, optimizer: Any = optimizer) -> Any:
            optimizer.zero_grad()
            loss = (w * w).sum()
            loss.backward()
            return loss

        for _ in range(3):
            optimizer.step(closure)
            schedule.step()
        results.append((w.tolist(), schedule.get_last_lr()))
    assert results[0] == results[1] == results[2]
    with pytest.raises(NNFastError, match="one element"):
        getattr(nnfast.optim, name)([w], lr=nnfast.tensor([0.1, 0.2]))


def test_bits_do_not_depend_on_isa_or_threads() -> None:
    before, bits = _core.isa(), set()
    rng = np.random.default_rng(1)
    w, g = rng.standard_normal((2, 40_003)).astype(np.float32)
    makers = [lambda p: SGD(p, 0.1, 0.9, 0, 0.01, True), *MAKERS]
    try:
        for isa, threads in itertools.product(_core.isas(), (1, 2, 3)):
            _core.set_isa(isa)
            _core.set_num_threads(threads)
            params = leaves([w] * len(makers))
            for p, make in zip(params, makers, strict=True):
                optimizer = make([p])
                for _ in range(3):
                    p.grad = nnfast.from_numpy(g)
                    optimizer.step()
            bits.add(b"".join(p.detach().numpy().tobytes() for p in params))
    finally:
        _core.set_isa(before)
    assert len(bits) == 1


@pytest.mark.parametrize("make", MAKERS)
def test_minimizes_a_quadratic(isa: str, make: Any) -> None:
    w = nnfast.tensor([3.0, -2.0, 1.0], requires_grad=True)
    optimizer = make([w])

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = ((w - 1) * (w - 1)).sum()
        loss.backward()
        return loss

    losses = [optimizer.step(closure).item() for _ in range(300)]
    assert losses[-1] < 1e-3 * losses[0]
    np.testing.assert_allclose(w.detach(), 1, atol=0.05)


def test_closure_records_even_under_no_grad() -> None:
    w = nnfast.tensor([1.0], requires_grad=True)

    def closure() -> Tensor:
        (w * w).sum().backward()
        return w.sum()

    with nnfast.no_grad():
        assert SGD([w], lr=0.25).step(closure).item() == 1.0
    assert w.tolist() == [0.5]


def test_parameters_without_gradient_stay() -> None:
    a, b = leaves([np.ones(2), np.ones(2)])
    optimizer = Adam([a, b])
    a.grad = nnfast.from_numpy(np.ones(2))
    optimizer.step()
    assert b.tolist() == [1, 1] and b not in optimizer.state
    b.grad = a.grad
    optimizer.step()
    assert optimizer.state[a]["step"] == 2 and optimizer.state[b]["step"] == 1
    assert abs(b.detach().numpy() - (1 - 1e-3)).max() < 1e-10  # its own first step


def test_strided_gradients() -> None:
    (w,) = leaves([np.zeros((2, 3))])
    w.grad = nnfast.from_numpy(np.arange(6.0).reshape(3, 2).T)
    SGD([w], lr=1.0).step()
    np.testing.assert_array_equal(w.detach(), -np.arange(6.0).reshape(3, 2).T)


def test_update_invalidates_what_was_saved() -> None:
    w = nnfast.tensor([2.0], requires_grad=True)
    loss = (w * w).sum()
    w.grad = nnfast.ones(1)
    SGD([w]).step()
    with pytest.raises(NNFastError, match="changed in place"):
        loss.backward()


def test_zero_grad() -> None:
    a, b = leaves([np.ones(2), np.ones(2)])
    optimizer = SGD([a, b])
    a.grad = nnfast.from_numpy(np.ones(2))
    optimizer.zero_grad(set_to_none=False)
    assert a.grad.tolist() == [0, 0] and b.grad is None
    optimizer.zero_grad()
    assert a.grad is None


# ---- groups and state -----------------------------------------------------------------------


def test_groups_have_options_of_their_own() -> None:
    a, b, c = leaves([np.ones(1)] * 3)
    optimizer = SGD([{"params": [a]}, {"params": b, "lr": 0.5}], lr=0.25)
    optimizer.add_param_group({"params": [c], "lr": 0.125, "maximize": True})
    assert [g["lr"] for g in optimizer.param_groups] == [0.25, 0.5, 0.125]
    assert optimizer.defaults["lr"] == 0.25
    for p in (a, b, c):
        p.grad = nnfast.from_numpy(np.ones(1))
    optimizer.step()
    assert [p.item() for p in (a, b, c)] == [0.75, 0.5, 1.125]
    optimizer.param_groups[0]["lr"] = 0.75  # as a schedule does
    optimizer.step()
    assert a.item() == 0


@pytest.mark.parametrize("make", MAKERS)
def test_state_dict_goes_on_with_the_same_bits(make: Any) -> None:
    values, grads = problem(np.float32)
    straight, resumed = leaves(values), leaves(values)
    run(make(straight), straight, grads)
    first = make(resumed)
    run(first, resumed, grads[:7])
    saved = first.state_dict()
    second = make(resumed)
    second.load_state_dict(saved)
    run(second, resumed, grads[7:])
    for p, q in zip(straight, resumed, strict=True):
        assert p.detach().numpy().tobytes() == q.detach().numpy().tobytes()
    # What was loaded is a copy: the first optimizer's buffers have not moved.
    name = next(n for n, v in first.state[resumed[0]].items() if v.shape)
    assert first.state[resumed[0]][name].tolist() != second.state[resumed[0]][name].tolist()


OPTIONS: dict[str, dict[str, Any]] = {
    "SGD": {"momentum": 0.9}, "Adam": {"amsgrad": True}, "AdamW": {"amsgrad": True},
    "RMSprop": {"momentum": 0.9, "centered": True}, "Adagrad": {}, "Adadelta": {}, "Adamax": {},
    "NAdam": {}, "RAdam": {}, "Rprop": {}, "ASGD": {},
}  # fmt: skip


@pytest.mark.parametrize("name", OPTIONS)
def test_state_dict_has_pytorchs_structure(name: str) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    kw = OPTIONS[name]
    values, grads = problem(np.float32)
    mine, theirs = leaves(values), [torch.tensor(v, requires_grad=True) for v in values]
    mine_in_groups = [{"params": mine[:2]}, {"params": mine[2:], "lr": 0.5}]
    a = getattr(nnfast.optim, name)(mine_in_groups, foreach=False, **kw)
    theirs_in_groups = [{"params": theirs[:2]}, {"params": theirs[2:], "lr": 0.5}]
    b = getattr(torch.optim, name)(theirs_in_groups, **kw)
    assert a.state_dict()["state"].keys() == b.state_dict()["state"].keys()
    run(a, mine, grads[:2])
    for step in grads[:2]:
        for p, g in zip(theirs, step, strict=True):
            p.grad = torch.tensor(g)
        b.step()
    x, y = a.state_dict(), b.state_dict()
    assert x.keys() == y.keys() and x["state"].keys() == y["state"].keys()
    for number in x["state"]:
        assert x["state"][number].keys() == y["state"][number].keys()
    for g, h in zip(x["param_groups"], y["param_groups"], strict=True):
        assert g.keys() <= h.keys()
        assert all(g[k] == h[k] for k in g)
    # Theirs can be loaded here, with arrays for tensors and their own options left alone.
    state = {i: {k: v.numpy() for k, v in s.items()} for i, s in y["state"].items()}
    a.load_state_dict({"state": state, "param_groups": y["param_groups"]})
    run(a, mine, grads[2:4])
    for step in grads[2:4]:
        for p, g in zip(theirs, step, strict=True):
            p.grad = torch.tensor(g)
        b.step()
    for p, q in zip(mine, theirs, strict=True):
        np.testing.assert_allclose(p.detach(), q.detach().numpy(), rtol=1e-5, atol=1e-5)


def test_loaded_buffers_take_the_parameters_dtype() -> None:
    (wide,) = leaves([np.ones(3)])
    (narrow,) = leaves([np.ones(3, np.float32)])
    a, b = Adam([wide]), Adam([narrow])
    wide.grad = nnfast.from_numpy(np.ones(3))
    a.step()
    b.load_state_dict(a.state_dict())
    assert b.state[narrow]["exp_avg"].dtype == np.float32 and b.state[narrow]["step"] == 1


def test_parameters_with_names() -> None:
    model = nnfast.nn.Linear(2, 1)
    optimizer = Adam(model.named_parameters())
    assert optimizer.param_groups[0]["params"] == [model.weight, model.bias]
    assert optimizer.state_dict()["param_groups"][0]["param_names"] == ["weight", "bias"]


# ---- LBFGS ----------------------------------------------------------------------------------


def rosenbrock(a: Any, b: Any) -> Any:
    """In 2 + 3 variables, with one parameter each."""
    return ((1 - a) ** 2).sum() + 10 * ((b[:2] - a * a) ** 2).sum() + ((b[2] - 0.5) ** 2).sum()


LBFGS_GRID = grid(
    lr=[1, 0.1], max_iter=[20, 4], history_size=[100, 2], line_search_fn=[None, "strong_wolfe"]
)


@pytest.mark.parametrize("kw", LBFGS_GRID, ids=str)
def test_lbfgs_follows_pytorch(kw: dict[str, Any]) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    start = [np.array([-0.5, 0.7]), np.array([0.2, 0.1, -3.0])]
    mine, theirs = leaves(start), [torch.tensor(v, requires_grad=True) for v in start]
    # Without a search it may diverge; then errors grow with the steps.
    first = LBFGS(mine, **kw), torch.optim.LBFGS(theirs, **kw)
    losses: tuple[list[float], list[float]] = ([], [])
    for _ in range(3 if kw["line_search_fn"] is None else 10):
        for optimizer, params, found in zip(first, (mine, theirs), losses, strict=True):

            def closure(optimizer: Any = optimizer, params: Any = params) -> Any:
                optimizer.zero_grad()
                loss = rosenbrock(*params)
                loss.backward()
                return loss

            found.append(optimizer.step(closure).item())
    np.testing.assert_allclose(*losses, rtol=1e-6, atol=1e-9)
    for p, q in zip(mine, theirs, strict=True):
        np.testing.assert_allclose(p.detach(), q.detach().numpy(), rtol=1e-6, atol=1e-6)
    x, y = (optimizer.state_dict()["state"][0] for optimizer in first)
    assert x.keys() == y.keys() - {"al"}
    assert all(x[n] == y[n] for n in ("func_evals", "n_iter"))


def test_lbfgs_finds_the_minimum_and_goes_on_from_its_state() -> None:
    start = [np.array([-0.5, 0.7]), np.array([0.2, 0.1, -3.0])]
    ends = []
    for reload in (False, True):
        params = leaves(start)
        optimizer = LBFGS(params, max_iter=5, line_search_fn="strong_wolfe")

        def closure(params: Any = params) -> Tensor:
            for p in params:
                p.grad = None
            loss = rosenbrock(*params)
            loss.backward()
            return loss

        for i in range(12):
            if reload and i == 2:
                saved = optimizer.state_dict()
                optimizer = LBFGS(params, max_iter=5, line_search_fn="strong_wolfe")
                optimizer.load_state_dict(saved)
            optimizer.step(closure)
        ends.append([p.tolist() for p in params])
    assert ends[0] == ends[1]
    np.testing.assert_allclose(ends[0][0], 1, atol=1e-5)
    np.testing.assert_allclose(ends[0][1], [1, 1, 0.5], atol=1e-5)


def test_repr() -> None:
    text = repr(SGD([nnfast.ones(1)], lr=0.5))
    assert text.startswith("SGD (\nParameter Group 0\n    dampening: 0\n    lr: 0.5\n")


# ---- errors ---------------------------------------------------------------------------------

W = nnfast.ones(3, requires_grad=True)


def stepped(w: Tensor, grad: Any, make: Any = SGD) -> None:
    w.grad = nnfast.from_numpy(np.asarray(grad))
    make([w]).step()


def read_only() -> Tensor:
    array = np.ones(2)
    array.flags.writeable = False
    return nnfast.from_numpy(array).requires_grad_()


def loaded(change: Any) -> None:
    (w,) = leaves([np.ones(3)])
    w.grad = nnfast.from_numpy(np.ones(3))
    optimizer = Adam([w])
    optimizer.step()
    state = optimizer.state_dict()
    change(state)
    try:
        optimizer.load_state_dict(state)
    finally:
        assert optimizer.state[w]["step"] == 1 and optimizer.param_groups[0]["params"] == [w]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: SGD([W], lr=-0.1), "SGD: expected lr >= 0, got lr=-0.1"),
        (lambda: SGD([W], lr=math.nan), "SGD: expected lr >= 0, got lr=nan"),
        (lambda: SGD([W], lr="fast"), "SGD: expected a number as lr, got 'fast'"),
        (lambda: SGD([W], momentum=-1), "SGD: expected momentum >= 0, got momentum=-1"),
        (lambda: SGD([W], weight_decay=-1), "SGD: expected weight_decay >= 0"),
        (lambda: SGD([W], nesterov=True), "SGD: expected momentum > 0 and dampening = 0 for Nest"),
        (lambda: SGD([W], 0.1, 0.9, 0.1, nesterov=True), "got momentum=0.9, dampening=0.1"),
        (lambda: Adam([W], lr=-1), "Adam: expected lr >= 0"),
        (lambda: Adam([W], eps=-1), "Adam: expected eps >= 0"),
        (lambda: Adam([W], betas=(1.0, 0.9)), "Adam: expected betas[0] < 1, got betas[0]=1.0"),
        (lambda: Adam([W], betas=(0.9, -0.1)), "Adam: expected betas[1] >= 0"),
        (lambda: Adam([W], betas=0.9), "Adam: expected betas = (beta1, beta2), got 0.9"),
        (lambda: AdamW([W], weight_decay=-1), "AdamW: expected weight_decay >= 0"),
        (lambda: SGD(W), "SGD: expected an iterable of parameters or of dicts, got Tensor"),
        (lambda: SGD([]), "SGD: expected at least one parameter, got an empty iterable"),
        (lambda: SGD(3), "SGD: expected an iterable of parameters or of dicts, got int"),
        (lambda: SGD([W, W]), "SGD: expected each parameter once, got one twice"),
        (lambda: SGD([1.0]), "SGD: expected tensors as parameters, got float"),
        (lambda: SGD([nnfast.tensor([1])]), "SGD: expected float32 or float64 parameters, got i"),
        (lambda: SGD([W * 2]), "SGD: expected leaves, got a result of an op"),
        (lambda: SGD([{"lr": 1}]), "SGD: expected a dict with 'params'"),
        (lambda: SGD([{"params": {W}}]), "SGD: expected parameters in an order, got a set"),
        (lambda: SGD([{"params": [W], "lr": -1}]), "SGD: expected lr >= 0"),
        (lambda: SGD([W]).add_param_group({"params": W}), "SGD: expected each parameter once"),
        (lambda: Adam([W], foreach=True, speed=1), "Adam: expected options lr, betas, eps"),
        (lambda: Adam([W], differentiable=True), "Adam: expected differentiable=False"),
        (lambda: Adadelta([W], rho=1.5), "Adadelta: expected rho <= 1"),
        (lambda: Adagrad([W], lr_decay=-1), "Adagrad: expected lr_decay >= 0"),
        (lambda: RMSprop([W], momentum=-1), "RMSprop: expected momentum >= 0"),
        (lambda: NAdam([W], momentum_decay=-1), "NAdam: expected momentum_decay >= 0"),
        (lambda: RAdam([W], betas=(0.9, 1)), "RAdam: expected betas[1] < 1"),
        (lambda: Rprop([W], etas=(1.5, 1.2)), "Rprop: expected 0 < etaminus < 1 < etaplus"),
        (lambda: LBFGS([{"params": [W]}, {"params": []}]), "LBFGS: expected one group"),
        (lambda: LBFGS([W], line_search_fn="armijo"), "LBFGS: expected line_search_fn='strong"),
        (lambda: LBFGS([W]).step(), "LBFGS: expected a closure"),
        (lambda: stepped(nnfast.ones(3), np.ones(2, "f4")), "sgd_update: expected grad of param's"),
        (lambda: stepped(nnfast.ones(3), np.ones(3)), "sgd_update: expected one dtype, got"),
        (lambda: stepped(nnfast.ones(3), np.ones(3, "i8")), "sgd_update: expected float32 or f"),
        (lambda: stepped(nnfast.ones(3), np.ones(2, "f4"), Adam), "adam_update: expected grad o"),
        (lambda: stepped(read_only(), np.ones(2)), "sgd_update: expected a contiguous, writable"),
        (lambda: loaded(lambda s: s["param_groups"][0].update(params=[0, 1])), "of [1] parameters"),
        (lambda: loaded(lambda s: s["param_groups"][0].update(lr=-1)), "Adam: expected lr >= 0"),
        (lambda: loaded(lambda s: s["state"].update({4: {}})), "got state of parameter 4"),
        (lambda: loaded(lambda s: s["state"][0].update(exp_avg=np.ones(2))), "'exp_avg' of its"),
        (lambda: loaded(lambda s: s.pop("state")), "a dict with 'state' and 'param_gro"),
    ],
)  # fmt: skip
def test_wrong_arguments(call: Any, message: str) -> None:
    with pytest.raises(NNFastError) as caught:
        call()
    assert message in str(caught.value)


def test_a_failed_step_leaves_no_state() -> None:
    (w,) = leaves([np.ones(3)])
    optimizer = SGD([w], momentum=0.9)
    w.grad = nnfast.from_numpy(np.ones(2))
    with pytest.raises(NNFastError):
        optimizer.step()
    assert not optimizer.state[w] and w.tolist() == [1, 1, 1]
