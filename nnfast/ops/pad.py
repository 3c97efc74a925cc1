"""Padding: more elements at the ends of dimensions, or (negative) fewer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from nnfast.errors import DTypeError, fail
from nnfast.ops.operands import AnyTensor
from nnfast.ops.rearrange import RearrangeAttrs, Stretch, rearranged
from nnfast.ops.record import Result, Shape, op, out
from nnfast.ops.window import check_size, is_integer
from nnfast.tensor import KERNEL_DTYPES, Tensor

Sides = list[tuple[int, int]]  # elements before and behind, for each of the last dimensions


@op("rearrange", attrs=RearrangeAttrs)
def pad(
    input: AnyTensor, pad: Sequence[int], mode: str = "constant", value: float | None = None
) -> Result:
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
    sides = _sides(input, pad)
    arguments = (tuple(int(n) for n in pad), mode)
    if mode == "constant":
        if input.dtype not in KERNEL_DTYPES:
            fail("pad", "float32, float64, int64 or bool", f"{input.dtype}", error=DTypeError)
        fill = input.dtype.type(0 if value is None else value)
        return rearranged(input, _constant(input, sides), arguments, fill.tobytes())
    if value:
        fail("pad", f"no value with mode='{mode}'", f"value={value}")
    return rearranged(input, _from_itself(input, sides, mode), arguments)


@op("rearrange_backward", attrs=RearrangeAttrs, outputs=("dx",))
def pad_backward(dy: Tensor, pad: tuple[int, ...], mode: str, shape: tuple[int, ...]) -> Result:
    """dx of `shape`: each dy added to the element that it is a copy of; not for mode "constant"."""
    x = np.broadcast_to(np.empty((), dy.dtype), shape)
    result = rearranged(x, _from_itself(x, _sides(x, pad), mode), (pad, mode))
    if result.specs[0][0] != dy.shape:
        fail("pad_backward", f"a dy of shape {result.specs[0][0]}", f"{dy.shape}", dy=dy)
    return out(shape, dy.dtype, result.attrs)


def _gradient(dy: Tensor, arguments: tuple[Any, ...], input_shape: Shape) -> Tensor:
    sides, mode = arguments
    if mode == "constant":
        y: Tensor = pad(dy, tuple(-n for n in sides))
        return y
    dx: Tensor = pad_backward(dy, sides, mode, input_shape)
    return dx


pad.vjp(input=_gradient)
pad_backward.vjp(dy=lambda ddx, arguments: pad(ddx, *arguments))


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


# ---- one value ------------------------------------------------------------------------------


def _constant(x: Tensor, sides: Sides) -> dict[int, list[Stretch]]:
    of = {}
    for d, (a, b) in zip(_dims(x, sides), sides, strict=True):
        kept = _kept(x, d, a, b)
        of[d] = [(max(a, 0), -1, 0), (kept, max(-a, 0), 1), (max(b, 0), -1, 0)]
    return of


def _kept(x: Tensor, d: int, a: int, b: int) -> int:
    """How many elements of the dimension negative numbers leave; raises if they are too many."""
    away = max(-a, 0) + max(-b, 0)
    if away > x.shape[d]:
        fail("pad", f"at most the {x.shape[d]} of dim {d} taken away", f"{(a, b)}")
    return x.shape[d] - away


# ---- elements of the input ------------------------------------------------------------------


def _from_itself(x: Tensor, sides: Sides, mode: str) -> dict[int, list[Stretch]]:
    if mode not in _INDEX:
        fail("pad", "mode one of 'constant', 'reflect', 'replicate', 'circular'", repr(mode))
    if x.ndim not in (len(sides) + 1, len(sides) + 2):
        shapes = f"{len(sides) + 1} or {len(sides) + 2} dimensions for {2 * len(sides)} numbers"
        fail("pad", f"an input of {shapes} as pad", f"{x.ndim}")
    of = {}
    for d, (a, b) in zip(_dims(x, sides), sides, strict=True):
        if a or b:
            of[d] = _stretches(_INDEX[mode](x, d, a, b))
    return of


def _stretches(numbers: np.ndarray) -> list[Stretch]:
    """The same numbers as stretches of step 1, 0 or -1."""
    steps = np.diff(numbers)
    found: list[Stretch] = []
    i = 0
    while i < len(numbers):
        step = int(steps[i]) if i < len(steps) and abs(steps[i]) <= 1 else 1
        ends = np.flatnonzero(steps[i:] != step)
        n = 1 + (int(ends[0]) if len(ends) else len(steps) - i)
        found.append((n, int(numbers[i]), step))
        i += n
    return found


def _places(x: Tensor, d: int, before: int, behind: int) -> np.ndarray:
    """Where along a dimension each element of the result lies."""
    n = x.shape[d]
    if n == 0 or n + before + behind < 1:
        fail("pad", "at least one element before and after", f"{n} by {(before, behind)}")
    return np.arange(-before, n + behind)


def _reflect(x: Tensor, d: int, before: int, behind: int) -> np.ndarray:
    n = x.shape[d]
    if max(before, behind) >= n:
        fail("pad", f"less than {n} elements to reflect", f"{(before, behind)}")
    at = _places(x, d, before, behind)
    return n - 1 - np.abs(n - 1 - np.abs(at))


def _replicate(x: Tensor, d: int, before: int, behind: int) -> np.ndarray:
    return np.clip(_places(x, d, before, behind), 0, x.shape[d] - 1)


def _circular(x: Tensor, d: int, before: int, behind: int) -> np.ndarray:
    """What is taken away at one end does not come back at the other."""
    kept = _kept(x, d, before, behind)
    if max(before, behind) > kept:
        fail("pad", f"at most {kept} elements to repeat", f"{(before, behind)}")
    first = max(-before, 0)
    return first + np.arange(-max(before, 0), kept + max(behind, 0)) % max(kept, 1)


_INDEX = {"reflect": _reflect, "replicate": _replicate, "circular": _circular}
