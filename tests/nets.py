"""Modules that tests of modules share."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import nnfast
from nnfast import nn


class Block(nn.Module):
    """A module of one's own with everything a module can hold."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 4)
        self.scale = nn.Parameter(nnfast.ones(4))
        self.register_buffer("mean", nnfast.zeros(4))
        self.register_buffer("cache", nnfast.zeros(2), persistent=False)
        self.register_parameter("shift", None)
        self.name = "plain"

    def forward(self, x: Any) -> Any:
        return self.linear(x) * self.scale - self.mean


def net() -> nn.Sequential:
    return nn.Sequential(OrderedDict(block=Block(), act=nn.ReLU(), head=nn.Linear(4, 2)))
