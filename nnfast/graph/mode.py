"""What the calling thread records: gradients on or off, and whether a function is traced."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from nnfast import _core

if TYPE_CHECKING:
    from nnfast.graph.trace import Trace

P = ParamSpec("P")
R = TypeVar("R")


# Of the calling thread: `MODE.grad`, whether ops leave nodes; `MODE.trace`, what is called as
# trace(op, inputs, result, packed attributes) in place of running an op, or None.
MODE = _core.MODE


class Tracing:
    """Base of what notes the ops of a function instead of running them: graph/trace.py."""


def tracing() -> Trace | None:
    """What notes the ops of this thread; None if they run."""
    trace = MODE.trace
    return trace if isinstance(trace, Tracing) else None


def only_eagerly(what: str) -> None:
    """Let a function that is traced run eagerly: what it calls has an effect that no plan has."""
    if (trace := tracing()) is not None:
        raise trace.give_up(f"it calls {what}")


class Changes:
    """Counts changes to modules and new hooks, so that a plan knows when to look at them."""

    count = 0
    module_hooks: tuple[Any, ...] = ()  # called with every module: those of nn/modules/module.py


CHANGES = Changes()


def is_grad_enabled() -> bool:
    """Whether ops of this thread record nodes for `backward`.

    >>> import nnfast
    >>> with nnfast.no_grad():
    ...     nnfast.is_grad_enabled()
    False
    """
    return MODE.grad


class set_grad_enabled:
    """Context manager and function: recording on or off for this thread.

    >>> import nnfast
    >>> x = nnfast.ones(2, requires_grad=True)
    >>> with nnfast.set_grad_enabled(False):
    ...     (x * 2).requires_grad
    False
    """

    def __init__(self, mode: bool) -> None:
        self._before = MODE.grad
        MODE.grad = bool(mode)

    def __enter__(self) -> None:
        return None

    def __exit__(self, *exc: object) -> None:
        MODE.grad = self._before


class _Scope:
    """A context manager and decorator that switches recording while it is active."""

    mode = True

    def __init__(self) -> None:
        self._stack: list[bool] = []

    def __enter__(self) -> None:
        self._stack.append(MODE.grad)
        MODE.grad = self.mode

    def __exit__(self, *exc: object) -> None:
        MODE.grad = self._stack.pop()

    def _again(self) -> _Scope:
        return type(self)()

    def __call__(self, fn: Callable[P, R]) -> Callable[P, R]:
        @wraps(fn)
        def call(*args: Any, **kwargs: Any) -> R:
            with self._again():
                return fn(*args, **kwargs)

        return call


class no_grad(_Scope):
    """No nodes are recorded inside: for evaluation and updates. Also a decorator.

    >>> import nnfast
    >>> w = nnfast.ones(3, requires_grad=True)
    >>> with nnfast.no_grad():
    ...     (w * 2).requires_grad
    False
    """

    mode = False


class enable_grad(_Scope):
    """Nodes are recorded inside, even within `no_grad`. Also a decorator.

    >>> import nnfast
    >>> x = nnfast.ones(1, requires_grad=True)
    >>> with nnfast.no_grad():
    ...     with nnfast.enable_grad():
    ...         (2 * x).requires_grad
    True
    """

    mode = True


class inference_mode(no_grad):
    """no_grad under its other name; `inference_mode(False)` changes nothing. Also a decorator.

    >>> import nnfast
    >>> @nnfast.inference_mode()
    ... def evaluate(w):
    ...     return (w * 2).requires_grad
    >>> evaluate(nnfast.ones(3, requires_grad=True))
    False
    """

    def __init__(self, mode: bool = True) -> None:
        super().__init__()
        self._on = mode

    def __enter__(self) -> None:
        self._stack.append(MODE.grad)
        MODE.grad = MODE.grad and not self._on

    def _again(self) -> inference_mode:
        return inference_mode(self._on)
