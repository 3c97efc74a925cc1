"""Pieces of losses."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.specs.softmax import chosen, class_cases, classes
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
