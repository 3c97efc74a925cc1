"""Modules that hold parameters: ParameterList, ParameterDict."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from operator import index
from typing import Any, Self

from nnfast.errors import DTypeError, fail
from nnfast.nn.container import IndexRangeError, Text
from nnfast.nn.module import Module
from nnfast.nn.parameter import Parameter
from nnfast.tensor import Tensor


def _parameter(where: str, value: Any) -> Parameter:
    """`value` as a parameter."""
    if not isinstance(value, Tensor):
        fail(where, "tensors or parameters", type(value).__name__, error=DTypeError)
    return value if isinstance(value, Parameter) else Parameter(value)


class _Parameters(Module):
    """What both share."""

    def _listed_children(self) -> list[tuple[str, Any]]:
        lines = []
        for name, p in self._own("parameter"):
            size = "x".join(map(str, p.shape))
            lines.append((name, Text(f"Parameter containing: [{p.dtype} of size {size}]")))
        return lines

    def __len__(self) -> int:
        return len(self._own("parameter"))


class ParameterList(_Parameters):
    """A list of parameters that registers what is in it, as "0", "1", ...; tensors become such.

    >>> import nnfast
    >>> from nnfast import nn
    >>> weights = nn.ParameterList([nnfast.ones(2, 3), nnfast.ones(3)])
    >>> [name for name, _ in weights.named_parameters()]
    ['0', '1']
    """

    def __init__(self, values: Iterable[Any] | None = None) -> None:
        super().__init__()
        self.extend(() if values is None else values)

    def __iter__(self) -> Iterator[Parameter]:
        return (p for _, p in self._own("parameter"))

    def __getitem__(self, idx: Any) -> Any:
        if isinstance(idx, slice):
            return type(self)(list(self)[idx])
        return getattr(self, str(self._position(idx)))

    def __setitem__(self, idx: int, value: Any) -> None:
        setattr(self, str(self._position(idx)), _parameter("ParameterList", value))

    def append(self, value: Any) -> Self:
        """Add a parameter at the end."""
        self.register_parameter(str(len(self)), _parameter("ParameterList", value))
        return self

    def extend(self, values: Iterable[Any]) -> Self:
        """Add parameters at the end."""
        if isinstance(values, Tensor) or not isinstance(values, Iterable):
            fail("ParameterList", "a list of parameters", type(values).__name__, error=DTypeError)
        for value in values:
            self.append(value)
        return self

    __iadd__ = extend

    def _position(self, idx: Any) -> int:
        try:
            i = index(idx)
        except TypeError:
            fail("ParameterList", "an integer index or a slice", repr(idx), error=DTypeError)
        if not -len(self) <= i < len(self):
            what = f"expected an index below {len(self)}, got {idx}."
            raise IndexRangeError("ParameterList", what)
        return i % len(self)


class ParameterDict(_Parameters):
    """A dict of parameters that registers what is in it; tensors become parameters.

    >>> import nnfast
    >>> from nnfast import nn
    >>> scales = nn.ParameterDict({"left": nnfast.ones(2), "right": nnfast.ones(3)})
    >>> list(scales), scales["right"].shape
    (['left', 'right'], (3,))
    """

    def __init__(
        self, parameters: Mapping[str, Any] | Iterable[tuple[str, Any]] | None = None
    ) -> None:
        super().__init__()
        self.update(() if parameters is None else parameters)

    def __getitem__(self, key: str) -> Parameter:
        found: Parameter = self._get("ParameterDict", key, "parameter", of=key)
        return found

    def __setitem__(self, key: str, value: Any) -> None:
        self.register_parameter(key, _parameter("ParameterDict", value))

    def __delitem__(self, key: str) -> None:
        self[key]
        delattr(self, key)

    def __iter__(self) -> Iterator[str]:
        return (name for name, _ in self._own("parameter"))

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and self._kinds.get(key) == "parameter"

    def keys(self) -> list[str]:
        """The names."""
        return list(self)

    def values(self) -> list[Parameter]:
        """The parameters."""
        return [p for _, p in self._own("parameter")]

    def items(self) -> list[tuple[str, Parameter]]:
        """Names and parameters."""
        return self._own("parameter")

    def get(self, key: str, default: Any = None) -> Any:
        """The parameter of that name, or `default`."""
        return dict(self.items()).get(key, default)

    def pop(self, key: str) -> Parameter:
        """Remove and return a parameter."""
        p = self[key]
        del self[key]
        return p

    def popitem(self) -> tuple[str, Parameter]:
        """Remove and return the latest name and its parameter."""
        key = list(self)[-1]
        return key, self.pop(key)

    def setdefault(self, key: str, default: Any = None) -> Parameter:
        """The parameter of that name, which `default` becomes if there is none."""
        if key not in self:
            self[key] = default
        return self[key]

    def copy(self) -> ParameterDict:
        """Another dict of the same parameters."""
        return ParameterDict(OrderedDict(self.items()))

    def fromkeys(self, keys: Iterable[str], default: Any = None) -> ParameterDict:
        """A new dict with a parameter made of `default` under each name."""
        return ParameterDict(OrderedDict((key, default) for key in keys))

    def clear(self) -> None:
        """Remove all."""
        for key in list(self):
            del self[key]

    def update(self, parameters: Mapping[str, Any] | Iterable[tuple[str, Any]]) -> None:
        """Add parameters of a dict or of (name, parameter) pairs; those of a known name replace.

        Names of a plain dict are sorted, as in PyTorch: the state of an optimizer goes by the
        order of its parameters. Others keep their order.
        """
        known = isinstance(parameters, Mapping | ParameterDict)
        pairs: Any = parameters.items() if known else parameters  # type: ignore[union-attr]
        if isinstance(parameters, Mapping) and not isinstance(parameters, OrderedDict):
            pairs = sorted(pairs, key=lambda pair: pair[0])
        for key, value in pairs:
            self[key] = value
