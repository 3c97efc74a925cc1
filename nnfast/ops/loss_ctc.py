"""Connectionist temporal classification: the loss of a sequence whose alignment is unknown."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from nnfast.errors import DTypeError, fail
from nnfast.graph.trace import on_values
from nnfast.ops.elementwise import cast, exp, log, maximum, where
from nnfast.ops.gather import take
from nnfast.ops.join import cat
from nnfast.ops.loss import _reduce
from nnfast.ops.operands import as_tensor
from nnfast.ops.reduce import sum
from nnfast.ops.shape import expand, permute, reshape, unsqueeze
from nnfast.ops.softmax import check_reduction
from nnfast.tensor import Tensor, float32, float64, int64, wrap

NEVER = -1e30  # the logarithm of 0: large enough, and differences of two are numbers


def _integers(what: str, value: Any) -> Tensor:
    t = as_tensor(value, "ctc_loss")
    if t.dtype.kind not in "iu":
        fail("ctc_loss", f"integers as {what}", str(t.dtype), error=DTypeError)
    return t if t.dtype == int64 else cast(t, int64)


def _check(what: str, x: Tensor, least: int, most: int) -> None:
    def check(values: np.ndarray) -> None:
        if values.size and not (values.min() >= least and values.max() <= most):
            got = f"values from {values.min()} to {values.max()}"
            fail("ctc_loss", f"{what} from {least} to {most}", got)

    on_values(x, check)


def _in_rows(targets: Tensor, lengths: Tensor) -> Tensor:
    """Targets that stand one behind the other, as one row each: (N, S)."""
    counts, flat = lengths._values(), targets._values()
    if flat.size != counts.sum():
        fail("ctc_loss", f"{counts.sum()} targets, as the lengths add up to", f"{flat.size}")
    rows = np.zeros((counts.size, max(1, counts.max(initial=0))), np.int64)
    rows[np.arange(rows.shape[1]) < counts[:, None]] = flat
    return wrap(rows)


def _with_blanks(targets: Tensor, blank: int) -> Tensor:
    """(N, S) -> (N, 2 S + 1): a blank before, between and behind."""
    N, S = targets.shape
    blanks = wrap(np.full((N, S, 1), blank, np.int64))
    pairs: Tensor = reshape(cat([blanks, unsqueeze(targets, 2)], 2), (N, 2 * S))
    return cat([pairs, wrap(np.full((N, 1), blank, np.int64))], 1)


def _emissions(log_probs: Tensor, labels: Tensor) -> Tensor:
    """(T, N, L): log_probs[t, n, labels[n, l]]."""
    T, N, C = log_probs.shape
    rows = reshape(permute(log_probs, (1, 2, 0)), (N * C, T))
    numbers = labels + wrap(np.arange(N)[:, None] * C)
    y: Tensor = permute(take(rows, numbers), (2, 0, 1))
    return y


def _log_add(terms: list[Tensor]) -> Tensor:
    peak = terms[0]
    for x in terms[1:]:
        peak = maximum(peak, x)
    peak = peak.detach()
    total = exp(terms[0] - peak)
    for x in terms[1:]:
        total = total + exp(x - peak)
    y: Tensor = log(total) + peak
    return y


def _behind(alpha: Tensor, steps: int) -> Tensor:
    """alpha moved by so many labels."""
    N, L = alpha.shape
    gap = wrap(np.full((N, steps), NEVER, alpha.dtype))
    return cat([gap, alpha[:, : L - steps]], 1)


def _log_likelihood(
    log_probs: Tensor, labels: Tensor, input_lengths: Tensor, target_lengths: Tensor
) -> Tensor:
    """log of the sum of the probabilities of all alignments, (N,), by the forward recursion."""
    T, N, _ = log_probs.shape
    L = labels.shape[1]
    emitted = _emissions(log_probs, labels)
    # A label may follow the one two before it, unless that is the same one, as blanks are.
    other = cast(labels[:, 2:] != labels[:, :-2], int64)
    skips = cat([wrap(np.zeros((N, min(2, L)), np.int64)), other], 1)
    place = wrap(np.arange(L))
    alpha = where(expand(place < 2, (N, L)), emitted[0], NEVER)
    for t in range(1, T):
        terms = [alpha, _behind(alpha, 1)]
        if L > 2:
            terms.append(where(skips != 0, _behind(alpha, 2), NEVER))
        step = maximum(_log_add(terms) + emitted[t], NEVER)
        alpha = where(unsqueeze(t < input_lengths, 1), step, alpha)
    last = unsqueeze(target_lengths * 2, 1)
    ends = where(place >= last - 1, where(place <= last, alpha, NEVER), NEVER)
    peak = ends.detach().amax(1, True)
    return reshape(log(sum(exp(ends - peak), 1, True)) + peak, (N,))


def ctc_loss(
    log_probs: Tensor,
    targets: Tensor,
    input_lengths: Any,
    target_lengths: Any,
    blank: int = 0,
    reduction: str = "mean",
    zero_infinity: bool = False,
) -> Tensor:
    """-log of the probability of the target: the sum over all alignments with blanks and repeats.

    The mean divides each loss by its target's length (at least 1), then takes the mean of the
    batch. zero_infinity: 0 for targets that fit in no alignment, else inf. The gradient is that of
    log_probs as they stand, whether or not they sum to 1.

    Shapes: log_probs (T, N, C) or (T, C), log probabilities as log_softmax gives them; targets
    (N, S), or one behind the other (a compiled function then runs eagerly), of class numbers other
    than blank; lengths (N,) or () -> a scalar, or (N,) or () with reduction="none". Errors: class
    numbers or lengths out of range.

    Source: Graves et al., Connectionist temporal classification, ICML 2006.

    >>> import nnfast
    >>> x = nnfast.log_softmax(nnfast.zeros(2, 1, 2), 2)  # blank or 1, twice
    >>> nnfast.nn.functional.ctc_loss(x, nnfast.tensor([[1]]), [2], [1]).exp()  # 4 of 3 ways
    tensor(1.3333...)
    """
    name = "ctc_loss"
    x, t = as_tensor(log_probs, name), _integers("targets", targets)
    n_in = _integers("input_lengths", input_lengths)
    n_out = _integers("target_lengths", target_lengths)
    if x.dtype not in (float32, float64):
        fail(name, "float32 or float64 log_probs", str(x.dtype), error=DTypeError)
    single = x.ndim == 2
    if single:
        x, t = unsqueeze(x, 1), reshape(t, (1, -1))
        n_in, n_out = reshape(n_in, (-1,)), reshape(n_out, (-1,))
    if x.ndim != 3 or 0 in x.shape[::2]:
        fail(name, "log_probs of shape (T, N, C) or (T, C)", f"{x.shape}")
    T, N, C = x.shape
    if n_in.shape != (N,) or n_out.shape != (N,):
        fail(name, f"lengths of shape ({N},)", f"{n_in.shape} and {n_out.shape}")
    if not 0 <= blank < C:
        fail(name, f"a blank from 0 to {C - 1}", f"blank={blank}")
    t = _in_rows(t, n_out) if t.ndim == 1 else t
    if t.ndim != 2 or t.shape[0] != N:
        fail(name, f"targets of shape ({N}, S)", f"{t.shape}")
    _check("input_lengths", n_in, 0, T)
    _check("target_lengths", n_out, 0, t.shape[1])
    t = where(wrap(np.arange(t.shape[1])) < unsqueeze(n_out, 1), t, blank)  # what lies behind
    _check("targets", t, 0, C - 1)
    check_reduction(name, reduction, N)
    loss = -_log_likelihood(x, _with_blanks(t, blank), n_in, n_out)
    loss = where(n_in == 0, where(n_out == 0, 0.0, -NEVER), loss)
    impossible = loss > -NEVER / 2
    loss = where(impossible, 0.0 if zero_infinity else math.inf, loss)
    if reduction == "mean":
        loss = loss / cast(maximum(n_out, 1), x.dtype)
    return _reduce(reshape(loss, ()) if single else loss, reduction)
