"""Group norm, other sizes and padding of images: lines of the subject `memory`."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from bench.layers import EPS, _statistics, _with_channels
from bench.memory import Op, images

GROUPS = 4


# ---- group norm: x, weight, bias; dy, x, weight -------------------------------------------------


def _in_groups(x: np.ndarray) -> np.ndarray:
    return x.reshape(len(x), GROUPS, -1)


def _group_norm(x: np.ndarray, w: np.ndarray, b: np.ndarray) -> np.ndarray:
    normal = _statistics(_in_groups(x), (2,))[0].reshape(x.shape)
    return normal * w[:, None, None] + b[:, None, None]


def _group_norm_backward(dy: np.ndarray, x: np.ndarray, w: np.ndarray) -> tuple[np.ndarray, ...]:
    normal, rstd = _statistics(_in_groups(x), (2,))
    g = _in_groups(dy * w[:, None, None])
    slope = (g * normal).mean(2, keepdims=True)
    dx = ((g - g.mean(2, keepdims=True) - normal * slope) * rstd).reshape(x.shape)
    return dx, (dy * normal.reshape(x.shape)).sum((0, 2, 3)), dy.sum((0, 2, 3))


def _nnfast_backward(nnfast: Any, dy: Any, x: Any, w: Any) -> Any:
    ops = nnfast.ops.OPS
    _, mean, rstd = ops["group_norm"](x, w, None, GROUPS, EPS)
    return lambda: ops["group_norm_backward"](dy, x, mean, rstd, w, GROUPS, EPS)


def _torch_backward(torch: Any, dy: Any, x: Any, w: Any) -> Any:
    n, c, h, width = x.shape
    _, mean, rstd = torch.native_group_norm(x, w, w, n, c, h * width, GROUPS, EPS)
    backward, wanted = torch.ops.aten.native_group_norm_backward, [True] * 3
    return lambda: backward(dy, x, mean, rstd, w, n, c, h * width, GROUPS, wanted)


# ---- sizes and padding --------------------------------------------------------------------------


def _linear(x: np.ndarray, axis: int) -> np.ndarray:
    """Twice as many pixels along an axis: each 3/4 of its own and 1/4 of its neighbour."""
    x = np.moveaxis(x, axis, -1)
    before = np.concatenate([x[..., :1], x[..., :-1]], -1)
    behind = np.concatenate([x[..., 1:], x[..., -1:]], -1)
    y = np.stack([0.75 * x + 0.25 * before, 0.75 * x + 0.25 * behind], -1)
    return np.moveaxis(y.reshape(*x.shape[:-1], -1), -1, axis)


def _pad(mode: str, x: np.ndarray) -> np.ndarray:
    return np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)), mode)  # type: ignore[call-overload]


def _shuffled(x: np.ndarray) -> np.ndarray:
    n, c, h, w = x.shape
    y = x.reshape(n, c // 4, 2, 2, h, w).transpose(0, 1, 4, 2, 5, 3)
    return y.reshape(n, c // 4, 2 * h, 2 * w)


def _both(function: str, *args: Any, **kwargs: Any) -> dict[str, Any]:
    """The same call of nnfast's and PyTorch's functional."""

    def side(library: Any, x: Any) -> Any:
        fn = getattr(library.nn.functional, function)
        return lambda: fn(x, *args, **kwargs)

    return {"nnfast": side, "torch": side}


TABLE = {
    "group_norm": Op(
        "norm",
        partial(_with_channels, images_first=1, vectors=2),
        (1, 1),
        _group_norm,
        {
            "nnfast": lambda nn, x, w, b: lambda: nn.nn.functional.group_norm(x, GROUPS, w, b),
            "torch": lambda torch, x, w, b: lambda: torch.nn.functional.group_norm(x, GROUPS, w, b),
        },
    ),
    "group_norm backward": Op(
        "norm",
        partial(_with_channels, images_first=2, vectors=1),
        (2, 1),
        _group_norm_backward,
        {"nnfast": _nnfast_backward, "torch": _torch_backward},
    ),
    "upsample nearest x2": Op(
        "resize",
        images,
        (1, 4),
        lambda x: x.repeat(2, 2).repeat(2, 3),
        _both("interpolate", scale_factor=2),
    ),
    "upsample bilinear x2": Op(
        "resize",
        images,
        (1, 4),
        lambda x: _linear(_linear(x, 2), 3),
        _both("interpolate", scale_factor=2, mode="bilinear"),
    ),
    "pixel_shuffle 2": Op("resize", images, (1, 1), _shuffled, _both("pixel_shuffle", 2)),
    "pad zeros 1": Op("pad", images, (1, 1), partial(_pad, "constant"), _both("pad", (1,) * 4)),
    "pad reflect 1": Op(
        "pad", images, (1, 1), partial(_pad, "reflect"), _both("pad", (1,) * 4, mode="reflect")
    ),
}
