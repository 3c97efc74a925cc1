"""Layers whose first weights do not matter."""

from __future__ import annotations

from typing import Any, TypeVar

from nnfast.errors import DTypeError, fail
from nnfast.generator import default_generator
from nnfast.nn.module import Module

M = TypeVar("M", bound=Module)


def skip_init(module_cls: type[M], *args: Any, **kwargs: Any) -> M:
    """module_cls(*args, **kwargs) whose weights are to be replaced: those it has mean nothing.

    The default generator draws afterwards as if the module had not been made. Errors: module_cls
    is no subclass of Module.

    >>> import nnfast
    >>> layer = nnfast.nn.utils.skip_init(nnfast.nn.Linear, 3, 2)
    >>> nnfast.nn.init.ones_(layer.weight).shape
    (2, 3)
    """
    if not (isinstance(module_cls, type) and issubclass(module_cls, Module)):
        fail("skip_init", "a class of modules", repr(module_cls), error=DTypeError)
    state = default_generator.get_state()
    try:
        return module_cls(*args, **kwargs)
    finally:
        default_generator.set_state(state)
