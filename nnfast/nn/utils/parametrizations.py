"""Parametrizations: parameters computed of others, under the names of PyTorch's `parametrize`."""

from __future__ import annotations

from typing import TypeVar

from nnfast.nn.container import ModuleDict
from nnfast.nn.module import Module
from nnfast.nn.parameter import Parameter
from nnfast.nn.utils.weight_norm import compute_attribute, norm_except, product
from nnfast.tensor import Tensor

M = TypeVar("M", bound=Module)


def weight_norm(module: M, name: str = "weight", dim: int | None = 0) -> M:
    """As nn.utils.weight_norm, with lengths and directions in `parametrizations.<name>`.

    >>> from nnfast import nn
    >>> m = nn.utils.parametrizations.weight_norm(nn.Linear(4, 3, bias=False))
    >>> {name: p.shape for name, p in m.named_parameters()}
    {'parametrizations.weight.original0': (3, 1), 'parametrizations.weight.original1': (3, 4)}
    """
    weight = module.get_parameter(name)
    originals = Module()
    originals.register_parameter("original0", Parameter(norm_except(weight.detach(), dim)))
    originals.register_parameter("original1", Parameter(weight.detach()))
    delattr(module, name)
    if not hasattr(module, "parametrizations"):
        module.add_module("parametrizations", ModuleDict())
    module.get_submodule("parametrizations").add_module(name, originals)

    def compute(m: Module) -> Tensor:
        own = m.get_submodule(f"parametrizations.{name}")
        return product(own.get_parameter("original0"), own.get_parameter("original1"), dim)

    compute_attribute(module, name, compute)
    return module
