"""Layers that learn the size of their input from the first one they see."""

from __future__ import annotations

from typing import Any

import numpy as np

from nnfast.errors import StateError
from nnfast.graph.mode import CHANGES, tracing
from nnfast.nn.conv import (
    Conv1d,
    Conv2d,
    Conv3d,
    ConvTranspose1d,
    ConvTranspose2d,
    ConvTranspose3d,
)  # fmt: skip
from nnfast.nn.group_norm import InstanceNorm1d, InstanceNorm2d, InstanceNorm3d
from nnfast.nn.linear import Linear
from nnfast.nn.module import Module
from nnfast.nn.norm import BatchNorm1d, BatchNorm2d, BatchNorm3d
from nnfast.nn.parameter import Parameter
from nnfast.tensor import Tensor, float32


class UninitializedParameter(Parameter):
    """A parameter of a lazy layer whose shape is not known yet: it has no elements.

    >>> import nnfast
    >>> nnfast.nn.LazyLinear(2).weight
    <UninitializedParameter>
    """

    __slots__ = ()

    def __init__(self, requires_grad: bool = True) -> None:
        super().__init__(np.zeros(0, float32), requires_grad)

    def __repr__(self) -> str:
        return "<UninitializedParameter>"


class UninitializedBuffer(Tensor):
    """A buffer of a lazy layer whose shape is not known yet: it has no elements.

    >>> import nnfast
    >>> type(nnfast.nn.LazyBatchNorm1d().running_mean).__name__
    'UninitializedBuffer'
    """

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__(np.zeros(0, float32))


class _Lazy(Module):
    """What lazy layers share: the arguments of the layer that they become, without the first."""

    _becomes: Any

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__()
        self._args, self._options = args, options
        model = self._becomes(self._least(), *args, **options)
        for name, kind in model._kinds.items():
            value = model.__dict__[name]
            if isinstance(value, Parameter):
                self.register_parameter(name, UninitializedParameter())
            elif isinstance(value, Tensor) and value.ndim:
                self.register_buffer(name, UninitializedBuffer())
            else:
                self._register(name, kind, value)
        self.to(dtype=options.get("dtype"))
        self.register_load_state_dict_pre_hook(_load)

    def _least(self) -> int:
        """A size with which the layer can be made, to see what it has."""
        return int(self._options.get("groups", 1))

    def has_uninitialized_params(self) -> bool:
        """Whether there was no input yet."""
        return True

    def initialize_parameters(self, input: Tensor) -> None:
        """Take on the size of this input's channels or features, and draw the weights."""
        self._become(input.shape[self._place(input)])

    def _place(self, input: Tensor) -> int:
        """The dimension of the input that the layer must know."""
        dims = getattr(self._becomes, "_dims", None)
        if dims is not None:  # a convolution: (C, *space) or (N, C, *space)
            return int(-dims - 1)
        return -1 if self._becomes is Linear else 1

    def _become(self, size: int) -> None:
        if (trace := tracing()) is not None:
            raise trace.give_up(f"it makes the parameters of a {type(self).__name__}")
        old = dict(self.__dict__)
        made = self._becomes(size, *old.pop("_args"), **old.pop("_options"))
        handles = [h for h in self._hooks if h.fn is not _load]
        self.__class__ = self._becomes
        self.__dict__.clear()
        self.__dict__.update(made.__dict__)
        for name, value in made.__dict__.items():
            before = old.get(name)
            if isinstance(before, UninitializedParameter | UninitializedBuffer):
                kind: Any = Parameter if isinstance(before, Parameter) else Tensor
                before.__class__ = kind  # an optimizer may hold it already
                before.array = value.array.astype(before.array.dtype, copy=False)
                self.__dict__[name] = before
        self.__dict__["training"] = old["training"]
        self._hooks = tuple(handles)
        self._called_hooks = old.get("_called_hooks", ())
        CHANGES.count += 1

    def forward(self, input: Tensor) -> Any:
        self.initialize_parameters(input)
        return self.forward(input)

    def extra_repr(self) -> str:
        said = [repr(x) for x in self._args] + [f"{k}={v!r}" for k, v in self._options.items()]
        return ", ".join(said)


def _load(module: Any, state_dict: dict[str, Any], prefix: str, *rest: Any) -> None:
    """A state knows the size too."""
    for name in ("weight", "running_mean"):
        shape = getattr(state_dict.get(prefix + name), "shape", None)
        if shape:
            if module._becomes in (Conv1d, Conv2d, Conv3d):
                n = shape[1] * module._least()
            else:
                n = shape[1] if module._becomes is Linear else shape[0]
            return module._become(n)
    raise StateError(type(module).__name__, "expected a weight in the state, got none.")


_DOC = """{name} whose first argument, {size}, is that of its first input.

Then it becomes a {name}. Optimizers may be made before; a state that is loaded tells the size too.

Shapes: those of {name}.

>>> import nnfast
>>> layer = nnfast.nn.Lazy{name}({given})
>>> _ = layer(nnfast.ones{shape})
>>> layer.{size}
4
"""


def _lazy(layer: Any, size: str = "num_features", given: str = "") -> Any:
    name = layer.__name__
    space = 0 if layer is Linear else int(name[-2])
    doc = _DOC.format(name=name, size=size, given=given, shape=(2, 4, *[5] * space))
    return type(
        f"Lazy{name}", (_Lazy,), {"_becomes": layer, "__doc__": doc, "__module__": __name__}
    )


LazyLinear = _lazy(Linear, "in_features", "3")
_WINDOW = ("in_channels", "3, kernel_size=2")
LazyConv1d, LazyConv2d, LazyConv3d = (_lazy(c, *_WINDOW) for c in (Conv1d, Conv2d, Conv3d))
LazyConvTranspose1d = _lazy(ConvTranspose1d, *_WINDOW)
LazyConvTranspose2d = _lazy(ConvTranspose2d, *_WINDOW)
LazyConvTranspose3d = _lazy(ConvTranspose3d, *_WINDOW)
LazyBatchNorm1d = _lazy(BatchNorm1d)
LazyBatchNorm2d = _lazy(BatchNorm2d)
LazyBatchNorm3d = _lazy(BatchNorm3d)
LazyInstanceNorm1d = _lazy(InstanceNorm1d)
LazyInstanceNorm2d = _lazy(InstanceNorm2d)
LazyInstanceNorm3d = _lazy(InstanceNorm3d)
