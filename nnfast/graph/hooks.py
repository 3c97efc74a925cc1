"""Hooks of tensors: functions that the backward pass calls with a gradient."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from itertools import count
from typing import Any, Self

from nnfast.errors import DTypeError, StateError, fail
from nnfast.graph.mode import CHANGES, tracing
from nnfast.tensor import Tensor

_numbers = count()


class RemovableHandle:
    """Takes a hook away again: by `remove()`, or at the end of a `with` block."""

    def __init__(self, remove: Callable[[], Any]) -> None:
        self._remove = remove

    def remove(self) -> None:
        """The hook is not called any more."""
        self._remove()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.remove()


def add_hook(holder: Any, hook: Callable[..., Any], last: bool = False) -> RemovableHandle:
    """Keep a hook with a node or a leaf; `last` ones come after all others."""
    if (trace := tracing()) is not None:
        raise trace.give_up("it registers a hook")
    hooks: dict[int, Any] = holder.hooks if holder.hooks is not None else {}
    number = next(_numbers)
    key = -1 - number if last else number
    hooks[key] = hook
    holder.hooks = hooks
    CHANGES.count += 1
    return RemovableHandle(lambda: hooks.pop(key, None))


def hooks_of(holder: Any, last: bool = False) -> list[Any]:
    """In the order in which they are called."""
    return [hook for key, hook in holder.hooks.items() if (key < 0) == last]


def register_hook(t: Tensor, hook: Callable[[Tensor], Tensor | None]) -> RemovableHandle:
    """Call `hook` with the gradient of t, once it is complete; see Tensor.register_hook."""
    if not t.requires_grad:
        raise StateError(
            "register_hook",
            f"expected a tensor that requires gradients, got one of shape {t.shape} that does not.",
        )
    if t.node is None:
        return add_hook(t, lambda grad: changed_by(hook, grad))
    slot = t.slot

    def on_output(work: Any, node: Any, dys: list[Tensor | None]) -> None:
        dys[slot] = changed_by(hook, dys[slot])

    return add_hook(t.node, on_output)


def changed_by(hook: Callable[[Tensor], Tensor | None], grad: Tensor | None) -> Tensor | None:
    """What a hook makes of a gradient: None leaves it as it is."""
    new = None if grad is None else hook(grad)
    if grad is None or new is None:
        return grad
    if not isinstance(new, Tensor):
        fail("register_hook", "a tensor or None from a hook", type(new).__name__, error=DTypeError)
    if new.shape != grad.shape:
        fail("register_hook", f"a gradient of shape {grad.shape} from a hook", f"{new.shape}")
    return new


def retain_grad(t: Tensor) -> None:
    """Keep the gradient of a result in its `grad`; see Tensor.retain_grad."""
    if not t.requires_grad:
        raise StateError("retain_grad", "expected a tensor that requires gradients.")
    if t.node is None or retains_grad(t):
        return
    ref, slot = weakref.ref(t), t.slot

    def keep(work: Any, node: Any, dys: list[Tensor | None]) -> None:
        owner, dy = ref(), dys[slot]
        if owner is not None and dy is not None:
            owner.grad = dy if owner.grad is None else owner.grad + dy

    keep.retains = slot  # type: ignore[attr-defined]
    add_hook(t.node, keep, last=True)


def retains_grad(t: Tensor) -> bool:
    """Whether the backward pass fills `grad` of this result."""
    if t.node is None or t.node.hooks is None:
        return False
    return any(getattr(hook, "retains", None) == t.slot for hook in t.node.hooks.values())
