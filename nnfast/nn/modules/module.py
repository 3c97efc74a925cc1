"""Hooks of all modules at once, for debugging and profiling. They come before a module's own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nnfast.graph.hooks import RemovableHandle
from nnfast.nn.hooks import register_everywhere


def register_module_forward_pre_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Call hook(module, args) before every `forward`; see Module.register_forward_pre_hook.

    >>> import nnfast
    >>> from nnfast.nn.modules.module import register_module_forward_pre_hook
    >>> handle = register_module_forward_pre_hook(lambda module, args: print(args[0].shape))
    >>> _ = nnfast.nn.Identity()(nnfast.ones(2))
    (2,)
    >>> handle.remove()
    """
    return register_everywhere("forward_pre", hook)


def register_module_forward_hook(
    hook: Callable[..., Any], *, with_kwargs: bool = False, always_call: bool = False
) -> RemovableHandle:
    """Call hook(module, args, output) after every `forward`; see Module.register_forward_hook.

    >>> import nnfast
    >>> from nnfast.nn.modules.module import register_module_forward_hook
    >>> handle = register_module_forward_hook(lambda module, args, y: print(module, y.shape))
    >>> y = nnfast.nn.ReLU()(nnfast.ones(2))
    ReLU() (2,)
    >>> handle.remove()
    """
    return register_everywhere("forward", hook, with_kwargs=with_kwargs, always_call=always_call)


def register_module_full_backward_pre_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Call hook(module, grad_output); see Module.register_full_backward_pre_hook.

    >>> import nnfast
    >>> from nnfast.nn.modules.module import register_module_full_backward_pre_hook
    >>> handle = register_module_full_backward_pre_hook(lambda module, dy: print(dy))
    >>> nnfast.nn.ReLU()(nnfast.ones(1, requires_grad=True)).backward()
    (tensor([1.]),)
    >>> handle.remove()
    """
    return register_everywhere("backward_pre", hook)


def register_module_full_backward_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Call hook(module, grad_input, grad_output); see Module.register_full_backward_hook.

    >>> import nnfast
    >>> from nnfast.nn.modules.module import register_module_full_backward_hook
    >>> handle = register_module_full_backward_hook(lambda module, dx, dy: print(dx))
    >>> nnfast.nn.ReLU()(nnfast.ones(1, requires_grad=True)).backward()
    (tensor([1.]),)
    >>> handle.remove()
    """
    return register_everywhere("backward", hook)
