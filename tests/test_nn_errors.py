"""Modules: what misuse says, and errors that say where they come from."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import numpy as np
import pytest

import nnfast
from nnfast import nn
from nnfast.errors import ArgumentError, DTypeError, NNFastError, StateError
from nnfast.nn import functional as F
from tests.nets import Block, net

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
