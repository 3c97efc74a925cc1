"""A tensor that a module trains."""

from __future__ import annotations

from typing import Any

from nnfast.errors import DTypeError, fail
from nnfast.tensor import Tensor


class Parameter(Tensor):
    """A tensor that becomes a parameter of the module it is assigned to.

    Shares the memory of `data`, or copies it where training could not write it: where it is
    read-only, or belongs to `data` alone and is not in C order.

    >>> from nnfast import nn, ones
    >>> nn.Parameter(ones(2))
    Parameter containing:
    tensor([1., 1.], requires_grad=True)
    """

    __slots__ = ()

    def __init__(self, data: Any, requires_grad: bool = True) -> None:
        if not hasattr(data, "shape"):
            fail(
                "Parameter",
                "a tensor or an array",
                f"{type(data).__name__} {data!r}",
                "wrap it: nn.Parameter(nnfast.tensor(data)).",
                DTypeError,
            )
        super().__init__(data)
        flags = self.array.flags
        if not flags.writeable or (flags.owndata and not flags.c_contiguous):
            self.array = self.array.copy()
        if requires_grad:
            self.requires_grad_()

    def __repr__(self) -> str:
        return f"Parameter containing:\n{super().__repr__()}"


class Buffer(Tensor):
    """A tensor that becomes a buffer of the module it is assigned to; see register_buffer.

    >>> from nnfast import nn, ones
    >>> m = nn.Module()
    >>> m.mean = nn.Buffer(ones(2))
    >>> list(m.state_dict())
    ['mean']
    """

    __slots__ = ()

    def __new__(cls, data: Any, *, persistent: bool = True) -> Buffer:
        made = cls if persistent else _TemporaryBuffer
        return super().__new__(made)

    def __init__(self, data: Any, *, persistent: bool = True) -> None:
        super().__init__(data)


class _TemporaryBuffer(Buffer):
    """A buffer that a state_dict leaves out."""

    __slots__ = ()


def is_temporary(buffer: Buffer) -> bool:
    """Whether a state_dict leaves it out."""
    return isinstance(buffer, _TemporaryBuffer)
