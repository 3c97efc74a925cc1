"""The networks of the subjects `steps` and `inference`, written once for every library.

A function takes a library that has `nn` and `nn.functional` under PyTorch's names (nnfast, torch,
or a stand-in of bench/stand_in.py) and returns a module.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np

IMAGENET = 1000  # classes


@dataclass(frozen=True)
class Model:
    """A network, what goes into it and what it learns."""

    make: Callable[[Any], Any]
    shape: tuple[int, ...]  # of one input
    classes: int = 10  # 0: it learns to give back its input
    tokens: int = 0  # inputs are numbers below this

    def batch(self, count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Inputs and what is to be learned of them."""
        shape = (count, *self.shape)
        if self.tokens:
            x = rng.integers(0, self.tokens, shape)
            return x, rng.integers(0, self.classes, shape)
        x = rng.random(shape, np.float32)
        return x, rng.integers(0, self.classes, count) if self.classes else x

    def loss(self, lib: Any, module: Any, x: Any, y: Any) -> Any:
        """Mean cross entropy of classes, or squared error."""
        out = module(x)
        if not self.classes:
            return lib.nn.functional.mse_loss(out, y)
        return lib.nn.functional.cross_entropy(out.reshape(-1, self.classes), y.reshape(-1))


def mlp(lib: Any, *sizes: int) -> Any:
    """Linear layers with ReLU between them."""
    layers: list[Any] = []
    for inputs, outputs in pairwise(sizes):
        layers += [lib.nn.Linear(inputs, outputs), lib.nn.ReLU()]
    return lib.nn.Sequential(*layers[:-1])


def autoencoder(lib: Any, *sizes: int) -> Any:
    """An MLP down to the last size and back; numbers between 0 and 1."""
    return lib.nn.Sequential(mlp(lib, *sizes, *sizes[-2::-1]), lib.nn.Sigmoid())


def lenet(lib: Any) -> Any:
    """LeNet-5 with tanh and average pooling, for 28 x 28."""
    nn = lib.nn
    return nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2),
        nn.Tanh(),
        nn.AvgPool2d(2),
        nn.Conv2d(6, 16, 5),
        nn.Tanh(),
        nn.AvgPool2d(2),
        nn.Flatten(),
        mlp_tanh(lib, 400, 120, 84, 10),
    )


def mlp_tanh(lib: Any, *sizes: int) -> Any:
    """Linear layers with tanh between them."""
    layers: list[Any] = []
    for inputs, outputs in pairwise(sizes):
        layers += [lib.nn.Linear(inputs, outputs), lib.nn.Tanh()]
    return lib.nn.Sequential(*layers[:-1])


def cnn(lib: Any, first: int, second: int) -> Any:
    """Two 3 x 3 convolutions with max pooling, two linear layers with dropout, for 28 x 28."""
    nn = lib.nn
    return nn.Sequential(
        nn.Conv2d(1, first, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(first, second, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(49 * second, 128),
        nn.ReLU(),
        nn.Dropout(0.5),
        nn.Linear(128, 10),
    )


def vgg(lib: Any, size: int, *widths: int) -> Any:
    """Two 3 x 3 convolutions with batch norm for each width, max pooling after them."""
    nn = lib.nn
    layers: list[Any] = []
    before = 3
    for width in widths:
        for inputs in (before, width):
            layers += [nn.Conv2d(inputs, width, 3, padding=1, bias=False)]
            layers += [nn.BatchNorm2d(width), nn.ReLU()]
        layers += [nn.MaxPool2d(2)]
        before = width
    area = (size >> len(widths)) ** 2
    return nn.Sequential(*layers, nn.Flatten(), mlp(lib, area * before, 2 * before, 10))


def _residual(lib: Any, inputs: int, outputs: int, stride: int) -> Any:
    nn, F = lib.nn, lib.nn.functional

    class Block(nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
            self.bn1 = nn.BatchNorm2d(outputs)
            self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
            self.bn2 = nn.BatchNorm2d(outputs)
            self.downsample = nn.Identity()
            if stride > 1 or inputs != outputs:
                projection = nn.Conv2d(inputs, outputs, 1, stride, bias=False)
                self.downsample = nn.Sequential(projection, nn.BatchNorm2d(outputs))

        def forward(self, x: Any) -> Any:
            y = F.relu(self.bn1(self.conv1(x)))
            return F.relu(self.bn2(self.conv2(y)) + self.downsample(x))

    return Block()


def _stages(lib: Any, widths: Sequence[int], blocks: int) -> list[Any]:
    layers = []
    before = widths[0]
    for width in widths:
        for k in range(blocks):
            stride = 2 if k == 0 and width != widths[0] else 1
            layers.append(_residual(lib, before, width, stride))
            before = width
    return layers


def _head(lib: Any, width: int, classes: int) -> list[Any]:
    nn = lib.nn
    return [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, classes)]


def resnet_cifar(lib: Any, widths: Sequence[int] = (16, 32, 64), blocks: int = 3) -> Any:
    """ResNet-20 (He et al., 2016) for images of 32 x 32, with projections."""
    nn = lib.nn
    stem = [nn.Conv2d(3, widths[0], 3, padding=1, bias=False), nn.BatchNorm2d(widths[0]), nn.ReLU()]
    return nn.Sequential(*stem, *_stages(lib, widths, blocks), *_head(lib, widths[-1], 10))


def resnet18(lib: Any, widths: Sequence[int] = (64, 128, 256, 512)) -> Any:
    """ResNet-18 (He et al., 2016) for large images."""
    nn = lib.nn
    stem = [nn.Conv2d(3, widths[0], 7, 2, 3, bias=False), nn.BatchNorm2d(widths[0]), nn.ReLU()]
    stem.append(nn.MaxPool2d(3, 2, 1))
    return nn.Sequential(*stem, *_stages(lib, widths, 2), *_head(lib, widths[-1], IMAGENET))


def gpt(lib: Any, layers: int, width: int, heads: int, length: int, tokens: int) -> Any:
    """A decoder of pre-norm transformer blocks, as GPT-2's, over texts of one length."""
    nn, F = lib.nn, lib.nn.functional

    class Block(nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
            self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
            self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

        def forward(self, x: Any) -> Any:
            qkv = self.qkv(self.norm1(x)).unflatten(-1, (3, heads, width // heads))
            q, k, v = (qkv[:, :, i].transpose(1, 2) for i in range(3))
            mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True)
            x = x + self.out(mixed.transpose(1, 2).flatten(2))
            return x + self.down(F.gelu(self.up(self.norm2(x))))

    class Decoder(nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.tokens, self.positions = nn.Embedding(tokens, width), nn.Embedding(length, width)
            self.blocks = nn.Sequential(*(Block() for _ in range(layers)))
            self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, tokens)

        def forward(self, x: Any) -> Any:
            return self.head(self.norm(self.blocks(self.tokens(x) + self.positions.weight)))

    return Decoder()


def lstm(lib: Any, inputs: int, width: int) -> Any:
    """One LSTM over a sequence; its last output is classified."""
    nn = lib.nn

    class Last(nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.lstm, self.head = nn.LSTM(inputs, width, batch_first=True), nn.Linear(width, 10)

        def forward(self, x: Any) -> Any:
            return self.head(self.lstm(x)[0][:, -1])

    return Last()


MODELS = {
    "MLP 2-8-2": Model(lambda lib: mlp(lib, 2, 8, 2), (2,), 2),
    "MLP 784-128-10": Model(lambda lib: mlp(lib, 784, 128, 10), (784,)),
    "MLP 784-1024x3-10": Model(lambda lib: mlp(lib, 784, 1024, 1024, 1024, 10), (784,)),
    "autoencoder 784-128-32": Model(lambda lib: autoencoder(lib, 784, 128, 32), (784,), 0),
    "LeNet-5": Model(lenet, (1, 28, 28)),
    "CNN 32-64": Model(lambda lib: cnn(lib, 32, 64), (1, 28, 28)),
    "VGG 64-128-256, 32x32": Model(lambda lib: vgg(lib, 32, 64, 128, 256), (3, 32, 32)),
    "ResNet-20": Model(resnet_cifar, (3, 32, 32)),
    "ResNet-18, 64x64": Model(resnet18, (3, 64, 64), IMAGENET),
    "ResNet-18, 224x224": Model(resnet18, (3, 224, 224), IMAGENET),
    "GPT 4x128, T=64": Model(partial(gpt, layers=4, width=128, heads=4, length=64, tokens=65),
                             (64,), 65, 65),
    "LSTM 128, T=64": Model(lambda lib: lstm(lib, 128, 128), (64, 128)),
}  # fmt: skip
TOY = {  # every kind of layer, tiny
    "autoencoder 5-3": Model(lambda lib: autoencoder(lib, 5, 3), (5,), 0),
    "LeNet-5": Model(lenet, (1, 28, 28)),
    "CNN 2-3": Model(lambda lib: cnn(lib, 2, 3), (1, 28, 28)),
    "ResNet-18 3-4, 32x32": Model(lambda lib: resnet18(lib, (3, 4)), (3, 32, 32), IMAGENET),
    "GPT 1x8, T=5": Model(partial(gpt, layers=1, width=8, heads=2, length=5, tokens=7),
                          (5,), 7, 7),
    "LSTM 3, T=4": Model(lambda lib: lstm(lib, 2, 3), (4, 2)),
}  # fmt: skip
