"""Arguments of ops as tensors of the dtypes that kernels know."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from nnfast.errors import DTypeError, describe, fail
from nnfast.graph.mode import tracing
from nnfast.graph.symbol import Symbol
from nnfast.graph.trace import follow, refreshed
from nnfast.tensor import Tensor, as_array, bool_, float32, float64, int64, wrap

if TYPE_CHECKING:
    from nnfast.ops.record import Op

Operand: TypeAlias = Tensor | np.ndarray | float | int | bool
IntTensor: TypeAlias = Tensor
BoolTensor: TypeAlias = Tensor
AnyTensor: TypeAlias = Tensor

KINDS = ("Operand", "Tensor", "IntTensor", "BoolTensor", "AnyTensor")
_RANK = {"b": 0, "u": 1, "i": 1, "f": 2}


def convert(op: Op[Any], given: Any) -> list[Tensor | None]:
    """The inputs as tensors of fitting dtypes; raises DTypeError where there is no good one."""
    kinds = op.kinds
    inputs: list[Any] = []
    dtype = None
    uniform = True  # tensors as they should be, floats of one dtype: nothing to do
    for kind, x in zip(kinds, given, strict=True):
        if isinstance(x, Tensor):
            d = x.array.dtype
            if kind == "AnyTensor" or (kind == "IntTensor" and d == int64):
                pass
            elif kind not in ("Operand", "Tensor") or (d != float32 and d != float64):
                uniform = False
            elif dtype is None:
                dtype = d
            elif dtype != d:
                uniform = False
        elif x is not None or len(inputs) < op.required:
            uniform = False
        inputs.append(x)
    return inputs if uniform else _convert(op, inputs)


def as_tensor(x: Any, where: str) -> Tensor:
    """x itself, or a tensor on the array that it is."""
    return x if isinstance(x, Tensor) else wrap(as_array(x, where))


def _convert(op: Op[Any], inputs: list[Any]) -> list[Tensor | None]:
    for name, kind, x in zip(op.inputs, op.kinds, inputs, strict=True):
        if x is None and (kind == "Operand" or name in op.inputs[: op.required]):
            fail(op.name, f"a tensor as '{name}'", "None", error=DTypeError)
    operands = [x for kind, x in zip(op.kinds, inputs, strict=True) if kind == "Operand"]
    if op.bools is None and any(as_array(x, op.name).dtype == bool_ for x in operands):
        fail(op.name, "numbers", "booleans", "~x is the opposite of a mask.", DTypeError)
    common = _promote(op, operands) if operands else None
    done: list[Tensor | None] = []
    for name, kind, x in zip(op.inputs, op.kinds, inputs, strict=True):
        if x is None:
            done.append(None)
        elif kind == "Operand":
            done.append(_to(x, common, op.name))
        elif kind == "IntTensor":
            done.append(integers(x, op.name, name))
        elif kind == "BoolTensor":
            done.append(_to(x, bool_, op.name))
        else:
            done.append(as_tensor(x, op.name))
    _check_floats(op, done)
    return done


def _to(x: Any, dtype: Any, where: str) -> Tensor:
    if isinstance(x, Tensor):
        if x.array.dtype == dtype:
            return x
        from nnfast.ops.elementwise import cast

        return cast(x, dtype)
    return wrap(as_array(x, where).astype(dtype))


def integers(x: Any, where: str, name: str) -> Tensor:
    """Labels or indices of any integer width, or floats that hold integers exactly."""
    array = as_array(x, where)
    if array.dtype == int64:
        return x if isinstance(x, Tensor) else wrap(array)
    if array.dtype.kind in "iu" and isinstance(x, Tensor) and tracing() is not None:
        return _read_anew(x)
    if array.dtype.kind in "iu":
        return wrap(array.astype(int64))
    fail(
        where,
        f"integers as '{name}'",
        str(array.dtype),
        f"convert it: {name}.astype('int64').",
        DTypeError,
        **{name: array},
    )


def _read_anew(x: Tensor) -> Tensor:
    """x as int64: an argument is converted before each run, and so is a tensor from outside."""
    if isinstance(x.array, Symbol):
        return wrap(x.array.astype(int64))
    follow(lambda: x.array.shape)
    return refreshed(lambda: x.array, x.array.shape, int64)


def _promote(op: Op[Any], operands: list[Any]) -> Any:
    """The dtype in which operands meet.

    Arrays with dimensions decide; scalars only raise the kind (bool < int < float), as in
    PyTorch. Kernels know float32, float64 and int64.
    """
    arrays = [as_array(x, op.name) for x in operands]
    strong = [a.dtype for a, x in zip(arrays, operands, strict=True) if _strong(a, x)]
    rank = max(_RANK[a.dtype.kind] for a in arrays)
    if not strong:
        strong = [a.dtype for a, x in zip(arrays, operands, strict=True) if hasattr(x, "dtype")]
    floats = [d for d in strong if d.kind == "f"]  # integers do not widen them
    dtype = np.result_type(*(floats or strong)) if strong else np.dtype(np.bool_)
    if _RANK[dtype.kind] < rank:
        weak = [
            a.dtype
            for a, x in zip(arrays, operands, strict=True)
            if hasattr(x, "dtype") and a.dtype.kind == "f"
        ]
        dtype = (np.result_type(*weak) if weak else float32) if rank == 2 else int64
    if dtype.kind == "f":
        return float64 if dtype.itemsize >= 8 else float32
    return float32 if op.floats else int64


def _strong(array: np.ndarray, x: Any) -> bool:
    return array.ndim > 0 and hasattr(x, "dtype")


def _check_floats(op: Op[Any], inputs: list[Tensor | None]) -> None:
    floats = {
        n: x
        for n, k, x in zip(op.inputs, op.kinds, inputs, strict=True)
        if k == "Tensor" and x is not None
    }
    dtypes = {x.dtype for x in floats.values()}
    if any(d not in (float32, float64) for d in dtypes):
        raise DTypeError(
            op.name,
            f"expected float32 or float64, got {describe(**floats)}.",
            "convert with x.float() or x.double().",
        )
    if len(dtypes) > 1:
        raise DTypeError(
            op.name,
            f"expected one dtype, got {describe(**floats)}.",
            "convert with x.float(), or the module with model.double().",
        )
