"""Parameters computed of others whenever they are asked for, by modules of one's own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from nnfast.errors import fail
from nnfast.graph.mode import no_grad
from nnfast.nn.container import ModuleDict, ModuleList
from nnfast.nn.module import Module
from nnfast.nn.parameter import Parameter
from nnfast.nn.utils.weight_norm import compute_attribute
from nnfast.tensor import Tensor

M = TypeVar("M", bound=Module)
_CACHE: dict[tuple[int, str], Tensor] = {}
_depth = [0]  # of `cached` blocks


class ParametrizationList(ModuleList):
    """The parametrizations of one tensor, and what it is computed of: `original`, or
    `original0`, `original1`, ... where the first of them takes several.

    >>> import nnfast
    >>> layer = nnfast.nn.utils.parametrizations.weight_norm(nnfast.nn.Linear(2, 3))
    >>> layer.parametrizations.weight.original0.shape
    (3, 1)
    """

    is_tensor: bool

    def __init__(self, modules: list[Module], original: Tensor) -> None:
        super().__init__(modules)
        parts = self._before(original)
        self.is_tensor = isinstance(parts, Tensor)
        self._number = 1 if self.is_tensor else len(parts)
        for name, part in self._named_parts(parts):
            made = part if isinstance(part, Parameter) else Parameter(part.detach())
            if isinstance(original, Parameter):
                self.register_parameter(name, made)
            else:
                self.register_buffer(name, part)

    def _before(self, value: Tensor) -> Any:
        """What the parametrizations make `value` of."""
        parts: Any = value
        with no_grad():
            for module in reversed(list(self)):
                if hasattr(module, "right_inverse"):
                    parts = module.right_inverse(parts)
                elif module is not self[0] and not isinstance(parts, Tensor):
                    fail("parametrize", "a right_inverse", f"none of {type(module).__name__}")
        return parts

    def _named_parts(self, parts: Any) -> list[tuple[str, Tensor]]:
        if self.is_tensor:
            return [("original", parts)]
        return [(f"original{i}", part) for i, part in enumerate(parts)]

    def originals(self) -> list[Tensor]:
        """What the tensor is computed of."""
        names = ["original"] if self.is_tensor else [f"original{i}" for i in range(self._number)]
        return [getattr(self, name) for name in names]

    def right_inverse(self, value: Tensor) -> None:
        """Set the originals so that the tensor becomes `value`."""
        parts = self._before(value)
        for (name, part), old in zip(self._named_parts(parts), self.originals(), strict=True):
            if part.shape != old.shape:
                fail("right_inverse", f"{name} of shape {old.shape}", f"shape {part.shape}")
            with no_grad():
                old.copy_(part)

    def forward(self) -> Tensor:
        y: Any = None
        for i, module in enumerate(self):
            y = module(*self.originals()) if i == 0 else module(y)
        return y


def register_parametrization(
    module: M, tensor_name: str, parametrization: Module, *, unsafe: bool = False
) -> M:
    """From now on module.<tensor_name> is parametrization(original); returns the module.

    The original is `parametrizations.<tensor_name>.original`. With a method right_inverse(value)
    it starts so that the tensor keeps its value, and assigning to the tensor sets it; right_inverse
    may return several tensors, which the parametrization then takes. A second one is applied to
    what the first gives. `unsafe`: shape and dtype may change.

    >>> from nnfast import nn
    >>> class Symmetric(nn.Module):
    ...     def forward(self, x):
    ...         return x.triu() + x.triu(1).mT
    >>> register = nn.utils.parametrize.register_parametrization
    >>> layer = register(nn.Linear(2, 2), "weight", Symmetric())
    >>> bool((layer.weight == layer.weight.mT).all())
    True
    >>> [name for name, _ in layer.named_parameters()]
    ['bias', 'parametrizations.weight.original']
    """
    if is_parametrized(module, tensor_name):
        found = module.get_submodule(f"parametrizations.{tensor_name}")
        assert isinstance(found, ParametrizationList)
        value = getattr(module, tensor_name)
        if hasattr(parametrization, "right_inverse"):
            with no_grad():
                found.right_inverse(parametrization.right_inverse(value))
        found.append(parametrization)
        return module
    old = dict(module._own("parameter", "buffer")).get(tensor_name)
    if old is None:
        fail("register_parametrization", f"a parameter or buffer '{tensor_name}'", "none")
    parts = ParametrizationList([parametrization], old)
    with no_grad():
        new = parts()
    if not unsafe and (new.shape, new.dtype) != (old.shape, old.dtype):
        got = f"{new.dtype} of shape {new.shape}"
        fail("register_parametrization", f"{old.dtype} of shape {old.shape}", got, "unsafe=True")
    delattr(module, tensor_name)
    if not hasattr(module, "parametrizations"):
        module.add_module("parametrizations", ModuleDict())
    module.get_submodule("parametrizations").add_module(tensor_name, parts)

    def compute(m: Module) -> Tensor:
        key = (id(m), tensor_name)
        if _depth[0] and key in _CACHE:
            return _CACHE[key]
        y: Tensor = m.get_submodule(f"parametrizations.{tensor_name}")()
        if _depth[0]:
            _CACHE[key] = y
        return y

    def assign(m: Module, value: Tensor) -> None:
        getattr(m.get_submodule("parametrizations"), tensor_name).right_inverse(value)

    compute_attribute(module, tensor_name, compute, assign)
    return module


def remove_parametrizations(module: M, tensor_name: str, leave_parametrized: bool = True) -> M:
    """The tensor is a parameter (or buffer) again: of the value it has, or else of its original.

    >>> from nnfast import nn
    >>> layer = nn.utils.parametrizations.weight_norm(nn.Linear(2, 2))
    >>> layer = nn.utils.parametrize.remove_parametrizations(layer, "weight")
    >>> [name for name, _ in layer.named_parameters()]
    ['bias', 'weight']
    """
    if not is_parametrized(module, tensor_name):
        fail("remove_parametrizations", f"a parametrized '{tensor_name}'", type(module).__name__)
    parts = module.get_submodule(f"parametrizations.{tensor_name}")
    assert isinstance(parts, ParametrizationList)
    if not leave_parametrized and not parts.is_tensor:
        fail("remove_parametrizations", "leave_parametrized=True of several originals", "False")
    original = parts.originals()[0]
    with no_grad():
        value = getattr(module, tensor_name).detach() if leave_parametrized else original
    compute_attribute(module, tensor_name, None)
    held = module.get_submodule("parametrizations")
    delattr(held, tensor_name)
    if not held._own("module"):
        delattr(module, "parametrizations")
    if isinstance(original, Parameter):
        if not isinstance(value, Parameter):
            value = Parameter(value, original.requires_grad)
        module.register_parameter(tensor_name, value)
    else:
        module.register_buffer(tensor_name, value)
    return module


def is_parametrized(module: Module, tensor_name: str | None = None) -> bool:
    """Whether a tensor of the module is, or any.

    >>> import nnfast
    >>> from nnfast.nn.utils import parametrizations, parametrize
    >>> layer = nnfast.nn.Linear(2, 3)
    >>> parametrize.is_parametrized(layer)
    False
    >>> parametrize.is_parametrized(parametrizations.weight_norm(layer), "weight")
    True
    """
    held = dict(module._own("module")).get("parametrizations")
    if held is None:
        return False
    return bool(held._own("module")) if tensor_name is None else hasattr(held, tensor_name)


@contextmanager
def cached() -> Iterator[None]:
    """Inside, each parametrized tensor is computed once and kept.

    >>> import nnfast
    >>> from nnfast.nn.utils import parametrizations, parametrize
    >>> layer = parametrizations.weight_norm(nnfast.nn.Linear(2, 3))
    >>> with parametrize.cached():
    ...     layer.weight is layer.weight
    True
    """
    _depth[0] += 1
    try:
        yield
    finally:
        _depth[0] -= 1
        if not _depth[0]:
            _CACHE.clear()


def type_before_parametrizations(module: Module) -> type:
    """The class that the module had before.

    >>> import nnfast
    >>> from nnfast.nn.utils import parametrizations, parametrize
    >>> layer = parametrizations.weight_norm(nnfast.nn.Linear(2, 3))
    >>> parametrize.type_before_parametrizations(layer).__name__
    'Linear'
    """
    return getattr(type(module), "_plain", type(module))
