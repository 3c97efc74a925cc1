"""What a module remembers: its state as a dict of tensors, loading it, and hooks of both."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np

from nnfast.errors import ArgumentError, DTypeError, StateError, fail
from nnfast.graph.mode import only_eagerly
from nnfast.nn.hooks import Hook, Hooked, register
from nnfast.tensor import Tensor, as_array, wrap

if TYPE_CHECKING:
    from nnfast.graph.hooks import RemovableHandle
    from nnfast.nn.module import Module

EXTRA = "_extra_state"


class LoadResult(NamedTuple):
    """What load_state_dict did not find and did not use."""

    missing_keys: list[str]
    unexpected_keys: list[str]

    def __repr__(self) -> str:
        if not self.missing_keys and not self.unexpected_keys:
            return "<All keys matched successfully>"
        return f"LoadResult(missing_keys={self[0]}, unexpected_keys={self[1]})"


class Stateful(Hooked):
    """What has state to save: a module."""

    def state_dict(
        self,
        destination: dict[str, Any] | None = None,
        prefix: str = "",
        keep_vars: bool = False,
    ) -> dict[str, Any]:
        """Parameters and persistent buffers by dotted path, sharing their memory.

        They are put into `destination` if there is one. `keep_vars`: the parameters themselves,
        not detached. The keys and shapes are those of PyTorch.

        >>> from nnfast import nn
        >>> list(nn.Linear(2, 3).state_dict())
        ['weight', 'bias']
        """
        module = cast("Module", self)
        found: dict[str, Any] = {} if destination is None else destination
        for hook in self._hooks:
            if hook.kind == "state_dict_pre":
                hook.fn(module, prefix, keep_vars)
        for name, value in module._own("parameter") + module._own("buffer"):
            found[prefix + name] = value if keep_vars else value.detach()
        if _has_extra(self, "get_extra_state"):
            found[prefix + EXTRA] = self.get_extra_state()
        for name, child in module._own("module"):
            child.state_dict(destination=found, prefix=f"{prefix}{name}.", keep_vars=keep_vars)
        for hook in self._hooks:
            if hook.kind == "state_dict_post":
                hook.fn(module, found, prefix, {})
        return found

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> LoadResult:
        """Copy tensors or arrays of a `state_dict` into the parameters and buffers, in place.

        Everything is checked first: if it raises, nothing has changed (hooks aside).
        `strict=False` allows missing and unexpected keys; wrong shapes are never allowed.
        `assign`: take the memory and dtype of what is given instead of copying it.

        Errors: ArgumentError that names every missing, unexpected and ill-shaped key.
        """
        only_eagerly("load_state_dict")
        if not isinstance(state_dict, Mapping):
            fail(
                "load_state_dict",
                "a dict of tensors or arrays",
                f"{type(state_dict).__name__} {state_dict!r}",
                "load a file with nnfast.load(path).",
                DTypeError,
            )
        module, given = cast("Module", self), dict(state_dict)
        result, problems = LoadResult([], []), list[str]()
        for path, m in module.named_modules(remove_duplicate=False):
            for hook in m._hooks:
                if hook.kind == "load_state_dict_pre":
                    hook.fn(m, given, path and f"{path}.", {}, strict, *result, problems)
        own, extras = dict(_state(module)), dict(_extras(module))
        known = {**own, **extras}
        result.missing_keys.extend(key for key in known if key not in given)
        result.unexpected_keys.extend(key for key in given if key not in known)
        arrays = _matching(own, given, problems)
        late: list[tuple[Module, Hook]] = []  # what these take out of the result is forgiven
        module.apply(lambda m: late.extend((m, h) for h in m._hooks if h.kind == "loaded"))
        _refuse(module, result, problems, strict and not late)
        for key, array in arrays.items():
            _load(own[key], array, assign)
        for key, m in extras.items():
            if key in given:
                m.set_extra_state(given[key])
        for m, hook in late:
            hook.fn(m, result)
        _refuse(module, result, problems, strict)
        return result

    def get_extra_state(self) -> Any:
        """What else `state_dict` is to keep, under the key `_extra_state`; for subclasses."""
        raise StateError("get_extra_state", f"expected {type(self).__name__} to define it.")

    def set_extra_state(self, state: Any) -> None:
        """Take back what `get_extra_state` answered; for subclasses.

        >>> from nnfast import nn
        >>> class Counter(nn.Module):
        ...     calls = 0
        ...     def get_extra_state(self):
        ...         return self.calls
        ...     def set_extra_state(self, state):
        ...         self.calls = state
        >>> counter = Counter()
        >>> counter.load_state_dict({"_extra_state": 3})
        <All keys matched successfully>
        >>> counter.calls
        3
        """
        raise StateError("set_extra_state", f"expected {type(self).__name__} to define it.")

    # ---- hooks ----------------------------------------------------------------------------

    def register_state_dict_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call hook(module, prefix, keep_vars) before the module's part of a `state_dict`."""
        return register(self, "state_dict_pre", hook, False)

    def register_state_dict_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call hook(module, state_dict, prefix, local_metadata) after it; it may change the dict.

        >>> from nnfast import nn
        >>> layer = nn.Linear(2, 1)
        >>> def without_bias(module, state_dict, prefix, local_metadata):
        ...     del state_dict[prefix + "bias"]
        >>> handle = layer.register_state_dict_post_hook(without_bias)
        >>> list(layer.state_dict())
        ['weight']
        """
        return register(self, "state_dict_post", hook, False)

    def register_load_state_dict_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call hook(module, state_dict, prefix, local_metadata, strict, missing_keys,
        unexpected_keys, error_msgs) before loading; it may change the dict (a copy) and the lists.
        """
        return register(self, "load_state_dict_pre", hook, False)

    def register_load_state_dict_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call hook(module, incompatible_keys) after loading, children first.

        Keys that it takes out of missing_keys and unexpected_keys are forgiven.
        """
        return register(self, "loaded", hook, False)


def _has_extra(module: Stateful, method: str) -> bool:
    return getattr(type(module), method) is not getattr(Stateful, method)


def _state(module: Module) -> Iterator[tuple[str, Tensor]]:
    for path, m in module.named_modules(remove_duplicate=False):
        for name, value in m._own("parameter") + m._own("buffer"):
            yield f"{path}.{name}" if path else name, value


def _extras(module: Module) -> Iterator[tuple[str, Module]]:
    for path, m in module.named_modules(remove_duplicate=False):
        if _has_extra(m, "set_extra_state"):
            yield f"{path}.{EXTRA}" if path else EXTRA, m


def _load(target: Tensor, array: np.ndarray, assign: bool) -> None:
    if assign:
        target.data = wrap(array if array.flags.writeable else array.copy())
    else:
        target.array[...] = array
        target._version += 1


def _refuse(module: Module, result: LoadResult, problems: list[str], strict: bool) -> None:
    """Raise if anything is wrong; missing and unexpected keys are only if `strict`."""
    missing, unexpected = result if strict else ([], [])
    found = [*_listed("missing", missing), *_listed("unexpected", unexpected), *problems]
    if found:
        loose = "strict=False allows missing and unexpected keys."
        fail(
            "load_state_dict",
            f"the keys and shapes of {type(module).__name__}",
            "\n  " + "\n  ".join(found),
            loose if missing or unexpected else "",
        )


def _listed(what: str, keys: list[str]) -> list[str]:
    return [f"{what}: " + ", ".join(f"'{key}'" for key in keys)] if keys else []


def _matching(
    own: dict[str, Tensor], given: Mapping[str, Any], problems: list[str]
) -> dict[str, np.ndarray]:
    """The arrays for the keys that both have; what is wrong with the others joins `problems`."""
    arrays: dict[str, np.ndarray] = {}
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
    return arrays
