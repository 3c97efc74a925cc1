"""`nn` for libraries that have none: the layers that bench/models.py needs, on a few functions.

A backend is a dict: the name of a layer -> a function of the layer and its input, and the names
of functions of `nn.functional`. A layer's arrays are attributes, under PyTorch's names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, ClassVar


class Module:
    """Holds modules as attributes and calls its forward."""

    arrays: ClassVar[tuple[str, ...]] = ()  # a layer's own
    buffers: ClassVar[tuple[str, ...]] = ()  # those of them that are not trained

    def __call__(self, x: Any) -> Any:
        return self.forward(x)  # type: ignore[attr-defined]

    def modules(self) -> Iterator[Module]:
        """Itself and all below it, in the order in which they were made part of it."""
        yield self
        for child in vars(self).values():
            for module in child if isinstance(child, tuple) else (child,):
                if isinstance(module, Module):
                    yield from module.modules()

    def slots(self) -> list[tuple[Module, str]]:
        """Where its arrays are: (layer, name), in the order of PyTorch's state_dict."""
        return [(m, name) for m in self.modules() for name in m.arrays]


class Sequential(Module):
    """One after the other."""

    def __init__(self, *layers: Module) -> None:
        self.layers = layers

    def forward(self, x: Any) -> Any:
        for layer in self.layers:
            x = layer(x)
        return x


@dataclass(eq=False)
class _Linear(Module):
    arrays = ("weight", "bias")
    inputs: int
    outputs: int


@dataclass(eq=False)
class _Conv2d(Module):
    inputs: int
    outputs: int
    kernel_size: int
    stride: int = 1
    padding: int = 0
    bias: Any = True

    def __post_init__(self) -> None:
        self.arrays = ("weight", "bias") if self.bias else ("weight",)  # type: ignore[misc]


@dataclass(eq=False)
class _BatchNorm2d(Module):
    buffers = ("running_mean", "running_var", "num_batches_tracked")
    arrays = ("weight", "bias", *buffers)
    width: int
    eps: float = 1e-5
    momentum: float = 0.1


@dataclass(eq=False)
class _LayerNorm(Module):
    arrays = ("weight", "bias")
    width: int
    eps: float = 1e-5


@dataclass(eq=False)
class _Embedding(Module):
    arrays = ("weight",)
    count: int
    width: int


@dataclass(eq=False)
class _LSTM(Module):
    arrays = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
    inputs: int
    width: int
    batch_first: bool = True


@dataclass(eq=False)
class _Pool(Module):
    kernel_size: int
    stride: int = 0  # the kernel's size
    padding: int = 0


@dataclass(eq=False)
class _Dropout(Module):
    p: float


@dataclass(eq=False)
class _OfOneSize(Module):
    size: int


LAYERS = {
    "Linear": _Linear,
    "Conv2d": _Conv2d,
    "BatchNorm2d": _BatchNorm2d,
    "LayerNorm": _LayerNorm,
    "Embedding": _Embedding,
    "LSTM": _LSTM,
    "MaxPool2d": _Pool,
    "AvgPool2d": _Pool,
    "AdaptiveAvgPool2d": _OfOneSize,
    "Dropout": _Dropout,
}  # the others have no options


def library(
    layers: Mapping[str, Callable[[Any, Any], Any]], functional: Mapping[str, Callable[..., Any]]
) -> Any:
    """What a function of bench/models.py takes."""
    made = {
        name: type(name, (LAYERS.get(name, Module),), {"forward": forward})
        for name, forward in layers.items()
    }
    functions = SimpleNamespace(**functional)
    return SimpleNamespace(
        nn=SimpleNamespace(Module=Module, Sequential=Sequential, functional=functions, **made)
    )
