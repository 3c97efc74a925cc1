"""Functions with a gradient of one's own, alone and beside PyTorch's."""

from __future__ import annotations

import gc
import warnings
import weakref
from typing import Any

import numpy as np
import pytest

import nnfast
from nnfast.autograd import Function, grad, gradcheck, gradgradcheck
from nnfast.errors import NNFastError


def functions(T: Any) -> dict[str, Any]:
    """The same ones of each library."""

    class Relu(T.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.save_for_backward(x)
            return x.clamp(min=0)

        @staticmethod
        def backward(ctx: Any, dy: Any) -> Any:
            (x,) = ctx.saved_tensors
            dx = dy.clone()
            dx[x < 0] = 0
            return dx

    class Exp(T.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            y = x.exp()
            ctx.save_for_backward(y)
            return y

        @staticmethod
        def backward(ctx: Any, dy: Any) -> Any:
            (y,) = ctx.saved_tensors
            return dy * y

    class Scaled(T.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any, w: Any, scale: float) -> Any:
            ctx.save_for_backward(x, w)
            ctx.scale = scale
            return x * w * scale, (x > 0), x.sum(0)

        @staticmethod
        def backward(ctx: Any, dy: Any, _: Any, dsum: Any) -> Any:
            x, w = ctx.saved_tensors
            dw = (dy * x * ctx.scale).sum() if ctx.needs_input_grad[1] else None
            return dy * w * ctx.scale + dsum, dw, None

    class Square(T.autograd.Function):
        @staticmethod
        def forward(x: Any) -> Any:
            return x * x

        @staticmethod
        def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
            ctx.save_for_backward(*inputs)

        @staticmethod
        def backward(ctx: Any, dy: Any) -> Any:
            (x,) = ctx.saved_tensors
            return dy * 2 * x

    return {"relu": Relu, "exp": Exp, "scaled": Scaled, "square": Square}


X = np.random.default_rng(0).standard_normal((3, 2))


def results(T: Any, name: str) -> list[np.ndarray]:
    """Values, gradients and second gradients."""
    f = functions(T)[name]
    x = T.from_numpy(X.copy()).requires_grad_()
    w = T.tensor(1.5, dtype=T.float64).requires_grad_()
    ys = f.apply(x, w, 2.0) if name == "scaled" else (f.apply(x),)
    floats = [y for y in ys if y.requires_grad]
    inputs = [x, w] if name == "scaled" else [x]
    total = sum((y * y).sum() for y in floats)
    dxs = T.autograd.grad(total, inputs, create_graph=True)
    second = T.autograd.grad(sum((dx * dx).sum() for dx in dxs), inputs)
    return [t.detach().numpy() for t in (*ys, *dxs, *second)]


@pytest.mark.parametrize("name", functions(nnfast))
def test_it_is_as_pytorch_has_it(name: str) -> None:
    torch = pytest.importorskip("torch")
    for a, b in zip(results(nnfast, name), results(torch, name), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)


@pytest.mark.parametrize("name", functions(nnfast))
def test_gradients(name: str) -> None:
    f = functions(nnfast)[name]
    x = nnfast.tensor(X, requires_grad=True)
    w = nnfast.tensor(1.5, dtype=nnfast.float64, requires_grad=True)

    def call(*inputs: Any) -> Any:
        ys = f.apply(*inputs, 2.0) if name == "scaled" else (f.apply(*inputs),)
        return tuple(y for y in ys if y.dtype.kind == "f")

    inputs = (x, w) if name == "scaled" else (x,)
    assert gradcheck(call, inputs) and gradgradcheck(call, inputs)


def test_the_gradient_is_the_given_one() -> None:
    class Reversed(Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return x * 1

        @staticmethod
        def backward(ctx: Any, dy: Any) -> Any:
            return -dy

    x = nnfast.ones(2, requires_grad=True)
    (Reversed.apply(x) * 3).sum().backward()
    assert x.grad is not None and x.grad.tolist() == [-3.0, -3.0]
    with nnfast.no_grad():
        assert not Reversed.apply(x).requires_grad
    assert not Reversed.apply(x.detach()).requires_grad


@pytest.mark.parametrize("name", functions(nnfast))
def test_it_gives_the_same_in_a_compiled_function(name: str) -> None:
    f = functions(nnfast)[name]
    w = nnfast.tensor(1.5, dtype=nnfast.float64)

    def step(x: Any) -> Any:
        y = f.apply(x, w, 2.0)[0] if name == "scaled" else f.apply(x)
        return grad((y * y).sum(), x)[0]

    x = nnfast.tensor(X, requires_grad=True)
    expected = step(x).numpy()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore" if name == "relu" else "error")  # it looks at a mask
        got = nnfast.compile(step)(x)
    assert np.array_equal(got.numpy(), expected)


def test_what_it_saved_is_freed() -> None:
    exp = functions(nnfast)["exp"]
    gc.disable()
    try:
        y = exp.apply(nnfast.ones(1000, requires_grad=True))
        array = weakref.ref(y.array.base if y.array.base is not None else y.array)
        y.sum().backward()
        del y
        assert array() is None
    finally:
        gc.enable()


def test_mistakes() -> None:
    class Short(Function):
        @staticmethod
        def forward(ctx: Any, x: Any, w: Any) -> Any:
            return x * w

        @staticmethod
        def backward(ctx: Any, dy: Any) -> Any:
            return dy

    x = nnfast.ones(2, requires_grad=True)
    with pytest.raises(NNFastError, match="a gradient or None for each of 2 arguments, got 1"):
        Short.apply(x, x).sum().backward()

    class Two(Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return x, x.double()

    with pytest.raises(NNFastError, match="Two: expected results of one dtype"):
        Two.apply(x)
