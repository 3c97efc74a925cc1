"""Forward and reverse mode, and the best order to multiply a chain of Jacobians.

The derivative of y = f_k(... f_2(f_1(x))) is the product J_k ... J_2 J_1. Forward mode multiplies
from the right (from x on), reverse mode from the left (from y on); any order gives the same matrix,
at another price. This program counts multiplications and measures times.

    python examples/forward_and_reverse.py [--scale 4]
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import cache
from itertools import pairwise
from time import perf_counter
from typing import Any

import numpy as np

import nnfast
from nnfast.autograd.functional import jacobian

Order = int | tuple[Any, Any]  # the number of a matrix, or (left, right)


def multiplications(order: Order, sizes: list[int]) -> int:
    """Of a product in this order, matrix i being sizes[i] x sizes[i + 1]."""
    if isinstance(order, int):
        return 0
    left, right = order
    first, middle, last = edges(left)[0], edges(right)[0], edges(right)[1] + 1
    own = sizes[first] * sizes[middle] * sizes[last]
    return own + multiplications(left, sizes) + multiplications(right, sizes)


def edges(order: Order) -> tuple[int, int]:
    """Its first and its last matrix."""
    if isinstance(order, int):
        return order, order
    return edges(order[0])[0], edges(order[1])[1]


def reverse_order(n: int) -> Order:
    """((J_k J_{k-1}) ...) J_1."""
    order: Order = 0
    for i in range(1, n):
        order = (order, i)
    return order


def forward_order(n: int) -> Order:
    """J_k (... (J_2 J_1))."""
    order: Order = n - 1
    for i in reversed(range(n - 1)):
        order = (i, order)
    return order


def best_order(sizes: list[int]) -> Order:
    """The cheapest order of all, by dynamic programming over parts of the chain."""

    @cache
    def best(first: int, last: int) -> Order:
        if first == last:
            return first
        splits = [(best(first, i), best(i + 1, last)) for i in range(first, last)]
        return min(splits, key=lambda order: multiplications(order, sizes))

    return best(0, len(sizes) - 2)


def show(order: Order, n: int) -> str:
    """With brackets; matrix i is J_{n - i}."""
    if isinstance(order, int):
        return f"J{n - order}"
    return f"({show(order[0], n)} {show(order[1], n)})"


def product(order: Order, matrices: list[nnfast.Tensor]) -> nnfast.Tensor:
    """Multiplied in this order."""
    if isinstance(order, int):
        return matrices[order]
    return product(order[0], matrices) @ product(order[1], matrices)


def seconds(work: Callable[[], Any], repeats: int = 5) -> float:
    """The least time of several calls."""
    times = []
    for _ in range(repeats):
        start = perf_counter()
        work()
        times.append(perf_counter() - start)
    return min(times)


def chains(scale: int) -> None:
    """Orders of three chains: count and time."""
    rng = np.random.default_rng(0)
    shapes = {
        "few outputs (a loss)": [1, 64, 64, 64],
        "few inputs (a curve)": [64, 64, 64, 1],
        "narrow in the middle": [64, 64, 4, 64, 64],
    }
    for name, widths in shapes.items():
        sizes = [w if w == 1 else w * scale for w in widths]
        n = len(sizes) - 1
        matrices = [
            nnfast.from_numpy(rng.standard_normal(s).astype(np.float32)) for s in pairwise(sizes)
        ]
        print(f"\n{name}: " + " x ".join(map(str, sizes)))
        orders = {"forward": forward_order(n), "reverse": reverse_order(n)}
        for mode, order in {**orders, "best": best_order(sizes)}.items():
            time = seconds(lambda order=order, m=matrices: product(order, m))
            count = multiplications(order, sizes)
            print(f"  {mode:8} {count:12,} multiplications {time * 1e6:9.0f} us  {show(order, n)}")


def modes(scale: int) -> None:
    """Whole Jacobians of a net with few outputs, and of one with few inputs."""
    nnfast.manual_seed(0)
    for inputs, outputs in ((32 * scale, 2), (2, 32 * scale)):
        hidden = nnfast.nn.Linear(inputs, 64)
        out = nnfast.nn.Linear(64, outputs)
        x = nnfast.rand(inputs)

        def net(x: nnfast.Tensor, hidden: Any = hidden, out: Any = out) -> nnfast.Tensor:
            y: nnfast.Tensor = out(hidden(x.unsqueeze(0)).tanh()).squeeze(0)
            return y

        print(f"\na net of {inputs} inputs and {outputs} outputs, its Jacobian in")
        found = []
        for mode, passes in (("forward-mode", inputs), ("reverse-mode", outputs)):
            time = seconds(lambda m=mode, f=net, x=x: jacobian(f, x, strategy=m), repeats=2)
            found.append(jacobian(net, x, strategy=mode).numpy())
            print(f"  {mode}: {passes:4} passes {time * 1e3:9.2f} ms")
        np.testing.assert_allclose(*found, rtol=1e-4, atol=1e-6)


def main(arguments: list[str] | None = None) -> None:
    """Both tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--scale", type=int, default=4, help="how large the matrices are")
    scale = parser.parse_args(arguments).scale
    chains(scale)
    modes(scale)


if __name__ == "__main__":
    main()
