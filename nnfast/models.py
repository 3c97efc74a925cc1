"""Small networks for images of 28 x 28 in one channel, such as MNIST's digits."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

from nnfast import nn
from nnfast.errors import fail


def lenet() -> nn.Sequential:
    """LeNet-5: two convolutions with average pooling, three linear layers, tanh; 10 classes.

    Shapes: (N, 1, 28, 28) -> (N, 10) scores. 61,706 parameters.

    Source: LeCun et al., Gradient-based learning applied to document recognition, 1998; with a
    padding of 2 for its 32 x 32 input, full connections in the second convolution, plain
    averages, and scores instead of radial basis functions.

    >>> import nnfast
    >>> lenet()(nnfast.zeros(2, 1, 28, 28)).shape
    (2, 10)
    """
    return nn.Sequential(
        nn.Conv2d(1, 6, kernel_size=5, padding=2),
        nn.Tanh(),
        nn.AvgPool2d(2),
        nn.Conv2d(6, 16, kernel_size=5),
        nn.Tanh(),
        nn.AvgPool2d(2),
        nn.Flatten(),
        nn.Linear(16 * 5 * 5, 120),
        nn.Tanh(),
        nn.Linear(120, 84),
        nn.Tanh(),
        nn.Linear(84, 10),
    )


def cnn(batch_norm: bool = True, dropout: float = 0.5) -> nn.Sequential:
    """A convolutional network with ReLU and max pooling; 10 classes.

    Shapes: (N, 1, 28, 28) -> (N, 10) scores. 421,738 parameters with batch normalization.

    >>> import nnfast
    >>> cnn()(nnfast.zeros(2, 1, 28, 28)).shape
    (2, 10)
    """

    def block(inputs: int, outputs: int) -> list[nn.Module]:
        conv = nn.Conv2d(inputs, outputs, kernel_size=3, padding=1, bias=not batch_norm)
        norm = [nn.BatchNorm2d(outputs)] if batch_norm else []
        return [conv, *norm, nn.ReLU(), nn.MaxPool2d(2)]

    return nn.Sequential(
        *block(1, 32),
        *block(32, 64),
        nn.Flatten(),
        nn.Linear(64 * 7 * 7, 128),
        nn.ReLU(),
        nn.Dropout(dropout),
        nn.Linear(128, 10),
    )


def mlp(*sizes: int) -> nn.Sequential:
    """Linear layers of these sizes (784, 128, 10 unless told) with ReLU between them.

    Shapes: (N, ...) with sizes[0] elements a row -> (N, sizes[-1]) scores.

    >>> import nnfast
    >>> mlp(784, 128, 10)(nnfast.zeros(2, 1, 28, 28)).shape
    (2, 10)
    """
    sizes = sizes or (784, 128, 10)
    if len(sizes) < 2:
        fail("mlp", "at least the sizes of input and output", f"{sizes}")
    layers: list[nn.Module] = [nn.Flatten()]
    for inputs, outputs in pairwise(sizes):
        layers += [nn.Linear(inputs, outputs), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


MODELS: dict[str, Callable[[], nn.Sequential]] = {"lenet": lenet, "cnn": cnn, "mlp": mlp}
