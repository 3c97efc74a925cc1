"""Attention and transformers: against PyTorch and NumPy, and properties that need neither."""

from __future__ import annotations

import copy
import math
import warnings
from typing import Any

import numpy as np
import pytest

import nnfast
from nnfast import nn
from nnfast.errors import NNFastError
from nnfast.nn import functional as F
from nnfast.tensor import Tensor
from tests.modules import both_ways, close, load_same, numpy_of

Array = np.ndarray
DTYPES = ["float32", "float64"]


def normal(*shape: int, seed: int = 0, dtype: str = "float64") -> Array:
    return np.asarray(np.random.default_rng(seed).standard_normal(shape)).astype(dtype)


# ---- scaled_dot_product_attention -----------------------------------------------------------

MASKS: dict[str, Any] = {
    "none": None,
    "bool": normal(5, 7) > -0.5,
    "dead row": np.arange(35).reshape(5, 7) % 5 > 20 * (np.arange(5) == 2)[:, None],
    "additive": normal(5, 7),
    "additive with -inf": np.where(normal(5, 7, seed=2) > 0.8, -np.inf, normal(5, 7)),
    "of each batch": normal(2, 1, 5, 7) > 0,
    "of keys": normal(2, 1, 1, 7) > 0,
}


def reference(q: Array, k: Array, v: Array, mask: Array | None, scale: float | None) -> Array:
    """In float64, one query at a time."""
    scores = q @ np.swapaxes(k, -1, -2) * (q.shape[-1] ** -0.5 if scale is None else scale)
    if mask is not None:
        scores = np.where(mask, scores, -np.inf) if mask.dtype == bool else scores + mask
    y = np.zeros((*q.shape[:-1], v.shape[-1]))
    for at in np.ndindex(*q.shape[:-1]):
        row = scores[at]
        if np.any(row > -np.inf):
            e = np.exp(row - row.max())
            y[at] = e / e.sum() @ v[at[:-1]]
    return y


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("scale", [None, 0.3])
@pytest.mark.parametrize("mask", sorted(MASKS))
def test_values(mask: str, scale: float | None, dtype: str) -> None:
    arrays = [normal(2, 3, n, d, seed=n + d, dtype=dtype) for n, d in ((5, 4), (7, 4), (7, 6))]
    m = MASKS[mask]
    if m is not None:
        arrays.append(m if m.dtype == bool else m.astype(dtype))
    y = both_ways(lambda *x: F.scaled_dot_product_attention(*x, scale=scale), arrays)[0]
    wide = [x if x.dtype == bool else x.astype(np.float64) for x in arrays]
    want = reference(*wide[:3], None if m is None else wide[3], scale)
    close(y, want, 64)  # 4 products a score, which is then an exponent; 7 values a mean


@pytest.mark.parametrize("mask", sorted(MASKS))
def test_gradients_are_pytorchs(mask: str) -> None:
    torch = pytest.importorskip("torch")
    arrays = [normal(2, 3, n, d, seed=n + d) for n, d in ((5, 4), (7, 4), (7, 6))]
    m = MASKS[mask]
    mine = [nnfast.tensor(a, requires_grad=True) for a in arrays]
    theirs = [torch.tensor(a, requires_grad=True) for a in arrays]
    y = F.scaled_dot_product_attention(*mine, None if m is None else nnfast.from_numpy(m))
    z = torch.nn.functional.scaled_dot_product_attention(
        *theirs, None if m is None else torch.tensor(m)
    )
    dy = normal(*y.shape, seed=9)
    y.backward(nnfast.from_numpy(dy))
    z.backward(torch.tensor(dy))
    close(y, z.detach().numpy(), 64)
    for a, b in zip(mine, theirs, strict=True):
        close(a.grad, b.grad.numpy(), 256)


def test_second_gradient() -> None:
    inputs = [nnfast.tensor(normal(2, n, 3), requires_grad=True) for n in (4, 5, 5)]
    mask = nnfast.tensor(normal(4, 5), requires_grad=True)
    for order in (1, 2):
        nnfast.autograd.gradcheck(F.scaled_dot_product_attention, [*inputs, mask], order=order)


def test_causal_output_does_not_see_later_keys() -> None:
    q, k, v = (normal(6, 4, seed=i) for i in range(3))

    def causal(*x: Array) -> Array:
        y = F.scaled_dot_product_attention(*map(nnfast.from_numpy, x), is_causal=True)
        return numpy_of(y)

    y = causal(q, k, v)
    allowed = nnfast.from_numpy(np.tril(np.ones((6, 6), bool)))
    masked = F.scaled_dot_product_attention(*map(nnfast.from_numpy, (q, k, v)), allowed)
    assert np.array_equal(y, masked)
    close(causal(q[:4], k[:4], v[:4]), y[:4], 8)
    k[4:] += 5
    v[4:] -= 5
    assert np.array_equal(causal(q, k, v)[:4], y[:4])


def test_grouped_heads() -> None:
    q, k, v = normal(2, 6, 5, 4), normal(2, 3, 7, 4, seed=1), normal(2, 3, 7, 4, seed=2)
    y = F.scaled_dot_product_attention(*map(nnfast.from_numpy, (q, k, v)), enable_gqa=True)
    wide = [np.repeat(x, 2, axis=1) for x in (k, v)]
    close(y, reference(q, *wide, None, None), 64)


def test_dropout_keeps_the_mean() -> None:
    q, k = nnfast.zeros(2000, 4), nnfast.zeros(10, 4)
    y = F.scaled_dot_product_attention(q, k, nnfast.ones(10, 1), dropout_p=0.5).numpy()
    # Each is a mean of 10 that are 0 or 2: standard deviation sqrt(0.1); of 2000 of them.
    assert abs(y.mean() - 1) < 5 * math.sqrt(0.1 / 2000) and y.std() > 0.2


@pytest.mark.parametrize("shape", [(0, 3, 4), (2, 0, 4)])
def test_empty(shape: tuple[int, ...]) -> None:
    x = nnfast.zeros(*shape)
    assert F.scaled_dot_product_attention(x, x, x).shape == shape
    some, none = nnfast.zeros(2, 3, 4), nnfast.zeros(2, 0, 4)
    assert F.scaled_dot_product_attention(some, none, none).tolist() == np.zeros((2, 3, 4)).tolist()


X = nnfast.zeros(2, 3, 4)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: F.scaled_dot_product_attention(X, X, X, X, is_causal=True), "got both"),
        (lambda: F.scaled_dot_product_attention(X, X[..., :3], X), "of one size E, got 4 and 3"),
        (lambda: F.scaled_dot_product_attention(X, X, X[:, :2]), "as many keys as values"),
        (lambda: F.scaled_dot_product_attention(X, X, X[0, 0]), "two dimensions or more"),
        (lambda: F.scaled_dot_product_attention(X, X, X, nnfast.ones(3, 3).long()), "got int64"),
        (lambda: F.scaled_dot_product_attention(X, X, X, dropout_p=2), "a probability"),
        (lambda: nn.MultiheadAttention(4, 3), "num_heads that divides embed_dim"),
        (lambda: nn.MultiheadAttention(4, 2)(X, X, X[:1]), "as many keys as values"),
        (lambda: nn.MultiheadAttention(6, 2)(X, X, X), "of sizes (6, 6, 6)"),
        (lambda: nn.MultiheadAttention(4, 2)(X, X[0], X), "3 dimensions"),
        (lambda: nn.MultiheadAttention(4, 2)(X, X[:, :1], X[:, :1]), "one batch size"),
        (lambda: nn.MultiheadAttention(4, 2)(X, X, X, is_causal=True), "an attn_mask"),
        (lambda: nn.MultiheadAttention(4, 2)(X, X, X, attn_mask=X[0]), "an attn_mask of shape (2"),
        (lambda: nn.MultiheadAttention(4, 2)(X, X, X, X[0]), "a key_padding_mask of shape (3, 2)"),
        (lambda: nn.MultiheadAttention(4, 2, dropout=1.5), "dropout from 0 to 1"),
        (lambda: nn.TransformerEncoderLayer(4, 2, activation="tanh"), "activation 'relu'"),
        (lambda: nn.Transformer(4, 2, 1, 1, 8)(X, X[0]), "src and tgt"),
    ],
)  # fmt: skip
def test_wrong_arguments(call: Any, message: str) -> None:
    with pytest.raises(NNFastError) as caught:
        call()
    assert message in str(caught.value)


# ---- MultiheadAttention ---------------------------------------------------------------------

LAYERS: list[dict[str, Any]] = [
    {},
    {"bias": False},
    {"batch_first": True},
    {"kdim": 5, "vdim": 3},
    {"kdim": 5, "add_bias_kv": True},
    {"add_bias_kv": True, "add_zero_attn": True},
    {"add_zero_attn": True, "bias": False, "batch_first": True},
]
CALLS: dict[str, dict[str, Any]] = {
    "plain": {},
    "no weights": {"need_weights": False},
    "each head": {"average_attn_weights": False},
    "padding": {"key_padding_mask": np.arange(12).reshape(2, 6) % 5 == 3},
    "numbers": {"key_padding_mask": normal(2, 6), "attn_mask": normal(4, 6)},
    "mask": {"attn_mask": np.triu(np.ones((4, 6), bool), 1)},
    "mask of each": {"attn_mask": normal(8, 4, 6) > 1},
    "both": {
        "attn_mask": np.triu(np.ones((4, 6), bool), 2),
        "key_padding_mask": np.arange(12).reshape(2, 6) == 9,
        "need_weights": False,
    },
}


def tensors(make: Any, arguments: dict[str, Any]) -> dict[str, Any]:
    return {k: make(v) if isinstance(v, np.ndarray) else v for k, v in arguments.items()}


@pytest.mark.parametrize("call", sorted(CALLS))
@pytest.mark.parametrize("options", LAYERS, ids=str)
def test_multihead_attention_is_pytorchs(options: dict[str, Any], call: str) -> None:
    torch = pytest.importorskip("torch")
    mine = nn.MultiheadAttention(8, 4, **options)
    theirs = torch.nn.MultiheadAttention(8, 4, **options)
    load_same(mine, theirs)
    sizes = ((4, 8), (6, mine.kdim), (6, mine.vdim))
    first = options.get("batch_first", False)
    xs = [normal(2, n, e, seed=n + e) if first else normal(n, 2, e, seed=n + e) for n, e in sizes]
    a = [nnfast.tensor(x, requires_grad=True) for x in xs]
    b = [torch.tensor(x, requires_grad=True) for x in xs]
    y, w = mine(*a, **tensors(nnfast.from_numpy, CALLS[call]))
    z, u = theirs(*b, **tensors(torch.tensor, CALLS[call]))
    close(y, numpy_of(z), 256)
    assert (w is None) == (u is None)
    if w is not None:
        close(w, numpy_of(u), 256)
    dy = normal(*y.shape, seed=5)
    y.backward(nnfast.from_numpy(dy))
    z.backward(torch.tensor(dy))
    for p, q in zip([*a, *mine.parameters()], [*b, *theirs.parameters()], strict=True):
        close(p.grad, numpy_of(q.grad), 1024)


def test_one_sequence_is_a_batch_of_one() -> None:
    for first in (False, True):
        layer = nn.MultiheadAttention(8, 2, batch_first=first).double()
        x, memory = nnfast.from_numpy(normal(4, 8)), nnfast.from_numpy(normal(6, 8, seed=1))
        dim = 0 if first else 1
        y, w = layer(x, memory, memory)
        z, u = layer(x.unsqueeze(dim), *[memory.unsqueeze(dim)] * 2)
        assert y.shape == (4, 8) and w.shape == (4, 6)
        assert np.array_equal(y.detach(), z.squeeze(dim).detach())
        assert np.array_equal(w.detach(), u.squeeze(0).detach())


def test_weights_are_a_distribution_and_none_where_nothing_may_be_seen() -> None:
    layer = nn.MultiheadAttention(8, 2, batch_first=True)
    blocked = np.zeros((2, 5), bool)
    blocked[1] = True
    x = nnfast.from_numpy(normal(2, 5, 8, dtype="float32"))
    y, w = layer(x, x, x, key_padding_mask=nnfast.from_numpy(blocked))
    np.testing.assert_allclose(w.detach().numpy().sum(-1), [[1] * 5, [0] * 5], atol=1e-6)
    assert np.array_equal(y[1].detach(), np.broadcast_to(layer.out_proj.bias.detach(), (5, 8)))
    y.sum().backward()
    assert all(np.isfinite(numpy_of(p.grad)).all() for p in layer.parameters())


@pytest.mark.parametrize("options", LAYERS[:4], ids=str)
def test_padding_does_not_matter(options: dict[str, Any]) -> None:
    layer = nn.MultiheadAttention(8, 2, **{**options, "batch_first": True}).double()
    x = nnfast.from_numpy(normal(2, 3, 8))
    k, v = (normal(2, 7, n, seed=n) for n in (layer.kdim, layer.vdim))
    k[:, 5:], v[:, 5:] = 1e6, -1e6
    padding = nnfast.from_numpy(np.broadcast_to(np.arange(7) >= 5, (2, 7)))
    y, w = layer(x, nnfast.from_numpy(k), nnfast.from_numpy(v), key_padding_mask=padding)
    z, u = layer(x, nnfast.from_numpy(k[:, :5]), nnfast.from_numpy(v[:, :5]))
    close(y, z.detach().numpy(), 64)
    close(w[..., :5], u.detach().numpy(), 64)
    assert not w[..., 5:].detach().numpy().any()


# ---- transformers ---------------------------------------------------------------------------

OPTIONS: list[dict[str, Any]] = [
    {},
    {"norm_first": True, "activation": "gelu"},
    {"batch_first": True, "bias": False, "layer_norm_eps": 1e-3},
]


def models(kind: str, options: dict[str, Any]) -> tuple[Any, tuple[int, ...], dict[str, Any]]:
    """How to make a model, which of the inputs it takes, and its masks."""
    causal = np.triu(np.full((4, 4), -np.inf), 1)
    padding = np.arange(10).reshape(2, 5) % 5 == 4

    def make(lib: Any) -> Any:
        if kind == "transformer":
            return lib.Transformer(8, 2, 2, 1, 12, 0.0, **options)
        if "encoder" in kind:
            layer = lib.TransformerEncoderLayer(8, 2, 12, 0.0, **options)
            norm = lib.LayerNorm(8)
            return layer if "layer" in kind else lib.TransformerEncoder(layer, 2, norm)
        layer = lib.TransformerDecoderLayer(8, 2, 12, 0.0, **options)
        return layer if "layer" in kind else lib.TransformerDecoder(layer, 2)

    if kind == "transformer":
        return make, (5, 4), {"tgt_mask": causal, "src_key_padding_mask": padding > 1}
    if "encoder" in kind:
        return make, (5,), {"src_key_padding_mask": padding}
    return make, (4, 5), {"tgt_mask": causal, "memory_key_padding_mask": padding}


@pytest.mark.filterwarnings("ignore:enable_nested_tensor", "ignore:Support for mismatched")
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize(
    "kind", ["encoder", "encoder layer", "decoder", "decoder layer", "transformer"]
)
def test_transformers_are_pytorchs(kind: str, options: dict[str, Any], masked: bool) -> None:
    torch = pytest.importorskip("torch")
    make, lengths, masks = models(kind, options)
    mine, theirs = make(nn), make(torch.nn)
    load_same(mine, theirs)
    shapes = [(2, n, 8) if options.get("batch_first") else (n, 2, 8) for n in lengths]
    xs = [normal(*s, seed=i) for i, s in enumerate(shapes)]
    a = [nnfast.tensor(x, requires_grad=True) for x in xs]
    b = [torch.tensor(x, requires_grad=True) for x in xs]
    given = masks if masked else {}
    y = mine(*a, **tensors(nnfast.from_numpy, given))
    z = theirs(*b, **tensors(torch.tensor, given))
    close(y, numpy_of(z), 4096)
    dy = normal(*y.shape, seed=5)
    y.backward(nnfast.from_numpy(dy))
    z.backward(torch.tensor(dy))
    for p, q in zip([*a, *mine.parameters()], [*b, *theirs.parameters()], strict=True):
        close(p.grad, numpy_of(q.grad), 1 << 16)


def test_a_causal_encoder_does_not_see_later_words() -> None:
    layer = nn.TransformerEncoderLayer(8, 2, 16, norm_first=True, batch_first=True).double().eval()
    encoder = nn.TransformerEncoder(layer, 2)
    x = normal(2, 6, 8)
    mask = nn.Transformer.generate_square_subsequent_mask(6, dtype="float64")
    y = encoder(nnfast.from_numpy(x), mask, is_causal=True).detach().numpy()
    x[:, 4:] += 3
    z = encoder(nnfast.from_numpy(x), mask, is_causal=True).detach().numpy()
    assert np.array_equal(y[:, :4], z[:, :4]) and not np.allclose(y[:, 4:], z[:, 4:])


@pytest.mark.parametrize("threads", [1, 2])
def test_training_compiled_gives_the_same_bits(threads: int) -> None:
    def train(compiled: bool) -> tuple[list[float], list[bytes]]:
        nnfast.manual_seed(1)
        model = nn.Transformer(8, 2, 1, 1, 16, 0.1, batch_first=True)
        optimizer = nnfast.optim.Adam(model.parameters(), lr=1e-2)
        mask = model.generate_square_subsequent_mask(4)

        def step(src: Tensor, tgt: Tensor, padding: Tensor) -> Tensor:
            optimizer.zero_grad()
            y = model(src, tgt, tgt_mask=mask, src_key_padding_mask=padding)
            loss = F.mse_loss(y, tgt)
            loss.backward()
            optimizer.step()
            return loss

        run = nnfast.compile(step) if compiled else step
        losses = []
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # a fall back to eager would warn
            for i in range(4):
                src, tgt = (normal(2, n, 8, seed=i + n, dtype="float32") for n in (5, 4))
                padding = np.arange(10).reshape(2, 5) % 5 > 3 + i % 2
                loss = run(*map(nnfast.from_numpy, (src, tgt, padding)))
                losses.append(loss.item())
        return losses, [p.detach().numpy().tobytes() for p in model.parameters()]

    with nnfast.threads(threads):
        assert train(True) == train(False)


def test_copies_are_independent() -> None:
    layer = nn.TransformerEncoderLayer(4, 2, 8)
    encoder = nn.TransformerEncoder(layer, 2)
    first, second = (copy.copy(x.linear1.weight) for x in encoder.layers)
    assert np.array_equal(first.detach(), second.detach())
    encoder.layers[0].linear1.weight.array[...] = 0
    assert encoder.layers[1].linear1.weight.detach().numpy().any()
