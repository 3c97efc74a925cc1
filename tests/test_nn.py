"""Modules: what they hold, their state, their text, and errors that say where they come from."""

from __future__ import annotations

import copy
import pickle
from collections import OrderedDict
from typing import Any

import numpy as np
import pytest

import nnfast
from nnfast import nn
from nnfast.errors import ArgumentError, DTypeError, NNFastError, StateError
from nnfast.nn import functional as F


class Block(nn.Module):
    """A module of one's own with everything a module can hold."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 4)
        self.scale = nn.Parameter(nnfast.ones(4))
        self.register_buffer("mean", nnfast.zeros(4))
        self.register_buffer("cache", nnfast.zeros(2), persistent=False)
        self.register_parameter("shift", None)
        self.name = "plain"

    def forward(self, x: Any) -> Any:
        return self.linear(x) * self.scale - self.mean


def net() -> nn.Sequential:
    return nn.Sequential(OrderedDict(block=Block(), act=nn.ReLU(), head=nn.Linear(4, 2)))


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


# ---- errors of misuse -------------------------------------------------------------------------


class Early(nn.Module):
    def __init__(self) -> None:
        self.linear = nn.Linear(2, 2)


class NoForward(nn.Module):
    pass


def _set(name: str, value: Any) -> Any:
    return lambda: setattr(Block(), name, value)


MISUSE: list[tuple[Any, type[Exception], str]] = [
    (
        Early,
        StateError,
        "Early: expected super().__init__() before the module 'linear' is assigned. Hint: make "
        "super().__init__() the first line of __init__.",
    ),
    (
        lambda: NoForward()(1),
        StateError,
        "NoForward: expected a method forward(self, ...), got none. Hint: define "
        "NoForward.forward.",
    ),
    (
        _set("scale", nnfast.ones(4)),
        DTypeError,
        "Block: expected an nn.Parameter or None as parameter 'scale', got Tensor. Hint: wrap it:"
        " nn.Parameter(tensor).",
    ),
    (
        _set("mean", np.ones(4)),
        DTypeError,
        "Block: expected a Tensor or None as buffer 'mean', got ndarray. Hint: make a tensor of "
        "it: nnfast.tensor(...).",
    ),
    (
        _set("linear", 1),
        DTypeError,
        "Block: expected an nn.Module or None as module 'linear', got int.",
    ),
    (
        lambda: Block().register_buffer("a.b", None),
        ArgumentError,
        "Block: expected a name that is not empty and has no dot, got 'a.b'.",
    ),
    (
        lambda: Block().register_parameter("forward", None),
        ArgumentError,
        "Block: expected a new name, got 'forward', which is an attribute already.",
    ),
    (
        lambda: Block().add_module(1, nn.ReLU()),
        DTypeError,
        "Block: expected a name, got 1.",
    ),
    (
        lambda: nn.Sequential(nn.ReLU),
        DTypeError,
        "Sequential: expected an nn.Module or None as module '0', got the class ReLU. Hint: "
        "create the module: ReLU(...).",
    ),
    (
        lambda: net().get_submodule("block.conv"),
        AttributeError,
        "get_submodule: expected a module of Block ('linear'), got 'conv' in 'block.conv'.",
    ),
    (
        lambda: net().get_parameter("act.weight"),
        KeyError,
        "get_parameter: expected a parameter of ReLU (no parameter), got 'weight' in 'act.weight'.",
    ),
    (
        lambda: nn.ModuleDict({"a": nn.ReLU()})["b"],
        KeyError,
        "ModuleDict: expected a module of ModuleDict ('a'), got 'b'.",
    ),
    (
        lambda: nn.ModuleList([nn.ReLU()])[1],
        IndexError,
        "ModuleList: expected an index below 1, got 1.",
    ),
    (
        lambda: nn.Sequential()["a"],
        DTypeError,
        "Sequential: expected an integer index or a slice, got 'a'.",
    ),
    (
        lambda: net().insert(0, nn.ReLU()),
        ArgumentError,
        "Sequential: expected numbered modules, got names ['block', 'act', 'head']. Hint: build a"
        " new one.",
    ),
    (
        lambda: net().train("yes"),
        DTypeError,
        "train: expected mode=True or mode=False, got 'yes'.",
    ),
    (
        lambda: net().half(),
        DTypeError,
        "half: expected float32 or float64, got float16. Hint: use float(): training needs its "
        "range.",
    ),
    (
        lambda: net().to("cuda"),
        DTypeError,
        "to: expected float32, float64 or 'cpu', got 'cuda'. Hint: nnfast runs on the CPU; leave "
        "the call out.",
    ),
    (
        lambda: net().to(np.int64),
        DTypeError,
        "to: expected float32, float64 or 'cpu', got <class 'numpy.int64'>.",
    ),
    (
        lambda: net().load_state_dict("a.safetensors"),
        DTypeError,
        "load_state_dict: expected a dict of tensors or arrays, got str 'a.safetensors'. Hint: "
        "load a file with nnfast.load(path).",
    ),
    (
        lambda: nn.Parameter([1.0]),
        DTypeError,
        "Parameter: expected a tensor or an array, got list [1.0]. Hint: wrap it: "
        "nn.Parameter(nnfast.tensor(data)).",
    ),
    (
        lambda: nn.Parameter(nnfast.tensor([1])),
        DTypeError,
        "requires_grad_: expected a float tensor, got int64. Hint: convert it with x.float().",
    ),
    (
        lambda: nn.Linear(-1, 2),
        ArgumentError,
        "Linear: expected in_features >= 0, got in_features=-1.",
    ),
    (
        lambda: nn.Linear(2, 2.5),
        DTypeError,
        "Linear: expected an integer out_features, got 2.5.",
    ),
    (
        lambda: nn.Linear(True, 2),
        DTypeError,
        "Linear: expected an integer in_features, got True.",
    ),
    (
        lambda: nn.Unflatten(1, 4),
        DTypeError,
        "Unflatten: expected a tuple of sizes, got 4.",
    ),
    (
        lambda: nn.Conv2d(0, 2, 3),
        ArgumentError,
        "Conv2d: expected in_channels >= 1, got in_channels=0.",
    ),
    (
        lambda: nn.Conv2d(4, 6, 3, groups=4),
        ArgumentError,
        "Conv2d: expected out_channels that groups=4 divides, got out_channels=6.",
    ),
    (
        lambda: nn.Conv2d(3, 6, 3, groups=2),
        ArgumentError,
        "Conv2d: expected in_channels that groups=2 divides, got in_channels=3.",
    ),
    (
        lambda: nn.Conv2d(1, 1, 3, padding="full"),
        ArgumentError,
        "Conv2d: expected padding one of 'same', 'valid', got 'full'.",
    ),
    (
        lambda: nn.Conv2d(1, 1, 3, 2, padding="same"),
        ArgumentError,
        "Conv2d: expected stride 1 with padding='same', got stride=(2, 2).",
    ),
    (
        lambda: nn.Conv2d(1, 1, 3, padding_mode="mirror"),
        ArgumentError,
        "Conv2d: expected padding_mode one of 'zeros', 'reflect', 'replicate', 'circular', "
        "got 'mirror'.",
    ),
    (
        lambda: nn.MaxPool2d(2, padding=2),
        ArgumentError,
        "MaxPool2d: expected padding of at most half of kernel_size=2, got padding=2.",
    ),
    (
        lambda: nn.AvgPool2d(2, divisor_override=0),
        ArgumentError,
        "AvgPool2d: expected a divisor_override that is not 0, got 0.",
    ),
    (
        lambda: nn.Dropout(1.5),
        ArgumentError,
        "Dropout: expected p from 0 to 1, got p=1.5.",
    ),
    (
        lambda: nn.Dropout("a"),
        DTypeError,
        "Dropout: expected a number as p, got 'a'.",
    ),
    (
        lambda: nn.BatchNorm2d(3, momentum=float("nan")),
        ArgumentError,
        "BatchNorm2d: expected momentum from 0 to 1, got momentum=nan.",
    ),
    (
        lambda: nn.BatchNorm1d(3, eps=-1),
        ArgumentError,
        "BatchNorm1d: expected eps from 0 to inf, got eps=-1.",
    ),
    (
        lambda: nn.GELU("erf"),
        ArgumentError,
        "GELU: expected approximate one of 'none', 'tanh', got 'erf'.",
    ),
    (
        lambda: nn.Softmax(1.0),
        DTypeError,
        "Softmax: expected an integer dim, got 1.0.",
    ),
    (
        lambda: nn.CrossEntropyLoss(reduction="avg"),
        ArgumentError,
        "CrossEntropyLoss: expected reduction one of 'none', 'mean', 'sum', got 'avg'.",
    ),
    (
        lambda: nn.CrossEntropyLoss(label_smoothing=2),
        ArgumentError,
        "CrossEntropyLoss: expected label_smoothing from 0 to 1, got label_smoothing=2.",
    ),
]


@pytest.mark.parametrize(("call", "kind", "text"), MISUSE, ids=[m[2][:40] for m in MISUSE])
def test_misuse(call: Any, kind: type[Exception], text: str) -> None:
    with pytest.raises(NNFastError) as e:
        call()
    assert isinstance(e.value, kind)
    assert str(e.value) == text


# ---- errors with the path of the module -------------------------------------------------------


class Loop(nn.Module):
    """Calls its layers in a loop, as models with a ModuleList do."""

    def __init__(self, *sizes: tuple[int, int]) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(*s) for s in sizes])

    def forward(self, x: Any) -> Any:
        for layer in self.layers:
            x = layer(x)
        return x


class Inside(nn.Module):
    """Raises in a function of its own forward, not in a layer."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(nnfast.ones(2, 3))

    def forward(self, x: Any) -> Any:
        return F.linear(x, self.weight)


class Heads(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.heads = nn.ModuleDict({"a": nn.Linear(2, 2), "b": nn.Linear(3, 2)})

    def forward(self, x: Any) -> Any:
        return self.heads["a"](x) + self.heads["b"](x)


class Hidden(nn.Module):
    """Keeps a module where no name reaches it."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = [nn.Sequential(nn.Linear(2, 2))]

    def forward(self, x: Any) -> Any:
        return self.layers[0](x)


def seq(*modules: Any) -> nn.Sequential:
    return nn.Sequential(*modules)


def features(*modules: Any) -> nn.Sequential:
    return nn.Sequential(OrderedDict(features=seq(*modules), head=nn.Linear(2, 2)))


def linear_error(got: int, out: int, want: int, rows: int = 1, bias: bool = True) -> str:
    return (
        f"linear: expected input with {want} features (in_features of the weight), got {got}. "
        f"input: ({rows}, {got}) float32, weight: ({out}, {want}) float32"
        + (f", bias: ({out},) float32" if bias else "")
        + f". Hint: set in_features={got}, or flatten the input first."
    )


def shared() -> nn.Sequential:
    a = nn.Linear(2, 3)
    return seq(nn.ReLU(), a, a)


x12 = nnfast.ones(1, 2)
PATHS: list[tuple[Any, Any, str]] = [
    (nn.Linear(3, 2), x12, linear_error(2, 2, 3)),
    (seq(nn.ReLU(), nn.Linear(3, 2)), x12, "1: " + linear_error(2, 2, 3)),
    (
        features(nn.ReLU(), seq(nn.ReLU(), nn.Linear(5, 2))),
        x12,
        "features.1.1: " + linear_error(2, 2, 5),
    ),
    (features(nn.ReLU(), nn.Linear(2, 4)), x12, "head: " + linear_error(4, 2, 2)),
    (shared(), x12, "1: " + linear_error(3, 3, 2)),  # the second use, under its first name
    (Loop((2, 3), (4, 2)), x12, "layers.1: " + linear_error(3, 2, 4)),
    (seq(Loop((2, 3), (3, 2)), Loop((2, 2), (7, 2))), x12, "1.layers.1: " + linear_error(2, 2, 7)),
    (Inside(), x12, linear_error(2, 2, 3, bias=False)),
    (seq(nn.Tanh(), Inside()), x12, "1: " + linear_error(2, 2, 3, bias=False)),
    (seq(Heads()), x12, "0.heads.b: " + linear_error(2, 2, 3)),
    (seq(Hidden()), nnfast.ones(1, 3), "0: " + linear_error(3, 2, 2)),
    (seq(seq(Hidden())), nnfast.ones(1, 3), "0.0: " + linear_error(3, 2, 2)),
    (
        seq(nn.BatchNorm2d(3)),
        x12,
        "0: BatchNorm2d: expected an input of shape (N, C, H, W), got 2 dimensions. "
        "input: (1, 2) float32.",
    ),
    (
        seq(nn.Identity(), NoForward()),
        x12,
        "1: NoForward: expected a method forward(self, ...), got none. "
        "Hint: define NoForward.forward.",
    ),
]


@pytest.mark.parametrize(("module", "x", "text"), PATHS, ids=[p[2][:30] for p in PATHS])
def test_path(module: Any, x: Any, text: str) -> None:
    for _ in range(2):  # an error leaves no trace in the module
        with pytest.raises(NNFastError) as e:
            module(x)
        assert str(e.value) == text
        assert e.value.module is module


IMAGES = nnfast.ones(2, 3, 8, 8)
conv = nn.Conv2d(3, 4, 3)
STARTS: list[tuple[Any, Any, str]] = [
    (
        features(conv, nn.Conv2d(5, 4, 3)),
        IMAGES,
        "features.1: conv2d: expected x with C=5 channels",
    ),
    (features(conv, nn.Conv2d(4, 4, 9)), IMAGES, "features.1: conv2d: expected a kernel"),
    (features(conv, nn.MaxPool2d(7)), IMAGES, "features.1: max_pool2d: expected a kernel"),
    (features(conv, nn.AvgPool2d(7)), IMAGES, "features.1: avg_pool2d: expected a kernel"),
    (
        features(conv),
        nnfast.ones(2, 192),
        "features.0: conv2d: expected input of shape (N, C, H, W)",
    ),
    (features(conv), IMAGES.double(), "features.0: conv2d: expected one dtype, got input: (2, 3,"),
    (features(conv), nnfast.ones(2, 3, 8, 8, 1), "features.0: conv2d: expected input of shape"),
    (seq(nn.Linear(3, 2)), nnfast.tensor([1, 2, 3]), "0: linear: expected float32 or float64, got"),
    (seq(seq(nn.Flatten(5))), x12, "0.0: flatten: expected a dim from -2 to 1, got dim=5."),
    (seq(nn.Unflatten(1, (2, 2))), IMAGES, "0: unflatten: expected sizes whose product is 3"),
]


@pytest.mark.parametrize(("module", "x", "start"), STARTS, ids=[p[2][:30] for p in STARTS])
def test_path_of_ops(module: Any, x: Any, start: str) -> None:
    with pytest.raises(NNFastError) as e:
        module(x)
    assert str(e.value).startswith(start)


def test_other_errors_pass_untouched() -> None:
    with pytest.raises(TypeError, match="positional argument"):
        nn.Linear(2, 2)()


# ---- the documentation ------------------------------------------------------------------------


def test_public_names_are_documented() -> None:
    for name, value in vars(nn).items():
        if isinstance(value, type) and name[0] != "_":
            assert value.__doc__, name
