"""Image and normalization layers against PyTorch with the same weights: value, gradients, text.

Each layer also runs in `nnfast.compile`: the same bits.
"""

from __future__ import annotations

import copy
import warnings
from typing import Any

import numpy as np
import pytest

import nnfast
from nnfast import nn
from nnfast.autograd import grad
from nnfast.nn import functional as F

torch = pytest.importorskip("torch")

from tests.test_nn_layers import DTYPES, Layer, compare, layer, pair, random  # noqa: E402

PADS = [
    *[layer(f"{kind}Pad1d", (2, 1), shape=(2, 3, 5)) for kind in ("Reflection", "Replication")],
    *[layer(f"{kind}Pad1d", (-2, 3), shape=(3, 7)) for kind in ("Reflection", "Circular")],
    *[layer(f"{kind}Pad2d", 2, shape=(2, 3, 5, 4)) for kind in ("Reflection", "Circular", "Zero")],
    *[layer(f"{kind}Pad2d", (4, 0, -1, 3), shape=(3, 5, 5)) for kind in ("Replication", "Zero")],
    *[layer(f"{kind}Pad3d", (1, 2, 0, 1, 2, 2), shape=(2, 2, 3, 4, 5))
      for kind in ("Reflection", "Replication", "Circular", "Zero")],
    layer("ConstantPad1d", 3, 2.5, shape=(2, 3, 4)),
    layer("ConstantPad2d", (1, -2, 0, 3), -1.5, shape=(2, 3, 4, 5)),
    layer("ConstantPad3d", 1, 0.5, shape=(2, 3, 4, 0, 5)),
    layer("ZeroPad1d", 0, shape=(2, 3)),
]  # fmt: skip
CONVS = [
    layer("Conv1d", 3, 4, 3, shape=(2, 3, 8)),
    layer("Conv1d", 4, 6, 2, 3, 1, 2, 2, False, shape=(2, 4, 9)),
    layer("Conv1d", 4, 4, 4, padding="same", groups=4, padding_mode="reflect", shape=(4, 9)),
    layer("Conv1d", 2, 3, (3,), padding="valid", dilation=(2,), shape=(2, 2, 7)),
    layer("Conv2d", 2, 3, 3, padding=(2, 1), padding_mode="reflect", shape=(2, 2, 5, 4)),
    layer("Conv2d", 2, 3, (2, 3), 2, 1, padding_mode="circular", shape=(2, 5, 4)),
    layer("Conv2d", 2, 3, (4, 3), padding="same", dilation=2, padding_mode="replicate",
          shape=(2, 2, 5, 4)),
    layer("Conv2d", 2, 3, 3, padding="valid", padding_mode="circular", shape=(2, 2, 5, 4)),
    layer("Conv3d", 2, 4, (2, 3, 1), (2, 1, 1), (1, 1, 0), shape=(2, 2, 5, 4, 3)),
    layer("Conv3d", 4, 2, 3, dilation=(2, 1, 1), groups=2, bias=False, shape=(4, 6, 4, 3)),
    layer("Conv3d", 2, 2, (4, 1, 2), padding="same", padding_mode="replicate",
          shape=(1, 2, 3, 4, 3)),
    layer("Conv3d", 2, 2, (2, 2, 3), padding="same", shape=(1, 2, 3, 4, 3)),
    layer("ConvTranspose1d", 3, 4, 3, shape=(2, 3, 5)),
    layer("ConvTranspose1d", 4, 6, 2, 3, 1, 2, 2, False, 2, shape=(4, 5)),
    layer("ConvTranspose2d", 3, 4, 3, shape=(2, 3, 5, 4)),
    layer("ConvTranspose2d", 4, 6, (2, 3), (3, 2), (0, 2), (2, 1), 2, False, 2, shape=(2, 4, 3, 5)),
    layer("ConvTranspose2d", 3, 2, 3, 1, 1, 1, dilation=2, shape=(1, 3, 4, 4)),
    layer("ConvTranspose2d", 2, 2, 1, 3, 1, 2, shape=(2, 4, 1)),
    layer("ConvTranspose3d", 2, 4, (2, 3, 1), (2, 1, 1), (1, 1, 0), shape=(2, 2, 3, 4, 3)),
    layer("ConvTranspose3d", 4, 2, 2, 3, 1, (2, 0, 1), 2, False, (3, 1, 1), shape=(4, 3, 3, 2)),
]  # fmt: skip
POOLS = [
    layer("MaxPool1d", 3, 2, 1, shape=(2, 3, 9)),
    layer("MaxPool1d", (2,), dilation=2, ceil_mode=True, shape=(3, 9)),
    layer("MaxPool3d", 2, shape=(2, 3, 5, 4, 6)),
    layer("MaxPool3d", (2, 3, 1), (1, 2, 3), (1, 1, 0), (1, 2, 1), ceil_mode=True,
          shape=(2, 5, 7, 6)),
    layer("AvgPool1d", 2, shape=(3, 7)),
    layer("AvgPool1d", 3, 2, 1, True, False, shape=(2, 3, 8)),
    layer("AvgPool3d", (2, 3, 1), 2, (1, 1, 0), True, False, shape=(2, 3, 5, 6, 4)),
    layer("AvgPool3d", 2, 1, 1, divisor_override=5, shape=(3, 3, 4, 3)),
    layer("AvgPool3d", 3, 2, 1, True, shape=(1, 3, 4, 6, 3)),
    layer("LPPool1d", 2, 3, shape=(2, 3, 8)),
    layer("LPPool2d", 4, (2, 3), 2, True, shape=(2, 3, 5, 6)),
    layer("LPPool3d", 2.0, 2, shape=(2, 2, 4, 4, 4)),
    layer("AdaptiveAvgPool1d", 3, shape=(2, 3, 8)),
    layer("AdaptiveAvgPool1d", (1,), shape=(3, 5)),
    layer("AdaptiveAvgPool2d", 1, shape=(2, 3, 5, 6)),
    layer("AdaptiveAvgPool2d", (2, 3), shape=(2, 3, 6, 9)),
    layer("AdaptiveAvgPool2d", (3, None), shape=(2, 3, 7, 5)),
    layer("AdaptiveAvgPool2d", (7, 4), shape=(3, 5, 11)),
    layer("AdaptiveAvgPool3d", (2, 3, 4), shape=(2, 2, 5, 3, 6)),
    layer("AdaptiveMaxPool1d", 3, shape=(2, 3, 8)),
    layer("AdaptiveMaxPool2d", 1, shape=(2, 3, 5, 6)),
    layer("AdaptiveMaxPool2d", (3, 4), shape=(2, 3, 7, 11)),
    layer("AdaptiveMaxPool2d", (7, 2), shape=(3, 5, 4)),
    layer("AdaptiveMaxPool3d", (2, None, 4), shape=(2, 2, 5, 3, 6)),
]  # fmt: skip
LAYERS = [*PADS, *CONVS, *POOLS]


@pytest.mark.filterwarnings("ignore:Using padding='same'", "ignore:.*even kernel")
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("case", LAYERS, ids=str)
def test_layer(case: Layer, dtype: str) -> None:
    rng = np.random.default_rng(1)
    mine = getattr(nn, case.name)(*case.args, **case.kwargs)
    reference = getattr(torch.nn, case.name)(*case.args, **case.kwargs)
    assert repr(mine) == repr(reference)
    pair(mine, reference, dtype, rng)
    x = random(rng, case.shape, dtype)
    for training in (True, False):
        mine.train(training), reference.train(training)
        check_compiled(mine, x)
        compare(mine, reference, x, rng)
        compare(mine, reference, np.asfortranarray(x), rng)


def check_compiled(module: Any, x: np.ndarray) -> None:
    """One pass in a plan gives the bits of eager code: values, gradients, buffers."""
    found = []
    state = copy.deepcopy(module.state_dict())

    def step(x: nnfast.Tensor) -> Any:
        y = module(x * 1.0)
        y = y[0] if isinstance(y, tuple) else y
        return y, *grad(y.sum() + (y * y).sum(), [x, *module.parameters()])

    for fn in (step, nnfast.compile(step)):
        module.load_state_dict(state)
        with warnings.catch_warnings():
            warnings.filterwarnings("error", "nnfast.compile")
            results = fn(nnfast.tensor(x, requires_grad=True))
        found.append([t.detach().numpy().tobytes() for t in [*results, *module.buffers()]])
    assert found[0] == found[1]
    module.load_state_dict(state)


# ---- padding ------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "bool"])
@pytest.mark.parametrize("pad", [(), (1, 2), (-1, 2), (0, 0, 3, -2), (1, 1, 0, 2, 2, 0, 1, 1)])
@pytest.mark.parametrize("value", [None, 0, 3, float("inf")])
def test_pad_constant(pad: tuple[int, ...], value: Any, dtype: str) -> None:
    if dtype == "int64" and value == float("inf"):
        pytest.skip("not an integer")
    x = np.random.default_rng(0).integers(0, 2, (2, 3, 4, 3)).astype(dtype)
    mine = F.pad(nnfast.tensor(x), pad, value=value)
    want = torch.nn.functional.pad(torch.tensor(x), pad, value=value).numpy()
    assert mine.dtype == want.dtype
    np.testing.assert_array_equal(mine.numpy(), want)


@pytest.mark.parametrize("mode", ["reflect", "replicate", "circular"])
def test_pad_by_every_number(mode: str) -> None:
    """All pairs from more than is allowed to everything taken away: the same, or both refuse."""
    x = np.arange(8.0).reshape(2, 4)
    refused = 0
    for before in range(-5, 7):
        for behind in range(-5, 7):
            crop = max(-before, 0) + max(-behind, 0)
            try:
                if mode == "circular" and max(before, behind, 0) > 4 - crop:
                    raise RuntimeError  # PyTorch answers with memory that it never wrote
                want = torch.nn.functional.pad(torch.tensor(x), (before, behind), mode).numpy()
            except RuntimeError:
                refused += 1
                with pytest.raises(nnfast.NNFastError):
                    F.pad(nnfast.tensor(x), (before, behind), mode)
                continue
            got = F.pad(nnfast.tensor(x), (before, behind), mode).numpy()
            np.testing.assert_array_equal(got, want, err_msg=f"{before}, {behind}")
    assert refused


# ---- convolution --------------------------------------------------------------------------------


@pytest.mark.parametrize("output_size", [(9, 8), [2, 1, 10, 7], (8, 8), (9,), (12, 8)])
def test_output_size_of_a_transposed_convolution(output_size: Any) -> None:
    args = (2, 3, 3, (2, 1), (0, 1))
    mine, theirs = nn.ConvTranspose2d(*args), torch.nn.ConvTranspose2d(*args)
    try:
        want = theirs(torch.ones(1, 2, 4, 8), output_size=output_size).shape
    except (ValueError, RuntimeError):
        with pytest.raises(nnfast.NNFastError, match="output_size from"):
            mine(nnfast.ones(1, 2, 4, 8), output_size)
    else:
        assert mine(nnfast.ones(1, 2, 4, 8), output_size).shape == tuple(want)


# ---- pooling ------------------------------------------------------------------------------------

INDEXED = [
    layer("MaxPool1d", 3, 2, 1, return_indices=True, shape=(2, 3, 9)),
    layer("MaxPool2d", (2, 3), 2, (1, 0), 2, True, True, shape=(2, 3, 9, 8)),
    layer("MaxPool3d", 2, 1, 1, return_indices=True, shape=(2, 3, 4, 3, 5)),
    layer("AdaptiveMaxPool1d", 3, True, shape=(3, 8)),
    layer("AdaptiveMaxPool2d", (3, 4), True, shape=(2, 3, 7, 9)),
    layer("AdaptiveMaxPool2d", (2, 3), True, shape=(2, 3, 4, 9)),
    layer("AdaptiveMaxPool3d", (2, 2, 4), True, shape=(2, 2, 5, 3, 6)),
]


@pytest.mark.parametrize("case", INDEXED, ids=str)
def test_indices(case: Layer) -> None:
    x = np.random.default_rng(0).integers(0, 4, case.shape).astype("float32")  # with ties
    mine, theirs = (getattr(m, case.name)(*case.args, **case.kwargs) for m in (nn, torch.nn))
    y, index = mine(nnfast.tensor(x))
    want, places = theirs(torch.tensor(x))
    np.testing.assert_array_equal(y.numpy(), want.numpy())
    np.testing.assert_array_equal(index.numpy(), places.numpy())
    for a, b in zip(nnfast.compile(mine)(nnfast.tensor(x)), (y, index), strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())


@pytest.mark.parametrize(
    ("n", "args", "size"),
    [
        (1, (2,), None),
        (1, (3, 2, 1), (1, 1, 10)),
        (2, (2,), (9, 7)),
        (2, ((3, 2), 2, (1, 0)), (9, 7)),
        (3, (2,), (5, 4, 6)),
    ],
)
def test_unpool(n: int, args: Any, size: Any) -> None:
    x = np.random.default_rng(1).standard_normal((2, 3, *(9, 7, 6)[:n])).astype("float32")
    if n == 3:
        x = x[:, :, :5, :4]
    found = []
    for m, tensor in ((nn, nnfast.tensor), (torch.nn, torch.tensor)):
        pool = getattr(m, f"MaxPool{n}d")(*args, return_indices=True)
        unpool = getattr(m, f"MaxUnpool{n}d")(*args)
        a = tensor(x, requires_grad=True)
        y, index = pool(a)
        z = unpool(y * y, index, output_size=size)
        (z * z + z).sum().backward()
        found.append((repr(unpool), z.detach().numpy(), a.grad.numpy()))
    assert found[0][0] == found[1][0]
    np.testing.assert_array_equal(found[0][1], found[1][1])
    np.testing.assert_allclose(found[0][2], found[1][2], rtol=1e-5)


@pytest.mark.parametrize("size", [{"output_size": (4, 5)}, {"output_ratio": (0.6, 0.5)},
                                  {"output_size": 1}])  # fmt: skip
@pytest.mark.parametrize("dtype", DTYPES)
def test_fractional_max_pool(size: Any, dtype: str) -> None:
    rng = np.random.default_rng(2)
    x, r = rng.standard_normal((2, 3, 9, 11)).astype(dtype), rng.random((2, 3, 2)).astype(dtype)
    found = []
    for m, tensor in ((nn, nnfast.tensor), (torch.nn, torch.tensor)):
        pool = m.FractionalMaxPool2d((2, 3), **size, return_indices=True, _random_samples=tensor(r))
        a = tensor(x, requires_grad=True)
        y, index = pool(a)
        (y * y).sum().backward()
        found.append([repr(pool), *(t.detach().numpy() for t in (y, index, a.grad))])
    assert found[0][0] == found[1][0]
    for mine, want in zip(found[0][1:], found[1][1:], strict=True):
        np.testing.assert_allclose(mine, want, rtol=1e-6)


def test_random_windows_are_new_in_each_run_of_a_plan() -> None:
    x = nnfast.tensor(np.random.default_rng(3).standard_normal((1, 2, 40, 40)))
    pool = nn.FractionalMaxPool2d(2, output_ratio=0.7)
    answers = []
    for fn in (pool, nnfast.compile(lambda x: pool(x))):
        nnfast.manual_seed(1)
        answers.append([fn(x).numpy() for _ in range(2)])
    assert (answers[0][0] != answers[0][1]).any()
    np.testing.assert_array_equal(answers[0], answers[1])
