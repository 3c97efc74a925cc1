"""Single neurons with update rules of their own, older than the backward pass."""

from __future__ import annotations

from nnfast.errors import fail
from nnfast.graph.mode import no_grad, only_eagerly
from nnfast.nn.linear import Linear
from nnfast.ops.update import add_
from nnfast.tensor import Tensor


class Neuron(Linear):
    """Neurons that learn example by example from target - output. Weights start at 0."""

    def __init__(self, in_features: int, out_features: int = 1, bias: bool = True) -> None:
        super().__init__(in_features, out_features, bias)

    def reset_parameters(self) -> None:
        """Forget everything."""
        only_eagerly("reset_parameters")
        for p in self.parameters():
            p.array[...] = 0
            p._version += 1

    def learn(self, input: Tensor, target: Tensor, lr: float = 1.0) -> Tensor:
        """One pass over the examples in order: w = w + lr (d - y) x, b = b + lr (d - y).

        y is the neuron's own output before the update. Shapes: input (N, in_features), target
        (N, out_features), or (N,) for one neuron. Returns the sum of (d - y)^2.
        """
        d = target.reshape(-1, 1) if target.ndim == 1 else target
        if input.ndim != 2 or d.shape != (input.shape[0], self.out_features):
            expected = f"input (N, {self.in_features}) and target (N, {self.out_features})"
            fail(f"{type(self).__name__}.learn", expected, f"{input.shape} and {target.shape}")
        total = input[:0].sum()
        with no_grad():
            for i in range(input.shape[0]):
                x = input[i : i + 1]
                error = d[i : i + 1].to(x.dtype) - self(x)
                add_(self.weight, (error * lr).T @ x)
                if self.bias is not None:
                    add_(self.bias, (error * lr).reshape(-1))
                total = total + (error * error).sum()
        return total


class Perceptron(Neuron):
    """y = 1 if w . x + b > 0, else 0; `learn` is Rosenblatt's update w = w + lr (d - y) x.

    Of examples that a plane can separate it makes finitely many mistakes: at most (R / m)^2, where
    R is the largest |(x, 1)| and m the margin of the best plane.

    Shapes: (*, in_features) -> (*, out_features).

    Source: Rosenblatt, The perceptron: a probabilistic model for information storage and
    organization in the brain, Psychological Review 65, 1958.

    >>> import nnfast
    >>> x = nnfast.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    >>> neuron = nnfast.nn.Perceptron(2)
    >>> while neuron.learn(x, nnfast.tensor([0, 0, 0, 1])).item() > 0:
    ...     pass
    >>> neuron(x).squeeze(1)
    tensor([0., 0., 0., 1.])
    """

    def forward(self, input: Tensor) -> Tensor:
        return (super().forward(input) > 0).to(input.dtype)


class Adaline(Neuron):
    """y = w . x + b; `learn` is the delta rule w = w + lr (d - y) x of Widrow and Hoff.

    A step down the gradient of (d - y)^2 / 2, for one example at a time.

    Shapes: (*, in_features) -> (*, out_features).

    Source: Widrow and Hoff, Adaptive switching circuits, IRE WESCON, 1960.

    >>> import nnfast
    >>> neuron = nnfast.nn.Adaline(1)
    >>> for _ in range(200):
    ...     loss = neuron.learn(nnfast.tensor([[0.0], [1.0]]), nnfast.tensor([1.0, 3.0]), 0.5)
    >>> print(f"{neuron.weight.item():.3f} {neuron.bias.item():.3f}")
    2.000 1.000
    """
