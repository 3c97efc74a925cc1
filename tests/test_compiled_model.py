"""A compiled model is used as a model; what runs eagerly says which line is to blame."""

from __future__ import annotations

import copy
import inspect
import pickle

import numpy as np
import pytest

import nnfast
from nnfast import nn
from nnfast.nn import functional as F
from tests.nets import net
from tests.passes import randn
from tests.plans import bits, falls_back, mlp, planned, trainer


def line_of(fn, text: str) -> str:
    """The number of the line of a function that holds a text."""
    lines, first = inspect.getsourcelines(fn)
    return str(first + next(i for i, line in enumerate(lines) if text in line))


# ---- what a module has -------------------------------------------------------------------------


def test_modes():
    """train, eval and to return the compiled model, and change the one it is made of."""
    model = mlp(3, 4, 2, norm=True)
    predict = nnfast.compile(model)
    assert predict.eval() is predict and not model.training and not predict.training
    assert predict.train() is predict and model.training and model[0].training
    assert predict.requires_grad_(False) is predict
    assert not any(p.requires_grad for p in predict.parameters())
    assert predict.double() is predict and model[0].weight.dtype == nnfast.float64


def test_parameters_and_state():
    """The same tensors under the same names, without a prefix."""
    model = net()
    predict = nnfast.compile(model)
    assert all(a is b for a, b in zip(predict.parameters(), model.parameters(), strict=True))
    assert list(predict.state_dict()) == list(model.state_dict())
    assert [name for name, _ in predict.named_modules()] == [n for n, _ in model.named_modules()]
    assert predict.block is model.block
    other = net()
    predict.load_state_dict(other.state_dict())
    assert bits(model) == bits(other)


def test_attributes():
    """They are set in the model, and taken away there."""
    model = net()
    predict = nnfast.compile(model)
    predict.training = False
    assert not model.training
    predict.head = nn.Linear(4, 5)
    assert predict(randn(2, 3)).shape == (2, 5)
    predict.note = "mine"
    assert predict.note == model.note == "mine"
    del predict.note
    assert not hasattr(model, "note")
    for compiled in (predict, nnfast.compile(lambda x: x)):
        with pytest.raises(AttributeError, match="nothing"):
            compiled.nothing  # noqa: B018
    with pytest.raises(AttributeError, match="'Compiled' object has no attribute 'train'"):
        nnfast.compile(lambda x: x).train()


def test_it_is_a_module():
    """Of the same length, with the same parts; so are the parts of a model that are compiled."""
    model = mlp(3, 4, 2)
    predict = nnfast.compile(model)
    assert isinstance(predict, nn.Module) and isinstance(nnfast.compile(predict), nn.Module)
    assert not isinstance(nnfast.compile(lambda x: x), nn.Module)
    assert len(predict) == 3 and predict and predict[-1] is model[2] and list(predict) == [*model]
    assert isinstance(predict[:2], nn.Sequential) and len(predict + model) == 6
    assert predict.append(nn.Tanh()) is predict and len(model) == 4
    predict[1] = nn.ReLU()
    del predict[3]
    x = randn(5, 3)
    with nnfast.no_grad():
        assert predict(x).tolist() == model(x).tolist()
    linear = nnfast.compile(nn.Linear(2, 2))
    assert linear and not hasattr(linear, "__len__")
    around = nn.Sequential(predict, linear)
    assert [*around.children()] == [predict, linear]
    assert around.apply(lambda m: setattr(m, "seen", True))[0][0].seen
    table = nnfast.compile(nn.ModuleDict({"a": model}))
    assert "a" in table and table["a"] is model and [*table] == ["a"]


def test_hooks():
    """They are those of the module; with them it runs eagerly and says so."""
    predict = nnfast.compile(nn.Linear(2, 2))
    seen = []
    handle = predict.register_forward_hook(lambda module, x, y: seen.append(module))
    falls_back(predict, randn(1, 2), match="hooks")
    assert seen == [predict.fn] * 2
    handle.remove()
    predict(randn(1, 2))
    assert len(seen) == 2


def test_training_with_a_compiled_model():
    """A step around a compiled model is planned, with the weights of eager code."""
    found = []
    for how in ("eager", "compiled"):
        nnfast.manual_seed(0)
        model = mlp(3, 4, 2)
        used = nnfast.compile(model) if how == "compiled" else model
        step = trainer(used, nnfast.optim.Adam(used.parameters(), 0.01))
        run = planned(step) if how == "compiled" else step
        x, y = nnfast.ones(4, 3), nnfast.tensor([0, 1, 1, 0])
        used.train()
        losses = [run(x, y).item() for _ in range(3)]
        used.eval()
        with nnfast.no_grad():
            found.append((losses, bits(model), used(x).tolist()))
    assert found[0] == found[1]


class Around(nn.Module):
    """A module that holds a part as it is, or compiled."""

    def __init__(self, how) -> None:
        super().__init__()
        self.body = how(mlp(3, 4, 3, norm=True))
        self.rest = nn.Sequential(how(nn.Linear(3, 4)), nn.Tanh(), nn.Linear(4, 2))

    def forward(self, x):
        return self.rest(self.body(x))


def test_as_part_of_a_module():
    """It is registered, with the keys of what it is made of."""
    plain, model = Around(lambda part: part), Around(nnfast.compile)
    assert list(model.state_dict()) == list(plain.state_dict())
    for names in ("named_parameters", "named_buffers", "named_modules"):
        assert [n for n, _ in getattr(model, names)()] == [n for n, _ in getattr(plain, names)()]
    assert [name for name, _ in model.named_children()] == ["body", "rest"]
    assert model.get_parameter("body.0.weight") is model.body.fn[0].weight
    assert model.get_submodule("rest.0") is model.rest[0] and len(model.rest) == 3
    model.eval()
    assert not model.body.training and not model.body.fn[1].training
    model.load_state_dict(plain.state_dict())
    assert bits(model) == bits(plain)
    x = randn(4, 3)
    with nnfast.no_grad():
        want = plain.eval()(x).tolist()
        for other in (model, copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
            np.testing.assert_allclose(other(x).tolist(), want, rtol=1e-5, atol=1e-6)
    assert "1 plans" in repr(model.body) and "1 plans" in repr(model.rest[0])  # they ran as plans
    model.body = None
    assert [name for name, _ in model.named_children()] == ["rest"]
    with pytest.raises(nnfast.errors.DTypeError, match=r"an nn.Module"):
        model.body = nnfast.compile(lambda x: x)


def test_training_with_a_compiled_part():
    """A step around it is planned and trains it; eager code says why it does not."""
    found = []
    x, y = randn(4, 3), nnfast.tensor([0, 1, 1, 0])
    for how in (lambda part: part, nnfast.compile):
        nnfast.manual_seed(0)
        model = Around(how)
        step = trainer(model, nnfast.optim.Adam(model.parameters(), 0.01))
        before = bits(model)
        run = planned(step)
        losses = [run(x, y).item() for _ in range(3)]
        assert all(a != b for a, b in zip(before, bits(model), strict=True))
        found.append((losses, bits(model)))
    assert found[0] == found[1]
    with pytest.raises(nnfast.errors.StateError, match="history a plan does not keep"):
        step(x, y)


def test_copies():
    predict = nnfast.compile(mlp(3, 2)).eval()
    x = randn(2, 3)
    with nnfast.no_grad():
        want = predict(x).tolist()
        for other in (
            copy.copy(predict),
            copy.deepcopy(predict),
            pickle.loads(pickle.dumps(predict)),
        ):
            assert other(x).tolist() == want and not other.training


# ---- which line is to blame --------------------------------------------------------------------


def helper(x):
    if x.sum() > 0:
        return x
    return -x


def looks(x):
    y = x * 2.0
    y = y + 1.0
    return helper(y)


def items(x):
    y = x * 2.0
    return y * y.max().item()


def raises(x):
    y = x * 2.0
    if not y.requires_grad:
        int("no number")
    return y


def test_the_line_that_looks_at_values():
    for fn, inside, text in ((looks, helper, "x.sum() > 0"), (items, items, ".item()")):
        line = line_of(inside, text)
        falls_back(nnfast.compile(fn), randn(3), match=rf", in test_compiled_model\.py:{line}\.")


def test_the_line_that_raises():
    compiled = nnfast.compile(raises)
    with pytest.raises(ValueError, match="no number"):
        compiled(randn(3))

    def looks_up(x):
        return F.relu(x) * {"a": 1.0}[str(x.sum() * 0.0)[:1].replace("t", "a")]

    falls_back(nnfast.compile(looks_up), randn(3), match=r", in test_compiled_model\.py:\d+\.")


# ---- pictures ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["plan.xyz", "plan", "plan.SVG2", ".svg"])
def test_pictures_of_unknown_kinds(name, tmp_path):
    f = nnfast.compile(lambda x: x + x)
    f(randn(2))
    with pytest.raises(
        nnfast.errors.ArgumentError, match=r"draw: expected a path that ends in \.svg"
    ):
        f.plan.draw(tmp_path / name)
    assert not list(tmp_path.iterdir())
    assert f.plan.draw(tmp_path / "plan.dot").read_text().startswith("digraph")
