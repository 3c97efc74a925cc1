"""New tensors: from data, filled with a value, or of numbers in a row. All are leaves."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from nnfast import _core
from nnfast.device import check_device
from nnfast.errors import ArgumentError, DTypeError, fail
from nnfast.graph.mode import tracing
from nnfast.tensor import (
    Tensor,
    as_array,
    as_dtype,
    bool_,
    float32,
    float64,
    int64,
    known_dtype,
    wrap,
)

Number = float | int | bool
Sizes = int | Sequence[int]
_LARGE = 16384  # elements
_INTEGERS = (int, np.integer)


# ---- from data ------------------------------------------------------------------------------


def tensor(data: Any, dtype: Any = None, requires_grad: bool = False, device: Any = None) -> Tensor:
    """A tensor with a copy of `data`. Python floats become float32, ints int64.

    >>> import nnfast
    >>> nnfast.tensor([[1, 2], [3, 4]]).dtype
    dtype('int64')
    >>> nnfast.tensor([1.5]).dtype
    dtype('float32')
    """
    check_device("tensor", device)
    array = _numbers(data, "tensor", dtype)
    if not isinstance(data, list | tuple | float | int):  # it may be the memory of data
        array = np.array(array)
    return leaf(known_dtype(array), requires_grad)


def as_tensor(data: Any, dtype: Any = None, device: Any = None) -> Tensor:
    """`data` as a tensor: itself, or on its memory, where its type and dtype allow.

    >>> import numpy as np, nnfast
    >>> a = np.zeros(2)
    >>> nnfast.as_tensor(a).numpy() is a
    True
    """
    check_device("as_tensor", device)
    if isinstance(data, Tensor):
        return data if dtype is None else data.to(dtype)
    return Tensor(_numbers(data, "as_tensor", dtype))


def asarray(obj: Any, *, dtype: Any = None, copy: bool | None = None, device: Any = None) -> Tensor:
    """`as_tensor`, or with copy=True `tensor`.

    >>> import nnfast
    >>> nnfast.asarray([1, 2], dtype=nnfast.float32)
    tensor([1., 2.])
    """
    check_device("asarray", device)
    return tensor(obj, dtype) if copy else as_tensor(obj, dtype)


def _numbers(data: Any, where: str, dtype: Any) -> np.ndarray:
    """An array of the dtype asked for; else the data's own, float32 for Python's floats."""
    array = data._values() if isinstance(data, Tensor) else as_array(_nested(data), where)
    given = isinstance(data, Tensor | np.ndarray | np.generic)
    if dtype is None and array.dtype == float64 and not given:
        dtype = float32
    return array if dtype is None else array.astype(as_dtype(dtype, where), copy=False)


def _nested(data: Any) -> Any:
    """Lists of tensors as lists of arrays; others as they are."""
    first = data
    while isinstance(first, list | tuple) and first:
        first = first[0]
    if not isinstance(first, Tensor) or first is data:
        return data
    return [
        x._values() if isinstance(x, Tensor) else _nested(x) if isinstance(x, list | tuple) else x
        for x in data
    ]


def from_numpy(array: np.ndarray) -> Tensor:
    """A tensor on the memory of `array`: a change of one is seen in the other.

    >>> import numpy as np, nnfast
    >>> a = np.zeros(2, np.float32)
    >>> t = nnfast.from_numpy(a)
    >>> a[0] = 1
    >>> t
    tensor([1., 0.])
    """
    if not isinstance(array, np.ndarray):
        fail("from_numpy", "a NumPy array", type(array).__name__, error=DTypeError)
    if as_array(array, "from_numpy") is not array:
        fail(
            "from_numpy",
            "an aligned array in native byte order",
            f"dtype {array.dtype}, strides {array.strides}",
            "use nnfast.tensor(array), which copies.",
        )
    return wrap(known_dtype(array))


def frombuffer(
    buffer: Any, *, dtype: Any, count: int = -1, offset: int = 0, requires_grad: bool = False
) -> Tensor:
    """A vector on the memory of a buffer (bytearray, mmap, array, ...), without a copy.

    `count` elements, or all, from byte `offset` on. A tensor on `bytes` is read-only as they are.
    Errors: no element, a part of one, or more than there are.

    >>> import nnfast
    >>> nnfast.frombuffer(bytearray([1, 0, 2, 0]), dtype=nnfast.int16)
    tensor([1, 2], dtype=int16)
    """
    known, size = as_dtype(dtype, "frombuffer"), memoryview(buffer).nbytes
    rest = size - offset
    if not 0 <= offset < size or count == 0 or count < -1:
        got = f"count={count}, offset={offset} of {size} bytes"
        fail("frombuffer", "at least one element of the buffer", got)
    if count * known.itemsize > rest:
        fail("frombuffer", f"{count} elements of {known.itemsize} bytes", f"{rest} bytes")
    if count == -1 and rest % known.itemsize:
        fail("frombuffer", f"whole elements of {known.itemsize} bytes", f"{rest} bytes")
    array = as_array(np.frombuffer(buffer, known, count, offset), "frombuffer")
    return Tensor(array, requires_grad)


def scalar_tensor(
    s: Number, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """A tensor of no dimensions; float32 unless told, whatever the number.

    >>> import nnfast
    >>> nnfast.scalar_tensor(3)
    tensor(3.)
    """
    return tensor(s, float32 if dtype is None else dtype, requires_grad, device)


def from_dlpack(x: Any) -> Tensor:
    """A tensor on the memory of whatever speaks DLPack, without a copy.

    >>> import numpy as np, nnfast
    >>> nnfast.from_dlpack(np.arange(3))
    tensor([0, 1, 2])
    """
    try:
        array = np.from_dlpack(x)
    except (AttributeError, BufferError, RuntimeError, TypeError, ValueError) as e:
        raise DTypeError("from_dlpack", f"expected an array on the CPU, got {e}.") from e
    return wrap(as_array(array, "from_dlpack"))


# ---- one value ------------------------------------------------------------------------------


def zeros(
    *size: Sizes, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """A tensor of zeros: `zeros(2, 3)` or `zeros((2, 3))`, float32 unless told.

    >>> import nnfast
    >>> nnfast.zeros(2)
    tensor([0., 0.])
    """
    check_device("zeros", device)
    return _filled("zeros", size, 0, dtype or float32, requires_grad)


def ones(
    *size: Sizes, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """A tensor of ones: `ones(2, 3)` or `ones((2, 3))`, float32 unless told.

    >>> import nnfast
    >>> nnfast.ones(1, 2)
    tensor([[1., 1.]])
    """
    check_device("ones", device)
    return _filled("ones", size, 1, dtype or float32, requires_grad)


def empty(
    *size: Sizes, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """A tensor of whatever lies in its memory, float32 unless told.

    >>> import nnfast
    >>> nnfast.empty(2, 3).shape
    (2, 3)
    """
    check_device("empty", device)
    return _filled("empty", size, None, dtype or float32, requires_grad)


def full(
    size: Sizes,
    fill_value: Number,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """A tensor of one value; its dtype is float32, int64 or bool as that of the value.

    >>> import nnfast
    >>> nnfast.full((2,), 7)
    tensor([7, 7])
    """
    check_device("full", device)
    value = fill_value.item() if isinstance(fill_value, Tensor) else fill_value
    return _filled("full", (size,), value, dtype or _dtype_of(value), requires_grad)


def zeros_like(
    input: Tensor, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """Zeros of the shape and, unless told, the dtype of `input`.

    >>> import nnfast
    >>> nnfast.zeros_like(nnfast.tensor([3.0, 4.0]))
    tensor([0., 0.])
    """
    check_device("zeros_like", device)
    return _filled("zeros_like", (input.shape,), 0, dtype or input.dtype, requires_grad)


def ones_like(
    input: Tensor, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """Ones of the shape and, unless told, the dtype of `input`.

    >>> import nnfast
    >>> nnfast.ones_like(nnfast.tensor([3, 4]))
    tensor([1, 1])
    """
    check_device("ones_like", device)
    return _filled("ones_like", (input.shape,), 1, dtype or input.dtype, requires_grad)


def empty_like(
    input: Tensor, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """`empty` of the shape and, unless told, the dtype of `input`.

    >>> import nnfast
    >>> nnfast.empty_like(nnfast.ones(2, 3)).shape
    (2, 3)
    """
    check_device("empty_like", device)
    return _filled("empty_like", (input.shape,), None, dtype or input.dtype, requires_grad)


def full_like(
    input: Tensor,
    fill_value: Number,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """One value, of the shape and, unless told, the dtype of `input`.

    >>> import nnfast
    >>> nnfast.full_like(nnfast.zeros(2), 7)
    tensor([7., 7.])
    """
    check_device("full_like", device)
    return _filled("full_like", (input.shape,), fill_value, dtype or input.dtype, requires_grad)


def _filled(where: str, size: Any, value: Any, dtype: Any, requires_grad: bool) -> Tensor:
    shape = sizes(where, size)
    known = as_dtype(dtype, where)
    try:
        if value is None:
            array = np.empty(shape, known)
        elif value == 0:
            array = np.zeros(shape, known)
        elif math.prod(shape) >= _LARGE:  # by several threads, to memory that was used before
            array = _core.dense(np.broadcast_to(np.full((), value, known), shape))
        else:
            array = np.empty(shape, known)
            np.copyto(array, value, casting="unsafe")
    except (ValueError, TypeError, MemoryError, OverflowError) as e:
        raise ArgumentError(where, f"expected sizes that fit memory, got {shape}: {e}.") from e
    return leaf(array, requires_grad)


def leaf(array: np.ndarray, requires_grad: bool = False) -> Tensor:
    """A tensor on an array that was made here: nothing about it needs to be checked."""
    x = wrap(array)
    if (trace := tracing()) is not None:
        trace.made(x)
    return x.requires_grad_() if requires_grad else x


def sizes(where: str, size: tuple[Any, ...]) -> tuple[int, ...]:
    """Sizes given one by one or as one sequence."""
    given = size[0] if len(size) == 1 and not isinstance(size[0], _INTEGERS) else size
    try:
        shape = tuple(map(operator.index, given))
    except TypeError:
        raise ArgumentError(where, f"expected sizes, got {given!r}.") from None
    for n in shape:
        if n < 0:
            fail(where, "sizes >= 0", str(shape))
    return shape


def _dtype_of(*values: Any) -> np.dtype[Any]:
    """As Python's numbers become tensors."""
    kinds = {np.asarray(v).dtype.kind for v in values}
    return float32 if "f" in kinds else int64 if kinds & set("iu") else bool_


# ---- numbers in a row -----------------------------------------------------------------------


def arange(
    start: Number,
    end: Number | None = None,
    step: Number = 1,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """start, start + step, ... up to and without `end`; `arange(end)` starts at 0.

    int64 if all three are integers, else float32.

    >>> import nnfast
    >>> nnfast.arange(1, 7, 2)
    tensor([1, 3, 5])
    """
    check_device("arange", device)
    first, last = (0, start) if end is None else (start, end)
    first, last, step = (x.item() if isinstance(x, Tensor) else x for x in (first, last, step))
    given = f"start={first}, end={last}, step={step}"
    if not all(math.isfinite(x) for x in (first, last, step)):
        fail("arange", "finite numbers", given)
    if step == 0 or (last - first) * step < 0:
        fail("arange", "a step that leads from start to end", given)
    target = as_dtype(dtype or _dtype_of(first, last, step), "arange")
    try:
        n = -(-(last - first) // step)
        if isinstance(first, int) and isinstance(step, int):  # one pass over the memory
            array: Any = np.arange(first, first + int(n) * step, step, dtype=np.int64)
        else:
            array = np.arange(int(n)) * step + first
    except (MemoryError, OverflowError, ValueError) as e:
        raise ArgumentError("arange", f"expected numbers that fit memory, got {given}.") from e
    return leaf(array.astype(target, copy=False), requires_grad)


def linspace(
    start: float,
    end: float,
    steps: int,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """`steps` numbers at equal distances from start to end, both included.

    >>> import nnfast
    >>> nnfast.linspace(0, 1, 5)
    tensor([0.  , 0.25, 0.5 , 0.75, 1.  ])
    """
    check_device("linspace", device)
    values = _spaced("linspace", start, end, steps)
    return Tensor(values.astype(as_dtype(dtype or float32, "linspace")), requires_grad)


def _spaced(where: str, start: float, end: float, steps: int) -> np.ndarray:
    (n,) = sizes(where, ((steps,),))
    try:
        return np.linspace(float(start), float(end), n)
    except (MemoryError, OverflowError, ValueError) as e:
        raise ArgumentError(where, f"expected steps that fit memory, got {n}.") from e


def logspace(
    start: float,
    end: float,
    steps: int,
    base: float = 10.0,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """base to the power of each of `linspace(start, end, steps)`.

    >>> import nnfast
    >>> nnfast.logspace(0, 2, 3)
    tensor([  1.,  10., 100.])
    """
    check_device("logspace", device)
    values = np.power(float(base), _spaced("logspace", start, end, steps))
    return Tensor(values.astype(as_dtype(dtype or float32, "logspace")), requires_grad)


def eye(
    n: int,
    m: int | None = None,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """A matrix of n x m (n x n) with ones on its diagonal.

    >>> import nnfast
    >>> nnfast.eye(2)
    tensor([[1., 0.],
            [0., 1.]])
    """
    check_device("eye", device)
    shape = sizes("eye", ((n, n if m is None else m),))
    y = _filled("eye", (shape,), 0, dtype or float32, requires_grad)
    y.array.reshape(-1)[: min(shape) * shape[1] : shape[1] + 1] = 1
    return y


# ---- methods: new tensors of the dtype of another ------------------------------------------------


def new_tensor(
    self: Tensor, data: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """A tensor with a copy of `data`, of this one's dtype.

    >>> import nnfast
    >>> nnfast.ones(1, dtype=nnfast.float64).new_tensor([1, 2])
    tensor([1., 2.], dtype=float64)
    """
    check_device("new_tensor", device)
    return tensor(data, dtype or self.dtype, requires_grad)


def new_zeros(
    self: Tensor, *size: Sizes, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """Zeros of this tensor's dtype.

    >>> import nnfast
    >>> nnfast.ones(1, dtype=nnfast.int64).new_zeros(2)
    tensor([0, 0])
    """
    check_device("new_zeros", device)
    return zeros(*size, dtype=dtype or self.dtype, requires_grad=requires_grad)


def new_ones(
    self: Tensor, *size: Sizes, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """Ones of this tensor's dtype.

    >>> import nnfast
    >>> nnfast.ones(1, dtype=nnfast.int64).new_ones(2)
    tensor([1, 1])
    """
    check_device("new_ones", device)
    return ones(*size, dtype=dtype or self.dtype, requires_grad=requires_grad)


def new_empty(
    self: Tensor, *size: Sizes, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """`empty` of this tensor's dtype.

    >>> import nnfast
    >>> nnfast.ones(1).new_empty(2, 3).shape
    (2, 3)
    """
    check_device("new_empty", device)
    return empty(*size, dtype=dtype or self.dtype, requires_grad=requires_grad)


def new_full(
    self: Tensor,
    size: Sizes,
    fill_value: Number,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """One value, of this tensor's dtype.

    >>> import nnfast
    >>> nnfast.ones(1).new_full((2,), 7)
    tensor([7., 7.])
    """
    check_device("new_full", device)
    return full(size, fill_value, dtype=dtype or self.dtype, requires_grad=requires_grad)


for _method in (new_tensor, new_zeros, new_ones, new_empty, new_full):
    setattr(Tensor, _method.__name__, _method)
