"""Module: parameters, buffers and submodules under names, and a forward function."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Literal, Self

import numpy as np

from nnfast.device import check_device
from nnfast.errors import ArgumentError, DTypeError, NNFastError, StateError, fail
from nnfast.graph.backward import clear_gradient
from nnfast.graph.mode import CHANGES, tracing
from nnfast.nn.hooks import call_with_hooks
from nnfast.nn.parameter import Buffer, Parameter, is_temporary
from nnfast.nn.state import Stateful
from nnfast.tensor import Tensor, float32, float64, wrap

Kind = Literal["parameter", "buffer", "temporary buffer", "module"]
BUFFERS: tuple[Kind, ...] = ("buffer", "temporary buffer")


class MissingNameError(ArgumentError, AttributeError, KeyError):
    """A module holds nothing under this name."""


class Module(Stateful):
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
            if self._called_hooks or CHANGES.module_hooks:
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
        elif isinstance(value, Buffer):
            kind = "temporary buffer" if is_temporary(value) else "buffer"
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
        if not isinstance(value, Tensor) or self.__dict__.get(name) is not value:  # self.n += 1
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
        known = self._kinds.get(name, "")
        if hasattr(self, name) and known.split()[-1:] != kind.split()[-1:]:  # both sorts of buffers
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
        modules = (
            self.named_modules(None, prefix, remove_duplicate) if recurse else [(prefix, self)]
        )
        for path, module in modules:
            for name, value in module._own(*kinds):
                if id(value) not in seen:
                    if remove_duplicate:
                        seen.add(id(value))
                    yield _join(path, name), value

    def named_modules(
        self, memo: set[Module] | None = None, prefix: str = "", remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Module]]:
        """(dotted path, module) of this module and all inside, a shared one once.

        Those in `memo` are left out, and those found are added to it.
        """
        seen: set[Module] = set() if memo is None else memo
        return self._walk(prefix, seen if remove_duplicate else None)

    def _walk(self, path: str, seen: set[Module] | None) -> Iterator[tuple[str, Module]]:
        if seen is not None:
            if self in seen:
                return
            seen.add(self)
        yield path, self
        for name, child in self._own("module"):
            yield from child._walk(_join(path, name), seen)

    def modules(self, remove_duplicate: bool = True) -> Iterator[Module]:
        """This module and all inside."""
        return (module for _, module in self.named_modules(remove_duplicate=remove_duplicate))

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

    def set_submodule(self, target: str, module: Module, strict: bool = False) -> None:
        """Put a module in the place of the one at a dotted path.

        Unless `strict`, the last name may be a new one.
        """
        path, _, name = target.rpartition(".")
        holder = self.get_submodule(path)
        if strict:
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

    def to(self, *args: Any, device: Any = None, dtype: Any = None, **how: Any) -> Self:
        """Convert floating-point parameters and buffers to float32 or float64.

        `to(dtype)`, `to(device)`, `to(device, dtype)` or `to(tensor)`, for the dtype of a tensor;
        the device "cpu" and `non_blocking` change nothing.

        >>> import nnfast
        >>> nnfast.nn.Linear(2, 1).to("cpu", nnfast.float64).weight.dtype
        dtype('float64')
        """
        given = [x.dtype if isinstance(x, Tensor) else x for x in (*args, device, dtype)]
        for x in given:
            if not isinstance(x, bool) and str(x).partition(":")[0] not in ("cpu", "None"):
                wanted = floating("to", x)
                for value in [*self.parameters(), *self.buffers()]:
                    _convert(value, wanted)
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

    def compile(self, *args: Any, **options: Any) -> None:
        """From now on `forward` runs as a plan: see nnfast.compile, whose options these are."""
        from nnfast.graph.compiled import compile

        object.__setattr__(self, "forward", compile(self.forward, *args, **options))

    def cuda(self, device: Any = None) -> Self:
        """Not available: raises DTypeError."""
        return self.to("cuda")

    def to_empty(self, *, device: Any, recurse: bool = True) -> Self:
        """Itself, as memory is on the CPU already."""
        check_device("to_empty", device)
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
    if (trace := tracing()) is not None and (module in trace.modules or module in trace.there):
        raise trace.give_up(f"it changes '{name}' of a {type(module).__name__}")


def floating(where: str, dtype: Any) -> np.dtype[Any]:
    """float32 or float64 by any of their names; raises DTypeError for all others."""
    try:
        found = np.dtype(dtype)
    except TypeError:
        found = None
    if found is None or found not in (float32, float64):
        hint = "nnfast runs on the CPU; leave the call out." if "cuda" in str(dtype) else ""
        fail(where, "float32, float64 or 'cpu'", repr(dtype), hint, DTypeError)
    return found


def _convert(value: Tensor, dtype: np.dtype[Any]) -> None:
    for t in (value, value.grad):
        if isinstance(t, Tensor) and t.dtype.kind == "f" and t.dtype != dtype:
            t.data = wrap(t.array.astype(dtype))


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
