"""A training step of whole networks: forget gradients, forward, loss, backward, Adam.

Every library starts from the same weights and has to come to the same losses first, without
dropout. Then it trains on one batch again and again.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from bench.harness import Arrays, Case
from bench.models import MODELS, TOY, Model
from bench.timing import Call

LR, CHECKED = 3e-4, 4  # steps whose losses are compared
ROWS = (  # model, batch
    ("MLP 2-8-2", 4),
    ("MLP 784-128-10", 1),
    ("MLP 784-128-10", 32),
    ("MLP 784-1024x3-10", 128),
    ("autoencoder 784-128-32", 64),
    ("LeNet-5", 64),
    ("CNN 32-64", 64),
    ("VGG 64-128-256, 32x32", 32),
    ("ResNet-20", 64),
    ("ResNet-18, 64x64", 16),
    ("GPT 4x128, T=64", 16),
    ("LSTM 128, T=64", 32),
)


def cases(toy: bool = False) -> Iterable[Case]:
    """Every network; tiny ones for the tests."""
    for name, batch in ((name, 3) for name in TOY) if toy else ROWS:
        yield Case(
            group="training step",
            op=name,
            shape=f"batch {batch}",
            sides={side: partial(build, side, name) for side in TRAINERS},
            arrays=partial(training_arrays, name, batch),
            reference=partial(_reference, name),
            tolerance=2e-4,
            grad=True,
        )


def model(name: str) -> Model:
    """A network by its name."""
    return MODELS.get(name) or TOY[name]


def training_arrays(name: str, batch: int, rng: np.random.Generator) -> Arrays:
    """Inputs, targets and the weights that every library starts from."""
    nnfast = importlib.import_module("nnfast")
    nnfast.manual_seed(0)
    state = model(name).make(nnfast).state_dict()
    return *model(name).batch(batch, rng), *(t.numpy() for t in state.values())


def load(module: Any, tensor: Callable[[np.ndarray], Any], weights: Iterable[np.ndarray]) -> Any:
    """Give a module of nnfast or torch its weights, in the order of its state_dict."""
    state = zip(module.state_dict(), weights, strict=True)
    module.load_state_dict({key: tensor(w) for key, w in state})
    return module


class Trainer(NamedTuple):
    """A network, its batch, and what trains it on a batch: one step, its loss is the answer."""

    module: Any
    step: Callable[[Any, Any], Any]
    batch: tuple[Any, Any]


def _step(lib: Any, name: str, module: Any, adam: Any) -> Callable[[Any, Any], Any]:
    """As one writes it with nnfast and with torch."""
    of = model(name)

    def step(x: Any, y: Any) -> Any:
        adam.zero_grad()
        loss = of.loss(lib, module, x, y)
        loss.backward()
        adam.step()
        return loss

    return step


def _eager(dtype: str, name: str, x: np.ndarray, y: np.ndarray, *weights: np.ndarray) -> Trainer:
    nnfast = importlib.import_module("nnfast")
    module = model(name).make(nnfast).to(getattr(nnfast, dtype))
    load(module, nnfast.tensor, weights)
    adam = nnfast.optim.Adam(module.parameters(), LR)
    return Trainer(module, _step(nnfast, name, module, adam), (nnfast.tensor(x), nnfast.tensor(y)))


def own_trainer(name: str, *arrays: np.ndarray, compiled: bool = True) -> Trainer:
    """That of nnfast."""
    module, step, batch = _eager("float32", name, *arrays)
    nnfast = importlib.import_module("nnfast")
    return Trainer(module, nnfast.compile(step) if compiled else step, batch)


def _torch(how: str, name: str, x: np.ndarray, y: np.ndarray, *weights: np.ndarray) -> Trainer:
    torch = importlib.import_module("torch")
    torch.set_flush_denormal(True)
    module = load(model(name).make(torch), torch.tensor, weights)
    inputs, targets = torch.tensor(x), torch.tensor(y)
    if how and inputs.ndim == 4:
        module = module.to(memory_format=torch.channels_last)
        inputs = inputs.to(memory_format=torch.channels_last)
    adam = torch.optim.Adam(module.parameters(), LR, fused=bool(how))
    step = _step(torch, name, module, adam)
    if how == "compile":
        torch.compiler.reset()  # or it gives up after some networks: their steps have one code
        step = torch.compile(step)
    return Trainer(module, lambda x, y: step(x, y).detach(), (inputs, targets))


def _jax(name: str, *arrays: np.ndarray) -> Trainer:
    return Trainer(*importlib.import_module("bench.jax_nn").trainer(model(name), LR, *arrays))


TRAINERS: dict[str, Callable[..., Trainer]] = {
    "nnfast": own_trainer,
    "torch": partial(_torch, ""),
    "torch fused Adam, channels_last": partial(_torch, "fused"),
    "torch compile": partial(_torch, "compile"),
    "jax": _jax,
}


def build(side: str, name: str, *arrays: np.ndarray) -> Call:
    """First the losses of some steps without dropout, then one step a call."""
    module, step, batch = TRAINERS[side](name, *arrays)
    first = [_losses(module, step, batch)]
    return lambda: first.pop() if first else step(*batch)


def _losses(module: Any, step: Callable[[Any, Any], Any], batch: tuple[Any, Any]) -> np.ndarray:
    dropouts = [m for m in module.modules() if type(m).__name__ == "Dropout"]
    rates = [m.p for m in dropouts]
    for m in dropouts:
        m.p = 0.0
    losses = [float(step(*batch)) for _ in range(CHECKED)]
    for m, p in zip(dropouts, rates, strict=True):
        m.p = p
    return np.array(losses)


def _reference(name: str, *arrays: np.ndarray) -> np.ndarray:
    """The losses of nnfast's eager ops in float64."""
    return _losses(*_eager("float64", name, *arrays))
