"""A step length that fulfils the strong Wolfe conditions."""

from __future__ import annotations

from collections.abc import Callable
from math import sqrt
from typing import NamedTuple

from nnfast.tensor import Tensor

_DECREASE, _CURVATURE = 1e-4, 0.9
_TRIES = 25


class Point(NamedTuple):
    """The function along the direction at step length t."""

    t: float
    loss: float
    grad: Tensor
    slope: float  # grad . direction


def strong_wolfe(
    evaluate: Callable[[float], Point], start: Point, t: float, size: float, tolerance: float
) -> tuple[Point, int]:
    """A point where the loss fell enough and the slope is flat enough, and how many were tried.

    loss <= start.loss + 1e-4 t start.slope and |slope| <= 0.9 |start.slope|. `size`, the largest
    element of the direction, and `tolerance` say when an interval is too small to go on.

    Source: Nocedal and Wright, Numerical optimization, algorithms 3.5 and 3.6.
    """
    before, now = start, evaluate(t)
    tries = 0
    while tries < _TRIES:
        if _too_high(now, start) or (tries > 1 and now.loss >= before.loss):
            break
        if _is_flat(now, start):
            return now, tries + 1
        if now.slope >= 0:
            break
        bounds = now.t + 0.01 * (now.t - before.t), 10 * now.t
        before, now = now, evaluate(_lowest(before, now, *bounds))
        tries += 1
    else:
        before = start
    low, more = _zoom(evaluate, start, [before, now], _TRIES - tries, size, tolerance)
    return low, tries + more + 1


def _zoom(
    evaluate: Callable[[float], Point],
    start: Point,
    ends: list[Point],
    tries: int,
    size: float,
    tolerance: float,
) -> tuple[Point, int]:
    """Shrink an interval that holds a good point; its lower end, and how many were tried."""
    stuck = False
    low = 0 if ends[0].loss <= ends[1].loss else 1
    for n in range(tries):
        left, right = sorted((ends[0].t, ends[1].t))
        if (right - left) * size < tolerance:
            return ends[low], n
        t, stuck = _inside(_lowest(ends[0], ends[1], left, right), left, right, stuck)
        now = evaluate(t)
        if _too_high(now, start) or now.loss >= ends[low].loss:
            ends[1 - low] = now
            low = 0 if ends[0].loss <= ends[1].loss else 1
            continue
        if _is_flat(now, start):
            return now, n + 1
        if now.slope * (ends[1 - low].t - ends[low].t) >= 0:
            ends[1 - low] = ends[low]
        ends[low] = now
    return ends[low], tries


def _too_high(now: Point, start: Point) -> bool:
    return now.loss > start.loss + _DECREASE * now.t * start.slope


def _is_flat(now: Point, start: Point) -> bool:
    return abs(now.slope) <= -_CURVATURE * start.slope


def _inside(t: float, left: float, right: float, stuck: bool) -> tuple[float, bool]:
    """t, moved away from an end that it came near to twice; whether it is near one."""
    margin = 0.1 * (right - left)
    if min(right - t, t - left) >= margin:
        return t, False
    if not (stuck or t >= right or t <= left):
        return t, True
    return (right - margin if abs(t - right) < abs(t - left) else left + margin), False


def _lowest(a: Point, b: Point, left: float, right: float) -> float:
    """Where the cubic through two points with their slopes is lowest, from left to right."""
    if a.t > b.t:
        a, b = b, a
    c = a.slope + b.slope - 3 * (a.loss - b.loss) / (a.t - b.t)
    square = c * c - a.slope * b.slope
    if not square >= 0:
        return (left + right) / 2
    root = sqrt(square)
    t = b.t - (b.t - a.t) * ((b.slope + root - c) / (b.slope - a.slope + 2 * root))
    return min(max(t, left), right)
