"""Elementwise functions with broadcasting."""

from __future__ import annotations

import numpy as np

from tests.specs.spec import Spec, away_from, elementwise_cases

SPECS = {
    "add": Spec(elementwise_cases(2), np.add, magnitude=lambda a, b: abs(a) + abs(b)),
    "relu": Spec(
        elementwise_cases(1), lambda x: np.maximum(x, 0), sample=away_from(0), smooth=False
    ),
    "relu_backward": Spec(
        elementwise_cases(2), lambda dy, y: np.where(y > 0, dy, 0), sample=away_from(0), smooth=False
    ),
}
