"""Gradient rules against difference quotients, in float64."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from nnfast.autograd.functions import grad
from nnfast.errors import DTypeError, NNFastError, StateError, describe, fail
from nnfast.graph.mode import enable_grad, no_grad
from nnfast.tensor import Tensor, float64, wrap

_DIRECTIONS = 2  # independent random directions per input
# Rounding noise of one value of fn, in units of epsilon: a generous bound for sums and functions.
_NOISE = 64


class GradcheckError(NNFastError, AssertionError):
    """A gradient that differs from the difference quotient.

    >>> import nnfast
    >>> from nnfast.autograd import GradcheckError, gradcheck
    >>> x = nnfast.tensor([2.0], dtype=nnfast.float64, requires_grad=True)
    >>> try:
    ...     gradcheck(lambda x: x * x.detach(), x)
    ... except GradcheckError:
    ...     print("a factor without gradient")
    a factor without gradient
    """


class _Terms(NamedTuple):
    """What counts as equal, and how to see a failure again."""

    eps: float
    atol: float | None
    rtol: float
    replay: str


def gradcheck(
    fn: Callable[..., Any],
    inputs: Tensor | Sequence[Any],
    *,
    eps: float = 1e-6,
    atol: float | None = None,
    rtol: float = 1e-5,
    seed: int = 0,
    order: int = 1,
) -> bool:
    """Check the gradients of fn(*inputs) with respect to the inputs that require them.

    For each such input x and each output y, with random v and u, the gradient's

        <u, dy/dx v>   must be   <u, y(x + eps v) - y(x - eps v)> / (2 eps)

    within `atol + rtol * size`. `atol` defaults to the rounding noise of the right side. A few
    directions see a wrong element anywhere, at the cost of four calls per input. Every output of
    floating point counts: one that carries no gradient must not depend on the inputs.

    `order=2` checks the gradient of the gradient instead. Inputs must be float64 and may have
    any strides. Returns True, or raises GradcheckError with both numbers, the input and the seed.

    >>> import nnfast
    >>> from nnfast.autograd import gradcheck
    >>> x = nnfast.tensor([0.5, -2.0], dtype=nnfast.float64, requires_grad=True)
    >>> gradcheck(lambda x: x * x / 3, x)
    True
    """
    given = _leaves([inputs] if isinstance(inputs, Tensor) else list(inputs))
    rng = np.random.default_rng(seed)
    if order == 2:
        fn, given = _first_order(fn, given, rng)
    elif order != 1:
        fail("gradcheck", "order=1 or order=2", f"order={order}")
    wanted = [i for i, x in enumerate(given) if isinstance(x, Tensor) and x.requires_grad]
    if not wanted:
        raise StateError(
            "gradcheck",
            "expected an input that requires gradients, got none.",
            "create it with requires_grad=True.",
        )
    for i in wanted:
        if given[i].dtype != float64:
            raise DTypeError(
                "gradcheck",
                f"expected float64 inputs, got {describe(**{f'inputs[{i}]': given[i]})}.",
                "convert with x.double(): differences need its precision.",
            )
    terms = _Terms(eps, atol, rtol, f"seed={seed}, order={order}")
    for _ in range(_DIRECTIONS):
        us, rules = _pull_back(fn, given, wanted, rng)
        for position, i in enumerate(wanted):
            v = rng.standard_normal(given[i].shape)
            _check_input(fn, given, i, v, us, [r[position] for r in rules], terms)
    return True


def gradgradcheck(fn: Callable[..., Any], inputs: Tensor | Sequence[Any], **options: Any) -> bool:
    """Check the gradient of the gradient of fn: `gradcheck` with order=2.

    >>> import nnfast
    >>> from nnfast.autograd import gradgradcheck
    >>> x = nnfast.tensor([0.5, -2.0], dtype=nnfast.float64, requires_grad=True)
    >>> gradgradcheck(lambda x: x * x * x, x)
    True
    """
    return gradcheck(fn, inputs, order=2, **options)


def _floats(result: Any) -> list[Tensor]:
    """The outputs of floating point."""
    results = [result] if isinstance(result, Tensor) else result
    return [y for y in results if isinstance(y, Tensor) and y.dtype.kind == "f"]


def _leaves(given: list[Any]) -> list[Any]:
    """The same inputs with no history and no `.grad` of the caller's at stake."""
    return [
        wrap(x.array).requires_grad_(x.requires_grad) if isinstance(x, Tensor) else x for x in given
    ]


def _pull_back(
    fn: Callable[..., Any], given: list[Any], wanted: list[int], rng: np.random.Generator
) -> tuple[list[np.ndarray], list[list[np.ndarray | None]]]:
    """A random u for each output, and what the rules make of it for each wanted input."""
    leaves = _leaves(given)
    with enable_grad():
        ys = _floats(fn(*leaves))
    xs = [leaves[i] for i in wanted]
    us = [rng.standard_normal(y.shape) for y in ys]
    rules: list[list[np.ndarray | None]] = []
    for y, u in zip(ys, us, strict=True):
        dxs: Sequence[Tensor | None] = [None] * len(xs)
        if y.requires_grad:
            dy = wrap(u.astype(y.dtype))
            dxs = grad(y, xs, dy, retain_graph=True, allow_unused=True)
        rules.append([None if dx is None else dx.array for dx in dxs])
    return us, rules


def _check_input(
    fn: Callable[..., Any],
    given: list[Any],
    i: int,
    v: np.ndarray,
    us: list[np.ndarray],
    rules: list[np.ndarray | None],
    terms: _Terms,
) -> None:
    """Compare what the rules say along the direction v of input i with the quotient."""
    eps, atol, rtol, replay = terms
    x = given[i].array
    plus, minus = np.asarray(x + eps * v), np.asarray(x - eps * v)
    v = (plus - minus) / (2 * eps)  # as rounded
    with no_grad():
        above, below = (
            [y.array for y in _floats(fn(*given[:i], wrap(moved), *given[i + 1 :]))]
            for moved in (plus, minus)
        )
    for k, (u, dx, a, b) in enumerate(zip(us, rules, above, below, strict=True)):
        if dx is not None and dx.shape != x.shape:
            raise GradcheckError(
                "gradcheck",
                f"expected a gradient of shape {x.shape} for input {i}, got shape {dx.shape}.",
            )
        analytic = 0.0 if dx is None else float((dx * v).sum())
        numeric = float((u * (a - b)).sum()) / (2 * eps)
        noise = _NOISE * np.finfo(a.dtype).eps * float(np.abs(u * a).sum()) / eps
        allowed = (noise if atol is None else atol) + rtol * max(abs(analytic), abs(numeric))
        if not abs(analytic - numeric) <= allowed:
            missing = " (no gradient rule leads there)" if dx is None else ""
            raise GradcheckError(
                "gradcheck",
                f"expected {numeric!r} as the derivative of output {k} along a random direction "
                f"of input {i}, got {analytic!r} from the rule{missing}; allowed difference "
                f"{allowed:.3g}. {describe(**{f'inputs[{i}]': x})}. {replay}. "
                f"inputs[{i}] = {np.array2string(x, threshold=64)}",
            )


def _first_order(
    fn: Callable[..., Any], given: list[Any], rng: np.random.Generator
) -> tuple[Callable[..., Any], list[Any]]:
    """The gradient of fn as a function of its inputs and of the outputs' gradients."""
    wanted = [i for i, x in enumerate(given) if isinstance(x, Tensor) and x.requires_grad]
    with enable_grad():
        ys = _floats(fn(*_leaves(given)))
    linked = [k for k, y in enumerate(ys) if y.requires_grad]
    dys = [wrap(rng.standard_normal(ys[k].shape)).requires_grad_() for k in linked]

    def gradients(*args: Any) -> list[Tensor]:
        inputs, weights = list(args[: len(given)]), args[len(given) :]
        for i in wanted:
            if not inputs[i].requires_grad:  # a moved one: still to be differentiated
                inputs[i] = wrap(inputs[i].array).requires_grad_()
        xs = [inputs[i] for i in wanted]
        if not linked:
            return [wrap(np.zeros(x.shape)) for x in xs]
        with enable_grad():
            ys = _floats(fn(*inputs))
            dxs = grad([ys[k] for k in linked], xs, weights, create_graph=True, allow_unused=True)
        return [
            wrap(np.zeros(x.shape)) if dx is None else dx for x, dx in zip(xs, dxs, strict=True)
        ]

    return gradients, [*given, *dys]
