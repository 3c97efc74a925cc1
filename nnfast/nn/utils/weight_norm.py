"""Weight normalization: the length and the direction of a weight as parameters of their own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from nnfast.errors import fail
from nnfast.nn.module import Module
from nnfast.nn.parameter import Parameter
from nnfast.ops.elementwise import abs
from nnfast.ops.norm_groups import vector_norm
from nnfast.ops.record import check_dim
from nnfast.ops.shape import reshape
from nnfast.tensor import Tensor

M = TypeVar("M", bound=Module)
Compute = Callable[[Module], Tensor]


def compute_attribute(
    module: Module, name: str, compute: Compute | None, assign: Any = None
) -> None:
    """From now on module.<name> is what `compute` answers; with None, no longer.

    `assign(module, value)` is called where it is assigned to. The module becomes one of a class of
    its own, which has a property of that name.
    """
    plain = getattr(type(module), "_plain", type(module))
    computed = {**getattr(type(module), "_computed", {})}
    computed.pop(name, None)
    if compute is not None:
        computed[name] = property(compute, assign)
    space = {"_plain": plain, "_computed": computed, "__module__": plain.__module__, **computed}
    module.__class__ = type(plain.__name__, (plain,), space) if computed else plain


def norm_except(v: Tensor, dim: int | None) -> Tensor:
    """The norm of each slice v[..., i, ...] of dimension `dim`, as (1, ..., n, ..., 1); None or -1:
    of all of v, as a scalar."""
    if dim is None or dim == -1:
        return reshape(vector_norm(v, 2.0, None), ())
    kept = check_dim("weight_norm", dim, v.ndim)
    others = [d for d in range(v.ndim) if d != kept]
    return vector_norm(v, 2.0, others) if others else abs(v)


def product(g: Tensor, v: Tensor, dim: int | None) -> Tensor:
    """w = g v / ||v||."""
    w: Tensor = v * (g / norm_except(v, dim))
    return w


def weight_norm(module: M, name: str = "weight", dim: int | None = 0) -> M:
    """Replace a parameter w by its lengths g and directions v: w = g v / ||v||; returns the module.

    `<name>_g` has a length for each slice of dimension `dim` (None: one for all), `<name>_v` the
    shape of w; w itself is computed whenever it is asked for.

    Source: Salimans and Kingma, Weight normalization, NeurIPS 2016.

    >>> from nnfast import nn
    >>> m = nn.utils.weight_norm(nn.Linear(4, 3))
    >>> {name: p.shape for name, p in m.named_parameters()}
    {'bias': (3,), 'weight_g': (3, 1), 'weight_v': (3, 4)}
    """
    weight = module.get_parameter(name)
    g = Parameter(norm_except(weight.detach(), dim))
    delattr(module, name)
    module.register_parameter(f"{name}_g", g)
    module.register_parameter(f"{name}_v", Parameter(weight.detach()))
    compute_attribute(
        module, name, lambda m: product(getattr(m, f"{name}_g"), getattr(m, f"{name}_v"), dim)
    )
    return module


def remove_weight_norm(module: M, name: str = "weight") -> M:
    """Undo `weight_norm`: the weight is a parameter again, of the value it has now.

    >>> from nnfast import nn
    >>> m = nn.utils.remove_weight_norm(nn.utils.weight_norm(nn.Linear(4, 3)))
    >>> [name for name, _ in m.named_parameters()]
    ['bias', 'weight']
    """
    if name not in getattr(type(module), "_computed", {}) or not hasattr(module, f"{name}_v"):
        fail("remove_weight_norm", f"a module with weight_norm of '{name}'", type(module).__name__)
    weight = Parameter(getattr(module, name).detach())
    compute_attribute(module, name, None)
    delattr(module, f"{name}_g")
    delattr(module, f"{name}_v")
    module.register_parameter(name, weight)
    return module
