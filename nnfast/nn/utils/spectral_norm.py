"""Spectral normalization: a weight divided by its largest singular value."""

from __future__ import annotations

from typing import TypeVar

from nnfast.errors import fail
from nnfast.graph.mode import no_grad
from nnfast.nn.checks import whole
from nnfast.nn.conv import ConvTranspose1d, ConvTranspose2d, ConvTranspose3d
from nnfast.nn.module import Module
from nnfast.nn.parameter import Parameter
from nnfast.nn.utils.weight_norm import compute_attribute
from nnfast.ops.norm_groups import normalize
from nnfast.ops.product import mv
from nnfast.ops.shape import permute, reshape
from nnfast.ops.update import add_
from nnfast.random import randn
from nnfast.tensor import Tensor

M = TypeVar("M", bound=Module)


def as_matrix(weight: Tensor, dim: int) -> Tensor:
    """The weight as a matrix whose rows are the slices of dimension `dim`."""
    order = [dim, *[d for d in range(weight.ndim) if d != dim]]
    return reshape(permute(weight, order), (weight.shape[dim], -1))


def spectral_norm(
    module: M,
    name: str = "weight",
    n_power_iterations: int = 1,
    eps: float = 1e-12,
    dim: int | None = None,
) -> M:
    """Replace a parameter W by W / sigma, sigma being its largest singular value; returns the
    module.

    sigma = u^T W v, where in training each use of the weight first improves the buffers u and v by
    power iteration: v = W^T u, u = W v, both scaled to length 1. W as a matrix has a row for each
    slice of dimension `dim` (None: 1 for transposed convolutions, else 0). The parameter becomes
    `<name>_orig`, the buffers are `<name>_u` and `<name>_v`.

    Source: Miyato et al., Spectral normalization for generative adversarial networks, ICLR 2018.

    >>> from nnfast import nn
    >>> m = nn.utils.spectral_norm(nn.Linear(4, 3))
    >>> list(m.state_dict())
    ['bias', 'weight_orig', 'weight_u', 'weight_v']
    """
    whole("spectral_norm", "n_power_iterations", n_power_iterations, least=1)
    weight = module.get_parameter(name)
    transposed = isinstance(module, ConvTranspose1d | ConvTranspose2d | ConvTranspose3d)
    rows = int(transposed) if dim is None else dim
    matrix = as_matrix(weight.detach(), rows)
    delattr(module, name)
    module.register_parameter(f"{name}_orig", Parameter(weight.detach()))
    for part, n in zip("uv", matrix.shape, strict=True):
        start = normalize(randn(n, dtype=weight.dtype), dim=0, eps=eps)
        module.register_buffer(f"{name}_{part}", start)

    def compute(m: Module) -> Tensor:
        w, u, v = (getattr(m, f"{name}_{part}") for part in ("orig", "u", "v"))
        found = as_matrix(w, rows)
        if m.training:
            with no_grad():
                left, right = u, v
                for _ in range(n_power_iterations):
                    right = normalize(mv(found.mT, left), dim=0, eps=eps)
                    left = normalize(mv(found, right), dim=0, eps=eps)
                add_(u, left - u)
                add_(v, right - v)
                u, v = left, right
        y: Tensor = w / (u * mv(found, v)).sum()
        return y

    compute_attribute(module, name, compute)
    return module


def remove_spectral_norm(module: M, name: str = "weight") -> M:
    """Undo `spectral_norm`: the weight is a parameter again, of the value it has now.

    >>> from nnfast import nn
    >>> m = nn.utils.remove_spectral_norm(nn.utils.spectral_norm(nn.Linear(4, 3)))
    >>> [name for name, _ in m.named_parameters()]
    ['bias', 'weight']
    """
    if name not in getattr(type(module), "_computed", {}) or not hasattr(module, f"{name}_u"):
        what = f"a module with spectral_norm of '{name}'"
        fail("remove_spectral_norm", what, type(module).__name__)
    mode = module.training
    module.training = False  # so that looking at the weight does not change it
    weight = Parameter(getattr(module, name).detach())
    module.training = mode
    compute_attribute(module, name, None)
    for part in ("orig", "u", "v"):
        delattr(module, f"{name}_{part}")
    module.register_parameter(name, weight)
    return module
