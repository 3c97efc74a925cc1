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

from tests.test_nn_layers import (  # noqa: E402
    DTYPES,
    Layer,
    compare,
    layer,
    pair,
    random,
    reference_run,
    run,
)  # fmt: skip

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
NORMS = [
    layer("GroupNorm", 2, 6, shape=(3, 6, 4, 5)),
    layer("GroupNorm", 3, 3, 1e-3, False, shape=(2, 3, 7)),
    layer("GroupNorm", 1, 4, shape=(3, 4)),
    layer("GroupNorm", 2, 4, bias=False, shape=(1, 4, 2, 2, 3)),
    layer("GroupNorm", 2, 6, shape=(2, 6, 9, 8)),
    layer("GroupNorm", 4, 4, affine=False, shape=(2, 4, 70)),
    layer("InstanceNorm1d", 3, shape=(2, 3, 7)),
    layer("InstanceNorm2d", 3, affine=True, shape=(2, 3, 8, 9)),
    layer("InstanceNorm1d", 3, affine=True, track_running_stats=True, shape=(3, 7)),
    layer("InstanceNorm2d", 3, 1e-3, 0.3, True, True, shape=(4, 3, 5, 6)),
    layer("InstanceNorm2d", 3, track_running_stats=True, shape=(2, 3, 3, 3)),
    layer("InstanceNorm3d", 2, affine=True, shape=(2, 2, 3, 2, 4)),
    layer("RMSNorm", 6, shape=(2, 3, 6)),
    layer("RMSNorm", (3, 6), 1e-3, False, shape=(2, 3, 6)),
    layer("LocalResponseNorm", 3, 0.5, 0.6, 2.0, shape=(2, 7, 3, 4)),
    layer("LocalResponseNorm", 4, 0.9, shape=(2, 3, 5)),
    layer("LocalResponseNorm", 2, shape=(2, 5, 4, 3)),
    layer("BatchNorm3d", 3, shape=(2, 3, 2, 3, 2)),
]
SIZES = [
    layer("Upsample", scale_factor=2, shape=(2, 3, 5)),
    layer("Upsample", (7, 3), shape=(2, 3, 4, 5)),
    layer("Upsample", scale_factor=(1.5, 0.7), mode="nearest-exact", shape=(2, 3, 5, 9)),
    layer("Upsample", scale_factor=1.7, mode="linear", shape=(2, 3, 6)),
    layer("Upsample", 9, mode="linear", align_corners=True, shape=(2, 3, 4)),
    layer("Upsample", scale_factor=2, mode="bilinear", shape=(2, 3, 4, 5)),
    layer("Upsample", (3, 8), mode="bilinear", align_corners=False, shape=(1, 2, 7, 5)),
    layer("Upsample", scale_factor=(2.3, 0.6), mode="bilinear", recompute_scale_factor=True,
          shape=(2, 3, 5, 7)),
    layer("Upsample", scale_factor=1.4, mode="bilinear", shape=(2, 3, 2, 7)),
    layer("Upsample", (7, 1), mode="bilinear", align_corners=True, shape=(2, 1, 3, 4)),
    layer("Upsample", (9, 3), mode="bicubic", shape=(2, 3, 5, 6)),
    layer("Upsample", scale_factor=2.5, mode="bicubic", align_corners=True, shape=(1, 2, 3, 4)),
    layer("Upsample", scale_factor=0.7, mode="bicubic", shape=(1, 2, 9, 8)),
    layer("Upsample", (4, 2, 5), mode="trilinear", shape=(2, 2, 3, 4, 2)),
    layer("Upsample", 3, shape=(1, 2, 4, 2, 5)),
    layer("Upsample", (3, 4), mode="area", shape=(2, 2, 5, 9)),
    layer("UpsamplingNearest2d", scale_factor=3, shape=(2, 2, 3, 4)),
    layer("UpsamplingBilinear2d", (5, 6), shape=(2, 2, 3, 4)),
    layer("PixelShuffle", 2, shape=(2, 8, 3, 4)),
    layer("PixelShuffle", 3, shape=(2, 3, 9, 2, 1)),
    layer("PixelUnshuffle", 2, shape=(2, 3, 4, 6)),
    layer("PixelUnshuffle", 3, shape=(1, 3, 6)),
    layer("ChannelShuffle", 3, shape=(2, 6, 3, 2)),
    layer("Unfold", (2, 3), shape=(2, 3, 5, 6)),
    layer("Unfold", 3, (2, 1), (2, 1), (1, 2), shape=(3, 7, 6)),
    layer("Fold", (5, 6), (2, 3), shape=(2, 18, 16)),
    layer("Fold", (7, 6), 3, (2, 1), (2, 1), (1, 2), shape=(27, 21)),
]  # fmt: skip
LAYERS = [*PADS, *CONVS, *POOLS, *NORMS, *SIZES]


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
    for training in (True, False) if "Norm" in case.name else (True,):
        mine.train(training), reference.train(training)
        if dtype == "float32":
            check_compiled(mine, x)
        compare(mine, reference, x if dtype == "float32" else np.asfortranarray(x), rng)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("case", [c for c in LAYERS if c.name != "PixelUnshuffle"], ids=str)
def test_batch_of_none(case: Layer) -> None:
    """An empty result of the right shape, with an empty gradient.

    PyTorch refuses some, and leaves what pixel_unshuffle gets as it is.
    """
    mine, theirs = (getattr(m, case.name)(*case.args, **case.kwargs) for m in (nn, torch.nn))
    shape = (0, *case.shape[1:])
    try:
        want = tuple(theirs(torch.zeros(shape)).shape)
    except (RuntimeError, ValueError, IndexError):
        return
    x = nnfast.zeros(shape, requires_grad=True)
    try:
        y = mine(x)
    except nnfast.NNFastError as e:
        assert "more than 1 value per channel" in str(e)  # batch norm in training
        return
    assert y.shape == want
    y.sum().backward()
    assert x.grad.shape == shape


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
        value = 7  # an infinity is no integer
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


# ---- normalization ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "args", [(), (1,), (3.0, -1), (2.0, (0, 2)), (float("inf"), 0), (2, 1, 3.0)]
)
@pytest.mark.parametrize("dtype", DTYPES)
def test_normalize(args: Any, dtype: str) -> None:
    x = np.random.default_rng(4).standard_normal((3, 4, 5)).astype(dtype)
    x[0, :, 0] = 0
    found = []
    for f, tensor in ((F, nnfast.tensor), (torch.nn.functional, torch.tensor)):
        a = tensor(x, requires_grad=True)
        y = f.normalize(a, *args)
        (y * tensor(x + 1)).sum().backward()
        found.append((y.detach().numpy(), a.grad.numpy()))
    for mine, want in zip(*found, strict=True):
        np.testing.assert_allclose(
            mine, want, rtol=1e-5, atol=1e-5 if dtype == "float32" else 1e-12
        )


WEIGHTS = [(name, dim) for name in ("weight_norm", "parametrizations.weight_norm")
           for dim in (0, 1, None)]  # fmt: skip


@pytest.mark.parametrize(("name", "dim"), WEIGHTS)
@pytest.mark.filterwarnings("ignore:.*weight_norm")
def test_weight_norm(name: str, dim: int | None) -> None:
    rng = np.random.default_rng(5)
    mine, theirs = nn.Conv2d(3, 4, 3), torch.nn.Conv2d(3, 4, 3)
    for module, package in ((mine, nn), (theirs, torch.nn)):
        utils = package.utils
        part = utils.parametrizations if "." in name else utils
        assert part.weight_norm(module, dim=dim) is module
    pair(mine, theirs, "float64", rng)
    x = random(rng, (2, 3, 5, 5), "float64")
    check_compiled(mine, x)
    dy = random(rng, (2, 4, 3, 3), "float64")
    got, want = run(mine, nnfast.tensor, x, dy), reference_run(theirs, x, dy)
    assert got.keys() == want.keys()
    for key, value in want.items():
        np.testing.assert_allclose(got[key], value, rtol=1e-10, atol=1e-12, err_msg=key)
    again = copy.deepcopy(mine)
    np.testing.assert_array_equal(again.weight.detach().numpy(), mine.weight.detach().numpy())


def test_weight_norm_keeps_the_weight_and_can_be_removed() -> None:
    layer = nn.Linear(5, 4)
    before = layer.weight.detach().numpy().copy()
    nn.utils.weight_norm(nn.utils.weight_norm(layer), "bias")
    np.testing.assert_allclose(layer.weight.detach().numpy(), before, rtol=1e-6)
    assert repr(layer) == "Linear(in_features=5, out_features=4, bias=True)"
    for name in ("weight", "bias"):
        nn.utils.remove_weight_norm(layer, name)
    assert type(layer) is nn.Linear and list(layer.state_dict()) == ["weight", "bias"]
    np.testing.assert_allclose(layer.weight.detach().numpy(), before, rtol=1e-6)
    with pytest.raises(nnfast.NNFastError, match="a module with weight_norm of 'weight'"):
        nn.utils.remove_weight_norm(layer)


@pytest.mark.filterwarnings("ignore:.*spectral_norm")
@pytest.mark.parametrize("kind", ["Linear", "Conv2d", "ConvTranspose2d"])
def test_spectral_norm(kind: str) -> None:
    """Weights, buffers and gradients as PyTorch's through two passes and one in evaluation."""
    rng = np.random.default_rng(6)
    args = (5, 4) if kind == "Linear" else (5, 4, 3)
    mine, theirs = (
        m.utils.spectral_norm(getattr(m, kind)(*args), n_power_iterations=2) for m in (nn, torch.nn)
    )
    pair(mine, theirs, "float64", rng)
    x = random(rng, (2, 5) if kind == "Linear" else (2, 5, 6, 6), "float64")
    check_compiled(mine, x)
    for training in (True, True, False):
        mine.train(training), theirs.train(training)
        shape = mine.eval()(nnfast.tensor(x)).shape
        mine.train(training)
        dy = random(rng, shape, "float64")
        got, want = run(mine, nnfast.tensor, x, dy), reference_run(theirs, x, dy)
        state = {k: v.numpy() for k, v in theirs.state_dict().items()}
        for key, value in {**want, **state}.items():
            found = {**got, **{k: v.numpy() for k, v in mine.state_dict().items()}}[key]
            np.testing.assert_allclose(found, value, rtol=1e-9, atol=1e-11, err_msg=key)
    weight = mine.weight.detach().numpy()
    nn.utils.remove_spectral_norm(mine)
    np.testing.assert_array_equal(mine.weight.detach().numpy(), weight)


# ---- dropout ------------------------------------------------------------------------------------

DROPOUTS = ["Dropout1d", "Dropout2d", "Dropout3d", "AlphaDropout", "FeatureAlphaDropout"]


@pytest.mark.parametrize("name", DROPOUTS)
@pytest.mark.parametrize("p", [0.0, 0.3, 1.0])
def test_dropout_values_as_pytorch(name: str, p: float) -> None:
    """What an element may become, what stands together, and how often: not which."""
    n = int(name[7]) if name[7:8].isdigit() else 2
    x = np.full((40, 50, *(2, 3, 2)[:n]), 1.5)
    found = []
    for m, tensor in ((nn, nnfast.tensor), (torch.nn, torch.tensor)):
        drop = getattr(m, name)(p)
        a = tensor(x, requires_grad=True)
        y = drop(a)
        y.sum().backward()
        assert (drop.eval()(a).detach().numpy() == x).all()
        found.append((repr(drop), y.detach().numpy(), a.grad.numpy()))
    assert found[0][0] == found[1][0]
    for mine, want in zip(found[0][1:], found[1][1:], strict=True):
        values, counts = np.unique(mine.round(12), return_counts=True)
        theirs = np.unique(want.round(12))
        np.testing.assert_allclose(values, theirs, rtol=1e-10)
        apart = mine.size if name == "AlphaDropout" else 2000
        if len(values) == 2:
            share = counts[np.argmin(abs(values))] if name[0] == "D" else counts[0]
            assert abs(share / mine.size - p) < 5 * np.sqrt(p * (1 - p) / apart)
    if name != "AlphaDropout":
        flat = found[0][1].reshape(40, 50, -1)
        assert (flat == flat[:, :, :1]).all()


@pytest.mark.parametrize("name", DROPOUTS)
def test_dropout_of_unbatched_input(name: str) -> None:
    n = int(name[7]) if name[7:8].isdigit() else 2
    x = np.ones((50, *(2, 3, 2)[:n]), np.float32)
    y = getattr(nn, name)(0.5)(nnfast.tensor(x)).numpy()
    assert y.shape == x.shape and len(np.unique(y)) == 2


# ---- sizes --------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["nearest", "nearest-exact", "linear"])
def test_every_size_of_a_signal(mode: str) -> None:
    for n in range(1, 9):
        x = np.random.default_rng(n).standard_normal((1, 1, n))
        for out in range(1, 20):
            got = F.interpolate(nnfast.tensor(x), out, mode=mode).numpy()
            want = torch.nn.functional.interpolate(torch.tensor(x), out, mode=mode).numpy()
            np.testing.assert_allclose(got, want, rtol=1e-12, atol=1e-14, err_msg=f"{n} to {out}")
        for scale in (0.3, 0.5, 0.9, 1.0, 1.1, 1.5, 2.0, 2.7, 3.0):
            if int(n * scale):
                got = F.interpolate(nnfast.tensor(x), None, scale, mode).numpy()
                want = torch.nn.functional.interpolate(torch.tensor(x), None, scale, mode).numpy()
                what = f"{n} times {scale}"
                np.testing.assert_allclose(got, want, rtol=1e-12, atol=1e-14, err_msg=what)
