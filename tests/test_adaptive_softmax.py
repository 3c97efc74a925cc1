"""AdaptiveLogSoftmaxWithLoss: probabilities that add up, and PyTorch's numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import nnfast
from nnfast import nn
from nnfast.errors import NNFastError
from tests.modules import both_ways, close, load_same

RNG = np.random.default_rng(1)
X, T = RNG.standard_normal((6, 8)), np.array([0, 3, 4, 9, 10, 19])


def made(lib: Any, **options: Any) -> Any:
    return lib.AdaptiveLogSoftmaxWithLoss(8, 20, cutoffs=[4, 10], div_value=2.0, **options)


def test_probabilities_add_up_and_are_what_the_loss_takes() -> None:
    m = made(nn, dtype=nnfast.float64)
    logs = m.log_prob(nnfast.tensor(X)).detach().numpy()
    np.testing.assert_allclose(np.exp(logs).sum(1), 1, rtol=1e-13)
    output, loss = m(nnfast.tensor(X), nnfast.tensor(T))
    np.testing.assert_allclose(output.detach().numpy(), logs[np.arange(6), T], rtol=1e-13)
    np.testing.assert_allclose(loss.item(), -logs[np.arange(6), T].mean(), rtol=1e-13)
    assert m.predict(nnfast.tensor(X)).tolist() == logs.argmax(1).tolist()
    one = m(nnfast.tensor(X[1]), nnfast.tensor(3))
    assert one.output.shape == () and one.loss.item() == pytest.approx(-logs[1, 3])


@pytest.mark.parametrize("head_bias", [False, True])
def test_is_pytorchs(head_bias: bool) -> None:
    torch = pytest.importorskip("torch")
    mine, theirs = (made(lib, head_bias=head_bias) for lib in (nn, torch.nn))
    load_same(mine, theirs)
    x, want_x = nnfast.tensor(X, requires_grad=True), torch.tensor(X, requires_grad=True)
    mine(x, nnfast.tensor(T)).loss.backward()
    want = theirs(want_x, torch.tensor(T))
    want.loss.backward()
    close(mine(x, nnfast.tensor(T)).output, want.output.detach().numpy(), 64)
    close(x.grad, want_x.grad.numpy(), 64)
    for p, q in zip(mine.parameters(), theirs.parameters(), strict=True):
        close(p.grad, q.grad.numpy(), 64)
    close(mine.log_prob(x), theirs.log_prob(want_x).detach().numpy(), 64)
    assert mine.predict(x).tolist() == theirs.predict(want_x).tolist()


def test_compiled() -> None:
    m = made(nn, dtype=nnfast.float64)
    both_ways(lambda x, t: tuple(m(x, t)), [X, T])
    both_ways(m.log_prob, [X])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: nn.AdaptiveLogSoftmaxWithLoss(8, 20, []), "ascending cutoffs"),
        (lambda: nn.AdaptiveLogSoftmaxWithLoss(8, 20, [4, 4]), "ascending cutoffs"),
        (lambda: nn.AdaptiveLogSoftmaxWithLoss(8, 20, [4, 20]), "ascending cutoffs"),
        (lambda: made(nn)(nnfast.ones(2, 8), nnfast.tensor([1])), "target"),
        (lambda: made(nn)(nnfast.ones(1, 8), nnfast.tensor([20])), "from 0 to 19"),
    ],
)
def test_refuses(call: Any, message: str) -> None:
    with pytest.raises(NNFastError, match=message):
        call()
