"""Parametrizations that are ready: see nn.utils.parametrize for one's own."""

from __future__ import annotations

from typing import TypeVar

from nnfast.graph.mode import no_grad
from nnfast.nn.checks import whole
from nnfast.nn.conv import ConvTranspose1d, ConvTranspose2d, ConvTranspose3d
from nnfast.nn.module import Module
from nnfast.nn.utils.parametrize import register_parametrization
from nnfast.nn.utils.spectral_norm import as_matrix
from nnfast.nn.utils.weight_norm import norm_except, product
from nnfast.ops.norm_groups import normalize
from nnfast.ops.product import mv
from nnfast.ops.update import add_
from nnfast.random import randn
from nnfast.tensor import Tensor

M = TypeVar("M", bound=Module)


class _WeightNorm(Module):
    """Lengths and directions."""

    def __init__(self, dim: int | None) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, g: Tensor, v: Tensor) -> Tensor:
        return product(g, v, self.dim)

    def right_inverse(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        return norm_except(weight, self.dim), weight


def weight_norm(module: M, name: str = "weight", dim: int | None = 0) -> M:
    """As nn.utils.weight_norm, with lengths and directions in `parametrizations.<name>`.

    >>> from nnfast import nn
    >>> m = nn.utils.parametrizations.weight_norm(nn.Linear(4, 3, bias=False))
    >>> {name: p.shape for name, p in m.named_parameters()}
    {'parametrizations.weight.original0': (3, 1), 'parametrizations.weight.original1': (3, 4)}
    """
    return register_parametrization(module, name, _WeightNorm(dim), unsafe=True)


class _SpectralNorm(Module):
    """W / sigma, sigma found by power iteration."""

    _u: Tensor
    _v: Tensor

    def __init__(self, weight: Tensor, n_power_iterations: int, dim: int, eps: float) -> None:
        super().__init__()
        self.dim, self.n_power_iterations, self.eps = dim, n_power_iterations, eps
        if weight.ndim > 1:
            matrix = as_matrix(weight.detach(), dim)
            for part, n in zip(("_u", "_v"), matrix.shape, strict=True):
                start = normalize(randn(n, dtype=weight.dtype), dim=0, eps=eps)
                self.register_buffer(part, start)
            self._improve(matrix, 15)

    @no_grad()
    def _improve(self, matrix: Tensor, times: int) -> tuple[Tensor, Tensor]:
        u, v = self._u, self._v
        for _ in range(times):
            u = normalize(mv(matrix, v), dim=0, eps=self.eps)
            v = normalize(mv(matrix.mT, u), dim=0, eps=self.eps)
        add_(self._u, u - self._u)
        add_(self._v, v - self._v)
        return u, v

    def forward(self, weight: Tensor) -> Tensor:
        if weight.ndim == 1:
            return normalize(weight, dim=0, eps=self.eps)
        matrix = as_matrix(weight, self.dim)
        u, v = self._u, self._v
        if self.training:
            u, v = self._improve(matrix, self.n_power_iterations)
        return weight / (u * mv(matrix, v)).sum()

    def right_inverse(self, value: Tensor) -> Tensor:
        return value


def spectral_norm(
    module: M,
    name: str = "weight",
    n_power_iterations: int = 1,
    eps: float = 1e-12,
    dim: int | None = None,
) -> M:
    """As nn.utils.spectral_norm, with weight and vectors in `parametrizations.<name>`.

    >>> from nnfast import nn
    >>> m = nn.utils.parametrizations.spectral_norm(nn.Linear(4, 3, bias=False))
    >>> [key.removeprefix("parametrizations.weight.") for key in m.state_dict()]
    ['original', '0._u', '0._v']
    """
    whole("spectral_norm", "n_power_iterations", n_power_iterations, least=1)
    transposed = isinstance(module, ConvTranspose1d | ConvTranspose2d | ConvTranspose3d)
    rows = int(transposed) if dim is None else dim
    weight = getattr(module, name)
    return register_parametrization(
        module, name, _SpectralNorm(weight, n_power_iterations, rows, eps)
    )
