"""Averages of weights, and modules called with other weights."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import nnfast
from nnfast import func, nn, optim
from nnfast.errors import NNFastError
from nnfast.optim import swa_utils
from tests.modules import close

RNG = np.random.default_rng(10)
STATES = [
    {"0.weight": RNG.standard_normal((3, 2)), "0.bias": RNG.standard_normal(3),
     "1.weight": RNG.standard_normal(3), "1.bias": RNG.standard_normal(3),
     "1.running_mean": RNG.standard_normal(3), "1.running_var": RNG.uniform(1, 2, 3),
     "1.num_batches_tracked": np.array(i)}
    for i in range(4)
]  # fmt: skip


def averaged(lib: Any, utils: Any, load: Any, **options: Any) -> dict[str, Any]:
    model = lib.Sequential(lib.Linear(2, 3), lib.BatchNorm1d(3)).double()
    average = utils.AveragedModel(model, **options)
    for state in STATES:
        model.load_state_dict(load(state))
        average.update_parameters(model)
    return dict(average.state_dict())


@pytest.mark.parametrize("kind", ["mean", "ema", "one by one"])
@pytest.mark.parametrize("use_buffers", [False, True])
def test_averages_are_pytorchs(kind: str, use_buffers: bool) -> None:
    torch = pytest.importorskip("torch")
    results = []
    for lib, utils, load in (
        (nn, swa_utils, dict),
        (torch.nn, torch.optim.swa_utils, lambda s: {k: torch.tensor(v) for k, v in s.items()}),
    ):
        options: dict[str, Any] = {"use_buffers": use_buffers}
        if kind == "ema":
            options["multi_avg_fn"] = utils.get_ema_multi_avg_fn(0.9)
        elif kind == "one by one":
            options["avg_fn"] = lambda a, p, n: 0.3 * a + 0.7 * p
        results.append(averaged(lib, utils, load, **options))
    assert list(results[0])[1:] != [] and set(results[0]) == set(results[1])
    for key, value in results[0].items():
        if "num_batches" not in key:
            close(value.double(), results[1][key].double().numpy(), 16)
    if kind == "mean":
        want = np.mean([s["0.weight"] for s in STATES], 0)
        close(results[0]["module.0.weight"], want, 16)


@pytest.mark.parametrize("strategy", ["cos", "linear"])
@pytest.mark.parametrize("epochs", [0, 1, 7])
def test_swalr_is_pytorchs(strategy: str, epochs: int) -> None:
    torch = pytest.importorskip("torch")
    results = []
    for lib, opt in ((nnfast, optim), (torch, torch.optim)):
        groups = [{"params": [lib.ones(1, requires_grad=True)], "lr": lr} for lr in (0.1, 0.3)]
        o = opt.SGD(groups, lr=0.2)
        s = opt.swa_utils.SWALR(o, [0.05, 0.5], epochs, strategy)
        rates = [s.get_last_lr()]
        for _ in range(20):
            o.step()
            s.step()
            rates.append(s.get_last_lr())
        results.append(rates)
    np.testing.assert_allclose(results[0], results[1], rtol=1e-12)


def test_update_bn_takes_the_mean_over_batches() -> None:
    model = nn.Sequential(nn.BatchNorm1d(2))
    batches = [RNG.standard_normal((8, 2)).astype(np.float32) + i for i in range(3)]
    model.eval()
    swa_utils.update_bn([(nnfast.from_numpy(b), 0) for b in batches], model)
    close(model[0].running_mean, np.mean([b.mean(0) for b in batches], 0), 16)
    close(model[0].running_var, np.mean([b.var(0, ddof=1) for b in batches], 0), 16)
    assert not model.training and model[0].momentum == 0.1


# ---- modules as functions -----------------------------------------------------------------------


def test_functional_call() -> None:
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a = nn.Linear(2, 2, bias=False)
            self.b = nn.Linear(2, 2, bias=False)
            self.b.weight = self.a.weight

        def forward(self, x: Any, scale: float = 1.0) -> Any:
            return self.b(self.a(x)) * scale

    m, w, x = Tied(), nnfast.tensor([[2.0, 0.0], [0.0, 2.0]]), nnfast.ones(1, 2)
    before = m.a.weight
    assert func.functional_call(m, {"a.weight": w}, x).tolist() == [[4.0, 4.0]]
    y = func.functional_call(m, {"a.weight": w}, (x,), {"scale": 0.5}, tie_weights=False)
    assert m.a.weight is before and m.b.weight is before
    close(y, (0.5 * (x * 2) @ before.mT).detach().numpy(), 4)
    for names, strict in (({"c.weight": w}, False), ({}, True)):
        with pytest.raises(NNFastError, match="names of the module"):
            func.functional_call(m, names, x, strict=strict)
    jac = func.jacrev(lambda w: func.functional_call(m, {"a.weight": w}, x).sum())(w)
    assert jac.shape == (2, 2)


def test_an_ensemble_and_gradients_of_each_sample() -> None:
    models = [nn.Linear(3, 2, dtype=nnfast.float64) for _ in range(4)]
    params, buffers = func.stack_module_state(models)
    x = nnfast.from_numpy(RNG.standard_normal((5, 3)))
    call = lambda p, x: func.functional_call(models[0], p, (x,))
    y = func.vmap(call, in_dims=(0, None))(params, x)
    assert y.shape == (4, 5, 2) and buffers == {}
    for one, m in zip(y, models, strict=True):
        assert (one == m(x)).all()
    loss = lambda p, x: call(p, x).square().sum()
    own = {k: v.detach() for k, v in models[0].named_parameters()}
    each = func.vmap(func.grad(loss), in_dims=(None, 0))(own, x)
    assert each["weight"].shape == (5, 2, 3)
    total = func.grad(loss)(own, x)
    close(each["weight"].sum(0), total["weight"].numpy(), 16)
    assert func.vmap(lambda a: (a, a * 2), 1, (0, 1))(nnfast.ones(2, 3))[1].shape == (2, 3)
    with pytest.raises(NNFastError, match="one size"):
        func.vmap(lambda a, b: a + b)(nnfast.ones(2), nnfast.ones(3))


def test_more_that_functions_answer() -> None:
    x = nnfast.tensor([1.0, 2.0])
    f = lambda x: (x * x, "more")
    y, pull, more = func.vjp(f, x, has_aux=True)
    assert more == "more" and pull(nnfast.ones(2))[0].tolist() == [2.0, 4.0]
    y, dy, more = func.jvp(f, (x,), (x,), has_aux=True)
    assert (dy.tolist(), more) == ([2.0, 8.0], "more")
    for jacobian in (func.jacrev, func.jacfwd):
        found, more = jacobian(f, has_aux=True)(x)
        assert (found.tolist(), more) == ([[2.0, 0.0], [0.0, 4.0]], "more")
    y, push = func.linearize(lambda x: x * x, x)
    assert push(x).tolist() == [2.0, 8.0] and y.tolist() == [1.0, 4.0]
