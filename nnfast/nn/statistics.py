"""How activations are distributed, layer by layer: what an initialization does to them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from nnfast.errors import DTypeError, fail
from nnfast.generator import Generator
from nnfast.graph.mode import no_grad
from nnfast.nn import init
from nnfast.nn.activation import ReLU, Tanh
from nnfast.nn.container import Sequential
from nnfast.nn.linear import Linear
from nnfast.nn.module import Module
from nnfast.nn.observe import leaves, observed
from nnfast.random import randn
from nnfast.tensor import Tensor

BINS = 50


class LayerStatistics(NamedTuple):
    """What one layer answered: moments, and a histogram of all values."""

    name: str
    kind: str
    mean: float
    std: float
    low: float
    high: float
    zeros: float  # part of the values that are 0
    counts: np.ndarray
    edges: np.ndarray


class ActivationStatistics(list[LayerStatistics]):
    """One entry a layer, in the order of the call; `str` is a table, `figure` histograms."""

    def __str__(self) -> str:
        rows: list[tuple[str, ...]] = [("layer", "kind", "mean", "std", "min", "max", "zeros")]
        rows += [
            (s.name, s.kind, *(f"{v:.4g}" for v in s[2:6]), f"{100 * s.zeros:.1f}%") for s in self
        ]
        widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
        lines = [
            "  ".join(
                v.ljust(w) if i < 2 else v.rjust(w)
                for i, (v, w) in enumerate(zip(row, widths, strict=True))
            ).rstrip()
            for row in rows
        ]
        return "\n".join(lines)

    __repr__ = __str__

    def figure(self, title: str = "") -> Any:
        """The histograms side by side, as a figure of matplotlib (the extra `plot`)."""
        return histograms({title: self})


def _statistics(name: str, module: Module, y: Tensor) -> LayerStatistics:
    a = y.numpy()
    wide = a.astype(np.float64)
    finite = wide[np.isfinite(wide)]
    counts, edges = np.histogram(finite, BINS)
    nothing = a.size == 0
    low, high = (np.nan, np.nan) if nothing else (wide.min(), wide.max())
    return LayerStatistics(
        name,
        type(module).__name__,
        np.nan if nothing else float(wide.mean()),
        np.nan if nothing else float(wide.std()),
        float(low),
        float(high),
        np.nan if nothing else float((a == 0).mean()),
        counts,
        edges,
    )


def activation_statistics(
    model: Module, *inputs: Any, kinds: type | tuple[type, ...] | None = None
) -> ActivationStatistics:
    """What the layers of `model` answer when it is called with the inputs, without gradients.

    All modules that hold no others, or those of `kinds` alone; one that is called twice counts
    twice.

    >>> import nnfast
    >>> from nnfast import nn
    >>> model = nn.Sequential(nn.ReLU(), nn.Tanh())
    >>> nn.activation_statistics(model, nnfast.tensor([-1.0, 1.0]))
    layer  kind    mean     std  min     max  zeros
    0      ReLU     0.5     0.5    0       1  50.0%
    1      Tanh  0.3808  0.3808    0  0.7616  50.0%
    """
    if not isinstance(model, Module):
        fail("activation_statistics", "a module", repr(model), error=DTypeError)
    names = {m: name for name, m in leaves(model) if kinds is None or isinstance(m, kinds)}
    found = ActivationStatistics()

    def see(module: Module, y: Any) -> None:
        if isinstance(y, Tensor):
            found.append(_statistics(names[module], module, y))

    with no_grad(), observed(list(names), see):
        model(*inputs)
    return found


# ---- the experiment of deep nets ----------------------------------------------------------------

INITIALIZATIONS: dict[str, tuple[type, Callable[..., Any]]] = {
    "small random numbers, tanh": (Tanh, lambda w, g: init.normal_(w, 0, 0.01, g)),
    "large random numbers, tanh": (Tanh, lambda w, g: init.normal_(w, 0, 0.05, g)),
    "Xavier, tanh": (Tanh, lambda w, g: init.xavier_normal_(w, 1.0, g)),
    "Xavier, ReLU": (ReLU, lambda w, g: init.xavier_normal_(w, 1.0, g)),
    "Kaiming, ReLU": (ReLU, lambda w, g: init.kaiming_normal_(w, generator=g)),
}


def initialization_experiment(
    width: int = 4096, depth: int = 6, batch: int = 16, seed: int = 0
) -> dict[str, ActivationStatistics]:
    """Activations of a deep net after five ways to draw its weights, normal inputs.

    Small random numbers (standard deviation 0.01) shrink to 0 from layer to layer; large ones
    (0.05) saturate tanh; Xavier's are about right for tanh, and shrink with relu; Kaiming's keep
    their size with relu.

    Source: Glorot and Bengio, 2010; He et al., 2015.

    >>> from nnfast.nn.statistics import initialization_experiment
    >>> found = initialization_experiment(width=64, depth=3)
    >>> [bool(found[how][-1].std > 0.1) for how in ("small random numbers, tanh", "Kaiming, ReLU")]
    [False, True]
    """
    found = {}
    for how, (activation, draw) in INITIALIZATIONS.items():
        generator = Generator().manual_seed(seed)
        x = randn(batch, width, generator=generator)
        model = Sequential()
        for i in range(depth):
            layer = Linear(width, width, bias=False)
            draw(layer.weight, generator)
            model.add_module(f"layer {i + 1}", Sequential(layer, activation()))
        found[how] = activation_statistics(model, x, kinds=activation)
    return found


def histograms(found: dict[str, ActivationStatistics]) -> Any:
    """A row of histograms for each entry, as a figure of matplotlib (the extra `plot`)."""
    try:
        from matplotlib.figure import Figure
    except ImportError as e:
        raise ImportError("expected matplotlib for a figure: pip install 'nnfast[plot]'") from e
    columns = max(map(len, found.values()), default=1)
    figure = Figure(figsize=(2.2 * columns, 2.0 * len(found)), layout="constrained")
    axes = figure.subplots(len(found), columns, squeeze=False)
    for row, (how, layers) in zip(axes, found.items(), strict=True):
        for ax in row[len(layers) :]:
            ax.set_axis_off()
        for ax, s in zip(row, layers, strict=False):
            ax.stairs(s.counts, s.edges, fill=True)
            ax.set_title(f"{s.name}\nmean {s.mean:.2g}, std {s.std:.2g}", fontsize=7)
            ax.set_yticks([])
            ax.tick_params(labelsize=6)
        row[0].set_ylabel(how, fontsize=7)
    return figure
