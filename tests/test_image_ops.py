"""Functions of images that are composed of other ops, against NumPy and against what they mean."""

from __future__ import annotations

import re
import warnings
from typing import Any

import numpy as np
import pytest

import nnfast
from nnfast import nn
from nnfast.autograd import grad, gradcheck
from nnfast.nn import functional as F

RNG = np.random.default_rng(7)


def normal(*shape: int) -> nnfast.Tensor:
    return nnfast.tensor(RNG.standard_normal(shape), requires_grad=True)


# ---- padding ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mode", "name"),
    [("constant", ""), ("reflect", ""), ("replicate", "edge"), ("circular", "wrap")],
)
@pytest.mark.parametrize("pads", [(1, 2), (2, 0, 0, 3), (1, 0, 2, 2, 0, 1)])
def test_pad_as_numpy(mode: str, name: str, pads: tuple[int, ...]) -> None:
    x = normal(2, 4, 3, 4, 5)[(0,) * (3 - len(pads) // 2)]
    sides = list(zip(pads[::2], pads[1::2], strict=True))
    widths = [(0, 0)] * (x.ndim - len(sides)) + sides[::-1]
    want = np.pad(x.detach().numpy(), widths, name or mode)
    np.testing.assert_array_equal(F.pad(x, pads, mode).detach().numpy(), want)
    assert gradcheck(lambda x: F.pad(x, pads, mode), (x.detach().requires_grad_(),))


@pytest.mark.parametrize(
    ("pads", "kwargs", "text"),
    [
        ((1,), {}, "an even number of at most 6 numbers"),
        ((1, 1, 1, 1, 1, 1, 1, 1), {}, "an even number of at most 6 numbers"),
        ((1, 1.5), {}, "integers as pad"),
        (1, {}, "integers as pad"),
        ((-3, -2), {}, "at most the 4 of dim 2 taken away"),
        ((1, 1), {"mode": "mirror"}, "mode one of"),
        ((1, 1), {"mode": "reflect", "value": 1.0}, "no value with mode='reflect'"),
        ((4, 0), {"mode": "reflect"}, "less than 4 elements to reflect"),
        ((5, 0), {"mode": "circular"}, "at most 4 elements to repeat"),
        ((-2, -2), {"mode": "replicate"}, "at least one element before and after"),
        ((2**62, 0), {}, "an output of less than 2**59 elements"),
    ],
)
def test_bad_pads(pads: Any, kwargs: dict[str, Any], text: str) -> None:
    with pytest.raises(nnfast.NNFastError, match=text.replace("*", r"\*")):
        F.pad(normal(2, 3, 4), pads, **kwargs)


def test_bad_padding_layers() -> None:
    for padding in (1.5, (1, 2, 3), (1, 2.0)):
        with pytest.raises(nnfast.NNFastError, match="padding as an integer or 2 of them"):
            nn.ReflectionPad1d(padding)
    with pytest.raises(nnfast.NNFastError, match="an input of 3 or 4 dimensions for 4 numbers"):
        nn.ReflectionPad2d(1)(normal(3, 4))


# ---- convolution --------------------------------------------------------------------------------


def correlate(x: np.ndarray, w: np.ndarray) -> np.ndarray:
    """y[o, u] = sum over c and taps of w[o, c, taps] x[c, u + taps], in any dimensions."""
    y = np.zeros((len(w), *(n - k + 1 for n, k in zip(x.shape[1:], w.shape[2:], strict=True))))
    for at in np.ndindex(w.shape[2:]):
        seen = x[(slice(None), *(slice(i, i + n) for i, n in zip(at, y.shape[1:], strict=True)))]
        y += np.tensordot(w[(..., *at)], seen, 1)
    return y


@pytest.mark.parametrize(("n", "conv"), [(1, F.conv1d), (3, F.conv3d)])
def test_convolution(n: int, conv: Any) -> None:
    x, w, b = normal(2, *(6, 5, 7)[:n]), normal(3, 2, *(3, 2, 4)[:n]), normal(3)
    whole = correlate(x.detach().numpy(), w.detach().numpy())
    shifted = whole + b.detach().numpy().reshape(-1, *[1] * n)
    np.testing.assert_allclose(conv(x, w, b).detach().numpy(), shifted, rtol=1e-12)
    with_steps = whole[(slice(None), *[slice(None, None, 2)] * n)]
    np.testing.assert_allclose(conv(x, w, stride=2).detach().numpy(), with_steps, rtol=1e-12)
    assert gradcheck(lambda *a: conv(*a, stride=2, padding=1, dilation=1), (x, w, b))


TRANSPOSED = [
    (F.conv1d, F.conv_transpose1d, (9,), (3,)),
    (F.conv2d, F.conv_transpose2d, (9, 8), (3, 2)),
    (F.conv3d, F.conv_transpose3d, (5, 6, 4), (2, 3, 1)),
]


@pytest.mark.parametrize(("conv", "transposed", "size", "kernel"), TRANSPOSED)
@pytest.mark.parametrize("arguments", [(1, 0, 1, 1), (2, 1, 2, 1), (3, 1, 1, 2)])
def test_transposed_convolution_is_the_adjoint(
    conv: Any, transposed: Any, size: Any, kernel: Any, arguments: tuple[int, ...]
) -> None:
    """<conv(x), y> = <x, transposed(y)>, whatever rest the stride leaves."""
    stride, padding, groups, dilation = arguments
    x, w = normal(2, 4, *size), normal(6, 4 // groups, *kernel)
    rest = [
        (n + 2 * padding - dilation * (k - 1) - 1) % stride
        for n, k in zip(size, kernel, strict=True)
    ]
    y = conv(x, w, None, stride, padding, dilation, groups)
    dy = normal(*y.shape)
    dx = transposed(dy, w, None, stride, padding, tuple(rest), groups, dilation)
    assert dx.shape == x.shape
    np.testing.assert_allclose((y * dy).sum().item(), (x * dx).sum().item(), rtol=1e-10)


def test_padding_modes_are_pads() -> None:
    x = normal(2, 3, 7, 6).float()
    for mode in ("reflect", "replicate", "circular"):
        conv = nn.Conv2d(3, 4, 3, padding=(1, 2), padding_mode=mode)
        want = F.conv2d(F.pad(x, (2, 2, 1, 1), mode), conv.weight, conv.bias)
        np.testing.assert_array_equal(conv(x).detach().numpy(), want.detach().numpy())


BAD_CONVS = [
    (lambda: F.conv1d(normal(2, 3, 4, 5), normal(1, 3, 2)), "input of shape (N, C, W) or (C, W)"),
    (lambda: F.conv1d(normal(3, 4), normal(1, 3, 2, 2)), "a weight of shape (O, C/groups, KW)"),
    (lambda: F.conv1d(normal(3, 4), normal(1, 3, 2), stride=(1, 2)), "stride as an integer"),
    (lambda: F.conv3d(normal(1, 3, 4, 4), normal(2, 1, 4, 2, 2)), "within the padded input"),
    (lambda: F.conv3d(normal(3, 4), normal(1, 3, 2, 2, 2)), "input of shape (N, C, D, H, W)"),
    (lambda: F.conv_transpose2d(normal(3, 4, 4), normal(2, 3, 2, 2)), "input with C=2 channels"),
    (lambda: F.conv_transpose1d(normal(3, 4), normal(3, 1, 2), output_padding=1),
     "output_padding below stride or dilation"),
    (lambda: F.conv_transpose1d(normal(3, 2), normal(3, 1, 2), padding=2), "at least one element"),
    (lambda: F.conv_transpose2d(normal(3, 4, 4), normal(3, 2, 2, 2), normal(3)),
     "bias of shape (2,)"),
    (lambda: nn.Conv1d(2, 2, 3, 2, "same"), "stride 1 with padding='same'"),
    (lambda: nn.Conv1d(2, 2, (3, 3)), "kernel_size as an integer, got (3, 3)"),
    (lambda: nn.Conv2d(1, 1, 3, padding_mode="mirror"), "padding_mode one of"),
    (lambda: nn.ConvTranspose2d(1, 1, 3, padding_mode="reflect"), "padding_mode one of 'zeros'"),
    (lambda: nn.ConvTranspose2d(1, 1, 3, padding="same"), "padding as an integer or a pair"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "text"), BAD_CONVS)
def test_bad_convolutions(call: Any, text: str) -> None:
    with pytest.raises(nnfast.NNFastError, match=re.escape(text)):
        call()


# ---- pooling ------------------------------------------------------------------------------------


@pytest.mark.parametrize("out", [1, 2, 3, 5, 7, 9])
def test_adaptive_windows(out: int) -> None:
    """Window i covers floor(i n / out) up to ceil((i + 1) n / out), also beside infinities."""
    x = RNG.standard_normal((2, 7, 5))
    x[0, 0, 0], x[1, 6, 4] = np.inf, np.nan
    edges = [[(i * n // out, -(-(i + 1) * n // out)) for i in range(out)] for n in x.shape[1:]]
    seen = [[x[:, a:b, c:d].reshape(2, -1) for c, d in edges[1]] for a, b in edges[0]]
    for fn, reduced in ((F.adaptive_avg_pool2d, np.mean), (F.adaptive_max_pool2d, np.max)):
        want = np.array([[reduced(w, 1) for w in row] for row in seen]).transpose(2, 0, 1)
        y = fn(nnfast.tensor(x), out).numpy()
        np.testing.assert_allclose(y, want, rtol=1e-13, atol=1e-15)  # a sum may cancel
    row = F.adaptive_max_pool1d(nnfast.tensor(x[:, 0]), out).numpy()
    np.testing.assert_array_equal(row, [[w[c:d].max() for c, d in edges[1]] for w in x[:, 0]])


@pytest.mark.parametrize(
    "fn",
    [
        lambda x: F.adaptive_avg_pool2d(x, (3, 2)),
        lambda x: F.adaptive_max_pool2d(x, (3, 2)),
        lambda x: F.adaptive_avg_pool3d(x, (2, 1, 3)),
        lambda x: F.adaptive_max_pool3d(x, (1, 2, 3)),
        lambda x: F.max_pool3d(x, 2, 1),
        lambda x: F.avg_pool3d(x, (1, 2, 2), 1),
        lambda x: F.lp_pool2d(x * x + 1.0, 3, 2),
        lambda x: F.fractional_max_pool2d(x, 2, 3, _random_samples=nnfast.ones(2, 2) * 0.3),
    ],
)
def test_gradients_of_pools(fn: Any) -> None:
    x = nnfast.tensor(RNG.permutation(2 * 5 * 4).reshape(2, 5, 4) / 4.0, requires_grad=True)
    if fn(x[None]).ndim == 4:  # of a volume
        x = x.detach()[None].requires_grad_()
    assert gradcheck(fn, (x,))


def test_fractional_pooling_covers_the_image() -> None:
    """Windows begin at 0 and end with the image; steps are a or one of its neighbours."""
    nnfast.manual_seed(4)
    x = nnfast.tensor(np.arange(20.0 * 20).reshape(1, 20, 20))
    starts = set()
    for _ in range(20):
        y = F.fractional_max_pool2d(x, 2, 12).numpy()[0]  # the last element of each window
        rows = y[:, 0] // 20 - 1
        assert rows[0] == 0 and rows[-1] == 18 and set(np.diff(rows)) <= {1, 2}
        starts.add(tuple(rows))
    assert len(starts) > 5


BAD_POOLS = [
    (lambda: F.max_pool1d(normal(3, 4), 5), "a kernel within the padded input"),
    (lambda: F.max_pool1d(normal(4), 2), "input of shape (N, C, W)"),
    (lambda: F.max_pool1d(normal(3, 4), (2, 2)), "kernel_size as an integer, got (2, 2)"),
    (lambda: F.avg_pool1d(normal(3, 4), 2, padding=2), "padding of at most half the kernel"),
    (lambda: F.adaptive_avg_pool2d(normal(3, 4, 4), (1, 2, 3)), "output_size as an integer or 2"),
    (lambda: F.adaptive_avg_pool2d(normal(3, 4, 4), -1), "output_size of at least 0"),
    (lambda: F.adaptive_max_pool2d(normal(3, 0, 4), 2), "at least one element in each dimension"),
    (lambda: F.fractional_max_pool2d(normal(1, 4, 4), 2), "output_size or output_ratio, got none"),
    (lambda: F.fractional_max_pool2d(normal(1, 4, 4), 2, 4), "windows that fit"),
    (lambda: F.fractional_max_pool2d(normal(1, 4, 4), 2, output_ratio=1.0), "below 1"),
    (lambda: nn.FractionalMaxPool2d(2), "output_size or output_ratio"),
    (lambda: nn.MaxPool1d(2, padding=2), "at most half of kernel_size=2"),
    (lambda: F.max_unpool2d(normal(1, 2, 2), nnfast.tensor([[[0, 1], [2, 16]]]), 2),
     "indices from 0 to 15"),
    (lambda: F.max_unpool2d(normal(1, 2, 2), nnfast.tensor([[[0, 1]]]), 2), "an index for each"),
    (lambda: F.max_unpool1d(normal(1, 2), nnfast.tensor([[0, 1]]), 2, output_size=(6,)),
     "an output_size less than stride=(2,) from (4,)"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "text"), BAD_POOLS)
def test_bad_pools(call: Any, text: str) -> None:
    with pytest.raises(nnfast.NNFastError, match=re.escape(text)):
        call()


# ---- normalization ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fn", "dims"),
    [
        (lambda x: F.group_norm(x, 2, eps=0.0), (2, 3, 4)),
        (lambda x: F.instance_norm(x, eps=0.0), (3, 4)),
    ],
)
def test_groups_have_mean_0_and_variance_1(fn: Any, dims: tuple[int, ...]) -> None:
    for height, width in ((5, 6), (9, 8)):
        x = normal(3, 4, height, width)
        y = fn(x * 3.0 + 7.0).detach().numpy().reshape(3, 2, 2, height, width)
        np.testing.assert_allclose(y.mean(dims), 0, atol=1e-13)
        np.testing.assert_allclose(y.var(dims), 1, rtol=1e-12)


def test_other_norms() -> None:
    x = normal(3, 5, 4)
    a = x.detach().numpy()
    rms = a / np.sqrt((a * a).mean((1, 2), keepdims=True) + 1e-3)
    np.testing.assert_allclose(F.rms_norm(x, (5, 4), eps=1e-3).detach().numpy(), rms, rtol=1e-13)
    near = [(a[:, max(c - 1, 0) : c + 2] ** 2).sum(1) for c in range(5)]
    want = a / (2.0 + 0.5 / 3 * np.stack(near, 1)) ** 0.75
    got = F.local_response_norm(x, 3, 0.5, 0.75, 2.0).detach().numpy()
    np.testing.assert_allclose(got, want, rtol=1e-12)
    unit = F.normalize(x, 3.0, 2).detach().numpy()
    np.testing.assert_allclose((abs(unit) ** 3).sum(2), 1, rtol=1e-12)


@pytest.mark.parametrize(
    "fn",
    [
        lambda x, w, b: F.group_norm(x, 2, w, b),
        lambda x, w, b: F.instance_norm(x, None, None, w, b),
        lambda x, w, b: F.rms_norm(x, 4) * w.sum() * b.sum(),
        lambda x, w, b: F.local_response_norm(x, 3, 0.5) * w.sum() * b.sum(),
        lambda x, w, b: F.normalize(x, 2.0, (1, 2)) * w.sum() * b.sum(),
    ],
)
@pytest.mark.parametrize("order", [1, 2])
def test_gradients_of_norms(fn: Any, order: int) -> None:
    assert gradcheck(fn, (normal(2, 6, 4), normal(6), normal(6)), order=order)


def test_a_row_of_group_norm_does_not_depend_on_the_batch() -> None:
    x = nnfast.tensor(RNG.standard_normal((8, 6, 9, 9)).astype("float32"))
    norm = nn.GroupNorm(3, 6)
    whole = norm(x).detach().numpy()
    for i in range(8):
        np.testing.assert_array_equal(norm(x[i : i + 1]).detach().numpy(), whole[i : i + 1])


BAD_NORMS = [
    (lambda: F.group_norm(normal(2, 6, 3), 4), "num_groups that divides C=6, got 4"),
    (lambda: F.group_norm(normal(1, 2), 2), "more than 1 value per group"),
    (lambda: F.group_norm(normal(6), 2), "input of shape (N, C)"),
    (lambda: F.group_norm(normal(2, 6), 2, normal(5)), "weight of shape (6,), input's channels"),
    (lambda: F.instance_norm(normal(2, 6, 1)), "more than 1 value per channel"),
    (lambda: F.instance_norm(normal(2, 6)), "input of shape (N, C, L)"),
    (lambda: F.instance_norm(normal(2, 6, 3), use_input_stats=False), "expected running stat"),
    (lambda: F.rms_norm(normal(2, 6), 5), "an input whose last sizes are normalized_shape"),
    (lambda: F.local_response_norm(normal(2, 6), 2), "at least 3 dimensions"),
    (lambda: F.local_response_norm(normal(2, 6, 3), 0), "a size of at least 1"),
    (lambda: nn.GroupNorm(4, 6), "num_groups that divides 6"),
    (lambda: nn.InstanceNorm2d(3)(normal(2, 4, 3, 3)), "input with C=3 channels, got C=4"),
    (lambda: nn.InstanceNorm1d(3)(normal(2, 3, 3, 3)), "an input of shape (N, C, L) or (C, L)"),
]


@pytest.mark.parametrize(("call", "text"), BAD_NORMS)
def test_bad_norms(call: Any, text: str) -> None:
    with pytest.raises(nnfast.NNFastError, match=re.escape(text)):
        call()


# ---- dropout ------------------------------------------------------------------------------------

DROPS: dict[str, Any] = {
    "dropout2d": lambda x: F.dropout2d(x, 0.4),
    "alpha": lambda x: F.alpha_dropout(x, 0.4, True),
    "feature_alpha": lambda x: F.feature_alpha_dropout(x, 0.4, True),
    "vanilla": lambda x: F.vanilla_dropout(x, 0.4),
    "connect": lambda x: F.drop_connect(x, x[0, 0], p=0.4),
    "depth": lambda x: F.stochastic_depth(x, 0.4),
    "all_depth": lambda x: F.stochastic_depth(x, 0.4, "batch"),
}


@pytest.mark.parametrize("name", DROPS)
def test_dropout_is_new_in_each_run_of_a_plan(name: str) -> None:
    """A plan draws the numbers that eager code would draw, in its gradients too."""
    x = nnfast.tensor(RNG.standard_normal((16, 5, 6, 7)).astype("float32"), requires_grad=True)

    def step(x: nnfast.Tensor) -> Any:
        y = DROPS[name](x)
        return y, grad((y * y).sum(), x)[0]

    answers = []
    for fn in (step, nnfast.compile(step)):
        nnfast.manual_seed(5)
        with warnings.catch_warnings():
            warnings.filterwarnings("error", "nnfast.compile")
            answers.append([[t.detach().numpy() for t in fn(x)] for _ in range(4)])
    runs = [run[0] for run in answers[0]]
    assert any((runs[0] != other).any() for other in runs[1:])
    for mine, want in zip(answers[1], answers[0], strict=True):
        for a, b in zip(mine, want, strict=True):
            np.testing.assert_array_equal(a, b)


def test_alpha_dropout_keeps_mean_and_variance() -> None:
    nnfast.manual_seed(6)
    x = nnfast.tensor(RNG.standard_normal(100_000))
    for p in (0.1, 0.5):
        y = F.alpha_dropout(x, p, True).numpy()
        assert abs(y.mean()) < 0.03 and abs(y.var() - 1) < 0.05


def test_dropout_of_branches_and_weights() -> None:
    nnfast.manual_seed(7)
    x = nnfast.ones(2000, 3)
    rows = F.stochastic_depth(x, 0.25).numpy()
    assert (rows == rows[:, :1]).all() and set(np.unique(rows)) == {0.0, np.float32(4 / 3)}
    assert abs((rows[:, 0] > 0).mean() - 0.75) < 5 * np.sqrt(0.1875 / 2000)
    whole = np.array([F.stochastic_depth(x[:2], 0.5, "batch").numpy() for _ in range(50)])
    assert (whole == whole[:, :1, :1]).all() and set(np.unique(whole)) == {0.0, 2.0}
    kept = F.vanilla_dropout(x, 0.25).numpy()
    assert set(np.unique(kept)) == {0.0, 1.0} and abs(kept.mean() - 0.75) < 0.03
    assert (F.vanilla_dropout(x, 0.25, training=False).numpy() == 0.75).all()
    layer = nn.DropConnect(100, 200, p=0.5, bias=False)
    eye = nnfast.tensor(np.eye(100, dtype=np.float32))
    seen, w = layer(eye).detach().numpy().T, layer.weight.detach().numpy()
    assert ((seen == 0) | (seen == 2 * w)).all() and abs((seen == 0).mean() - 0.5) < 0.02
    np.testing.assert_array_equal(layer.eval()(eye).detach().numpy().T, w)


BAD_DROPS = [
    (lambda: F.dropout2d(normal(3, 4, 5), 1.5), "a probability p from 0 to 1"),
    (lambda: F.dropout2d(normal(3)), "an input of shape (N, C, ...)"),
    (lambda: F.stochastic_depth(normal(3), 0.5, "rows"), "mode 'row' or 'batch'"),
    (lambda: nn.StochasticDepth(2.0), "p from 0 to 1"),
    (lambda: nn.DropConnect(2, 3, p=-1.0), "p from 0 to 1"),
    (lambda: nn.AlphaDropout(float("nan")), "p from 0 to 1"),
]


@pytest.mark.parametrize(("call", "text"), BAD_DROPS)
def test_bad_dropouts(call: Any, text: str) -> None:
    with pytest.raises(nnfast.NNFastError, match=re.escape(text)):
        call()


# ---- sizes and places ---------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
@pytest.mark.parametrize("align", [True, False])
def test_interpolation_reproduces_what_its_kernel_can(mode: str, align: bool) -> None:
    """Inside a plane, or (cubic) a constant; at its own pixels, with aligned corners, all."""
    h, w = np.mgrid[0:9.0, 0:11.0] * (mode == "bilinear")
    x = nnfast.tensor((2 * h - 3 * w + 1)[None, None])
    size = (17, 31)
    y = F.interpolate(x, size, mode=mode, align_corners=align).numpy()[0, 0]
    at = [
        np.arange(m) * (n - 1) / (m - 1) if align else (np.arange(m) + 0.5) * n / m - 0.5
        for n, m in zip(x.shape[2:], size, strict=True)
    ]
    plane = (2 * at[0][:, None] - 3 * at[1]) * (mode == "bilinear") + 1
    np.testing.assert_allclose(y[4:-4, 6:-6], plane[4:-4, 6:-6], rtol=1e-12, atol=1e-12)
    if align:
        z = normal(1, 2, 5, 4)
        again = F.interpolate(z, (9, 10), mode=mode, align_corners=True)[:, :, ::2, ::3]
        np.testing.assert_allclose(again.detach().numpy(), z.detach().numpy(), rtol=1e-12)


def test_interpolation_keeps_infinity_where_it_is() -> None:
    x = np.zeros((1, 1, 6, 6))
    x[..., 0, 0] = np.inf
    for mode in ("nearest", "bilinear", "bicubic", "area"):
        y = F.interpolate(nnfast.tensor(x), scale_factor=2, mode=mode).numpy()
        assert np.isfinite(y[0, 0, 5:, 5:]).all() and not np.isfinite(y[0, 0, 0, 0])


@pytest.mark.parametrize(
    "fn",
    [
        lambda x: F.interpolate(x, (5, 3), mode="bilinear"),
        lambda x: F.interpolate(x, scale_factor=1.6, mode="bicubic"),
        lambda x: F.interpolate(x, (2, 7)),
        lambda x: F.unfold(x, 2, padding=1, stride=2),
        lambda x: F.fold(F.unfold(x, 2), (4, 4), 2),
        lambda x: F.pixel_shuffle(x, 2) * F.pixel_shuffle(x, 2),
    ],
)
@pytest.mark.parametrize("order", [1, 2])
def test_gradients_of_sizes(fn: Any, order: int) -> None:
    assert gradcheck(fn, (normal(1, 4, 4, 4),), order=order)


def test_unfold_makes_a_convolution_a_product() -> None:
    x, w = normal(2, 3, 7, 8), normal(4, 3, 3, 2)
    columns = F.unfold(x, (3, 2), dilation=(1, 2), padding=(2, 1), stride=2)
    y = w.reshape(4, -1) @ columns
    want = F.conv2d(x, w, stride=2, padding=(2, 1), dilation=(1, 2))
    np.testing.assert_allclose(
        y.reshape(want.shape).detach().numpy(), want.detach().numpy(), rtol=1e-10, atol=1e-12
    )
    ones = F.fold(F.unfold(nnfast.ones(1, 1, 5, 5), 2, stride=1), 5, 2).numpy()
    assert ones[0, 0, 2, 2] == 4 and ones[0, 0, 0, 0] == 1 and ones[0, 0, 0, 2] == 2


def test_shuffles_take_each_other_back() -> None:
    x = normal(2, 12, 4, 6)
    for there, back in (
        (F.pixel_shuffle(x, 2), lambda y: F.pixel_unshuffle(y, 2)),
        (F.pixel_unshuffle(x, 2), lambda y: F.pixel_shuffle(y, 2)),
        (F.channel_shuffle(x, 3), lambda y: F.channel_shuffle(y, 4)),
    ):
        np.testing.assert_array_equal(back(there).detach().numpy(), x.detach().numpy())


BAD_SIZES = [
    (lambda: F.interpolate(normal(1, 1, 4)), "size or scale_factor, got none"),
    (lambda: F.interpolate(normal(1, 1, 4), 2, 2), "size or scale_factor, got both"),
    (lambda: F.interpolate(normal(1, 4), 2), "input of shape (N, C, W)"),
    (lambda: F.interpolate(normal(1, 1, 4), 2, mode="bilinear"), "mode one of nearest"),
    (lambda: F.interpolate(normal(1, 1, 4), 2, align_corners=True), "align_corners with a linear"),
    (lambda: F.interpolate(normal(1, 1, 4), (2, 3)), "one size or 1 of them"),
    (lambda: F.interpolate(normal(1, 1, 4), 0), "at least one pixel in and out"),
    (lambda: F.interpolate(normal(1, 1, 4), 2.5), "integers as size"),
    (lambda: F.interpolate(normal(1, 1, 4), None, -1.0), "a finite scale_factor above 0"),
    (lambda: F.interpolate(normal(1, 1, 4), 2**60), "an output of less than 2**59 elements"),
    (lambda: F.unfold(normal(1, 3, 3), 4), "a kernel within the padded image of 3 x 3, got 4 x 4"),
    (lambda: F.unfold(normal(3, 3), 2), "input of shape (N, C, H, W)"),
    (lambda: F.fold(normal(1, 8, 9), 4, 3), "a multiple of 9 rows and 4 columns, got 8 x 9"),
    (lambda: F.pixel_shuffle(normal(6, 2, 2), 2), "channels that 2^2 divides, got 6"),
    (lambda: F.pixel_unshuffle(normal(6, 2, 3), 2), "height and width that 2 divides"),
    (lambda: F.channel_shuffle(normal(1, 6, 2), 4), "with C that 4 divides"),
    (lambda: nn.PixelShuffle(0), "upscale_factor >= 1"),
    (lambda: nn.Unfold(0), "kernel_size from 1"),
]


@pytest.mark.parametrize(("call", "text"), BAD_SIZES)
def test_bad_sizes(call: Any, text: str) -> None:
    with pytest.raises(nnfast.NNFastError, match=re.escape(text)):
        call()
