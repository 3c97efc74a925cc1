"""Arrays and modules that cases of bad input are made of."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import nnfast
from nnfast import nn
from nnfast.errors import NNFastError

Cases = list[tuple[Callable[[], Any], type[NNFastError], str]]

x = nnfast.ones(2, 3)
leaf = nnfast.ones(2, 3, requires_grad=True)
double = nnfast.ones(3, 4, dtype=nnfast.float64)
image = nnfast.ones(1, 3, 8, 8)
kernel = nnfast.ones(4, 3, 3, 3)
scores = nnfast.ones(2, 3)
none = nnfast.ones(0, 3)
nan = float("nan")
positive, wide = x > 0, image.double()
conv, dense = nn.Conv2d(3, 4, 3), nn.Linear(3, 2)


def labels(*values: Any) -> nnfast.Tensor:
    return nnfast.tensor(values)


def features(*modules: nn.Module) -> nn.Sequential:
    return nn.Sequential(OrderedDict(features=nn.Sequential(*modules), head=nn.ReLU()))
