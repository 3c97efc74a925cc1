"""Modules: what they hold, their state and their text."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest

import nnfast
from nnfast import nn
from nnfast.errors import ArgumentError, StateError
from tests.nets import Block, net

# ---- what a module holds ----------------------------------------------------------------------


def test_names_and_order() -> None:
    m = net()
    assert [n for n, _ in m.named_parameters()] == [
        "block.scale", "block.linear.weight", "block.linear.bias", "head.weight", "head.bias",
    ]  # fmt: skip
    assert [n for n, _ in m.named_buffers()] == ["block.mean", "block.cache"]
    assert [n for n, _ in m.named_modules()] == ["", "block", "block.linear", "act", "head"]
    assert [n for n, _ in m.named_children()] == ["block", "act", "head"]
    assert list(m.children()) == list(m) and list(m.modules())[1] is m[0]
    assert [n for n, _ in m.named_parameters("net", recurse=False)] == []
    assert [n for n, _ in m.block.named_parameters("b", recurse=False)] == ["b.scale"]
    assert len(list(m.buffers())) == 2 and len(list(m.parameters())) == 5


def test_shared_ones_come_once() -> None:
    a = nn.Linear(2, 2)
    m = nn.Sequential(a, nn.ReLU(), a)
    b = nn.Linear(2, 2)
    b.weight = a.weight
    m.append(b)
    assert [n for n, _ in m.named_modules()] == ["", "0", "1", "3"]
    assert [n for n, _ in m.named_children()] == ["0", "1", "3"]
    assert [n for n, _ in m.named_parameters()] == ["0.weight", "0.bias", "3.bias"]
    assert [n for n, _ in m.named_parameters(remove_duplicate=False)] == [
        "0.weight", "0.bias", "2.weight", "2.bias", "3.weight", "3.bias",
    ]  # fmt: skip
    assert list(m.state_dict()) == [n for n, _ in m.named_parameters(remove_duplicate=False)]


def test_attributes_change_their_kind() -> None:
    m = Block()
    m.scale = None
    assert "scale" not in dict(m.named_parameters())
    m.scale = nn.Parameter(nnfast.ones(4))
    m.shift = nn.Parameter(nnfast.ones(4))
    assert {"scale", "shift"} <= dict(m.named_parameters()).keys()
    m.mean = nnfast.ones(4)
    assert m.get_buffer("mean").tolist() == [1, 1, 1, 1]
    m.mean = nn.Parameter(nnfast.ones(4))
    assert "mean" in dict(m.named_parameters()) and "mean" not in dict(m.named_buffers())
    m.linear = None
    assert list(m.children()) == []
    del m.scale
    assert not hasattr(m, "scale") and "scale" not in dict(m.named_parameters())
    m.scale = 3
    assert m.scale == 3 and {"linear", "shift", "name"} <= set(dir(m))


def test_get() -> None:
    m = net()
    assert m.get_submodule("") is m and m.get_submodule("block.linear") is m.block.linear
    assert m.get_parameter("block.linear.bias") is m.block.linear.bias
    assert m.get_buffer("block.cache") is m.block.cache


def test_apply_goes_from_children_to_parents() -> None:
    seen: list[nn.Module] = []
    m = net()
    assert m.apply(seen.append) is m
    assert [type(x).__name__ for x in seen] == ["Linear", "Block", "ReLU", "Linear", "Sequential"]


def test_train_eval_freeze_zero_grad() -> None:
    m = net()
    assert m.eval() is m and not any(x.training for x in m.modules())
    assert m.train() is m and all(x.training for x in m.modules())
    m(nnfast.ones(2, 3)).sum().backward()
    m.zero_grad(set_to_none=False)
    assert all(p.grad is not None and not p.grad.numpy().any() for p in m.parameters())
    m.zero_grad()
    assert all(p.grad is None for p in m.parameters())
    m.requires_grad_(False)
    assert not m(nnfast.ones(2, 3)).requires_grad


def test_to_changes_floats_in_place() -> None:
    m = net()
    m.register_buffer("count", nnfast.tensor(3))
    kept = list(m.parameters())
    m(nnfast.ones(2, 3)).sum().backward()
    assert m.double() is m and m.to("cpu") is m
    assert all(a is b for a, b in zip(kept, m.parameters(), strict=True))
    assert (
        {p.dtype for p in kept}
        == {p.grad.dtype for p in kept if p.grad is not None}
        == {nnfast.float64}
    )
    assert m.block.mean.dtype == nnfast.float64 and m.count.dtype == nnfast.int64
    assert m.float().head.weight.dtype == nnfast.float32 == m.to("float32").block.cache.dtype


def test_parameter() -> None:
    a = np.ones(3, np.float32)
    p = nn.Parameter(a)
    a[0] = 5
    assert p.requires_grad and p.is_leaf and p.tolist() == [5, 1, 1]
    assert repr(p) == "Parameter containing:\ntensor([5., 1., 1.], requires_grad=True)"
    assert not nn.Parameter(nnfast.ones(1), requires_grad=False).requires_grad
    assert type(p * 1) is nnfast.Tensor
    a.flags.writeable = False
    assert nn.Parameter(a).array.flags.writeable


# ---- containers -------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [nn.Sequential, nn.ModuleList])
def test_indexed(kind: Any) -> None:
    a, b, c, d = (nn.Linear(2, 2) for _ in range(4))
    m = kind(a, b) if kind is nn.Sequential else kind([a, b])
    assert m.append(c) is m and len(m) == 3 and list(m) == [a, b, c]
    assert m[0] is a and m[-1] is c and m[np.int64(1)] is b and c in m
    assert type(m[1:]) is kind and list(m[1:]) == [b, c]
    m[1] = d
    assert list(m) == [a, d, c]
    assert list(m.insert(0, b)) == [b, a, d, c]
    del m[0], m[-1]
    assert list(m) == [a, d] and [n for n, _ in m.named_children()] == ["0", "1"]
    assert m.pop() is d and list(m.extend([b, c])) == [a, b, c]
    del m[:2]
    assert list(m) == [c] and [n for n, _ in m.named_children()] == ["0"]


def test_sequential_slice_keeps_names_and_grows() -> None:
    m = nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 2))[1:]
    assert [n for n, _ in m.named_children()] == ["1", "2"]
    assert [n for n, _ in m.append(nn.ReLU()).named_children()] == ["1", "2", "3"]
    assert nn.Sequential()(3) == 3


def test_module_list_adds() -> None:
    m = nn.ModuleList([nn.ReLU()])
    m += [nn.Tanh()]
    assert len(m + m) == 4 and len(m) == 2


def test_module_dict() -> None:
    a, b = nn.Linear(2, 2), nn.ReLU()
    m = nn.ModuleDict({"a": a})
    m["b"] = b
    assert list(m) == m.keys() == ["a", "b"] and m.values() == [a, b] and len(m) == 2
    assert m.items() == [("a", a), ("b", b)] and "a" in m and "c" not in m
    assert list(m.state_dict()) == ["a.weight", "a.bias"]
    assert m.pop("a") is a and m["b"] is b
    m.update([("a", a)])
    m.update(nn.ModuleDict({"c": b}))
    assert m.keys() == ["b", "a", "c"]
    m.clear()
    assert not len(m)


def test_repr() -> None:
    assert repr(net()) == (
        "Sequential(\n"
        "  (block): Block(\n"
        "    (linear): Linear(in_features=3, out_features=4, bias=True)\n"
        "  )\n"
        "  (act): ReLU()\n"
        "  (head): Linear(in_features=4, out_features=2, bias=True)\n"
        ")"
    )


# ---- state ------------------------------------------------------------------------------------


def test_state_dict_shares_memory() -> None:
    m = net()
    state = m.state_dict()
    assert list(state) == [
        "block.scale", "block.mean", "block.linear.weight", "block.linear.bias", "head.weight",
        "head.bias",
    ]  # fmt: skip
    state["block.mean"].array[0] = 7
    assert m.block.mean.tolist()[0] == 7
    assert not any(v.requires_grad for v in state.values())
    assert list(m.head.state_dict(prefix="a.")) == ["a.weight", "a.bias"]


def test_load_copies_in_place() -> None:
    a, b = net(), net()
    arrays = {p: p.array for p in b.parameters()}
    result = b.load_state_dict({k: v.numpy().astype(np.float64) for k, v in a.state_dict().items()})
    assert result == ([], []) and repr(result) == "<All keys matched successfully>"
    assert all(p.array is array for p, array in arrays.items())
    assert all(
        (x.numpy() == y.numpy()).all()
        for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True)
    )


def test_load_not_strict() -> None:
    m = net()
    result = m.load_state_dict({"head.bias": np.ones(2), "x": 1}, strict=False)
    assert m.head.bias.tolist() == [1, 1] and result.unexpected_keys == ["x"]
    assert len(result.missing_keys) == 5 and "missing_keys=['block.scale'" in repr(result)


@pytest.mark.parametrize("strict", [True, False])
def test_load_names_everything_and_changes_nothing(strict: bool) -> None:
    m = net()
    before = {k: v.numpy().copy() for k, v in m.state_dict().items()}
    bad: dict[str, Any] = {k: np.zeros_like(v) for k, v in before.items()}
    del bad["block.scale"], bad["head.bias"]
    bad |= {"block.mean": np.zeros(5), "head.weight": np.zeros((2, 4, 1)), "extra": 1, "more.x": 2}
    bad["block.linear.bias"] = "text"
    with pytest.raises(ArgumentError) as e:
        m.load_state_dict(bad, strict)
    keys = "\n  missing: 'block.scale', 'head.bias'\n  unexpected: 'extra', 'more.x'"
    assert str(e.value) == (
        "load_state_dict: expected the keys and shapes of Sequential, got "
        + (keys if strict else "")
        + "\n  wrong shape: 'block.mean' has (5,), the module (4,)"
        "\n  not numbers: 'block.linear.bias' is str"
        "\n  wrong shape: 'head.weight' has (2, 4, 1), the module (2, 4)."
        + (" Hint: strict=False allows missing and unexpected keys." if strict else "")
    )
    assert all((v.numpy() == before[k]).all() for k, v in m.state_dict().items())


def test_a_change_of_state_is_noticed_by_backward() -> None:
    m = nn.Linear(2, 2)
    y = m(nnfast.ones(1, 2, requires_grad=True)).sum()
    m.load_state_dict(nn.Linear(2, 2).state_dict())
    with pytest.raises(StateError, match="changed in place"):
        y.backward()


@pytest.mark.parametrize("how", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_copies(how: Any) -> None:
    m = net()
    m.block.tied = m.head
    m.eval()
    new = how(m)
    assert repr(new) == repr(m) and not new.head.training and new.block.tied is new.head
    assert [n for n, _ in new.named_buffers()] == [n for n, _ in m.named_buffers()]
    assert list(new.state_dict()) == list(m.state_dict())  # the cache stays temporary
    x = nnfast.ones(2, 3)
    assert (new(x).detach().numpy() == m(x).detach().numpy()).all()
    for a, b in zip(new.parameters(), m.parameters(), strict=True):
        assert type(a) is nn.Parameter and a.requires_grad
        assert not np.shares_memory(a.array, b.array)


# ---- the documentation ------------------------------------------------------------------------


def test_public_names_are_documented() -> None:
    for name, value in vars(nn).items():
        if isinstance(value, type) and name[0] != "_":
            assert value.__doc__, name
