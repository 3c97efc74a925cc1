"""Stand-ins for arrays while a function is traced: shape and dtype, but no data."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from nnfast import _core


class Untraceable(Exception):
    """A traced function did what a plan cannot: it looked at data, or changed something else."""


class Raises(Exception):
    """The function itself raised something, its cause, while it was traced."""


class Symbol(_core.Symbol):
    """What `tensor.array` is while tracing. Whoever asks for data gets Untraceable.

    `layout` is an array of that shape and strides whose memory is never touched: views of it say
    what a view does. It is made when somebody asks.
    """

    __slots__ = ()

    @property
    def layout(self) -> np.ndarray:
        if self._layout is None:
            self._layout = untouched(self.shape, self.dtype, self.value.strides, self.value.extent)
            self._layout.flags.writeable = self.writeable
        return self._layout

    @property
    def size(self) -> int:
        return prod(self.shape)

    @property
    def flags(self) -> Any:
        return self.layout.flags

    @property
    def strides(self) -> tuple[int, ...]:
        return self.value.byte_strides()

    def astype(self, dtype: Any, copy: bool = True) -> Any:
        """Itself if it is of that dtype; an argument is converted before each run."""
        from nnfast.graph.mode import tracing

        if not copy and self.dtype == dtype:
            return self
        if (trace := tracing()) is None or self.value.root is not None:
            raise _looked(self, ".astype")
        return trace.converted(self, np.dtype(dtype))

    def __len__(self) -> int:
        return len(self.layout)

    def __getattr__(self, name: str) -> Any:
        raise _looked(self, f".{name}")


_ROOM = [np.empty(1 << 20, np.uint8)]  # nobody reads or writes it, so that it takes no pages


def untouched(
    shape: tuple[int, ...], dtype: Any, strides: tuple[int, ...] | None, nbytes: int
) -> np.ndarray:
    """An array of so many bytes of which only the places of the elements mean something."""
    room = _ROOM[0]
    if room.nbytes < nbytes:
        room = _ROOM[0] = np.empty(nbytes, np.uint8)
    return np.ndarray(shape, dtype, room, 0, strides)


def _looked(symbol: Symbol, how: str) -> Untraceable:
    from nnfast.graph.mode import tracing
    from nnfast.graph.where import in_line

    error = Untraceable(
        f"it looks at the values of a tensor of shape {symbol.shape} ({how}), which a plan "
        f"computes only later{in_line()}"
    )
    if (trace := tracing()) is not None:
        trace.broken = error  # even if the function catches it
    return error


def _refuse(name: str) -> Any:
    def method(self: Symbol, *args: Any, **kwargs: Any) -> Any:
        raise _looked(self, name)

    return method


for _name in (
    "array", "bool", "int", "float", "index", "iter", "getitem", "setitem", "eq", "ne", "lt", "le",
    "gt", "ge", "add", "radd", "sub", "rsub", "mul", "rmul", "truediv", "rtruediv", "matmul",
    "rmatmul", "pow", "neg", "abs", "repr", "copy", "deepcopy", "reduce_ex",
):  # fmt: skip
    setattr(Symbol, f"__{_name}__", _refuse(f"__{_name}__"))
Symbol.__hash__ = object.__hash__  # type: ignore[method-assign]
Symbol.__array_ufunc__ = None  # type: ignore[attr-defined]
_core.set_symbol_type(Symbol)
