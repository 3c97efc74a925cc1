"""Hooks of modules: functions called before and after `forward`, and in the backward pass."""

from __future__ import annotations

import warnings
import weakref
from collections.abc import Callable
from itertools import count
from typing import TYPE_CHECKING, Any, NamedTuple

from nnfast.errors import DTypeError, fail
from nnfast.graph.hooks import RemovableHandle, add_hook
from nnfast.graph.mode import CHANGES, tracing
from nnfast.graph.tree import flatten, rebuild
from nnfast.ops.operands import AnyTensor
from nnfast.ops.record import Op, Result, view
from nnfast.tensor import Tensor

if TYPE_CHECKING:
    from nnfast.nn.module import Module

_numbers = count()
CALLED = ("forward_pre", "forward", "backward_pre", "backward")  # when a module is called


class Hook(NamedTuple):
    """One hook of a module."""

    kind: str  # one of CALLED, or of those of nn/state.py
    fn: Callable[..., Any]
    number: int
    with_kwargs: bool = False
    always_call: bool = False


class Hooked:
    """What has hooks: a module."""

    _hooks: tuple[Hook, ...] = ()
    _called_hooks: tuple[Hook, ...] = ()  # those of them in CALLED

    def register_forward_pre_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """Call hook(module, args) before `forward`; what it returns takes the place of args.

        `with_kwargs`: hook(module, args, kwargs), which returns None or (args, kwargs). `prepend`
        puts it before the other hooks. A compiled function that meets a hook of any kind runs
        eagerly.

        >>> import nnfast
        >>> layer = nnfast.nn.ReLU()
        >>> handle = layer.register_forward_pre_hook(lambda module, args: (args[0] + 1,))
        >>> layer(nnfast.tensor([0.5]))
        tensor([1.5])
        >>> handle.remove()
        """
        return register(self, "forward_pre", hook, prepend, with_kwargs=with_kwargs)

    def register_forward_hook(
        self,
        hook: Callable[..., Any],
        *,
        prepend: bool = False,
        with_kwargs: bool = False,
        always_call: bool = False,
    ) -> RemovableHandle:
        """Call hook(module, args, output) after `forward`; what it returns replaces the output.

        `with_kwargs`: hook(module, args, kwargs, output). `always_call`: even if `forward` fails.
        """
        return register(
            self, "forward", hook, prepend, with_kwargs=with_kwargs, always_call=always_call
        )

    def register_full_backward_pre_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> RemovableHandle:
        """Call hook(module, grad_output) when the gradients of the outputs are known.

        A tuple, None where there is none; what it returns takes its place.
        """
        return register(self, "backward_pre", hook, prepend)

    def register_full_backward_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> RemovableHandle:
        """Call hook(module, grad_input, grad_output) when the gradients of the inputs are known.

        Tuples, one element for each positional argument and each output, None where there is no
        gradient; what it returns takes the place of grad_input.
        """
        return register(self, "backward", hook, prepend)


def register(module: Hooked, kind: str, fn: Any, prepend: bool, **flags: bool) -> RemovableHandle:
    """Add a hook to a module, behind or in front of the others."""
    hook = _hook(kind, fn, flags)
    _keep(module, (hook, *module._hooks) if prepend else (*module._hooks, hook))
    return RemovableHandle(
        lambda: _keep(module, tuple(h for h in module._hooks if h.number != hook.number))
    )


def _hook(kind: str, fn: Any, flags: dict[str, bool]) -> Hook:
    if not callable(fn):
        fail(f"register_{kind}_hook", "a function", type(fn).__name__, error=DTypeError)
    return Hook(kind, fn, next(_numbers), **flags)


def register_everywhere(kind: str, fn: Any, **flags: bool) -> RemovableHandle:
    """Add a hook that every module calls, before its own."""
    hook = _hook(kind, fn, flags)

    def keep(hooks: tuple[Hook, ...]) -> None:
        CHANGES.module_hooks = hooks
        CHANGES.count += 1

    keep((*CHANGES.module_hooks, hook))
    return RemovableHandle(
        lambda: keep(tuple(h for h in CHANGES.module_hooks if h.number != hook.number))
    )


def _keep(module: Hooked, hooks: tuple[Hook, ...]) -> None:
    module._hooks = hooks
    module._called_hooks = tuple(h for h in hooks if h.kind in CALLED)


def call_with_hooks(module: Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """`forward` and all hooks around it."""
    if (trace := tracing()) is not None:  # a plan cannot know what they do
        raise trace.give_up(f"it calls the hooks of a {type(module).__name__}")
    hooks = CHANGES.module_hooks + module._called_hooks
    waiting = [h for h in hooks if h.kind == "forward"]
    result = None
    try:
        for hook in hooks:
            if hook.kind == "forward_pre":
                args, kwargs = _before(hook, module, args, kwargs)
        boundary = Boundary(module, hooks)
        args = boundary.inputs(args)
        result = module.forward(*args, **kwargs)
        while waiting:
            result = _after(waiting.pop(0), module, args, kwargs, result)
        return boundary.outputs(result)
    except Exception:
        for hook in waiting:
            if hook.always_call:
                try:
                    result = _after(hook, module, args, kwargs, result)
                except Exception as error:
                    warnings.warn(f"a hook with always_call=True failed: {error}", stacklevel=2)
        raise


def _before(
    hook: Hook, module: Module, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The arguments that a hook before forward wants."""
    if not hook.with_kwargs:
        new = hook.fn(module, args)
        if new is None:
            return args, kwargs
        return (new if isinstance(new, tuple) else (new,)), kwargs
    new = hook.fn(module, args, kwargs)
    if new is None:
        return args, kwargs
    if not isinstance(new, tuple) or len(new) != 2:
        fail("register_forward_pre_hook", "None or (args, kwargs)", repr(new), error=DTypeError)
    return new


def _after(
    hook: Hook, module: Module, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any
) -> Any:
    """The result that a hook after forward wants."""
    more = (kwargs,) if hook.with_kwargs else ()
    new = hook.fn(module, args, *more, result)
    return result if new is None else new


# ---- the backward pass -------------------------------------------------------------------------


class Boundary:
    """Where gradients leave and enter a module: nodes around it that let them pass.

    The nodes of one side have numbers side by side: when the first of them runs, the gradients of
    all are complete.
    """

    def __init__(self, module: Module, hooks: tuple[Hook, ...]) -> None:
        self.module = module
        self.pre = [h.fn for h in hooks if h.kind == "backward_pre"]
        self.full = [h.fn for h in hooks if h.kind == "backward"]
        self.inside: list[Any] = []  # a node, or None, for each argument
        self.grad_output: tuple[Any, ...] = ()

    def inputs(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """The arguments as the module sees them."""
        if self.full:
            args, self.inside = _through(args, self._leave)
        return args

    def outputs(self, result: Any) -> Any:
        """The result as others see it."""
        if not self.pre and not self.full:
            return result
        leaves, structure = flatten(result)
        passed, self.outside = _through(tuple(leaves), self._enter)
        return rebuild(passed, structure)

    def _enter(self, grads: tuple[Any, ...]) -> tuple[Any, ...]:
        for fn in self.pre:
            grads = _replaced("backward_pre", grads, fn(self.module, grads))
        self.grad_output = grads
        if self.full and not any(self.inside):
            nothing = (None,) * len(self.inside)
            for fn in self.full:
                fn(self.module, nothing, grads)
        return grads

    def _leave(self, grads: tuple[Any, ...]) -> tuple[Any, ...]:
        for fn in self.full:
            grads = _replaced("backward", grads, fn(self.module, grads, self.grad_output))
        return grads


def _through(
    values: tuple[Any, ...], complete: Callable[[tuple[Any, ...]], tuple[Any, ...]]
) -> tuple[tuple[Any, ...], list[Any]]:
    """The values, behind nodes that hand their gradients to `complete` together; these nodes."""
    passed = tuple(_PASS(x) if isinstance(x, Tensor) and x.requires_grad else x for x in values)
    nodes = [
        y.node if isinstance(y, Tensor) and y is not x else None
        for x, y in zip(values, passed, strict=True)
    ]
    latest: list[Any] = [None]  # the pass that was here last

    def hook(work: Any, node: Any, dys: list[Any]) -> None:
        if latest[0] is not None and latest[0]() is work:
            return
        latest[0] = weakref.ref(work)
        pending = [dys if n is node else work.grads.get(n) for n in nodes]
        found = complete(tuple(None if p is None else p[0] for p in pending))
        for p, grad in zip(pending, found, strict=True):
            if p is not None:
                p[0] = grad

    for node in nodes:
        if node is not None:
            add_hook(node, hook)
    return passed, nodes


def _replaced(kind: str, grads: tuple[Any, ...], new: Any) -> tuple[Any, ...]:
    """The gradients that a hook wants."""
    if new is None:
        return grads
    new = new if isinstance(new, tuple) else (new,)
    if len(new) != len(grads):
        fail(f"register_full_{kind}_hook", f"None or {len(grads)} gradients", str(len(new)))
    return new


def _pass(input: AnyTensor) -> Result:
    """Itself."""
    return view(lambda a: a, input.shape, input)


_PASS = Op(_pass, None, None, ("y",), (), (), False, None)
_PASS.vjp(input=lambda dy: dy)
