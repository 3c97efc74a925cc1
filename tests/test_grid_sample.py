"""Images read at a grid of places, against PyTorch and against what it means."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest

import nnfast
from nnfast.autograd import gradcheck, gradgradcheck
from nnfast.errors import NNFastError
from nnfast.nn import functional as F
from tests.modules import both_ways, close

RNG = np.random.default_rng(2)
CASES = {  # shapes of image and grid
    "image": ((2, 3, 4, 5), (2, 3, 6, 2)),
    "row": ((1, 2, 1, 7), (1, 5, 1, 2)),
    "pixel": ((2, 1, 1, 1), (2, 4, 2, 2)),
    "nothing": ((0, 2, 3, 3), (0, 2, 2, 2)),
    "no output": ((2, 2, 3, 3), (2, 0, 2, 2)),
    "volume": ((2, 2, 3, 4, 2), (2, 2, 3, 4, 3)),
}
WAYS = [
    (case, mode, padding, align)
    for case, mode, padding, align in product(
        CASES, ["bilinear", "nearest", "bicubic"], ["zeros", "border", "reflection"], [False, True]
    )
    if (case, mode) != ("volume", "bicubic")
]


def arrays(case: str) -> tuple[np.ndarray, np.ndarray]:
    image, grid = CASES[case]
    return RNG.standard_normal(image), RNG.uniform(-2.7, 2.7, grid)


@pytest.mark.parametrize(("case", "mode", "padding", "align"), WAYS)
def test_grid_sample_is_pytorchs(case: str, mode: str, padding: str, align: bool) -> None:
    torch = pytest.importorskip("torch")
    image, grid = arrays(case)
    results = []
    for lib, f in ((nnfast, F), (torch, torch.nn.functional)):
        x, g = (lib.tensor(a, requires_grad=True) for a in (image, grid))
        y = f.grid_sample(x, g, mode, padding, align)
        (y * y).sum().backward()
        dg = np.zeros_like(grid) if g.grad is None else g.grad.numpy()
        results.append([y.detach().numpy(), x.grad.numpy(), dg])
    for got, want in zip(*results, strict=True):
        close(got, want, 256)


@pytest.mark.parametrize(("case", "mode", "padding"), sorted({way[:3] for way in WAYS}))
def test_grid_sample_compiled(case: str, mode: str, padding: str) -> None:
    both_ways(lambda x, g: F.grid_sample(x, g, mode, padding, False), arrays(case))


def test_places_on_the_pixels_give_the_pixels() -> None:
    x = RNG.standard_normal((2, 3, 4, 5))
    same = np.eye(2, 3)[None].repeat(2, 0)
    for align, mode in product([False, True], ["bilinear", "nearest", "bicubic"]):
        grid = F.affine_grid(nnfast.tensor(same), x.shape, align)
        close(F.grid_sample(nnfast.tensor(x), grid, mode, "border", align), x, 16)


@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
@pytest.mark.parametrize("padding", ["zeros", "border", "reflection"])
def test_gradients_of_any_order(mode: str, padding: str) -> None:
    x = nnfast.tensor(RNG.standard_normal((1, 2, 3, 3)), requires_grad=True)
    places = RNG.uniform(-1.3, 1.3, (1, 2, 2, 2))
    g = nnfast.tensor(places, requires_grad=True)
    call = lambda x, g: F.grid_sample(x, g, mode, padding, False)
    assert gradcheck(call, (x, g)) and gradgradcheck(call, (x, g))


@pytest.mark.parametrize("padding", ["zeros", "border", "reflection"])
def test_numbers_that_are_none(padding: str) -> None:
    x = np.arange(1.0, 5.0).reshape(1, 1, 2, 2)
    g = np.array([[[[np.nan, np.nan], [np.inf, 0.0], [-np.inf, 1e30], [1e30, -1e30]]]])
    y = F.grid_sample(nnfast.tensor(x), nnfast.tensor(g), "bilinear", padding, True)
    assert y.tolist()[0][0][0][0] == 1.0 and np.isfinite(y.numpy()).all()
    x[0, 0, 0, 0] = np.inf  # what a pixel does not see does not change it
    g = np.array([[[[1.0, 1.0]]]])
    assert F.grid_sample(nnfast.tensor(x), nnfast.tensor(g), align_corners=True).item() == 4.0


@pytest.mark.parametrize("case", ["image", "volume"])
def test_float32(case: str) -> None:
    """As in float64, up to the rounding of places (their size times epsilon)."""
    image, grid = (a.astype(np.float32) for a in arrays(case))
    want = F.grid_sample(*(nnfast.tensor(a.astype(float)) for a in (image, grid)))
    y = F.grid_sample(nnfast.tensor(image), nnfast.tensor(grid))
    assert y.dtype == nnfast.float32
    close(y, want.numpy(), 256)


@pytest.mark.filterwarnings("ignore:Since version 1.3.0")
@pytest.mark.parametrize("size", [(2, 1, 3, 4), (1, 2, 1, 1), (2, 1, 2, 3, 4)])
@pytest.mark.parametrize("align", [False, True])
def test_affine_grid_is_pytorchs(size: tuple[int, ...], align: bool) -> None:
    torch = pytest.importorskip("torch")
    n = len(size) - 2
    theta = RNG.standard_normal((size[0], n, n + 1))
    t, want_t = nnfast.tensor(theta, requires_grad=True), torch.tensor(theta, requires_grad=True)
    y = F.affine_grid(t, size, align)
    want = torch.nn.functional.affine_grid(want_t, list(size), align)
    close(y, want.detach().numpy(), 16)
    (y * y).sum().backward()
    (want * want).sum().backward()
    close(t.grad, want_t.grad.numpy(), 64)
    both_ways(lambda t: F.affine_grid(t, size, align), [theta])


X, G = nnfast.ones(1, 1, 2, 2), nnfast.zeros(1, 2, 2, 2)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: F.grid_sample(X, G[0]), "input .N, C, H, W. and grid"),
        (lambda: F.grid_sample(X, nnfast.zeros(2, 2, 2, 2)), "input .N, C, H, W. and grid"),
        (lambda: F.grid_sample(X, nnfast.zeros(1, 2, 2, 3)), "input .N, C, H, W. and grid"),
        (lambda: F.grid_sample(X, G.double()), "floats of one dtype"),
        (lambda: F.grid_sample(X, G, "cubic"), "mode one of"),
        (lambda: F.grid_sample(X, G, padding_mode="circular"), "padding_mode one of"),
        (lambda: F.grid_sample(nnfast.ones(1, 1, 0, 2), G), "at least one pixel"),
        (lambda: F.affine_grid(nnfast.ones(1, 2, 3), (1, 1, 2)), "a size"),
        (lambda: F.affine_grid(nnfast.ones(1, 2, 3), (2, 1, 2, 2)), "a theta of floats"),
    ],
)
def test_refuses(call: Any, message: str) -> None:
    with pytest.raises(NNFastError, match=message):
        call()
