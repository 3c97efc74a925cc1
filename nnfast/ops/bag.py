"""Sums, means and largest elements of bags of embeddings."""

from __future__ import annotations

from typing import Any

import numpy as np

from nnfast.errors import DTypeError, fail
from nnfast.graph.trace import follow
from nnfast.ops.elementwise import where
from nnfast.ops.embedding import bound_rows, check_padding, rows
from nnfast.ops.gather import take, take_backward
from nnfast.ops.operands import as_tensor
from nnfast.ops.reduce import amax, sum
from nnfast.ops.shape import unsqueeze
from nnfast.tensor import Tensor, int64, wrap

NAME = "embedding_bag"


def embedding_bag(
    input: Tensor,
    weight: Tensor,
    offsets: Tensor | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    mode: str = "mean",
    sparse: bool = False,
    per_sample_weights: Tensor | None = None,
    include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> Tensor:
    """The sum, mean or largest element of the rows of `weight` with the numbers of each bag.

    Shapes: input (B, n), a bag each row, or (n,) with offsets (B,), where each bag begins (with
    include_last_offset also where the last ends); weight (rows, D) -> (B, D). per_sample_weights,
    of the shape of input, multiply the rows of a sum. Rows padding_idx do not count. An empty bag
    gives 0.

    max_norm, norm_type, scale_grad_by_freq and sparse as in `embedding`.

    Errors: a number that is none of a row, offsets that do not begin with 0 or that descend,
    weights in another mode than sum, scale_grad_by_freq with mode max.

    >>> import nnfast
    >>> table = nnfast.tensor([[1.0, 2.0], [3.0, 4.0]])
    >>> numbers, offsets = nnfast.tensor([0, 1, 1]), nnfast.tensor([0, 2])
    >>> nnfast.nn.functional.embedding_bag(numbers, table, offsets)
    tensor([[2., 3.],
            [3., 4.]])
    """
    index, table = as_tensor(input, NAME), as_tensor(weight, NAME)
    _check(index, table, offsets, mode, per_sample_weights)
    if scale_grad_by_freq and mode == "max":
        fail(NAME, "scale_grad_by_freq with mode 'sum' or 'mean'", "'max'")
    if max_norm is not None:
        bound_rows(NAME, table, index, max_norm, norm_type)
    ignored = -1 if padding_idx is None else check_padding(padding_idx, table.shape[0])
    factors = None if per_sample_weights is None else as_tensor(per_sample_weights, NAME)
    if index.ndim == 2:
        counts = None if ignored < 0 else index != ignored
        return _of_rows(table, index, counts, factors, mode, ignored, scale_grad_by_freq)
    starts = _starts(offsets, index.shape[0], include_last_offset)
    if mode == "max" and index.shape[0] > 0:
        places, inside = _side_by_side(starts)
        index = take(index, places)
        counts = inside if ignored < 0 else where(inside, (index != ignored).long(), 0).bool()
        return _of_rows(table, index, counts, None, mode, ignored)
    return _of_runs(table, index, starts, factors, mode, ignored, scale_grad_by_freq)


def _of_rows(
    table: Tensor,
    index: Tensor,
    counts: Tensor | None,
    factors: Tensor | None,
    mode: str,
    ignored: int,
    by_frequency: bool = False,
) -> Tensor:
    """Bags (B, n) of which those elements count (None: all)."""
    seen = rows(table, index, ignored, by_frequency)
    if factors is not None:
        seen = seen * unsqueeze(factors, 2)
    if index.shape[1] == 0:
        return sum(seen, 1)
    if mode == "max":
        if counts is None:
            return amax(seen, 1)
        some = amax(counts.long(), 1, True) > 0
        return where(some, amax(where(unsqueeze(counts, 2), seen, -np.inf), 1), 0.0)
    if counts is None:
        total = sum(seen, 1)
        return total / index.shape[1] if mode == "mean" else total
    total = sum(where(unsqueeze(counts, 2), seen, 0.0), 1)
    return total / _at_least_1(sum(counts.long(), 1), total) if mode == "mean" else total


def _of_runs(
    table: Tensor,
    index: Tensor,
    starts: np.ndarray,
    factors: Tensor | None,
    mode: str,
    ignored: int,
    by_frequency: bool = False,
) -> Tensor:
    """Sums or means of bags that lie one behind the other; they end where the next starts."""
    bag = wrap(np.repeat(np.arange(len(starts) - 1), np.diff(starts)))
    if bag.shape != index.shape:  # the last bag ends before the input does
        index = index[: bag.shape[0]]
        factors = None if factors is None else factors[: bag.shape[0]]
    seen = rows(table, index, ignored, by_frequency)
    counts = (index != ignored).to(seen.dtype)
    if factors is not None:
        seen = seen * unsqueeze(factors, 1)
    if ignored >= 0:
        seen = seen * unsqueeze(counts, 1)
    total: Tensor = take_backward(seen, bag, len(starts) - 1)
    if mode == "sum":
        return total
    return total / _at_least_1(take_backward(counts, bag, len(starts) - 1), total)


def _at_least_1(counts: Tensor, like: Tensor) -> Tensor:
    """(B, 1), of the dtype of the sums that it divides."""
    several: Tensor = unsqueeze(counts.to(like.dtype), 1)
    return where(several > 1.0, several, 1.0)


def _starts(offsets: Any, n: int, last_too: bool) -> np.ndarray:
    """Where the bags start, and where the last ends; a plan holds for these alone."""
    given = as_tensor(offsets, NAME)
    follow(lambda: given.array.tolist())
    values = np.array(given.array.tolist(), int64)
    starts = values if last_too else np.append(values, n)
    if last_too and (len(values) == 0 or values[-1] > n):
        fail(NAME, f"offsets, the last of them at most {n}", f"{values.tolist()}")
    if (len(starts) > 1 and starts[0] != 0) or np.any(np.diff(starts) < 0):
        fail(NAME, f"offsets from 0 on, ascending, up to {n}", f"{values.tolist()}")
    return starts


def _side_by_side(starts: np.ndarray) -> tuple[Tensor, Tensor]:
    """Where the elements of each bag are, filled up to the largest, and which are of the bag."""
    sizes = np.diff(starts)
    place = np.arange(max(sizes.max(initial=0), 1))
    inside = place < sizes[:, None]
    return wrap(np.where(inside, starts[:-1, None] + place, 0)), wrap(inside)


def _check(index: Tensor, table: Tensor, offsets: Any, mode: str, factors: Any) -> None:
    if table.ndim != 2:
        fail(NAME, "a weight of shape (rows, width)", f"shape {table.shape}", weight=table)
    if mode not in ("sum", "mean", "max"):
        fail(NAME, "mode 'sum', 'mean' or 'max'", repr(mode))
    if index.ndim not in (1, 2):
        fail(NAME, "an input of one or two dimensions", f"{index.ndim}")
    if (index.ndim == 1) != (offsets is not None):
        fail(NAME, "offsets with an input of one dimension, none with two", f"{offsets}")
    if offsets is not None:
        given = as_tensor(offsets, NAME)
        if given.ndim != 1 or given.dtype.kind not in "iu":
            fail(NAME, "a vector of integers as offsets", f"{given.dtype}, shape {given.shape}",
                 error=DTypeError)  # fmt: skip
    if factors is not None:
        if mode != "sum":
            fail(NAME, "per_sample_weights with mode='sum'", repr(mode))
        if as_tensor(factors, NAME).shape != index.shape:
            fail(NAME, f"per_sample_weights of shape {index.shape}", f"{factors.shape}")
