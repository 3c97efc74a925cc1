"""Sequences of several lengths: padded to one tensor, or packed without padding."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from nnfast import ops
from nnfast.errors import fail
from nnfast.graph.trace import follow
from nnfast.ops.operands import as_tensor
from nnfast.tensor import Tensor, int64, wrap


class PackedSequence(NamedTuple):
    """Step after step of a batch whose longest sequence stands first, padding left out.

    data: the rows of step 0, then of step 1, ...; batch_sizes: how many each step has;
    sorted_indices and unsorted_indices: the order in the batch, and the way back (None: as it
    was). Made by pack_padded_sequence and pack_sequence; recurrent layers take it and answer
    with one.

    >>> import nnfast
    >>> from nnfast.nn.utils.rnn import pack_sequence
    >>> pack_sequence([nnfast.tensor([1, 2, 3]), nnfast.tensor([4])]).data
    tensor([1, 4, 2, 3])
    """

    data: Tensor
    batch_sizes: Tensor
    sorted_indices: Tensor | None = None
    unsorted_indices: Tensor | None = None

    def to(self, *args: Any, **kwargs: Any) -> PackedSequence:
        """With data as another dtype; see Tensor.to."""
        return self._replace(data=self.data.to(*args, **kwargs))

    def float(self) -> PackedSequence:
        """With data as float32."""
        return self._replace(data=self.data.float())

    def double(self) -> PackedSequence:
        """With data as float64."""
        return self._replace(data=self.data.double())

    def cpu(self) -> PackedSequence:
        """Itself: tensors are nowhere else."""
        return self


def _numbers(where: str, x: Any) -> list[int]:
    """The integers in a list or tensor; a plan that is traced holds only for these."""
    given = as_tensor(x, where)

    def read() -> list[int]:
        values: list[int] = given.array.tolist()
        return values

    follow(read)
    found, array = read(), given.array
    if array.ndim != 1 or array.dtype.kind not in "iu":
        fail(where, "a vector of integers", f"{array.dtype} of shape {array.shape}")
    return found


def _constant(values: Any) -> Tensor:
    return wrap(np.asarray(values, int64))


def _steps_first(x: Tensor, batch_first: bool) -> Tensor:
    return x.transpose(0, 1) if batch_first else x


def pack_padded_sequence(
    input: Tensor, lengths: Any, batch_first: bool = False, enforce_sorted: bool = True
) -> PackedSequence:
    """A padded batch without its padding.

    Shapes: input (T, N, *), or (N, T, *) with batch_first; lengths: N of them, from 1 to T,
    longest first unless enforce_sorted is False.

    >>> import nnfast
    >>> from nnfast.nn.utils.rnn import pack_padded_sequence
    >>> x = nnfast.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 0.0]])
    >>> packed = pack_padded_sequence(x, [3, 2], batch_first=True)
    >>> packed.data, packed.batch_sizes
    (tensor([1., 4., 2., 5., 3.]), tensor([2, 2, 1]))
    """
    where = "pack_padded_sequence"
    x = as_tensor(input, where)
    if x.ndim < 2:
        fail(where, "an input of two dimensions or more", f"shape {x.shape}")
    x = _steps_first(x, batch_first)
    T, N, given = x.shape[0], x.shape[1], _numbers(where, lengths)
    if len(given) != N or N == 0:
        fail(where, f"a length for each of {N} sequences, at least one", f"{len(given)}")
    if min(given) < 1 or max(given) > T:
        fail(where, f"lengths from 1 to {T}", f"{given}")
    order = np.argsort(np.negative(given), kind="stable")
    if enforce_sorted and given != sorted(given, reverse=True):
        fail(where, "lengths in descending order", f"{given}", "pass enforce_sorted=False.")
    n = np.asarray(given)[order]
    active = np.arange(n[0])[:, None] < n  # (steps, N)
    rows = (np.arange(n[0])[:, None] * N + order)[active]
    flat = x.contiguous().reshape(T * N, *x.shape[2:])
    data: Tensor = ops.take(flat, _constant(rows))
    sizes = _constant(active.sum(1))
    if enforce_sorted:
        return PackedSequence(data, sizes)
    return PackedSequence(data, sizes, _constant(order), _constant(np.argsort(order)))


def pad_packed_sequence(
    sequence: PackedSequence,
    batch_first: bool = False,
    padding_value: float = 0.0,
    total_length: int | None = None,
) -> tuple[Tensor, Tensor]:
    """The padded batch (T, N, *), or (N, T, *) with batch_first, and the lengths.

    T is the longest length, or total_length.

    >>> import nnfast
    >>> from nnfast.nn.utils.rnn import pack_sequence, pad_packed_sequence
    >>> packed = pack_sequence([nnfast.ones(2), nnfast.ones(1)])
    >>> pad_packed_sequence(packed, batch_first=True)
    (tensor([[1., 1.],
            [1., 0.]]), tensor([2, 1]))
    """
    where = "pad_packed_sequence"
    data, batch_sizes, _, back = sequence
    sizes = _numbers(where, batch_sizes)
    T = len(sizes) if total_length is None else total_length
    if len(sizes) > T:
        fail(where, f"a total_length of at least {len(sizes)}", f"{total_length}")
    active = np.arange(sizes[0]) < np.asarray(sizes + [0] * (T - len(sizes)))[:, None]
    rows = np.where(active, np.cumsum(active).reshape(active.shape) - 1, 0)
    if back is not None:
        order = _numbers(where, back)
        active, rows = active[:, order], rows[:, order]
    lengths = active.sum(0)
    if batch_first:
        active, rows = active.T, rows.T
    padded: Tensor = ops.take(data, _constant(rows))
    if not active.all():
        inside = wrap(active.reshape(*active.shape, *[1] * (data.ndim - 1)))
        padded = ops.where(inside, padded, padding_value)
    return padded, _constant(lengths)


def pad_sequence(
    sequences: Sequence[Tensor],
    batch_first: bool = False,
    padding_value: float = 0.0,
    padding_side: str = "right",
) -> Tensor:
    """Tensors (L_i, *) as one (T, N, *), or (N, T, *) with batch_first, T the longest length.

    >>> import nnfast
    >>> from nnfast.nn.utils.rnn import pad_sequence
    >>> pad_sequence([nnfast.ones(1), nnfast.ones(2)], batch_first=True, padding_value=9.0)
    tensor([[1., 9.],
            [1., 1.]])
    """
    where = "pad_sequence"
    xs = [as_tensor(x, where) for x in sequences]
    if not xs or any(x.ndim == 0 or x.shape[1:] != xs[0].shape[1:] for x in xs):
        fail(where, "tensors that agree in all but the first size", f"{[x.shape for x in xs]}")
    if padding_side not in ("right", "left"):
        fail(where, "padding_side 'right' or 'left'", repr(padding_side))
    T = max(len(x) for x in xs)
    rows = []
    for x in xs:
        filling = wrap(np.full((), padding_value, x.dtype)).expand(T - len(x), *x.shape[1:])
        parts = [x, filling] if padding_side == "right" else [filling, x]
        rows.append((ops.cat(parts) if len(x) < T else x).unsqueeze(0))
    return _steps_first(ops.cat(rows), not batch_first)


def unpad_sequence(
    padded_sequences: Tensor, lengths: Any, batch_first: bool = False
) -> list[Tensor]:
    """The inverse of pad_sequence: the first `lengths[i]` steps of sequence i.

    >>> import nnfast
    >>> from nnfast.nn.utils.rnn import pad_sequence, unpad_sequence
    >>> padded = pad_sequence([nnfast.tensor([1, 2]), nnfast.tensor([3])])
    >>> unpad_sequence(padded, nnfast.tensor([2, 1]))
    [tensor([1, 2]), tensor([3])]
    """
    where = "unpad_sequence"
    x = _steps_first(as_tensor(padded_sequences, where), not batch_first)
    return [x[i, :n] for i, n in enumerate(_numbers(where, lengths))]


def pack_sequence(sequences: Sequence[Tensor], enforce_sorted: bool = True) -> PackedSequence:
    """Tensors (L_i, *), packed; longest first unless enforce_sorted is False.

    >>> import nnfast
    >>> from nnfast.nn.utils.rnn import pack_sequence
    >>> pack_sequence([nnfast.ones(2), nnfast.zeros(1)]).data
    tensor([1., 0., 1.])
    """
    lengths = [len(x) for x in sequences]
    return pack_padded_sequence(pad_sequence(sequences), lengths, enforce_sorted=enforce_sorted)


def unpack_sequence(packed_sequences: PackedSequence) -> list[Tensor]:
    """The inverse of pack_sequence.

    >>> import nnfast
    >>> from nnfast.nn.utils.rnn import pack_sequence, unpack_sequence
    >>> unpack_sequence(pack_sequence([nnfast.tensor([1, 2]), nnfast.tensor([3])]))
    [tensor([1., 2.]), tensor([3.])]
    """
    padded, lengths = pad_packed_sequence(packed_sequences, batch_first=True)
    return unpad_sequence(padded, lengths, batch_first=True)
