"""Padding: more elements at the ends of dimensions, or (negative) fewer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from nnfast.errors import DTypeError, fail
from nnfast.ops.elementwise import cast, where
from nnfast.ops.gather import take
from nnfast.ops.operands import as_tensor
from nnfast.ops.record import Shape
from nnfast.ops.slices import place
from nnfast.ops.window import check_size, is_integer
from nnfast.tensor import KERNEL_DTYPES, Tensor, int64, wrap

Sides = list[tuple[int, int]]  # elements before and behind, for each of the last dimensions


def pad(
    input: Tensor, pad: Sequence[int], mode: str = "constant", value: float | None = None
) -> Tensor:
    """More elements before and behind the last dimensions; negative numbers take some away.

    `pad` is (left, right, top, bottom, front, back ...), from the last dimension on. What is new
    is by `mode`
    - "constant": `value` (0 if None), in any dimensions;
    - "reflect": mirrored at the first and last element, which are not repeated;
    - "replicate": the first or last element;
    - "circular": what lies at the other end.

    Shapes: (*, W) -> (*, left + W + right), and so on. The last three modes take one, two or three
    dimensions of (C, W), (N, C, W), (C, H, W) and so on. float32, float64; constant also int64 and
    bool.

    Errors: reflect by the size or more, circular by more than the size, more taken away than there
    is, an empty input in the last three modes.

    >>> import nnfast
    >>> x = nnfast.tensor([[1.0, 2.0, 3.0]])
    >>> nnfast.nn.functional.pad(x, (1, 2), value=9.0)
    tensor([[9., 1., 2., 3., 9., 9.]])
    >>> nnfast.nn.functional.pad(x, (1, -1), "reflect")
    tensor([[2., 1., 2.]])
    """
    x = as_tensor(input, "pad")
    sides = _sides(x, pad)
    if mode == "constant":
        return _constant(x, sides, 0.0 if value is None else value)
    if mode not in _INDEX:
        fail("pad", "mode one of 'constant', 'reflect', 'replicate', 'circular'", repr(mode))
    if value:
        fail("pad", f"no value with mode='{mode}'", f"value={value}")
    if x.ndim not in (len(sides) + 1, len(sides) + 2):
        shapes = f"{len(sides) + 1} or {len(sides) + 2} dimensions for {2 * len(sides)} numbers"
        fail("pad", f"an input of {shapes} as pad", f"{x.ndim}", input=x)
    if mode == "circular":  # what is taken away does not come back at the other end
        x, sides = _cropped(x, sides)
    for d, (before, behind) in zip(_dims(x, sides), sides, strict=True):
        if before or behind:
            index = _INDEX[mode](x.shape[d], before, behind, x)
            x = take(x, wrap(index.astype(int64)), d)
    return x


def _sides(x: Tensor, pad: Sequence[int]) -> Sides:
    """The numbers in pairs; raises where they do not fit x."""
    numbers = list(pad) if isinstance(pad, Sequence) else None
    if numbers is None or not all(is_integer(n) for n in numbers):
        fail("pad", "integers as pad", repr(pad), error=DTypeError)
    if len(numbers) % 2 or len(numbers) > 2 * x.ndim:
        fail("pad", f"an even number of at most {2 * x.ndim} numbers", f"{pad!r}", input=x)
    sides = [(int(a), int(b)) for a, b in zip(numbers[::2], numbers[1::2], strict=True)]
    check_size("pad", _padded(x, sides))
    return sides


def _dims(x: Tensor, sides: Sides) -> range:
    """The dimension of each pair: the last one first."""
    return range(x.ndim - 1, x.ndim - 1 - len(sides), -1)


def _padded(x: Tensor, sides: Sides) -> Shape:
    shape = list(x.shape)
    for d, (a, b) in zip(_dims(x, sides), sides, strict=True):
        shape[d] += a + b
    return tuple(shape)


def _cropped(x: Tensor, sides: Sides) -> tuple[Tensor, Sides]:
    """x without what negative numbers take away, and what is left to add."""
    if all(a >= 0 and b >= 0 for a, b in sides):
        return x, sides
    index = [slice(None)] * x.ndim
    for d, (a, b) in zip(_dims(x, sides), sides, strict=True):
        if max(-a, 0) + max(-b, 0) > x.shape[d]:
            fail("pad", f"at most the {x.shape[d]} of dim {d} taken away", f"{(a, b)}", input=x)
        index[d] = slice(max(-a, 0), x.shape[d] - max(-b, 0))
    return x[tuple(index)], [(max(a, 0), max(b, 0)) for a, b in sides]


# ---- one value ------------------------------------------------------------------------------


def _constant(x: Tensor, sides: Sides, value: Any) -> Tensor:
    if x.dtype not in KERNEL_DTYPES:
        fail("pad", "float32, float64, int64 or bool", f"{x.dtype}", error=DTypeError)
    x, sides = _cropped(x, sides)
    if not any(a or b for a, b in sides):
        return x
    inside = [slice(None)] * x.ndim
    for d, (a, _) in zip(_dims(x, sides), sides, strict=True):
        inside[d] = slice(a, a + x.shape[d])
    y: Tensor = place(x, tuple(inside), _padded(x, sides))
    fill = x.dtype.type(value)
    if fill == 0:
        return y
    for d, (a, b) in zip(_dims(x, sides), sides, strict=True):
        if a or b:
            at = np.arange(y.shape[d]) - a
            within = ((at >= 0) & (at < x.shape[d])).reshape(-1, *[1] * (y.ndim - 1 - d))
            y = where(wrap(within), y, fill)
    return y if y.dtype == x.dtype else cast(y, x.dtype)


# ---- elements of the input ------------------------------------------------------------------


def _places(n: int, before: int, behind: int, x: Tensor) -> np.ndarray:
    """Where along a dimension of n elements each element of the result lies."""
    if n == 0 or n + before + behind < 1:
        fail("pad", "at least one element before and after", f"{n} by {(before, behind)}", input=x)
    return np.arange(-before, n + behind)


def _reflect(n: int, before: int, behind: int, x: Tensor) -> np.ndarray:
    if max(before, behind) >= n:
        fail("pad", f"less than {n} elements to reflect", f"{(before, behind)}", input=x)
    at = _places(n, before, behind, x)
    return n - 1 - np.abs(n - 1 - np.abs(at))


def _replicate(n: int, before: int, behind: int, x: Tensor) -> np.ndarray:
    return np.clip(_places(n, before, behind, x), 0, n - 1)


def _circular(n: int, before: int, behind: int, x: Tensor) -> np.ndarray:
    if max(before, behind) > n:
        fail("pad", f"at most {n} elements to repeat", f"{(before, behind)}", input=x)
    return _places(n, before, behind, x) % n


_INDEX = {"reflect": _reflect, "replicate": _replicate, "circular": _circular}
