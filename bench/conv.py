"""2-D convolution: forward, gradient of the input, gradient of the weight, one row each."""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from functools import partial
from typing import Any

import numpy as np

from bench.harness import Arrays, Case
from bench.shapes import CONV, Conv
from bench.timing import Call

TOY = [Conv("", 2, 4, 5, 6, 3, 2, 1, 2), Conv("", 1, 3, 6, 4, 3, 1, 2, 1, 2, w=7)]

PASSES = ("forward", "dx", "dw")


def cases(toy: bool = False) -> Iterable[Case]:
    """Every layer and pass; a few tiny ones for the tests."""
    return (_case(c, which) for c in (TOY if toy else CONV) for which in PASSES)


def _case(c: Conv, which: str) -> Case:
    oh, ow = out_size(c)
    image, filters = c.c * c.h * c.width, c.o * c.c // c.groups * c.k * c.k
    sizes = {"x": c.n * image, "w": filters, "y": c.n * c.o * oh * ow}
    result = {"forward": "y", "dx": "x", "dw": "w"}[which]
    return Case(
        group=f"conv2d {which}" + (" first layer" if c.c <= 3 else ""),
        op=f"conv2d {which}",
        shape=text(c),
        sides={side: partial(build, c, which) for side, build in builders(which).items()},
        arrays=partial(_arrays, c, which),
        reference=partial(REFERENCES[which], c),
        tolerance=2e-5,
        flops=2.0 * c.n * filters * oh * ow,
        reads=4.0 * sum(size for name, size in sizes.items() if name != result),
        writes=4.0 * sizes[result],
    )


def text(c: Conv) -> str:
    """The layer in a few letters: 64x3x32x32 o16 k3 s1 p1."""
    extra = "".join(
        f" {letter}{value}" for letter, value in (("g", c.groups), ("d", c.dilation)) if value > 1
    )
    return (
        f"{c.n}x{c.c}x{c.h}x{c.width} o{c.o} k{c.k} s{c.stride} p{c.padding}{extra} {c.net}".strip()
    )


def out_size(c: Conv) -> tuple[int, int]:
    """OH, OW."""
    reach = c.dilation * (c.k - 1) + 1
    oh, ow = ((s + 2 * c.padding - reach) // c.stride + 1 for s in (c.h, c.width))
    return oh, ow


def _arrays(c: Conv, which: str, rng: np.random.Generator) -> Arrays:
    """Forward: x, w. dx: dy, w. dw: dy, x."""
    shapes = {
        "x": (c.n, c.c, c.h, c.width),
        "w": (c.o, c.c // c.groups, c.k, c.k),
        "dy": (c.n, c.o, *out_size(c)),
    }
    names = {"forward": ("x", "w"), "dx": ("dy", "w"), "dw": ("dy", "x")}[which]
    return tuple((rng.random(shapes[n], np.float32) * 2 - 1).astype(c.dtype) for n in names)


# ---- float64, tap by tap --------------------------------------------------------------------


def _taps(c: Conv, padded: np.ndarray) -> Iterable[tuple[int, int, np.ndarray]]:
    """(i, j, what this tap sees: a view N, G, C/G, OH, OW of the padded images)."""
    oh, ow = out_size(c)
    split = padded.reshape(c.n, c.groups, c.c // c.groups, *padded.shape[2:])
    for i in range(c.k):
        for j in range(c.k):
            top, left = i * c.dilation, j * c.dilation
            rows = slice(top, top + (oh - 1) * c.stride + 1, c.stride)
            cols = slice(left, left + (ow - 1) * c.stride + 1, c.stride)
            yield i, j, split[..., rows, cols]


def _padded(c: Conv, x: np.ndarray) -> np.ndarray:
    return np.pad(x, ((0, 0), (0, 0), (c.padding,) * 2, (c.padding,) * 2))


def _grouped(c: Conv, w: np.ndarray) -> np.ndarray:
    return w.reshape(c.groups, c.o // c.groups, c.c // c.groups, c.k, c.k)


def _flat(x: np.ndarray) -> np.ndarray:
    """Pixels as one dimension."""
    return x.reshape(*x.shape[:-2], -1)


def _forward(c: Conv, x: np.ndarray, w: np.ndarray) -> np.ndarray:
    oh, ow = out_size(c)
    y = np.zeros((c.n, c.groups, c.o // c.groups, oh * ow))
    for i, j, seen in _taps(c, _padded(c, x)):
        y += _grouped(c, w)[..., i, j] @ _flat(seen)
    return y.reshape(c.n, c.o, oh, ow)


def _dx(c: Conv, dy: np.ndarray, w: np.ndarray) -> np.ndarray:
    oh, ow = out_size(c)
    dy = dy.reshape(c.n, c.groups, c.o // c.groups, oh * ow)
    dx = np.zeros((c.n, c.c, c.h + 2 * c.padding, c.width + 2 * c.padding))
    for i, j, seen in _taps(c, dx):
        seen += (_grouped(c, w)[..., i, j].swapaxes(1, 2) @ dy).reshape(seen.shape)
    return dx[:, :, c.padding : c.padding + c.h, c.padding : c.padding + c.width]


def _dw(c: Conv, dy: np.ndarray, x: np.ndarray) -> np.ndarray:
    oh, ow = out_size(c)
    dy = dy.reshape(c.n, c.groups, c.o // c.groups, oh * ow)
    dw = np.empty((c.groups, c.o // c.groups, c.c // c.groups, c.k, c.k))
    for i, j, seen in _taps(c, _padded(c, x)):
        dw[..., i, j] = (dy @ _flat(seen).swapaxes(2, 3)).sum(0)
    return dw.reshape(c.o, c.c // c.groups, c.k, c.k)


REFERENCES = {"forward": _forward, "dx": _dx, "dw": _dw}


# ---- the libraries --------------------------------------------------------------------------


def builders(which: str) -> dict[str, Any]:
    """The sides of a pass. ONNX Runtime has no gradients."""
    sides: dict[str, Any] = {
        "nnfast": _nnfast,
        "torch": _torch,
        "torch channels_last": _torch_channels_last,
        "jax": _jax,
    }
    return sides | {"onnxruntime": _onnxruntime} if which == "forward" else sides


def _nnfast(c: Conv, which: str, first: np.ndarray, second: np.ndarray) -> Call:
    nnfast = importlib.import_module("nnfast")
    ops = importlib.import_module("nnfast.ops.conv")
    a, b = nnfast.tensor(first), nnfast.tensor(second)
    how = {
        "stride": c.stride,
        "padding": c.padding,
        "dilation": c.dilation,
        "groups": c.groups,
    }
    if which == "forward":
        return lambda: ops.conv2d(a, b, **how)
    if which == "dx":
        return lambda: ops.conv2d_input(a, b, (c.h, c.width), **how)
    return lambda: ops.conv2d_weight(a, b, (c.k, c.k), **how)


def _torch(c: Conv, which: str, first: np.ndarray, second: np.ndarray, **how: Any) -> Call:
    torch = importlib.import_module("torch")
    a, b = torch.tensor(first).to(**how), torch.tensor(second).to(**how)
    if which == "forward":
        conv2d = torch.nn.functional.conv2d
        return lambda: conv2d(a, b, None, c.stride, c.padding, c.dilation, c.groups)
    backward = torch.ops.aten.convolution_backward
    dy = a
    if which == "dx":
        x, w, wanted = torch.empty(c.n, c.c, c.h, c.width).to(**how), b, 0
    else:
        x, w, wanted = b, torch.empty(c.o, c.c // c.groups, c.k, c.k).to(**how), 1
    mask = [wanted == i for i in range(3)]
    pairs = [c.stride] * 2, [c.padding] * 2, [c.dilation] * 2
    return lambda: backward(dy, x, w, None, *pairs, False, [0, 0], c.groups, mask)[wanted]


def _torch_channels_last(c: Conv, which: str, first: np.ndarray, second: np.ndarray) -> Call:
    torch = importlib.import_module("torch")
    return _torch(c, which, first, second, memory_format=torch.channels_last)


def _jax(c: Conv, which: str, first: np.ndarray, second: np.ndarray) -> Call:
    jax = importlib.import_module("jax")
    a, b = jax.numpy.asarray(first), jax.numpy.asarray(second)

    def forward(x: Any, w: Any) -> Any:
        return jax.lax.conv_general_dilated(
            x,
            w,
            (c.stride,) * 2,
            [(c.padding,) * 2] * 2,
            rhs_dilation=(c.dilation,) * 2,
            feature_group_count=c.groups,
        )

    x = jax.ShapeDtypeStruct((c.n, c.c, c.h, c.width), a.dtype)
    w = jax.ShapeDtypeStruct((c.o, c.c // c.groups, c.k, c.k), a.dtype)
    function = {
        "forward": forward,
        "dx": lambda dy, w: jax.linear_transpose(lambda x: forward(x, w), x)(dy)[0],
        "dw": lambda dy, x: jax.linear_transpose(lambda w: forward(x, w), w)(dy)[0],
    }[which]
    compiled = jax.jit(function)
    return lambda: compiled(a, b).block_until_ready()


def _onnxruntime(c: Conv, which: str, x: np.ndarray, w: np.ndarray) -> Call:
    model = importlib.import_module("bench.onnx_model")
    conv = model.node(
        "Conv",
        "x",
        "w",
        strides=[c.stride] * 2,
        pads=[c.padding] * 4,
        dilations=[c.dilation] * 2,
        group=c.groups,
    )
    return model.session([conv], {"x": x}, {"w": w})
