"""What the layers of a module compute on data, layer by layer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from nnfast.graph.mode import no_grad
from nnfast.nn.module import Module


def leaves(model: Module) -> list[tuple[str, Module]]:
    """(dotted path, module) of the modules that hold no others."""
    return [(name, m) for name, m in model.named_modules() if not list(m.children())]


@contextmanager
def observed(modules: list[Module], see: Callable[[Module, Any], None]) -> Iterator[None]:
    """Within, see(module, output) is called after each call of one of the modules."""

    def hook(module: Module, _: Any, y: Any) -> None:
        see(module, y)

    handles = [m.register_forward_hook(hook) for m in modules]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def output_of(model: Module, layer: Module, inputs: tuple[Any, ...]) -> Any:
    """What `layer` answers when `model` is called, as an array: the last time, if it is often."""
    found: list[Any] = []
    with no_grad(), observed([layer], lambda _, y: found.append(y)):
        model(*inputs)
    return found[-1].numpy() if found else None


def called(model: Module, layers: list[Module], inputs: tuple[Any, ...]) -> list[Module]:
    """Those of the layers that a call of the model uses, in order."""
    order: dict[Module, None] = {}
    with no_grad(), observed(layers, lambda m, _: order.setdefault(m)):
        model(*inputs)
    return list(order)
