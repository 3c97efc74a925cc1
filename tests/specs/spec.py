"""What a test needs to know of an op. tests/test_ops.py derives all its tests from it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

Array = np.ndarray
Shape = tuple[int, ...] | None  # None: an optional input that is absent
WITH_INTEGERS = ("float32", "float64", "int64")


@dataclass(frozen=True)
class Case:
    """Shapes of the op's inputs, in order, and its other arguments."""

    shapes: tuple[Shape, ...]
    kwargs: dict[str, Any] = field(default_factory=dict)
    args: tuple[Any, ...] = ()  # positional ones after the inputs, where there is no keyword

    def __str__(self) -> str:
        return f"{self.shapes}{self.args or ''}{self.kwargs or ''}"


def normal(rng: np.random.Generator, shape: tuple[int, ...], name: str) -> Array:
    """Standard normal float64: the default way to draw an input."""
    return rng.standard_normal(shape)


def away_from(*points: float, by: float = 0.05) -> Callable[..., Array]:
    """Normal, but at least `by` from kinks, where a difference quotient means nothing."""

    def draw(rng: np.random.Generator, shape: tuple[int, ...], name: str) -> Array:
        x = rng.standard_normal(shape)
        for p in points:
            x = np.where(np.abs(x - p) < by, p + np.copysign(by, x - p) + (x - p), x)
        return x

    return draw


@dataclass(frozen=True)
class Spec:
    """How an op is tested.

    `sample(rng, shape, name)` draws an input: float64 (which is then rounded to the dtype under
    test), or int64 or bool as they stand.

    `reference(*arrays, *args, **kwargs)` gives the output, or a tuple of outputs, in NumPy; of an
    op that changes inputs in place, their new values. Floating-point arrays are float64.

    The error allowed per output element is

        epsilon * (ulp + terms(*arrays, ...)) * magnitude(*arrays, ...)

    where `terms` counts the additions behind one element and `magnitude` is what the sum would
    be without cancellation (the reference of absolute values; default |reference|). Either may
    answer a tuple, one for each output. float64 gets twice that, for the reference's own error.
    """

    cases: list[Case]  # at least one of them large enough for several threads
    reference: Callable[..., Any]
    sample: Callable[[np.random.Generator, tuple[int, ...], str], Array] = normal
    terms: Callable[..., Any] | None = None
    magnitude: Callable[..., Any] | None = None
    ulp: float = 2.0  # stated error of the functions inside, besides the additions
    grad: bool = True  # has a gradient, and a gradient of the gradient
    grad_cases: list[Case] | None = None  # those where a gradient is not all cancellation
    dtypes: tuple[str, ...] = ("float32", "float64")
    constant: tuple[str, ...] = ()  # float inputs without gradient on purpose


def same_shape_cases(arity: int, **kwargs: Any) -> list[Case]:
    """Sizes 0, 1, every size to two 64-byte vectors of float32 + 1, and one of several tasks."""
    return [Case((s,) * arity, kwargs) for s in [*((n,) for n in range(34)), (300, 257)]]


def elementwise_cases(arity: int, **kwargs: Any) -> list[Case]:
    """The same, and broadcasting."""
    cases = same_shape_cases(arity, **kwargs)
    cases += [
        Case(((3, 1, 5), (4, 1), (1,))[:arity], kwargs),
        Case(((), (2, 3), (3,))[:arity], kwargs),
    ]
    return cases


def all_specs() -> dict[str, Spec]:
    """Every SPECS of the files beside this one, by op name."""
    specs: dict[str, Spec] = {}
    for path in sorted(Path(__file__).parent.glob("[a-z]*.py")):
        if path.stem != "spec":
            found = import_module(f"tests.specs.{path.stem}").SPECS
            assert not specs.keys() & found.keys(), f"declared twice: {specs.keys() & found.keys()}"
            specs.update(found)
    return specs
