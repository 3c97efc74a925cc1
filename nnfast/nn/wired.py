"""Randomly wired blocks: convolutions connected as a random graph says."""

from __future__ import annotations

import numpy as np

from nnfast import ops
from nnfast.errors import fail
from nnfast.nn import init
from nnfast.nn.checks import number, whole
from nnfast.nn.container import ModuleList, Sequential
from nnfast.nn.conv import Conv2d
from nnfast.nn.linear import empty_parameter
from nnfast.nn.module import Module
from nnfast.nn.norm import BatchNorm2d
from nnfast.nn.parameter import Parameter
from nnfast.random import randint
from nnfast.tensor import Tensor


def watts_strogatz(nodes: int, k: int, p: float, seed: int) -> list[tuple[int, ...]]:
    """The nodes that each node listens to, all of a lower number: a random graph made acyclic.

    Nodes on a ring know their k / 2 neighbours at either side; each edge in turn is given another
    end with probability p. Edges point from the lower number to the higher.

    Source: Watts and Strogatz, Collective dynamics of small-world networks, Nature 393, 1998.

    >>> from nnfast.nn.wired import watts_strogatz
    >>> watts_strogatz(5, 2, 0.0, seed=0)
    [(), (0,), (1,), (2,), (0, 3)]
    """
    rng = np.random.default_rng(seed)
    known: list[set[int]] = [set() for _ in range(nodes)]
    for step in range(1, k // 2 + 1):
        for i in range(nodes):
            known[i].add((i + step) % nodes)
            known[(i + step) % nodes].add(i)
    for step in range(1, k // 2 + 1):
        for i in range(nodes):
            j = (i + step) % nodes
            free = [m for m in range(nodes) if m != i and m not in known[i]]
            if j in known[i] and free and rng.random() < p:
                other = free[int(rng.integers(len(free)))]
                known[i].remove(j)
                known[j].remove(i)
                known[i].add(other)
                known[other].add(i)
    return [tuple(sorted(j for j in known[i] if j < i)) for i in range(nodes)]


class _Node(Module):
    """The inputs' sum, each weighed by a sigmoid; ReLU, separable 3 x 3 convolution, batch norm."""

    weight: Parameter | None

    def __init__(self, inputs: int, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        weight = empty_parameter(inputs) if inputs > 1 else None
        self.register_parameter("weight", weight)
        if weight is not None:
            init.zeros_(weight)
        self.op = Sequential(
            Conv2d(in_channels, in_channels, 3, stride, 1, groups=in_channels, bias=False),
            Conv2d(in_channels, out_channels, 1, bias=False),
            BatchNorm2d(out_channels),
        )

    def forward(self, *inputs: Tensor) -> Tensor:
        total = inputs[0]
        if self.weight is not None:
            gate = ops.sigmoid(self.weight)
            total = total * gate[0]
            for i, x in enumerate(inputs[1:], 1):
                total = total + x * gate[i]
        y: Tensor = self.op(ops.relu(total))
        return y


class RandomlyWired(Module):
    """A stage of convolutions wired at random, fixed when it is made.

    Each of `nodes` nodes adds the outputs of the nodes that the graph (Watts and Strogatz, k
    neighbours, rewired with probability p) connects it to, with learned weights between 0 and 1,
    and computes ReLU, a separable 3 x 3 convolution and batch norm. Nodes without such inputs see
    the input of the block (with `stride`); the mean of those that nobody listens to is its output.

    Shapes: (N, in_channels, H, W) -> (N, out_channels, ceil(H / stride), ceil(W / stride)).
    `seed` makes the graph; None draws one from the default generator.

    Source: Xie, Kirillov, Girshick and He, Exploring randomly wired neural networks for image
    recognition, ICCV 2019.

    >>> import nnfast
    >>> block = nnfast.nn.RandomlyWired(3, 8, nodes=6, stride=2, seed=1)
    >>> block(nnfast.ones(2, 3, 9, 8)).shape
    (2, 8, 5, 4)
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        nodes: int = 32,
        k: int = 4,
        p: float = 0.75,
        stride: int = 2,
        seed: int | None = None,
    ) -> None:
        super().__init__()
        where = "RandomlyWired"
        whole(where, "nodes", nodes, least=2)
        number(where, "p", p, 0, 1)
        if whole(where, "k", k, least=2) % 2 or k >= nodes:
            fail(where, f"an even k below nodes={nodes}", f"k={k}")
        drawn = int(randint(2**31, ()).item()) if seed is None else seed
        self.inputs = tuple(watts_strogatz(nodes, k, p, drawn))
        heard = {j for inputs in self.inputs for j in inputs}
        self.outputs = tuple(i for i in range(nodes) if i not in heard)
        self.nodes = ModuleList(
            _Node(len(inputs), out_channels, out_channels, 1)
            if inputs
            else _Node(1, in_channels, out_channels, stride)
            for inputs in self.inputs
        )

    def forward(self, input: Tensor) -> Tensor:
        found: list[Tensor] = []
        for node, inputs in zip(self.nodes, self.inputs, strict=True):
            found.append(node(*[found[j] for j in inputs]) if inputs else node(input))
        total = found[self.outputs[0]]
        for i in self.outputs[1:]:
            total = total + found[i]
        return total * (1.0 / len(self.outputs))

    def extra_repr(self) -> str:
        edges = sum(map(len, self.inputs))
        return f"{len(self.inputs)} nodes, {edges} edges, {len(self.outputs)} outputs"
