"""Train a network on handwritten digits (MNIST) and save its weights."""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import nnfast
from nnfast import models
from nnfast.cli.arguments import fraction, positive
from nnfast.data import DataLoader, TensorDataset, load_mnist, normalize_images, split
from nnfast.errors import fail
from nnfast.nn import Module
from nnfast.optim import Adam, Optimizer
from nnfast.serialize import save
from nnfast.train import evaluate, train_epoch, training_step

EVAL_BATCH = 500


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `nnfast train`."""
    add = parser.add_argument
    add("--model", choices=sorted(models.MODELS), default="cnn", help="default: %(default)s")
    add("--data-dir", help="folder of the four MNIST files; default: an excerpt of 6,000 digits")
    add("--epochs", type=positive(int), default=5, help="default: %(default)s")
    add("--batch", type=positive(int), default=64, help="batch size; default: %(default)s")
    add(
        "--lr",
        type=fraction,
        default=1e-3,
        help="first learning rate of Adam, falling to 0; default: %(default)s",
    )
    add("--seed", type=int, default=0, help="of weights, order and dropout; default: 0")
    add("--threads", type=positive(int), help="default: the CPUs this process may use")
    add("--eager", action="store_true", help="run op by op instead of as one planned call a step")
    add("--output", help="file for the weights; default: nnfast-MODEL.safetensors")


def run(arguments: argparse.Namespace) -> None:
    """Train, print one line an epoch, test, save."""
    start = time.perf_counter()
    output = arguments.output or f"nnfast-{arguments.model}.safetensors"
    _check_output(output)
    if arguments.threads:
        nnfast.set_num_threads(arguments.threads)
    nnfast.manual_seed(arguments.seed)
    training, validation, test = _load(arguments)
    model = models.MODELS[arguments.model]()
    print(_headline(arguments, model, len(training.dataset)))
    optimizer = Adam(model.parameters(), lr=arguments.lr)
    step = training_step(model, optimizer)
    if not arguments.eager:
        step = nnfast.compile(step)
    decay = _LinearDecay(optimizer, arguments.epochs * len(training.dataset))
    for epoch in range(1, arguments.epochs + 1):
        begin = time.perf_counter()
        with _progress(f"epoch {epoch}", len(training.dataset)) as show:

            def on_batch(count: int, show: Callable[[int], object] = show) -> None:
                decay(count)
                show(count)

            learned = train_epoch(model, step, training, on_batch)
        seconds = time.perf_counter() - begin
        held_out = evaluate(model, validation)
        print(
            f"epoch {epoch}/{arguments.epochs}  loss {learned.loss:.4f}  "
            f"train {learned.accuracy:.2%}  validation {held_out.accuracy:.2%}  "
            f"{learned.count / seconds:,.0f} images/s",
            flush=True,
        )
    result = evaluate(model, test)
    save(model.state_dict(), output, {"model": arguments.model})
    right = round(result.accuracy * result.count)
    print(f"test {result.accuracy:.2%} ({right:,} of {result.count:,})")
    print(f"weights in {output}; {time.perf_counter() - start:.1f} s in all")


class _LinearDecay:
    """The learning rate falls from its first value to 0 in equal steps a sample."""

    def __init__(self, optimizer: Optimizer, total: int) -> None:
        self.optimizer, self.total, self.done = optimizer, total, 0
        self.rates = [group["lr"] for group in optimizer.param_groups]

    def __call__(self, count: int) -> None:
        self.done += count
        left = 1 - self.done / self.total
        for group, rate in zip(self.optimizer.param_groups, self.rates, strict=True):
            group["lr"] = rate * left


def _headline(arguments: argparse.Namespace, model: Module, count: int) -> str:
    parameters = sum(p.numel() for p in model.parameters())
    threads = nnfast.get_num_threads()
    return (
        f"{arguments.model}: {parameters:,} parameters, {count:,} training images, "
        f"{threads} thread{'s' if threads > 1 else ''}, "
        f"{'op by op' if arguments.eager else 'one planned call a step'}"
    )


def _load(arguments: argparse.Namespace) -> tuple[DataLoader, DataLoader, DataLoader]:
    """Loaders of training, validation (a twelfth of the training images) and test images."""
    images, labels, test_images, test_labels = load_mnist(arguments.data_dir)
    held_out = max(1, len(images) // 12)
    if len(images) < 2:
        fail("train", "at least two training images", str(len(images)))
    train_rows, validation_rows = split(
        len(images), (len(images) - held_out, held_out), seed=arguments.seed
    )
    x, y = normalize_images(images), labels.astype("int64")
    return (
        DataLoader(
            TensorDataset(x[train_rows], y[train_rows]),
            batch_size=arguments.batch,
            shuffle=True,
            seed=arguments.seed,
        ),
        DataLoader(TensorDataset(x[validation_rows], y[validation_rows]), batch_size=EVAL_BATCH),
        DataLoader(
            TensorDataset(normalize_images(test_images), test_labels.astype("int64")),
            batch_size=EVAL_BATCH,
        ),
    )


def _check_output(output: str) -> None:
    """Before the work, not after it: the folder exists and can be written."""
    folder = os.path.dirname(os.path.abspath(output))
    if not os.path.isdir(folder):
        fail("train", "an output file in an existing folder", repr(output), "create the folder.")
    if os.path.isdir(output) or not os.access(folder, os.W_OK):
        fail("train", "an output file that can be written", repr(output), "choose --output.")


@contextmanager
def _progress(label: str, total: int) -> Iterator[Callable[[int], None]]:
    """A tqdm bar that disappears when it is done; none without tqdm or a terminal."""
    try:
        from tqdm import tqdm
    except ImportError:
        yield lambda count: None
        return
    with tqdm(total=total, desc=label, unit=" images", leave=False, disable=None) as bar:
        yield bar.update
