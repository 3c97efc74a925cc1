"""Pieces of losses."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.specs.softmax import IGNORED, chosen, class_cases, classes
from tests.specs.spec import Array, Case, Spec, elementwise_cases


def select_class_backward(dy: Array, target: Array, classes: int) -> Array:
    hot = chosen(np.zeros((*dy.shape[:1], classes, *dy.shape[1:])), target)
    return hot * np.expand_dims(dy, 1)


def _probabilities(rng: np.random.Generator, shape: tuple[int, ...], name: str) -> Array:
    """Away from 0 and 1, where the gradient has no bound."""
    return rng.standard_normal(shape) if name == "dy" else rng.uniform(0.05, 0.95, shape)


def _sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def bce(x: Array, t: Array) -> Array:
    return -(t * np.log(x) + (1 - t) * np.log1p(-x))


def nll(x: Array, target: Array, reduction: str = "none") -> Any:
    each, count = (x * chosen(x, target)).sum(1), (target != IGNORED).sum()
    return -{"none": each, "sum": each.sum(), "mean": each.sum() / count}[reduction], count


def nll_backward(
    dy: Array, target: Array, count: Array, classes: int, reduction: str = "none"
) -> Array:
    each = np.broadcast_to(dy / count if reduction == "mean" else dy, target.shape)
    return -select_class_backward(each, target, classes)


def _all_losses(*names: str) -> list[Case]:
    """Every reduction; of several threads too."""
    cases = [Case(c.shapes, {"reduction": "none"}) for c in class_cases(*names)]
    for r in ("mean", "sum"):
        cases += class_cases(*names, reduction=r)
        large = {"input": (40, 3, 1000), "target": (40, 1000)}
        cases += [Case(tuple(large.get(n, ()) for n in names), {"reduction": r})]
    return cases


_SELECT = [*class_cases("input", "target"), Case(((40, 3, 1000), (40, 1000)))]
SPECS: dict[str, Any] = {
    "select_class": Spec(
        _SELECT,
        lambda x, target: (x * chosen(x, target)).sum(1),
        sample=classes,
        ulp=0,
    ),
    "select_class_backward": Spec(
        [Case((c.shapes[1], c.shapes[1]), {"classes": (c.shapes[0] or ())[1]}) for c in _SELECT],
        select_class_backward,
        sample=classes,
        ulp=0,
    ),
    "nll": Spec(
        _all_losses("input", "target"),
        nll,
        sample=classes,
        terms=lambda x, target, reduction: (target.size if reduction != "none" else 0, 0),
        magnitude=lambda x, target, reduction: nll(-abs(x), target, reduction),
    ),
    "nll_backward": Spec(
        [
            Case(c.shapes[1:], {"classes": (c.shapes[0] or ())[1], **c.kwargs})
            for c in _all_losses("input", "dy", "target", "count")
        ],
        nll_backward,
        sample=classes,
        constant=("count",),
    ),
    "bce": Spec(elementwise_cases(2), bce, sample=_probabilities, ulp=6),
    "bce_backward": Spec(
        elementwise_cases(3),
        lambda dy, x, t: dy * (x - t) / (x * (1 - x)),
        sample=_probabilities,
        ulp=6,
    ),
    "bce_with_logits": Spec(
        elementwise_cases(2),
        lambda x, t: np.maximum(x, 0) - x * t + np.log1p(np.exp(-abs(x))),
        magnitude=lambda x, t: np.maximum(x, 0) + abs(x * t) + np.log1p(np.exp(-abs(x))),
        ulp=6,
    ),
    "bce_with_logits_backward": Spec(
        elementwise_cases(3),
        lambda dy, x, t: dy * (_sigmoid(x) - t),
        magnitude=lambda dy, x, t: abs(dy) * (_sigmoid(x) + abs(t)),
        ulp=4,
    ),
}
