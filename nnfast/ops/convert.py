"""Tensors as other dtypes, under the names that PyTorch has for it."""

from __future__ import annotations

from typing import Any

import numpy as np

from nnfast.device import check_device
from nnfast.errors import DTypeError, fail
from nnfast.ops.elementwise import cast
from nnfast.ops.record import method, methods
from nnfast.tensor import Tensor, as_dtype, bool_, float32, float64, int64


@method
def to(input: Tensor, *args: Any, dtype: Any = None, copy: bool = False, **where: Any) -> Tensor:
    """The tensor as another dtype, or as that of another tensor: itself if it has it already.

    Of devices there is one, "cpu".

    >>> import nnfast
    >>> nnfast.tensor([1, 2]).to(nnfast.float32)
    tensor([1., 2.])
    """
    check_device("to", where.get("device"))
    for x in args:
        if isinstance(x, np.dtype):
            dtype = x
        elif isinstance(x, Tensor):
            dtype = x.dtype
        elif isinstance(x, str) and not _is_dtype(x):
            if x.partition(":")[0] != "cpu":
                hint = "nnfast runs on the CPU; leave other devices out."
                fail(
                    "to", "a dtype of real numbers or booleans, or 'cpu'", repr(x), hint, DTypeError
                )
        elif not (x is None or isinstance(x, bool) or str(x).partition(":")[0] == "cpu"):
            dtype = x
    target = input.dtype if dtype is None else as_dtype(dtype, "to")
    return cast(input, target) if copy or input.array.dtype != target else input


def _is_dtype(name: str) -> bool:
    try:
        np.dtype(name)
    except TypeError:
        return False
    return True


_CONVERSIONS: dict[str, Any] = {
    "float": float32,
    "double": float64,
    "long": int64,
    "int": np.dtype(np.int32),
    "short": np.dtype(np.int16),
    "byte": np.dtype(np.uint8),
    "char": np.dtype(np.int8),
    "bool": bool_,
}


def _conversion(name: str, dtype: Any) -> Any:
    def convert(self: Tensor) -> Tensor:
        y: Tensor = self if self.array.dtype == dtype else cast(self, dtype)
        return y

    convert.__name__ = convert.__qualname__ = name
    convert.__doc__ = f"""The tensor as {dtype}: itself if it is already.

    >>> import nnfast
    >>> nnfast.tensor([0.0, 1.0]).{name}().dtype
    dtype('{dtype}')
    """
    return convert


methods(**{name: _conversion(name, dtype) for name, dtype in _CONVERSIONS.items()})


def _type(input: Tensor, dtype: Any = None, non_blocking: bool = False) -> Any:
    """The tensor as another dtype; without one the name of its own.

    >>> import nnfast
    >>> nnfast.ones(1).type(), nnfast.ones(1).type(nnfast.int64)
    ('float32', tensor([1]))
    """
    return str(input.dtype) if dtype is None else to(input, dtype)


methods(type=_type)


@method
def type_as(input: Tensor, other: Tensor) -> Tensor:
    """The tensor as the dtype of another.

    >>> import nnfast
    >>> nnfast.ones(2).type_as(nnfast.tensor([1])).dtype
    dtype('int64')
    """
    return to(input, other.dtype)


@method
def cpu(input: Tensor) -> Tensor:
    """Itself: tensors are nowhere else.

    >>> import nnfast
    >>> x = nnfast.ones(2)
    >>> x.cpu() is x
    True
    """
    return input
