"""Losses of numbers, with margins, of sequences, and penalties: PyTorch, properties, compiled."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
import pytest

import nnfast
from nnfast import nn
from nnfast.autograd import grad, gradcheck, gradgradcheck
from nnfast.errors import NNFastError
from nnfast.nn import functional as F
from tests.modules import both_ways, close, numpy_of

Array = np.ndarray
RNG = np.random.default_rng
REDUCTIONS = ["none", "mean", "sum"]


def real(*shape: int) -> Array:
    return np.asarray(RNG(len(shape)).standard_normal(shape) * 2)


def other(*shape: int) -> Array:
    return np.asarray(RNG(9).standard_normal(shape) * 2)


def share(*shape: int) -> Array:
    return np.asarray(RNG(2).uniform(0.05, 0.95, shape))


def signs(*shape: int) -> Array:
    return np.asarray(RNG(3).choice([-1.0, 1.0], shape))


def counts(*shape: int) -> Array:
    return np.asarray(RNG(4).integers(0, 6, shape).astype(float))


def classes(C: int, *shape: int) -> Array:
    return np.asarray(RNG(5).integers(0, C, shape))


def lists(*shape: int) -> Array:
    t = np.stack([RNG(6 + i).permutation(shape[-1]) for i in range(math.prod(shape[:-1]))])
    t = t.reshape(shape)
    t[..., 2] = -1
    if t.ndim > 1:
        t[0, 0] = -1
    return t


# name of the loss, its other arguments, and arrays: those of floats are differentiated.
CASES: list[tuple[str, dict[str, Any], list[Array]]] = [
    *(("smooth_l1_loss", {"beta": b}, [real(4, 5), other(4, 5)]) for b in (1.0, 0.3, 0.0, 2)),
    *(("huber_loss", {"delta": d}, [real(4, 5), other(4, 5)]) for d in (1.0, 0.3, 2)),
    ("huber_loss", {}, [np.asarray(0.5), np.asarray(-3.0)]),
    ("kl_div", {}, [np.log(share(4, 5)), share(4, 5)]),
    ("kl_div", {"log_target": True}, [np.log(share(4, 5)), np.log(share(4, 5)) * 2]),
    *(
        ("poisson_nll_loss", {"log_input": True, "full": f}, [real(4, 5), counts(4, 5)])
        for f in (False, True)
    ),
    *(
        ("poisson_nll_loss", {"log_input": False, "full": f}, [share(4, 5), counts(4, 5)])
        for f in (False, True)
    ),
    ("gaussian_nll_loss", {}, [real(4, 5), other(4, 5), share(4, 5)]),
    ("gaussian_nll_loss", {"full": True}, [real(4, 5), other(4, 5), share(4, 1)]),
    ("gaussian_nll_loss", {"eps": 0.5}, [real(4, 5), other(4, 5), share(4)]),
    ("gaussian_nll_loss", {"var": 0.7}, [real(4, 5), other(4, 5)]),
    ("soft_margin_loss", {}, [real(4, 5) * 20, signs(4, 5)]),
    *(("hinge_embedding_loss", {"margin": m}, [real(4, 5), signs(4, 5)]) for m in (1.0, 0.5)),
    *(
        ("multi_margin_loss", {"p": p, "margin": m}, [real(*s, 5), classes(5, *s)])
        for p, m, s in product([1, 2], [1.0, 0.3], [(4,), (), (1,)])
    ),
    ("multilabel_margin_loss", {}, [real(4, 5), lists(4, 5)]),
    ("multilabel_margin_loss", {}, [real(5), lists(5)]),
    ("multilabel_soft_margin_loss", {}, [real(4, 5) * 20, share(4, 5)]),
    ("multilabel_soft_margin_loss", {}, [real(2, 4, 5), share(2, 4, 5)]),
    ("margin_ranking_loss", {"margin": 0.5}, [real(7), other(7), signs(7)]),
    ("margin_ranking_loss", {}, [real(4, 5), other(4, 5), signs(4, 5)]),
    ("cosine_embedding_loss", {"margin": 0.2}, [real(6, 5), other(6, 5), signs(6)]),
    ("cosine_embedding_loss", {}, [real(5), other(5), np.asarray(-1.0)]),
    *(
        ("triplet_margin_loss", {"p": p, "swap": s}, [real(6, 5), other(6, 5), share(6, 5)])
        for p, s in product([1.0, 2.0, 3.0, math.inf], [False, True])
    ),
    ("triplet_margin_loss", {"margin": 0.3, "eps": 1e-3}, [real(5), other(5), share(5)]),
    ("triplet_margin_with_distance_loss", {"swap": True}, [real(6, 5), other(6, 5), share(6, 5)]),
]


@pytest.mark.filterwarnings("ignore:reduction. 'mean' divides")
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("case", CASES, ids=lambda c: f"{c[0]}-{c[1]}-{c[2][0].shape}")
def test_losses_are_pytorchs(case: Any, reduction: str) -> None:
    torch = pytest.importorskip("torch")
    name, kwargs, arrays = case

    def derivatives(f: Any, tensor: Any, pull: Any) -> list[Array]:
        xs = [tensor(a) for a in arrays]
        floats = [x.requires_grad_() for x, a in zip(xs, arrays, strict=True) if _is_smooth(a)]
        y = f(*xs, **kwargs, reduction=reduction)
        dy = tensor(np.asarray(RNG(1).standard_normal(tuple(y.shape))))
        return [numpy_of(v) for v in (y, *pull(y, floats, dy))]

    ours = derivatives(getattr(F, name), nnfast.tensor, grad)
    theirs = derivatives(getattr(torch.nn.functional, name), torch.tensor, torch.autograd.grad)
    for a, b in zip(ours, theirs, strict=True):
        assert a.dtype == b.dtype
        close(a, b, 64 + arrays[0].size)


def _is_smooth(a: Array) -> bool:
    """Whether a gradient with respect to it means something; a sign or a count has none."""
    return a.dtype.kind == "f" and not np.array_equal(a, np.round(a))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("case", CASES, ids=lambda c: f"{c[0]}-{c[1]}-{c[2][0].shape}")
def test_losses_compile(case: Any, dtype: str) -> None:
    name, kwargs, arrays = case
    given = [a.astype(dtype) if a.dtype.kind == "f" else a for a in arrays]

    def step(x: Any, *rest: Any) -> Any:
        x = (x * 1).requires_grad_()
        loss = getattr(F, name)(x, *rest, **kwargs)
        return loss, grad(loss, [x])[0]

    loss, dx = both_ways(step, given)
    assert loss.dtype == dx.dtype == dtype


@pytest.mark.parametrize("case", CASES, ids=lambda c: f"{c[0]}-{c[1]}-{c[2][0].shape}")
def test_losses_are_differentiated_twice(case: Any) -> None:
    name, kwargs, arrays = case
    x = nnfast.tensor(arrays[0], requires_grad=True)
    rest = [nnfast.tensor(a) for a in arrays[1:]]

    def loss(x: Any) -> Any:
        return getattr(F, name)(x, *rest, **kwargs)

    assert gradcheck(loss, (x,)) and gradgradcheck(loss, (x,))


@pytest.mark.parametrize("name", ["mse_loss", "l1_loss", "huber_loss"])
@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_weights_of_elements(name: str, reduction: str) -> None:
    torch = pytest.importorskip("torch")
    arrays = [real(4, 5), other(4, 5), share(4, 5)]
    x, t, w = map(nnfast.tensor, arrays)
    u, v, z = map(torch.tensor, arrays)
    want = getattr(torch.nn.functional, name)(u, v, reduction=reduction, weight=z)
    close(getattr(F, name)(x, t, reduction, weight=w), numpy_of(want), 64)


def test_batch_mean_of_kl_div() -> None:
    p, q = share(4, 5), share(4, 5) ** 2
    x, t = nnfast.tensor(np.log(p)), nnfast.tensor(q)
    close(F.kl_div(x, t, "batchmean"), np.asarray((q * np.log(q / p)).sum() / 4), 64)
    zero = F.kl_div(nnfast.zeros(1, 2), nnfast.tensor([[0.0, 1.0]]), "sum")
    assert zero.item() == 0


# ---- layers ---------------------------------------------------------------------------------

MODULES: list[tuple[str, dict[str, Any], list[Array]]] = [
    ("SmoothL1Loss", {"beta": 0.5}, [real(4, 5), other(4, 5)]),
    ("HuberLoss", {"delta": 0.5}, [real(4, 5), other(4, 5)]),
    ("KLDivLoss", {"log_target": True}, [real(4, 5), other(4, 5)]),
    ("PoissonNLLLoss", {"full": True}, [real(4, 5), counts(4, 5)]),
    ("GaussianNLLLoss", {"full": True}, [real(4, 5), other(4, 5), share(4, 5)]),
    ("SoftMarginLoss", {}, [real(4, 5), signs(4, 5)]),
    ("HingeEmbeddingLoss", {"margin": 0.5}, [real(4, 5), signs(4, 5)]),
    ("MultiMarginLoss", {"p": 2, "margin": 0.5}, [real(4, 5), classes(5, 4)]),
    ("MultiMarginLoss", {"weight": share(5)}, [real(4, 5), classes(5, 4)]),
    ("MultiLabelMarginLoss", {}, [real(4, 5), lists(4, 5)]),
    ("MultiLabelSoftMarginLoss", {"weight": share(5)}, [real(4, 5), share(4, 5)]),
    ("MarginRankingLoss", {"margin": 0.5}, [real(7), other(7), signs(7)]),
    ("CosineEmbeddingLoss", {"margin": 0.5}, [real(6, 5), other(6, 5), signs(6)]),
    ("TripletMarginLoss", {"swap": True}, [real(6, 5), other(6, 5), share(6, 5)]),
    ("TripletMarginWithDistanceLoss", {"margin": 2.0}, [real(6, 5), other(6, 5), share(6, 5)]),
]


@pytest.mark.filterwarnings("ignore:reduction. 'mean' divides")
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("case", MODULES, ids=lambda c: f"{c[0]}-{sorted(c[1])}")
def test_loss_modules_are_pytorchs(case: Any, reduction: str) -> None:
    torch = pytest.importorskip("torch")
    name, kwargs, arrays = case

    def build(library: Any, tensor: Any) -> Any:
        given = {k: tensor(v) if isinstance(v, Array) else v for k, v in kwargs.items()}
        return getattr(library, name)(**given, reduction=reduction)

    mine, theirs = build(nn, nnfast.tensor), build(torch.nn, torch.tensor)
    assert list(mine.state_dict()) == list(theirs.state_dict())
    if name != "TripletMarginWithDistanceLoss":  # PyTorch's names a module for the distance
        assert repr(mine) == repr(theirs)
    want = theirs(*map(torch.tensor, arrays))
    close(mine(*map(nnfast.tensor, arrays)), numpy_of(want), 64)


# ---- of the lectures ------------------------------------------------------------------------


def test_multiclass_svm_of_the_lecture() -> None:
    x, t = real(7, 5), classes(5, 7)
    margins = np.maximum(0, x - x[np.arange(7), t][:, None] + 1)
    margins[np.arange(7), t] = 0
    close(F.multiclass_svm_loss(nnfast.tensor(x), nnfast.tensor(t), reduction="none"),
          margins.sum(1), 8)  # fmt: skip
    close(nn.MultiClassSVMLoss()(nnfast.tensor(x), nnfast.tensor(t)), margins.sum(1).mean(), 8)
    pixels, u = real(2, 5, 3, 2), classes(5, 2, 3, 2)
    got = F.multiclass_svm_loss(nnfast.tensor(pixels), nnfast.tensor(u), reduction="none")
    for n, i, j in np.ndindex(2, 3, 2):
        row = F.multiclass_svm_loss(nnfast.tensor(pixels[n, :, i, j]), nnfast.tensor(u[n, i, j]))
        assert row.item() == pytest.approx(got.tolist()[n][i][j], rel=1e-14)


def test_hinge_loss() -> None:
    x, t = nnfast.tensor([0.5, -0.5, 3.0]), nnfast.tensor([1.0, 1.0, -1.0])
    assert F.hinge_loss(x, t, reduction="none").tolist() == [0.5, 1.5, 4]
    assert nn.HingeLoss(2.0, reduction="sum")(x, t).item() == 1.5 + 2.5 + 5


def test_penalties_and_their_gradients() -> None:
    _ = nnfast.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)).double()
    weights = [p.detach().numpy() for p in model.parameters()]
    l1, l2 = (np.asarray(sum(f(w).sum() for w in weights)) for f in (np.abs, np.square))
    close(nn.l1_penalty(model), l1, 16)
    close(nn.l2_penalty(model.parameters()), l2, 16)
    penalty = nn.elastic_net_penalty(model, beta=0.5, l1=0.25)
    close(penalty, 0.5 * l2 + 0.25 * l1, 16)
    penalty.backward()
    for p, w in zip(model.parameters(), weights, strict=True):
        close(p.grad, w + 0.25 * np.sign(w), 8)
    with pytest.raises(NNFastError, match="l1_penalty: expected a module with parameters"):
        nn.l1_penalty(nn.ReLU())


# ---- sequences ------------------------------------------------------------------------------


def brute_force(log_probs: Array, target: Array, blank: int) -> float:
    """Sum over every path whose repeats and blanks collapse to the target."""
    T, C = log_probs.shape
    total = 0.0
    for path in product(range(C), repeat=T):
        kept = [c for i, c in enumerate(path) if c != blank and (i == 0 or c != path[i - 1])]
        if kept == list(target):
            total += math.exp(sum(log_probs[t, c] for t, c in enumerate(path)))
    return -math.log(total) if total else math.inf


@pytest.mark.parametrize("blank", [0, 2])
def test_ctc_sums_over_all_alignments(blank: int) -> None:
    logits = RNG(1).standard_normal((4, 1, 3))
    lp = logits - np.log(np.exp(logits).sum(2, keepdims=True))
    labels = [c for c in range(3) if c != blank]
    for target in ([], [labels[0]], labels, [labels[1]] * 2, [labels[0]] * 3, labels * 2):
        rows = nnfast.tensor(np.array([target or [labels[0]]]))
        loss = F.ctc_loss(nnfast.tensor(lp), rows, [4], [len(target)], blank, "sum")
        assert loss.item() == pytest.approx(brute_force(lp[:, 0], np.array(target), blank), 1e-12)


CTC_IN, CTC_OUT = np.array([9, 7, 5, 3]), np.array([3, 4, 0, 3])


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("zero_infinity", [False, True])
def test_ctc_is_pytorchs(zero_infinity: bool, reduction: str) -> None:
    torch = pytest.importorskip("torch")
    logits, targets = real(9, 4, 6), RNG(2).integers(1, 6, (4, 4))
    targets[3] = [2, 2, 2, 1]  # three times the same need five steps: impossible

    def derivatives(f: Any, softmax: Any, tensor: Any, pull: Any, rows: Any) -> list[Array]:
        x = tensor(logits).requires_grad_()
        lengths = tensor(CTC_IN), tensor(CTC_OUT)
        y = f(softmax(x, 2), tensor(rows), *lengths, 0, reduction, zero_infinity)
        u = y if y.ndim == 0 else y[:3] if not zero_infinity else y
        return [numpy_of(y), numpy_of(pull(u.sum(), [x])[0])]

    flat = np.concatenate([row[:n] for row, n in zip(targets, CTC_OUT, strict=True)])
    for rows in (targets, flat):
        ours = derivatives(F.ctc_loss, F.log_softmax, nnfast.tensor, grad, rows)
        theirs = derivatives(
            torch.nn.functional.ctc_loss, torch.log_softmax, torch.tensor, torch.autograd.grad, rows
        )
        if not zero_infinity and reduction != "none":
            assert ours[0] == theirs[0] == math.inf
            continue
        np.testing.assert_allclose(ours[0], theirs[0], rtol=1e-12)
        used = slice(None) if zero_infinity else slice(3)  # PyTorch's gradient of inf is NaN
        np.testing.assert_allclose(ours[1][:, used], theirs[1][:, used], rtol=1e-9, atol=1e-12)


def test_ctc_of_a_single_sequence_and_its_gradients() -> None:
    x = nnfast.tensor(real(5, 4), requires_grad=True)
    target = nnfast.tensor([1, 3])

    def loss(x: Any) -> Any:
        return F.ctc_loss(x, target, 5, 2, reduction="none")

    y = loss(x)
    assert y.shape == ()
    batch = F.ctc_loss(x.unsqueeze(1), target.unsqueeze(0), [5], [2], reduction="none")
    assert batch.shape == (1,) and batch[0].item() == y.item()
    assert gradcheck(loss, (x,)) and gradgradcheck(loss, (x,))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_ctc_compiles(dtype: str) -> None:
    targets = RNG(2).integers(1, 6, (4, 4))

    def step(x: Any, t: Any, n_in: Any, n_out: Any) -> Any:
        x = (x * 1).requires_grad_()
        loss = F.ctc_loss(F.log_softmax(x, 2), t, n_in, n_out, zero_infinity=True)
        return loss, grad(loss, [x])[0]

    both_ways(step, [real(9, 4, 6).astype(dtype), targets, CTC_IN, CTC_OUT])


def test_ctc_module() -> None:
    loss = nn.CTCLoss(blank=1, zero_infinity=True)
    assert repr(loss) == "CTCLoss()"
    x = nnfast.log_softmax(nnfast.zeros(2, 1, 2), 2)
    three_of_four = loss(x, nnfast.tensor([[0]]), nnfast.tensor([2]), nnfast.tensor([1]))
    assert three_of_four.item() == pytest.approx(math.log(4 / 3), rel=1e-6)
    assert loss(x, nnfast.tensor([[0, 0]]), [2], [2]).item() == 0


# ---- errors ---------------------------------------------------------------------------------

X, T = nnfast.ones(4, 3), nnfast.tensor([0, 1, 2, 0])
LP = nnfast.zeros(5, 2, 3)
ERRORS: list[tuple[Callable[[], Any], str]] = [
    (lambda: F.huber_loss(X, X, delta=0.0), "huber_loss: expected delta > 0, got delta=0.0"),
    (lambda: F.smooth_l1_loss(X, X, beta=-1.0), "smooth_l1_loss: expected beta >= 0"),
    (lambda: F.smooth_l1_loss(X, nnfast.ones(3)), "expected a target of input's shape"),
    (lambda: F.kl_div(X, X, "average"), "kl_div: expected reduction='none', 'mean' or 'sum'"),
    (lambda: F.mse_loss(X, X, weight=nnfast.ones(3)), "expected a target of input's shape"),
    (lambda: F.gaussian_nll_loss(X, X, -X), "expected variances of at least 0, got -1"),
    (lambda: F.gaussian_nll_loss(X, X, nnfast.ones(3)), "expected a var of shape"),
    (lambda: F.gaussian_nll_loss(X, X, X, eps=0.0), "expected eps > 0"),
    (lambda: F.multi_margin_loss(X, T, p=3), "multi_margin_loss: expected p = 1 or 2, got p=3"),
    (lambda: F.multi_margin_loss(X, T + 1), "expected class numbers from 0 to 2"),
    (lambda: F.multi_margin_loss(X, T, weight=nnfast.ones(2)), "weight for each of 3 classes"),
    (lambda: F.multiclass_svm_loss(X, nnfast.tensor([0, 1])), "expected a target of class numbers"),
    (lambda: F.multilabel_margin_loss(X, T), "expected two of one shape"),
    (lambda: F.multilabel_margin_loss(X, X), "expected float scores and integers as target"),
    (lambda: F.multilabel_margin_loss(X, X.long() + 2), "expected class numbers from 0 to 2 and"),
    (lambda: F.margin_ranking_loss(X, X, nnfast.ones(3)), "of as many dimensions"),
    (lambda: F.cosine_embedding_loss(X, X, X), "cosine_embedding_loss: expected inputs"),
    (lambda: F.triplet_margin_loss(X, X, nnfast.ones(3)), "of as many dimensions"),
    (lambda: F.triplet_margin_loss(X, X, X, margin=0.0), "expected margin > 0"),
    (lambda: F.soft_margin_loss(nnfast.ones(0), nnfast.ones(0)), "expected at least one sample"),
    (lambda: F.ctc_loss(LP, nnfast.tensor([[1], [3]]), [5, 5], [1, 1]), "targets from 0 to 2"),
    (lambda: F.ctc_loss(LP, nnfast.tensor([[1], [2]]), [5, 6], [1, 1]), "input_lengths from 0"),
    (lambda: F.ctc_loss(LP, nnfast.tensor([[1], [2]]), [5, 5], [1, 2]), "target_lengths from 0"),
    (lambda: F.ctc_loss(LP, nnfast.tensor([1, 2, 1]), [5, 5], [1, 1]), "expected 2 targets"),
    (lambda: F.ctc_loss(LP, nnfast.tensor([[1], [2]]), [5, 5], [1, 1], 3), "a blank from 0 to 2"),
    (lambda: nn.MultiMarginLoss(p=3), "MultiMarginLoss: expected p = 1 or 2"),
    (lambda: nn.TripletMarginLoss(margin=0.0), "TripletMarginLoss: expected margin > 0"),
    (lambda: nn.KLDivLoss(reduction="x"), "KLDivLoss: expected reduction one of"),
]


@pytest.mark.parametrize("call, message", ERRORS)
def test_errors(call: Callable[[], Any], message: str) -> None:
    with pytest.raises(NNFastError, match=message):
        call()
