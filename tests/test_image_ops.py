"""Functions of images that are composed of other ops, against NumPy and against what they mean."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import nnfast
from nnfast import nn
from nnfast.autograd import gradcheck
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
