"""Module: parameters, buffers and submodules under names, and a forward function."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal, NamedTuple, Self

import numpy as np

from nnfast.errors import ArgumentError, DTypeError, NNFastError, StateError, fail
from nnfast.graph.backward import clear_gradient
from nnfast.graph.mode import CHANGES, tracing
from nnfast.nn.hooks import Hooked, call_with_hooks
from nnfast.nn.parameter import Parameter
from nnfast.tensor import Tensor, as_array, float32, float64, wrap

Kind = Literal["parameter", "buffer", "temporary buffer", "module"]
BUFFERS: tuple[Kind, ...] = ("buffer", "temporary buffer")


class LoadResult(NamedTuple):
    """What load_state_dict did not find and did not use."""

    missing_keys: list[str]
    unexpected_keys: list[str]

    def __repr__(self) -> str:
        if not self.missing_keys and not self.unexpected_keys:
            return "<all keys matched>"
        return f"LoadResult(missing_keys={self[0]}, unexpected_keys={self[1]})"


class MissingNameError(ArgumentError, AttributeError, KeyError):
    """A module holds nothing under this name."""


class Module(Hooked):
    """Base of all layers and models: assign parameters and modules to `self`, write `forward`.

    What is assigned is an ordinary attribute; the module only remembers which names are
    parameters, buffers and submodules.

    >>> from nnfast import nn
    >>> class Net(nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.hidden = nn.Linear(4, 3)
    ...     def forward(self, x):
    ...         return self.hidden(x).relu()
    >>> [name for name, _ in Net().named_parameters()]
    ['hidden.weight', 'hidden.bias']
    """

    training: bool
    _kinds: dict[str, Kind]  # the registered names, in order

    def __init__(self) -> None:
        self._kinds = {}
        self.training = True

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What the module computes; every module defines its own."""
        name = type(self).__name__
        what = "expected a method forward(self, ...), got none."
        raise StateError(name, what, f"define {name}.forward.")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if (trace := tracing()) is not None:
            trace.modules[self] = None
        try:
            if self._hooks:
                return call_with_hooks(self, args, kwargs)
            return self.forward(*args, **kwargs)
        except NNFastError as error:
            self._add_to_path(error)
            raise

    def _add_to_path(self, error: NNFastError) -> None:
        """Let an error that passes through this module learn where in it it arose.

        The innermost module starts; each module around it puts the name in front under which it
        knows the one before. A module that it holds under no name leaves no trace.
        """
        inner = error.module
        if inner is not None and inner is not self:
            name = next((n for n, module in self.named_modules() if module is inner), "")
            error.path = ".".join(filter(None, (name, error.path))) if name else ""
        error.module = self

    # ---- registration ---------------------------------------------------------------------

    def __setattr__(self, name: str, value: Any) -> None:
        kind: Kind | None = None
        if isinstance(value, Parameter):
            kind = "parameter"
        elif isinstance(value, Module):
            kind = "module"
        kinds = self.__dict__.get("_kinds")
        if kinds is None:
            if kind is not None:
                raise StateError(
                    type(self).__name__,
                    f"expected super().__init__() before the {kind} '{name}' is assigned.",
                    "make super().__init__() the first line of __init__.",
                )
        elif kind is not None:
            self._note(name, kind)
        elif name in kinds:
            _check_kind(type(self).__name__, name, kinds[name], value)
        _changing(self, name)
        object.__setattr__(self, name, value)

    def __delattr__(self, name: str) -> None:
        _changing(self, name)
        object.__delattr__(self, name)
        self._kinds.pop(name, None)

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Hold `param` (or None, for an optional one that is absent) under `name`."""
        self._register(name, "parameter", param)

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Hold a tensor that is no parameter but moves with the module, as running means do.

        `persistent=False` leaves it out of `state_dict`.
        """
        kind: Kind = "buffer" if persistent else "temporary buffer"
        self._register(name, kind, tensor)

    def add_module(self, name: str, module: Module | None) -> None:
        """Hold `module` under `name`."""
        self._register(name, "module", module)

    register_module = add_module

    def _register(self, name: str, kind: Kind, value: Any) -> None:
        where = type(self).__name__
        if "_kinds" not in self.__dict__:
            raise StateError(where, f"expected super().__init__() before '{name}' is registered.")
        if not isinstance(name, str):
            fail(where, "a name", repr(name), error=DTypeError)
        if not name or "." in name:
            fail(where, "a name that is not empty and has no dot", repr(name))
        if hasattr(self, name) and name not in self._kinds:
            fail(where, "a new name", f"'{name}', which is an attribute already")
        _check_kind(where, name, kind, value)
        self._note(name, kind)
        _changing(self, name)
        object.__setattr__(self, name, value)

    def _note(self, name: str, kind: Kind) -> None:
        if self._kinds.get(name, kind) != kind:
            del self._kinds[name]  # so that it goes to the end, as a new name does
        self._kinds[name] = kind

    # ---- what it holds --------------------------------------------------------------------

    def _own(self, *kinds: Kind) -> list[tuple[str, Any]]:
        """Names and values of these kinds that this module itself holds, None left out."""
        names = [name for name, kind in self._kinds.items() if kind in kinds]
        values = [(name, self.__dict__[name]) for name in names]
        return [(name, value) for name, value in values if value is not None]

    def _named(
        self, kinds: tuple[Kind, ...], prefix: str, recurse: bool, remove_duplicate: bool
    ) -> Iterator[tuple[str, Any]]:
        seen: set[int] = set()
        modules = self.named_modules(prefix, remove_duplicate) if recurse else [(prefix, self)]
        for path, module in modules:
            for name, value in module._own(*kinds):
                if id(value) not in seen:
                    if remove_duplicate:
                        seen.add(id(value))
                    yield _join(path, name), value

    def named_modules(
        self, prefix: str = "", remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Module]]:
        """(dotted path, module) of this module and all inside, a shared one once."""
        return self._walk(prefix, set() if remove_duplicate else None)

    def _walk(self, path: str, seen: set[int] | None) -> Iterator[tuple[str, Module]]:
        if seen is not None:
            if id(self) in seen:
                return
            seen.add(id(self))
        yield path, self
        for name, child in self._own("module"):
            yield from child._walk(_join(path, name), seen)

    def modules(self) -> Iterator[Module]:
        """This module and all inside."""
        return (module for _, module in self.named_modules())

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """(name, module) of the modules directly inside, a shared one once."""
        seen: set[int] = set()
        for name, child in self._own("module"):
            if id(child) not in seen:
                seen.add(id(child))
                yield name, child

    def children(self) -> Iterator[Module]:
        """The modules directly inside."""
        return (child for _, child in self.named_children())

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Parameter]]:
        """(dotted path, parameter), a shared one once."""
        return self._named(("parameter",), prefix, recurse, remove_duplicate)

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """The parameters, for an optimizer."""
        return (p for _, p in self.named_parameters(recurse=recurse))

    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Tensor]]:
        """(dotted path, buffer), a shared one once."""
        return self._named(BUFFERS, prefix, recurse, remove_duplicate)

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """The buffers."""
        return (b for _, b in self.named_buffers(recurse=recurse))

    def get_submodule(self, target: str) -> Module:
        """The module at a dotted path; "" is this module."""
        module = self
        for name in target.split(".") if target else ():
            module = module._get("get_submodule", name, "module", of=target)
        return module

    def set_submodule(self, target: str, module: Module) -> None:
        """Put a module in the place of the one at a dotted path."""
        path, _, name = target.rpartition(".")
        holder = self.get_submodule(path)
        holder._get("set_submodule", name, "module", of=target)
        holder._register(name, "module", module)

    def get_parameter(self, target: str) -> Parameter:
        """The parameter at a dotted path."""
        path, _, name = target.rpartition(".")
        module = self.get_submodule(path)
        found: Parameter = module._get("get_parameter", name, "parameter", of=target)
        return found

    def get_buffer(self, target: str) -> Tensor:
        """The buffer at a dotted path."""
        path, _, name = target.rpartition(".")
        module = self.get_submodule(path)
        found: Tensor = module._get("get_buffer", name, *BUFFERS, of=target)
        return found

    def _get(self, where: str, name: str, *kinds: Kind, of: str) -> Any:
        own = dict(self._own(*kinds))
        if name not in own:
            names = ", ".join(f"'{n}'" for n in own) or f"no {kinds[0]}"
            fail(
                where,
                f"a {kinds[0]} of {type(self).__name__} ({names})",
                f"'{name}'" if name == of else f"'{name}' in '{of}'",
                error=MissingNameError,
            )
        return own[name]

    # ---- state ----------------------------------------------------------------------------

    def state_dict(self, prefix: str = "") -> dict[str, Tensor]:
        """Parameters and persistent buffers by dotted path, sharing their memory.

        The keys and shapes are those of PyTorch.

        >>> from nnfast import nn
        >>> list(nn.Linear(2, 3).state_dict())
        ['weight', 'bias']
        """
        return {name: value.detach() for name, value in self._state(prefix)}

    def _state(self, prefix: str = "") -> Iterator[tuple[str, Tensor]]:
        for path, module in self.named_modules(remove_duplicate=False):
            for name, value in module._own("parameter") + module._own("buffer"):
                yield prefix + _join(path, name), value

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True) -> LoadResult:
        """Copy tensors or arrays of a `state_dict` into the parameters and buffers, in place.

        Everything is checked first: if it raises, nothing has changed. `strict=False` allows
        missing and unexpected keys; wrong shapes are never allowed.

        Errors: ArgumentError that names every missing, unexpected and ill-shaped key.
        """
        if not isinstance(state_dict, Mapping):
            fail(
                "load_state_dict",
                "a dict of tensors or arrays",
                f"{type(state_dict).__name__} {state_dict!r}",
                "load a file with nnfast.load(path).",
                DTypeError,
            )
        own = dict(self._state())
        missing = [key for key in own if key not in state_dict]
        unexpected = [key for key in state_dict if key not in own]
        arrays, problems = _matching(own, state_dict)
        if strict:
            problems = [*_listed("missing", missing), *_listed("unexpected", unexpected), *problems]
        if problems:
            loose = "strict=False allows missing and unexpected keys."
            fail(
                "load_state_dict",
                f"the keys and shapes of {type(self).__name__}",
                "\n  " + "\n  ".join(problems),
                loose if strict and (missing or unexpected) else "",
            )
        for key, array in arrays.items():
            own[key].array[...] = array
            own[key]._version += 1
        return LoadResult(missing, unexpected)

    # ---- changes to the whole tree --------------------------------------------------------

    def apply(self, fn: Callable[[Module], Any]) -> Self:
        """Call `fn` on every module inside, children first, then on this one."""
        for child in self.children():
            child.apply(fn)
        fn(self)
        return self

    def train(self, mode: bool = True) -> Self:
        """Training mode (dropout drops, batch norm uses the batch), or evaluation mode."""
        if not isinstance(mode, bool):
            fail("train", "mode=True or mode=False", repr(mode), error=DTypeError)
        for module in self.modules():
            module.training = mode
        return self

    def eval(self) -> Self:
        """Evaluation mode: dropout passes through, batch norm uses its running statistics."""
        return self.train(False)

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Train the parameters, or freeze them."""
        for p in self.parameters():
            p.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients of all parameters, or fill them with zeros."""
        for p in self.parameters():
            clear_gradient(p, set_to_none)

    def to(self, target: Any) -> Self:
        """Convert floating-point parameters and buffers to float32 or float64.

        "cpu" is accepted too and changes nothing.
        """
        if str(target) == "cpu":
            return self
        try:
            dtype = None if target is None else np.dtype(target)
        except TypeError:
            dtype = None
        if dtype is None or dtype not in (float32, float64):
            hint = "nnfast runs on the CPU; leave the call out." if "cuda" in str(target) else ""
            fail("to", "float32, float64 or 'cpu'", repr(target), hint, DTypeError)
        for value in [*self.parameters(), *self.buffers()]:
            for t in (value, value.grad):
                if isinstance(t, Tensor) and t.dtype.kind == "f" and t.dtype != dtype:
                    t.data = wrap(t.array.astype(dtype))
        return self

    def float(self) -> Self:
        """Convert floating-point parameters and buffers to float32."""
        return self.to(float32)

    def double(self) -> Self:
        """Convert floating-point parameters and buffers to float64."""
        return self.to(float64)

    def type(self, dst_type: Any) -> Self:
        """The same as `to`."""
        return self.to(dst_type)

    def cpu(self) -> Self:
        """Itself: nnfast runs on the CPU."""
        return self

    def half(self) -> Self:
        """Not available: raises DTypeError."""
        what = "expected float32 or float64, got float16."
        raise DTypeError("half", what, "use float(): training needs its range.")

    # ---- text -----------------------------------------------------------------------------

    def extra_repr(self) -> str:
        """What stands between the parentheses of `repr`."""
        return ""

    def __repr__(self) -> str:
        name = type(self).__name__
        extra = self.extra_repr().splitlines()
        children = [f"({key}): {_indent(repr(child))}" for key, child in self._listed_children()]
        if not children and len(extra) < 2:
            return f"{name}({''.join(extra)})"
        return "\n  ".join([f"{name}(", *extra, *children]) + "\n)"

    def _listed_children(self) -> list[tuple[str, Any]]:
        return self._own("module")


def _changing(module: Module, name: str) -> None:
    """A module is about to change: plans must look again, and a traced function must not."""
    CHANGES.count += 1
    if (trace := tracing()) is not None and module in trace.modules:
        raise trace.give_up(f"it changes '{name}' of a {type(module).__name__}")


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _indent(text: str) -> str:
    return text.replace("\n", "\n  ")


def _check_kind(where: str, name: str, kind: Kind, value: Any) -> None:
    """Raise DTypeError unless `value` may stand under a name of this kind."""
    wanted: dict[Kind, tuple[type, str]] = {
        "parameter": (Parameter, "an nn.Parameter"),
        "buffer": (Tensor, "a Tensor"),
        "temporary buffer": (Tensor, "a Tensor"),
        "module": (Module, "an nn.Module"),
    }
    cls, article = wanted[kind]
    if value is None or isinstance(value, cls):
        return
    hint = ""
    if isinstance(value, type) and issubclass(value, Module):
        hint = f"create the module: {value.__name__}(...)."
    elif kind == "parameter" and isinstance(value, Tensor):
        hint = "wrap it: nn.Parameter(tensor)."
    elif cls is Tensor:
        hint = "make a tensor of it: nnfast.tensor(...)."
    got = f"the class {value.__name__}" if isinstance(value, type) else type(value).__name__
    fail(where, f"{article} or None as {kind} '{name}'", got, hint, DTypeError)


def _listed(what: str, keys: list[str]) -> list[str]:
    return [f"{what}: " + ", ".join(f"'{key}'" for key in keys)] if keys else []


def _matching(
    own: dict[str, Tensor], given: Mapping[str, Any]
) -> tuple[dict[str, np.ndarray], list[str]]:
    """The arrays for the keys that both have, and what is wrong with the others."""
    arrays: dict[str, np.ndarray] = {}
    problems = []
    for key, target in own.items():
        if key not in given:
            continue
        try:
            arrays[key] = as_array(given[key], "load_state_dict")
        except (ArgumentError, DTypeError):
            problems.append(f"not numbers: '{key}' is {type(given[key]).__name__}")
            continue
        shape = arrays[key].shape
        if shape != target.shape:
            problems.append(f"wrong shape: '{key}' has {shape}, the module {target.shape}")
    return arrays, problems
