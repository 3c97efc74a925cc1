"""nn.utils: clipping of gradients, parameters as a vector."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import nnfast
from nnfast.errors import NNFastError
from nnfast.nn import utils
from nnfast.tensor import Tensor

SHAPES = [(3, 4), (5,), (), (0, 2)]


def parameters(dtype: str = "float64", scale: float = 1.0) -> list[Tensor]:
    rng = np.random.default_rng(0)
    params = [nnfast.zeros(s, dtype=dtype, requires_grad=True) for s in SHAPES]
    for p in params:
        p.grad = nnfast.from_numpy(np.asarray(scale * rng.standard_normal(p.shape), dtype))
    return [*params, nnfast.zeros(2, requires_grad=True)]  # the last has no gradient


def flat(params: list[Tensor]) -> np.ndarray:
    return np.concatenate([p.grad.numpy().ravel() for p in params if p.grad is not None])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("norm_type", [1.0, 2.0, 3.0, math.inf])
@pytest.mark.parametrize("max_norm", [0.1, 1000.0])
def test_clip_grad_norm(max_norm: float, norm_type: float, dtype: str) -> None:
    params = parameters(dtype)
    before, memory = flat(params), params[0].grad.array
    norm = utils.clip_grad_norm_(params, max_norm, norm_type)
    # One rounding for each of 18 additions, and a few for the powers.
    rtol = 32 * float(np.finfo(dtype).eps)
    want = np.linalg.norm(before.astype(np.float64), norm_type)
    np.testing.assert_allclose(norm.numpy(), want, rtol=rtol)
    factor = min(1.0, max_norm / (want + 1e-6))
    np.testing.assert_allclose(flat(params), factor * before, rtol=2 * rtol)
    assert params[0].grad.array is memory and norm.dtype == dtype and not norm.requires_grad


def test_clip_grad_norm_of_both_dtypes() -> None:
    params = [*parameters("float32"), *parameters("float64")]
    norm = utils.clip_grad_norm_(params, 1.0)
    assert params[0].grad.dtype == np.float32 and norm.dtype == np.float64
    assert abs(np.linalg.norm(flat(params)) - 1) < 1e-5


def test_clip_grad_norm_of_one_and_of_none() -> None:
    w = parameters()[0]
    utils.clip_grad_norm_(w, 1.0)
    assert np.linalg.norm(w.grad) < 1
    assert utils.clip_grad_norm_([nnfast.ones(2)], 1.0).item() == 0


def test_clip_grad_norm_of_nonfinite_gradients() -> None:
    w = nnfast.zeros(2, requires_grad=True)
    w.grad = nnfast.tensor([math.nan, 1.0])
    with pytest.raises(NNFastError, match="expected finite gradients, got a norm of nan"):
        utils.clip_grad_norm_(w, 1.0, error_if_nonfinite=True)
    assert w.grad.tolist()[1] == 1
    assert math.isnan(utils.clip_grad_norm_(w, 1.0).item())


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_clip_grad_value(dtype: str) -> None:
    params = parameters(dtype)
    before, memory = flat(params), params[0].grad.array
    utils.clip_grad_value_(params, 0.5)
    np.testing.assert_array_equal(flat(params), np.clip(before, -0.5, 0.5))
    assert params[0].grad.array is memory


def test_skip_init_draws_nothing() -> None:
    nnfast.manual_seed(3)
    expected = nnfast.rand(4).tolist()
    nnfast.manual_seed(3)
    layer = utils.skip_init(nnfast.nn.Linear, 3, 2, bias=False)
    assert layer.weight.shape == (2, 3) and layer.bias is None
    assert nnfast.rand(4).tolist() == expected
    with pytest.raises(NNFastError, match="a class of modules"):
        utils.skip_init(nnfast.ones, 2)


def test_vector_and_back() -> None:
    rng = np.random.default_rng(1)
    params = [nnfast.from_numpy(np.asarray(rng.standard_normal(s))) for s in SHAPES]
    for p in params:
        p.requires_grad_()
    vector = utils.parameters_to_vector(params)
    want = np.concatenate([p.detach().numpy().ravel() for p in params])
    np.testing.assert_array_equal(vector.detach(), want)
    (vector * vector).sum().backward()
    for p in params:
        np.testing.assert_allclose(p.grad, 2 * p.detach().numpy(), rtol=1e-15)
    memory = params[0].array
    utils.vector_to_parameters(vector.detach() * 2, params)
    np.testing.assert_array_equal(utils.parameters_to_vector(params).detach(), 2 * want)
    assert params[0].array is memory and params[0]._version == 1 and params[0].requires_grad


@pytest.mark.parametrize("norm_type", [2.0, math.inf])
def test_clips_as_pytorch(norm_type: float) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    params = [p for p in parameters() if p.numel()]
    theirs = [torch.zeros(p.shape, dtype=torch.float64, requires_grad=True) for p in params[:-1]]
    for p, q in zip(params, theirs, strict=False):
        q.grad = torch.tensor(p.grad.numpy())
    mine = utils.clip_grad_norm_(params, 0.7, norm_type).item()
    other = torch.nn.utils.clip_grad_norm_(theirs, 0.7, norm_type).item()
    assert mine == pytest.approx(other, rel=1e-14)
    for p, q in zip(params, theirs, strict=False):
        np.testing.assert_allclose(p.grad, q.grad.numpy(), rtol=1e-14)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: utils.clip_grad_norm_([], 1.0, 0), "clip_grad_norm_: expected norm_type > 0, got"),
        (lambda: utils.clip_grad_norm_([], -1.0), "clip_grad_norm_: expected max_norm >= 0, got"),
        (lambda: utils.clip_grad_value_([], -1), "clip_grad_value_: expected clip_value >= 0, got"),
        (lambda: utils.vector_to_parameters(nnfast.ones(3), [nnfast.ones(2)]), "a vector of 2 ele"),
        (lambda: utils.parameters_to_vector([]), "cat: expected at least one tensor, got none"),
    ],
)
def test_wrong_arguments(call: Any, message: str) -> None:
    with pytest.raises(NNFastError) as caught:
        call()
    assert message in str(caught.value)
