"""Every layer, loss and model against PyTorch with the same weights: value, gradients, state, text.

The reference is always PyTorch in float64. float64 must agree to 1e-12 of the largest value;
float32 to epsilon times the number of additions that could stand behind one element, times what
the largest sum would be without cancellation (found by running PyTorch on absolute values).
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest

import nnfast
from nnfast import models, nn
from nnfast.nn import functional as F

torch = pytest.importorskip("torch")

Array = np.ndarray
DTYPES = ["float32", "float64"]


class Layer(NamedTuple):
    name: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    shape: tuple[int, ...]

    def __str__(self) -> str:
        return f"{self.name}{self.args}{self.kwargs or ''}"


def layer(name: str, *args: Any, shape: tuple[int, ...], **kwargs: Any) -> Layer:
    return Layer(name, args, kwargs, shape)


LAYERS = [
    layer("Identity", shape=(3, 4)),
    layer("Linear", 5, 7, shape=(4, 5)),
    layer("Linear", 5, 7, bias=False, shape=(2, 3, 5)),
    layer("Linear", 5, 1, shape=(5,)),
    layer("Linear", 0, 3, shape=(2, 0)),
    layer("Flatten", shape=(2, 3, 4)),
    layer("Flatten", 0, 1, shape=(2, 3, 4)),
    layer("Unflatten", 1, (2, 3), shape=(2, 6, 4)),
    layer("Unflatten", -1, (-1, 2), shape=(2, 6, 4)),
    layer("Conv2d", 1, 4, 3, shape=(2, 1, 6, 7)),
    layer("Conv2d", 3, 4, (3, 2), 2, 1, shape=(2, 3, 8, 9)),
    layer("Conv2d", 4, 6, 3, padding=(2, 1), dilation=2, groups=2, bias=False, shape=(2, 4, 8, 8)),
    layer("Conv2d", 4, 8, 3, padding=1, groups=4, shape=(2, 4, 5, 5)),
    layer("Conv2d", 2, 3, (4, 3), padding="same", dilation=(1, 2), shape=(2, 2, 7, 6)),
    layer("Conv2d", 2, 3, 5, stride=(2, 1), padding="valid", shape=(1, 2, 7, 6)),
    layer("Conv2d", 2, 3, 3, shape=(2, 5, 5)),
    layer("LayerNorm", 6, shape=(2, 3, 6)),
    layer("LayerNorm", (3, 6), 1e-3, shape=(2, 3, 6)),
    layer("LayerNorm", [6], elementwise_affine=False, shape=(4, 6)),
    layer("LayerNorm", 6, bias=False, shape=(6,)),
    layer("MaxPool2d", 2, shape=(2, 3, 6, 7)),
    layer("MaxPool2d", (3, 2), 2, (1, 0), shape=(2, 3, 7, 7)),
    layer("MaxPool2d", 3, 2, 1, 2, ceil_mode=True, shape=(2, 3, 9, 8)),
    layer("AvgPool2d", 2, shape=(2, 3, 6, 7)),
    layer("AvgPool2d", 3, (2, 1), 1, count_include_pad=False, shape=(2, 3, 7, 7)),
    layer("AvgPool2d", 3, 2, 1, ceil_mode=True, shape=(2, 3, 8, 8)),
    layer("AvgPool2d", 2, divisor_override=3, shape=(2, 3, 6, 6)),
    layer("ReLU", shape=(5, 6)),
    layer("ReLU", inplace=True, shape=(5, 6)),
    layer("LeakyReLU", shape=(5, 6)),
    layer("LeakyReLU", 0.2, True, shape=(5, 6)),
    layer("Sigmoid", shape=(5, 6)),
    layer("Tanh", shape=(5, 6)),
    layer("GELU", shape=(5, 6)),
    layer("GELU", approximate="tanh", shape=(5, 6)),
    layer("Softmax", dim=1, shape=(5, 6)),
    layer("Softmax", 0, shape=(3, 4, 5)),
    layer("LogSoftmax", dim=-1, shape=(5, 6)),
    layer("Dropout", 0.0, shape=(5, 6)),
    layer("BatchNorm1d", 6, shape=(5, 6)),
    layer("BatchNorm1d", 6, shape=(5, 6, 4)),
    layer("BatchNorm2d", 3, shape=(4, 3, 5, 6)),
    layer("BatchNorm2d", 3, eps=1e-3, momentum=0.3, affine=False, shape=(4, 3, 5, 6)),
    layer("BatchNorm2d", 3, bias=False, shape=(4, 3, 2, 2)),
    layer("BatchNorm2d", 3, momentum=None, shape=(4, 3, 2, 2)),
    layer("BatchNorm2d", 3, track_running_stats=False, shape=(4, 3, 2, 2)),
]


# ---- comparison ---------------------------------------------------------------------------------


def numpy_state(module: Any) -> dict[str, Array]:
    return {k: v.detach().numpy().copy() for k, v in module.state_dict().items()}


def pair(mine: Any, reference: Any, dtype: str, rng: np.random.Generator) -> None:
    """Give both modules the same weights, which `dtype` holds exactly."""
    assert {k: v.shape for k, v in numpy_state(mine).items()} == {
        k: v.shape for k, v in numpy_state(reference).items()
    }
    assert list(mine.state_dict()) == list(reference.state_dict())
    state = {
        k: v if v.dtype == np.int64 else random(rng, v.shape, dtype)
        for k, v in numpy_state(reference).items()
    }
    state = {k: abs(v) + 0.5 if k.endswith("running_var") else v for k, v in state.items()}
    mine.to(dtype).load_state_dict(state)
    reference.double().load_state_dict({k: torch.tensor(v) for k, v in state.items()})


def random(rng: np.random.Generator, shape: tuple[int, ...], dtype: str) -> Array:
    return np.asarray(rng.standard_normal(shape)).astype(dtype)


def run(module: Any, tensor: Callable[..., Any], x: Array, dy: Array) -> dict[str, Array]:
    """Output and all gradients."""
    module.zero_grad()
    input = tensor(x, requires_grad=True)
    y = module(input * 1)  # PyTorch changes no leaf in place
    y.backward(tensor(dy))
    found = {"y": y.detach(), "dx": input.grad}
    found |= {f"d{name}": p.grad for name, p in module.named_parameters()}
    return {k: v.numpy() for k, v in found.items()}


def reference_run(module: Any, x: Array, dy: Array) -> dict[str, Array]:
    return run(module, lambda a, **k: torch.tensor(a.astype(np.float64), **k), x, dy)


def close(mine: Array, want: Array, dtype: str, terms: int, magnitude: float, what: str) -> None:
    assert mine.dtype == dtype and mine.shape == want.shape, what
    limit = 1e-12 if dtype == "float64" else (terms + 4) * float(np.finfo(dtype).eps)
    error = largest(mine - want)
    assert error <= limit * magnitude, f"{what}: error {error:.3g}, allowed {limit * magnitude:.3g}"


def largest(*arrays: Array) -> float:
    return max(float(np.max(np.abs(a), initial=0)) for a in arrays)


def compare(
    mine: Any, reference: Any, x: Array, rng: np.random.Generator, terms: int | None = None
) -> None:
    """Value and all gradients of both, then the state that a pass in training has changed."""
    dtype = str(x.dtype)
    with torch.no_grad():
        shape = tuple(copy.deepcopy(reference)(torch.tensor(x.astype(np.float64))).shape)
    dy = random(rng, shape, dtype)
    absolute = copy.deepcopy(reference) if terms is None else None
    want, got = reference_run(reference, x, dy), run(mine, nnfast.tensor, x, dy)
    sizes = want
    after = numpy_state(reference)
    if absolute is not None:
        with torch.no_grad():
            for p in absolute.parameters():
                p.abs_()
        sizes = reference_run(absolute, abs(x), abs(dy))
    longest = terms or max(a.size for a in [x, dy, *after.values()])
    for name, value in want.items():
        close(got[name], value, dtype, longest, largest(value, sizes[name]), name)
    for name, value in numpy_state(mine).items():
        if value.dtype == np.int64:
            assert value == after[name]
        else:
            close(value, after[name], dtype, longest, largest(after[name]), name)


# ---- layers -------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:Initializing zero-element", "ignore:Using padding='same'")
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("mode", ["train", "eval"])
@pytest.mark.parametrize("case", LAYERS, ids=str)
def test_layer(case: Layer, mode: str, dtype: str) -> None:
    rng = np.random.default_rng(1)
    mine = getattr(nn, case.name)(*case.args, **case.kwargs)
    reference = getattr(torch.nn, case.name)(*case.args, **case.kwargs)
    assert repr(mine) == repr(reference)
    pair(mine, reference, dtype, rng)
    for module in (mine, reference):
        module.train(mode == "train")
    compare(mine, reference, random(rng, case.shape, dtype), rng)


@pytest.mark.parametrize("name", ["ReLU", "LeakyReLU", "Dropout"])
def test_inplace_leaves_the_input(name: str) -> None:
    x = nnfast.tensor([-1.0, 2.0])
    getattr(nn, name)(inplace=True)(x)
    getattr(F, {"ReLU": "relu", "LeakyReLU": "leaky_relu"}.get(name, "dropout"))(x, inplace=True)
    assert x.tolist() == [-1, 2]


@pytest.mark.parametrize("p", [0.0, 0.3, 1.0])
def test_dropout(p: float) -> None:
    drop = nn.Dropout(p)
    x = nnfast.tensor(np.full(10_000, 3.0), requires_grad=True)
    y = drop(x)
    y.backward(nnfast.tensor(np.full(10_000, 5.0)))
    kept = y.detach().numpy() != 0
    scale = 1 / (1 - p) if p < 1 else 0.0
    assert np.allclose(y.detach().numpy(), np.where(kept, 3 * scale, 0), rtol=1e-15)
    assert np.allclose(x.grad.numpy(), np.where(kept, 5 * scale, 0), rtol=1e-15)
    assert abs(kept.mean() - (1 - p)) < 5 * np.sqrt(0.25 / 10_000)  # five standard deviations
    assert drop.eval()(x).tolist() == x.tolist()
    if 0 < p < 1:
        assert (drop.train()(x).detach().numpy() != y.detach().numpy()).any()


def test_batch_norm_updates_its_buffers_in_place() -> None:
    bn = nn.BatchNorm2d(2)
    arrays = [b.array for b in bn.buffers()]
    for _ in range(3):
        bn(nnfast.ones(2, 2, 3, 3))
    assert all(b.array is a for b, a in zip(bn.buffers(), arrays, strict=True))
    assert bn.num_batches_tracked.item() == 3
    bn.eval()(nnfast.ones(2, 2, 3, 3))
    assert bn.num_batches_tracked.item() == 3
    bn.reset_running_stats()
    assert bn.num_batches_tracked.item() == 0 and bn.running_var.tolist() == [1, 1]


def test_batch_norm_counts_only_what_succeeded() -> None:
    bn = nn.BatchNorm1d(2)
    with pytest.raises(nnfast.NNFastError):
        bn(nnfast.ones(1, 2))  # one value per channel has no variance
    assert bn.num_batches_tracked.item() == 0 and bn.running_mean.tolist() == [0, 0]


@pytest.mark.parametrize(
    ("name", "args", "fan_in"),
    [("Linear", (300, 200), 300), ("Conv2d", (20, 40, 5, 1, 0, 1, 2), 250)],
)
def test_initial_weights_are_distributed_as_in_pytorch(name: str, args: Any, fan_in: int) -> None:
    mine, theirs = getattr(nn, name)(*args), getattr(torch.nn, name)(*args)
    bound = 1 / np.sqrt(fan_in)
    for key in ("weight", "bias"):
        a, b = numpy_state(mine)[key], numpy_state(theirs)[key]
        assert a.shape == b.shape and a.dtype == b.dtype
        assert abs(a).max() <= bound and abs(b).max() <= bound * 1.0001
        # The sample's variance is that of a uniform distribution within five deviations.
        deviation = np.sqrt(0.8 / a.size)
        assert abs(a.var() / (bound**2 / 3) - 1) < 5 * deviation
        assert abs(a.mean()) < 5 * bound / np.sqrt(3 * a.size)


# ---- losses -------------------------------------------------------------------------------------


def classes(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    return rng.integers(0, shape[1], (shape[0], *shape[2:]))


def some_ignored(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    target = classes(rng, shape)
    target.flat[::2] = 1
    return target


def distribution(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    p = rng.random(shape)
    return p / p.sum(1, keepdims=True)


def real(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    return rng.standard_normal(shape)


def share(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    return rng.random(shape)


W = np.array([0.5, 2.0, 1.0, 0.25])
LOSSES: list[tuple[str, dict[str, Any], Callable[..., Array], tuple[int, ...]]] = [
    ("CrossEntropyLoss", {}, classes, (6, 4)),
    ("CrossEntropyLoss", {"weight": W, "ignore_index": 1}, some_ignored, (6, 4)),
    ("CrossEntropyLoss", {"weight": W, "label_smoothing": 0.1}, classes, (6, 4)),
    ("CrossEntropyLoss", {"label_smoothing": 0.2, "ignore_index": 1}, some_ignored, (6, 4, 3)),
    ("CrossEntropyLoss", {}, distribution, (6, 4)),
    ("NLLLoss", {}, classes, (6, 4)),
    ("NLLLoss", {"weight": W, "ignore_index": 1}, some_ignored, (6, 4, 2)),
    ("MSELoss", {}, real, (6, 4)),
    ("L1Loss", {}, real, (6, 4)),
    ("BCELoss", {}, share, (6, 4)),
    ("BCELoss", {"weight": W}, share, (6, 4)),
    ("BCEWithLogitsLoss", {}, share, (6, 4)),
    ("BCEWithLogitsLoss", {"weight": W, "pos_weight": W[::-1].copy()}, share, (6, 4)),
]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("case", LOSSES, ids=lambda c: f"{c[0]}-{'-'.join(c[1])}-{c[2].__name__}")
def test_loss(case: Any, reduction: str, dtype: str) -> None:
    name, kwargs, target_of, shape = case
    rng = np.random.default_rng(2)
    target = target_of(rng, shape)
    target = target if target.dtype == np.int64 else target.astype(dtype)
    x = (share if name == "BCELoss" else real)(rng, shape).astype(dtype)

    def build(module: Any, tensor: Any, kind: str) -> Any:
        arrays = {k: tensor(v.astype(kind)) for k, v in kwargs.items() if isinstance(v, Array)}
        return getattr(module, name)(**{**kwargs, **arrays}, reduction=reduction)

    mine, theirs = build(nn, nnfast.tensor, dtype), build(torch.nn, torch.tensor, "float64")
    assert repr(mine) == repr(theirs) and list(mine.state_dict()) == list(theirs.state_dict())

    def evaluate(module: Any, tensor: Any, x: Array, target: Array) -> tuple[Array, Array]:
        input = tensor(x, requires_grad=True)
        loss = module(input, tensor(target))
        dy = np.linspace(1, 2, int(np.prod(tuple(loss.shape)))).reshape(tuple(loss.shape))
        loss.backward(tensor(dy.astype(x.dtype)))
        return loss.detach().numpy(), input.grad.numpy()

    wide = target if target.dtype == np.int64 else target.astype(np.float64)
    got = evaluate(mine, nnfast.tensor, x, target)
    want = evaluate(theirs, torch.tensor, x.astype(np.float64), wide)
    for a, b in zip(got, want, strict=True):
        close(a, b, dtype, x.size, largest(b), name)


# ---- models -------------------------------------------------------------------------------------

TORCH_MODELS: dict[str, Callable[[], Any]] = {
    "lenet": lambda: torch.nn.Sequential(
        torch.nn.Conv2d(1, 6, 5, padding=2), torch.nn.Tanh(), torch.nn.AvgPool2d(2),
        torch.nn.Conv2d(6, 16, 5), torch.nn.Tanh(), torch.nn.AvgPool2d(2),
        torch.nn.Flatten(), torch.nn.Linear(400, 120), torch.nn.Tanh(),
        torch.nn.Linear(120, 84), torch.nn.Tanh(), torch.nn.Linear(84, 10),
    ),
    "cnn": lambda: torch.nn.Sequential(
        torch.nn.Conv2d(1, 32, 3, padding=1, bias=False), torch.nn.BatchNorm2d(32),
        torch.nn.ReLU(), torch.nn.MaxPool2d(2),
        torch.nn.Conv2d(32, 64, 3, padding=1, bias=False), torch.nn.BatchNorm2d(64),
        torch.nn.ReLU(), torch.nn.MaxPool2d(2), torch.nn.Flatten(),
        torch.nn.Linear(3136, 128), torch.nn.ReLU(), torch.nn.Dropout(0.0),
        torch.nn.Linear(128, 10),
    ),
    "mlp": lambda: torch.nn.Sequential(
        torch.nn.Flatten(), torch.nn.Linear(784, 128), torch.nn.ReLU(), torch.nn.Linear(128, 10),
    ),
}  # fmt: skip


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("mode", ["train", "eval"])
@pytest.mark.parametrize("name", list(TORCH_MODELS))
def test_model(name: str, mode: str, dtype: str) -> None:
    rng = np.random.default_rng(3)
    mine: nn.Sequential = models.cnn(dropout=0.0) if name == "cnn" else models.MODELS[name]()
    reference = TORCH_MODELS[name]()
    assert repr(mine) == repr(reference)
    mine.to(dtype)
    reference.double().load_state_dict({k: torch.tensor(v) for k, v in numpy_state(mine).items()})
    for module in (mine, reference):
        module.train(mode == "train")
    # Forward and backward each add rounding of every layer's sums, the batch's in the last step.
    fan_ins = sum(int(np.prod(p.shape[1:])) for p in mine.parameters())
    x = random(rng, (4, 1, 28, 28), dtype)
    compare(mine, reference, x, rng, terms=2 * fan_ins + x.size)


@pytest.mark.parametrize("padding_idx", [None, 1, -1])
def test_embedding_as_pytorch(padding_idx: int | None, rng: np.random.Generator) -> None:
    """Rows, and the gradient of the table: none of the padding's row, those repeated added up."""
    mine, theirs = nn.Embedding(5, 3, padding_idx), torch.nn.Embedding(5, 3, padding_idx)
    assert mine.padding_idx == theirs.padding_idx
    assert padding_idx is None or not mine.weight.array[padding_idx].any()
    mine.weight.array[...] = theirs.weight.detach().numpy()
    numbers, dy = np.array([[1, 4, 4], [0, 1, 2]]), rng.standard_normal((2, 3, 3)).astype("float32")
    y, want = mine(nnfast.tensor(numbers)), theirs(torch.tensor(numbers))
    np.testing.assert_array_equal(y.detach().numpy(), want.detach().numpy())
    y.backward(nnfast.tensor(dy))
    want.backward(torch.tensor(dy))
    np.testing.assert_allclose(mine.weight.grad.numpy(), theirs.weight.grad.numpy(), rtol=1e-6)


def test_embedding_refuses_numbers_of_no_row() -> None:
    table = nn.Embedding(5, 3)
    for number in (-1, 5):
        with pytest.raises(IndexError, match="numbers from 0 to 4 as index, got"):
            table(nnfast.tensor([0, number]))
    with pytest.raises(nnfast.errors.ArgumentError, match="a padding_idx from -5 to 4"):
        nn.Embedding(5, 3, padding_idx=5)
