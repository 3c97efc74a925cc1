"""Functions of nn.functional and layers that code for PyTorch finds under their names."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import nnfast
from nnfast import nn
from nnfast.errors import NNFastError
from nnfast.nn import functional as F
from tests.modules import both_ways, close

RNG = np.random.default_rng(4)
X = RNG.standard_normal((3, 5))


def same(call: Any, *arrays: np.ndarray, roundings: float = 32) -> None:
    """call(library, functional, *tensors): values and gradients as PyTorch's; compiled too."""
    torch = pytest.importorskip("torch")
    results = []
    for lib, f in ((nnfast, F), (torch, torch.nn.functional)):
        xs = [lib.tensor(a, requires_grad=a.dtype.kind == "f") for a in arrays]
        y = call(lib, f, *xs)
        found = list(y) if isinstance(y, tuple) else [y]
        sum((t * t).sum() for t in found if t.is_floating_point()).backward()
        leaves = [x.grad for x in xs if x.requires_grad]
        results.append([t.detach().numpy() for t in (*found, *leaves)])
    for got, want in zip(*results, strict=True):
        close(got, want, roundings)
    both_ways(lambda *xs: call(nnfast, F, *xs), arrays)


@pytest.mark.parametrize("name", ["softmax", "log_softmax", "softmin"])
def test_softmax_in_a_dtype(name: str) -> None:
    x = X.astype(np.float32)
    same(lambda lib, f, x: getattr(f, name)(x, dim=-1, dtype=lib.float64), x)
    if name != "softmin":
        same(lambda lib, f, x: getattr(x, name)(0, dtype=lib.float64), x)
        same(lambda lib, f, x: getattr(lib, name)(x, 1, lib.float64), x)
    with pytest.warns(UserWarning, match="takes dim=1"):
        getattr(F, name)(nnfast.tensor(X))


IN_PLACE: dict[str, tuple[Any, ...]] = {
    "relu_": (), "leaky_relu_": (0.2,), "elu_": (0.5,), "celu_": (2.0,), "selu_": (),
    "hardtanh_": (-0.5, 0.7), "threshold_": (0.1, 7.0), "rrelu_": (0.1, 0.2, False),
}  # fmt: skip


@pytest.mark.parametrize("name", IN_PLACE)
def test_in_place(name: str) -> None:
    def call(lib: Any, f: Any, x: Any) -> Any:
        y = x * 1.0
        getattr(f, name)(y, *IN_PLACE[name])
        return y

    same(call, X)
    y = nnfast.tensor(X)
    assert getattr(F, name)(y, *IN_PLACE[name]) is y


def test_pooling_with_indices() -> None:
    for n in (1, 2, 3):
        x = nnfast.tensor(RNG.standard_normal((2, 3, *[7] * n)))
        for name, args in ((f"max_pool{n}d", (3, 2)), (f"adaptive_max_pool{n}d", (3,))):
            found = getattr(F, f"{name}_with_indices")(x, *args)
            want = getattr(F, name)(x, *args, return_indices=True)
            assert [a.tolist() for a in found] == [a.tolist() for a in want]


@pytest.mark.parametrize(
    "size", [{"output_size": 3}, {"output_ratio": (0.6, 0.5, 0.7)}, {"output_size": 1}]
)
@pytest.mark.parametrize("n", [2, 3])
def test_fractional_pooling(n: int, size: dict[str, Any]) -> None:
    x, r = RNG.standard_normal((2, 3, *range(7, 7 + n))), RNG.uniform(size=(2, 3, n))
    size = {k: v[:n] if isinstance(v, tuple) else v for k, v in size.items()}

    def call(lib: Any, f: Any, x: Any, r: Any) -> Any:
        pool = getattr(f, f"fractional_max_pool{n}d_with_indices")
        return pool(x, 2, **size, _random_samples=r.detach())

    torch = pytest.importorskip("torch")
    results = [
        call(lib, f, lib.tensor(x), lib.tensor(r))
        for lib, f in ((nnfast, F), (torch, torch.nn.functional))
    ]
    for mine, theirs in zip(*results, strict=True):
        assert (mine.numpy() == theirs.numpy()).all()
    layer = getattr(nn, f"FractionalMaxPool{n}d")(2, **size)
    assert layer(nnfast.tensor(x)).shape == results[0][0].shape
    both_ways(lambda x, r: call(nnfast, F, x, r), [x, r])


def test_fractional_pooling_has_gradients() -> None:
    x = nnfast.tensor(RNG.standard_normal((1, 2, 5, 5, 5)), requires_grad=True)
    r = nnfast.tensor(RNG.uniform(size=(1, 2, 3)))
    y, index = F.fractional_max_pool3d_with_indices(x, 2, 3, _random_samples=r)
    y.sum().backward()
    want = np.zeros((2, 125))
    for plane, i in zip(want, index.numpy().reshape(2, -1), strict=True):
        np.add.at(plane, i, 1.0)
    assert (x.grad.numpy().reshape(2, -1) == want).all()


@pytest.mark.parametrize("p", [0.0, 1.0, 2.0, 3.5, float("inf")])
def test_distances(p: float) -> None:
    a, b = RNG.standard_normal((2, 4, 3)), RNG.standard_normal((1, 5, 3))
    if p == 0:  # it has no gradient
        got = nnfast.cdist(nnfast.tensor(a), nnfast.tensor(b), 0.0)
        assert (got.numpy() == 3).all() and (F.pdist(nnfast.tensor(a[0]), 0.0).numpy() == 3).all()
        return
    same(lambda lib, f, a, b: lib.cdist(a, b, p), a, b)
    same(lambda lib, f, a: f.pdist(a, p), a[0])
    x = nnfast.tensor(np.zeros((3, 2)), requires_grad=True)
    F.pdist(x, p).sum().backward()
    assert (x.grad.numpy() == 0).all()


def test_gumbel_softmax_chooses_by_probability() -> None:
    nnfast.manual_seed(0)
    p = np.array([0.1, 0.2, 0.7])
    logits = nnfast.tensor(np.log(p)).expand(20000, 3)
    y = F.gumbel_softmax(logits, tau=0.5, hard=True)
    assert set(np.unique(y.numpy().round(6))) == {0.0, 1.0}
    share = y.numpy().mean(0)
    assert (np.abs(share - p) < 5 * np.sqrt(p * (1 - p) / 20000)).all()  # 5 standard deviations
    soft = F.gumbel_softmax(logits, tau=2.0, dim=0)
    np.testing.assert_allclose(soft.numpy().sum(0), 1, rtol=1e-12)
    x = nnfast.tensor(np.log(p), requires_grad=True)
    nnfast.manual_seed(1)
    (F.gumbel_softmax(x, hard=True) * nnfast.tensor([1.0, 2.0, 3.0])).sum().backward()
    hard = x.grad.numpy().copy()
    x.grad = None
    nnfast.manual_seed(1)
    (F.gumbel_softmax(x) * nnfast.tensor([1.0, 2.0, 3.0])).sum().backward()
    assert (hard == x.grad.numpy()).all() and hard.any()


def test_older_names_of_interpolate() -> None:
    x = RNG.standard_normal((1, 2, 3, 4))
    for old in (F.upsample, F.upsample_nearest):
        y = old(nnfast.tensor(x), scale_factor=2)
        assert (y.numpy() == F.interpolate(nnfast.tensor(x), scale_factor=2).numpy()).all()
    y = F.upsample_bilinear(nnfast.tensor(x), (5, 6))
    want = F.interpolate(nnfast.tensor(x), (5, 6), mode="bilinear", align_corners=True)
    assert (y.numpy() == want.numpy()).all()


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5])
def test_cross_map_lrn(size: int) -> None:
    x, far = RNG.standard_normal((2, 6, 3, 2)), (size - 1) // 2
    squares = [np.square(x[:, max(c - far, 0) : c + far + 1]).sum(1) for c in range(6)]
    want = x / (2 + 0.3 / size * np.stack(squares, 1)) ** 0.75
    close(nn.CrossMapLRN2d(size, 0.3, 0.75, 2)(nnfast.tensor(x)), want, 32)
    with pytest.raises(NNFastError, match="N, C, H, W"):
        nn.CrossMapLRN2d(size)(nnfast.ones(2, 3, 4))


# ---- attention as a function -----------------------------------------------------------------

E, H, L, S, N = 4, 2, 3, 5, 2


@pytest.mark.parametrize("separate", [False, True])
@pytest.mark.parametrize("more", ["nothing", "bias", "zero", "static", "masks", "unbatched"])
def test_multi_head_attention_forward(separate: bool, more: str) -> None:
    widths = (E, 6, 7) if separate else (E, E, E)
    batch = () if more == "unbatched" else (N,)
    q, k, v = (RNG.standard_normal((n, *batch, w)) for n, w in zip((L, S, S), widths, strict=True))
    parts = [RNG.standard_normal((E, w)) for w in widths]
    row, out = RNG.standard_normal((2, 1, 1, E)), RNG.standard_normal((E, E))
    b_in, b_out = RNG.standard_normal(3 * E), RNG.standard_normal(E)
    fixed = RNG.standard_normal((N * H, 6, E // H))
    mask = RNG.standard_normal((N * H, L, S))
    padding = np.arange(S) > np.array([[2], [4]])

    def call(lib: Any, f: Any, q: Any, k: Any, v: Any, *weights: Any) -> Any:
        constant = lambda a: lib.tensor(a)
        options: dict[str, Any] = {}
        if separate:
            names = ("q_proj_weight", "k_proj_weight", "v_proj_weight")
            options = dict(zip(names, weights, strict=True)) | {"use_separate_proj_weight": True}
        if more == "static":
            options |= {"static_k": constant(fixed), "static_v": constant(fixed * 2)}
        if more == "masks":
            options |= {"attn_mask": constant(mask)}
            options |= {"key_padding_mask": constant(np.where(padding, -9.0, 0.0))}
        if more == "nothing":
            options |= {"average_attn_weights": False}
        extra = [constant(r) for r in row] if more == "bias" else [None, None]
        return f.multi_head_attention_forward(
            q, k, v, E, H, None if separate else weights[0], constant(b_in), *extra,
            more == "zero", 0.5, constant(out), constant(b_out), training=False, **options,
        )  # fmt: skip

    weights = parts if separate else [np.concatenate(parts)]
    torch = pytest.importorskip("torch")
    results = []
    for lib, f in ((nnfast, F), (torch, torch.nn.functional)):
        xs = [lib.tensor(a, requires_grad=True) for a in (q, k, v, *weights)]
        y, shares = call(lib, f, *xs)
        (y * y).sum().backward()
        grads = [x.grad.numpy() for x in xs if x.grad is not None and np.any(x.grad.numpy())]
        results.append([y.detach().numpy(), shares.detach().numpy(), *grads])
    for got, want in zip(*results, strict=True):
        close(got, want, 256)
    both_ways(lambda *xs: call(nnfast, F, *xs), [q, k, v, *weights])


def test_attention_refuses() -> None:
    x, w, o = nnfast.ones(L, N, E), nnfast.ones(3 * E, E), nnfast.ones(E, E)
    rest = (None, None, None, False, 0.0, o, None)
    for args, message in (
        ((x, x, x, E, 3, w, *rest), "num_heads that divides"),
        ((x, x, x[:2], E, 2, w, *rest), "as many keys as values"),
        ((x[0], x, x, E, 2, w, *rest), "3 dimensions"),
        ((x, x, x, E, 2, None, *rest), "a weight for each projection"),
        ((x, x, x, 2 * E, 2, w, *rest), "sizes"),
    ):
        with pytest.raises(NNFastError, match=message):
            F.multi_head_attention_forward(*args)


@pytest.mark.parametrize("align", [None, True])
@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
@pytest.mark.parametrize("size", [(3, 4), (9, 5), (1, 1), (8, 16)])
def test_interpolation_with_antialias(mode: str, size: tuple[int, int], align: bool | None) -> None:
    x = RNG.standard_normal((2, 2, 8, 11))
    same(
        lambda lib, f, x: f.interpolate(x, size, mode=mode, align_corners=align, antialias=True),
        x,
        roundings=128,
    )
    with pytest.raises(NNFastError, match="antialias with mode"):
        F.interpolate(nnfast.tensor(x), size, antialias=True)
