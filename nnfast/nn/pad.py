"""Padding layers."""

from __future__ import annotations

from collections.abc import Sequence

from nnfast import ops
from nnfast.errors import DTypeError, fail
from nnfast.nn.module import Module
from nnfast.ops.window import is_integer
from nnfast.tensor import Tensor

Sides = int | Sequence[int]  # of all sides, or (left, right, top, bottom, front, back)


class _Pad(Module):
    """What all padding layers share: more elements at both ends of the last dimensions."""

    _dims: int
    _mode: str

    def __init__(self, padding: Sides) -> None:
        super().__init__()
        n = 2 * self._dims
        sides = tuple(padding) if isinstance(padding, Sequence) else (padding,) * n
        if len(sides) != n or not all(is_integer(p) for p in sides):
            name = type(self).__name__
            fail(name, f"padding as an integer or {n} of them", repr(padding), error=DTypeError)
        self.padding = sides

    def forward(self, input: Tensor) -> Tensor:
        return ops.pad(input, self.padding, self._mode)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class _ConstantPad(_Pad):
    _mode = "constant"

    def __init__(self, padding: Sides, value: float) -> None:
        super().__init__(padding)
        self.value = value

    def forward(self, input: Tensor) -> Tensor:
        return ops.pad(input, self.padding, self._mode, self.value)

    def extra_repr(self) -> str:
        return f"padding={self.padding}, value={self.value}"


class _ZeroPad(_ConstantPad):
    def __init__(self, padding: Sides) -> None:
        super().__init__(padding, 0.0)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class _ReflectionPad(_Pad):
    _mode = "reflect"


class _ReplicationPad(_Pad):
    _mode = "replicate"


class _CircularPad(_Pad):
    _mode = "circular"


class ConstantPad1d(_ConstantPad):
    """`value` at all sides; negative padding takes away.

    Shapes: (N, C, W) or (C, W).

    >>> import nnfast
    >>> nnfast.nn.ConstantPad1d(1, 2.0)(nnfast.ones(1, 1, 2)).shape
    (1, 1, 4)
    """

    _dims = 1


class ConstantPad2d(_ConstantPad):
    """`value` at all sides; negative padding takes away.

    Shapes: (N, C, H, W) or (C, H, W).

    >>> import nnfast
    >>> nnfast.nn.ConstantPad2d(1, 2.0)(nnfast.ones(1, 1, 2, 3)).shape
    (1, 1, 4, 5)
    """

    _dims = 2


class ConstantPad3d(_ConstantPad):
    """`value` at all sides; negative padding takes away.

    Shapes: (N, C, D, H, W) or (C, D, H, W).

    >>> import nnfast
    >>> nnfast.nn.ConstantPad3d(1, 2.0)(nnfast.ones(1, 1, 2, 3, 4)).shape
    (1, 1, 4, 5, 6)
    """

    _dims = 3


class ZeroPad1d(_ZeroPad):
    """Zeros at all sides; negative padding takes away.

    Shapes: (N, C, W) or (C, W).

    >>> import nnfast
    >>> nnfast.nn.ZeroPad1d(1)(nnfast.ones(1, 1, 2)).shape
    (1, 1, 4)
    """

    _dims = 1


class ZeroPad2d(_ZeroPad):
    """Zeros at all sides; negative padding takes away.

    Shapes: (N, C, H, W) or (C, H, W).

    >>> import nnfast
    >>> nnfast.nn.ZeroPad2d(1)(nnfast.ones(1, 1, 2, 3)).shape
    (1, 1, 4, 5)
    """

    _dims = 2


class ZeroPad3d(_ZeroPad):
    """Zeros at all sides; negative padding takes away.

    Shapes: (N, C, D, H, W) or (C, D, H, W).

    >>> import nnfast
    >>> nnfast.nn.ZeroPad3d(1)(nnfast.ones(1, 1, 2, 3, 4)).shape
    (1, 1, 4, 5, 6)
    """

    _dims = 3


class ReflectionPad1d(_ReflectionPad):
    """The image mirrored at its first and last elements, at all sides; negative padding takes away.

    Shapes: (N, C, W) or (C, W).

    >>> import nnfast
    >>> nnfast.nn.ReflectionPad1d(1)(nnfast.ones(1, 1, 2)).shape
    (1, 1, 4)
    """

    _dims = 1


class ReflectionPad2d(_ReflectionPad):
    """The image mirrored at its first and last elements, at all sides; negative padding takes away.

    Shapes: (N, C, H, W) or (C, H, W).

    >>> import nnfast
    >>> nnfast.nn.ReflectionPad2d(1)(nnfast.ones(1, 1, 2, 3)).shape
    (1, 1, 4, 5)
    """

    _dims = 2


class ReflectionPad3d(_ReflectionPad):
    """The image mirrored at its first and last elements, at all sides; negative padding takes away.

    Shapes: (N, C, D, H, W) or (C, D, H, W).

    >>> import nnfast
    >>> nnfast.nn.ReflectionPad3d(1)(nnfast.ones(1, 1, 2, 3, 4)).shape
    (1, 1, 4, 5, 6)
    """

    _dims = 3


class ReplicationPad1d(_ReplicationPad):
    """The first and last elements repeated, at all sides; negative padding takes away.

    Shapes: (N, C, W) or (C, W).

    >>> import nnfast
    >>> nnfast.nn.ReplicationPad1d(1)(nnfast.ones(1, 1, 2)).shape
    (1, 1, 4)
    """

    _dims = 1


class ReplicationPad2d(_ReplicationPad):
    """The first and last elements repeated, at all sides; negative padding takes away.

    Shapes: (N, C, H, W) or (C, H, W).

    >>> import nnfast
    >>> nnfast.nn.ReplicationPad2d(1)(nnfast.ones(1, 1, 2, 3)).shape
    (1, 1, 4, 5)
    """

    _dims = 2


class ReplicationPad3d(_ReplicationPad):
    """The first and last elements repeated, at all sides; negative padding takes away.

    Shapes: (N, C, D, H, W) or (C, D, H, W).

    >>> import nnfast
    >>> nnfast.nn.ReplicationPad3d(1)(nnfast.ones(1, 1, 2, 3, 4)).shape
    (1, 1, 4, 5, 6)
    """

    _dims = 3


class CircularPad1d(_CircularPad):
    """What lies at the other end, at all sides; negative padding takes away.

    Shapes: (N, C, W) or (C, W).

    >>> import nnfast
    >>> nnfast.nn.CircularPad1d(1)(nnfast.ones(1, 1, 2)).shape
    (1, 1, 4)
    """

    _dims = 1


class CircularPad2d(_CircularPad):
    """What lies at the other end, at all sides; negative padding takes away.

    Shapes: (N, C, H, W) or (C, H, W).

    >>> import nnfast
    >>> nnfast.nn.CircularPad2d(1)(nnfast.ones(1, 1, 2, 3)).shape
    (1, 1, 4, 5)
    """

    _dims = 2


class CircularPad3d(_CircularPad):
    """What lies at the other end, at all sides; negative padding takes away.

    Shapes: (N, C, D, H, W) or (C, D, H, W).

    >>> import nnfast
    >>> nnfast.nn.CircularPad3d(1)(nnfast.ones(1, 1, 2, 3, 4)).shape
    (1, 1, 4, 5, 6)
    """

    _dims = 3
