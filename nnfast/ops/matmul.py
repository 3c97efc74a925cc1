"""Matrix products."""

from __future__ import annotations

from typing import NamedTuple

from nnfast.errors import DTypeError, fail
from nnfast.ops.elementwise import cast, sum_to
from nnfast.ops.operands import as_tensor
from nnfast.ops.record import Result, op, out
from nnfast.ops.reduce import sum
from nnfast.ops.shape import reshape
from nnfast.tensor import Tensor, bool_, float64, int64


class MatmulAttrs(NamedTuple):
    """y = activation(alpha a b + bias + residual); in_panels: b is what pack_linear made of it."""

    alpha: float = 1.0
    activation: int = 0
    slope: float = 0.0
    in_panels: int = 0


def _batch(where: str, a: Tensor, b: Tensor) -> tuple[int, ...]:
    """Leading dimensions of a product, broadcast."""
    lead: list[int] = []
    x, y = a.shape[:-2], b.shape[:-2]
    for i in range(1, max(len(x), len(y)) + 1):
        m = x[-i] if i <= len(x) else 1
        n = y[-i] if i <= len(y) else 1
        if m != n and 1 not in (m, n):
            fail(
                where,
                "leading dimensions that broadcast",
                f"{x} and {y}",
                "batch dimensions must be equal or 1.",
                input=a,
                other=b,
            )
        lead.insert(0, n if m == 1 else m)
    return tuple(lead)


@op("matmul", attrs=MatmulAttrs)
def _matmul(input: Tensor, other: Tensor) -> Result:
    """y[..., m, n] = sum_k input[..., m, k] other[..., k, n]; both with two dimensions or more."""
    if input.shape[-1] != other.shape[-2]:
        fail(
            "matmul",
            f"other with K={input.shape[-1]} rows (the last dimension of input)",
            f"K={other.shape[-2]}",
            "the inner sizes must agree: (..., M, K) @ (..., K, N).",
            input=input,
            other=other,
        )
    shape = (*_batch("matmul", input, other), input.shape[-2], other.shape[-1])
    return out(shape, input.dtype, MatmulAttrs())


def _of_integers(input: Tensor, other: Tensor) -> Tensor:
    """By way of float64."""
    for x in (input, other):
        if x.dtype == bool_:
            fail("matmul", "numbers", "booleans", "convert with x.float().", error=DTypeError)
    return cast(_matmul(cast(input, float64), cast(other, float64)), int64)


_matmul.integers = _of_integers
_matmul.vjp(
    input=lambda dy, other, input_shape: sum_to(_matmul(dy, other.mT), input_shape),
    other=lambda dy, input, other_shape: sum_to(_matmul(input.mT, dy), other_shape),
)


def matmul(input: Tensor, other: Tensor) -> Tensor:
    """Matrix product with PyTorch's and NumPy's rules for vectors and batches.

    y[..., m, n] = sum_k input[..., m, k] other[..., k, n]

    Shapes: (..., M, K) and (..., K, N) give (..., M, N); leading dimensions broadcast. A vector
    on the left is a row (1, K), on the right a column (K, 1), and that dimension is dropped.
    float32, float64; integers give int64, exact below 2**53.

    Errors: ArgumentError if the inner sizes differ; DTypeError if the dtypes do.

    >>> import nnfast
    >>> a = nnfast.tensor([[1.0, 2.0], [3.0, 4.0]])
    >>> nnfast.matmul(a, nnfast.tensor([1.0, 1.0]))
    tensor([3., 7.])
    """
    input, other = as_tensor(input, "matmul"), as_tensor(other, "matmul")
    if input.ndim > 1 and other.ndim > 1:
        return _matmul(input, other)
    if input.ndim == 0 or other.ndim == 0:
        fail(
            "matmul",
            "at least one dimension",
            "a scalar",
            "multiply by a scalar with *.",
            input=input,
            other=other,
        )
    shape = input.shape[:-1] if other.ndim == 1 else (*other.shape[:-2], other.shape[-1])
    a = reshape(input, (1, *input.shape)) if input.ndim == 1 else input
    b = reshape(other, (*other.shape, 1)) if other.ndim == 1 else other
    return reshape(_matmul(a, b), shape)


Tensor.matmul = Tensor.__matmul__ = matmul  # type: ignore[assignment, method-assign]
Tensor.__rmatmul__ = lambda self, other: matmul(other, self)  # type: ignore[method-assign]


@op("linear", attrs=MatmulAttrs)
def _linear(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, residual: Tensor | None = None
) -> Result:
    """y = input weight^T + bias + residual.

    Shapes: input (M, I), weight (O, I), bias (O) or none, residual (M, O) or none.
    """
    _check_linear(input, weight, bias)
    return out((input.shape[0], weight.shape[0]), input.dtype, MatmulAttrs())


_linear.vjp(
    input=lambda dy, weight: _linear(dy, weight.mT),
    weight=lambda dy, input: _matmul(dy.mT, input),
    bias=lambda dy: sum(dy, 0),
    residual=lambda dy: dy,
)


_PANEL = 32  # columns of the widest panels, see csrc/kernels/gemm.h


@op("pack_linear", outputs=("packed",))
def pack_linear(weight: Tensor) -> Result:
    """The weight of `linear` in the order in which its kernel reads it on the ISA in use.

    For weights that are used again and again: `linear` takes it in place of the weight where
    MatmulAttrs.in_panels is 1, and gives the same bits. Weight (O, I) -> (O rounded up to 32, I).
    """
    outputs, inputs = weight.shape
    return out((-(-outputs // _PANEL) * _PANEL, inputs), weight.dtype)


def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """y = x w^T + b: a fully connected layer.

    y[..., o] = sum_i input[..., i] weight[o, i] + bias[o]

    Shapes: input (..., I), weight (O, I) or (I), bias (O) or none; y (..., O).

    Errors: ArgumentError if the sizes do not fit; DTypeError if the dtypes differ.

    >>> import nnfast
    >>> x, w = nnfast.ones(2, 3), nnfast.ones(4, 3)
    >>> nnfast.nn.functional.linear(x, w, nnfast.zeros(4)).shape
    (2, 4)
    """
    input, weight = as_tensor(input, "linear"), as_tensor(weight, "linear")
    if input.ndim == 2 and weight.ndim == 2:
        return _linear(input, weight, bias)
    bias = None if bias is None else as_tensor(bias, "linear")
    _check_linear(input, weight, bias)
    if weight.ndim == 1:
        y = matmul(input, weight)
        return y if bias is None else y + bias
    y = _linear(input.reshape(_rows(input), input.shape[-1]), weight, bias)
    return y.reshape(*input.shape[:-1], weight.shape[0])


def _rows(x: Tensor) -> int:
    rows = 1
    for n in x.shape[:-1]:
        rows *= n
    return rows


def _check_linear(input: Tensor, weight: Tensor, bias: Tensor | None) -> None:
    values = {"input": input, "weight": weight, "bias": bias}
    if input.ndim == 0 or weight.ndim not in (1, 2):
        fail(
            "linear",
            "input (..., in_features) and weight (out_features, in_features)",
            f"{input.ndim} and {weight.ndim} dimensions",
            **values,
        )
    if input.shape[-1] != weight.shape[-1]:
        fail(
            "linear",
            f"input with {weight.shape[-1]} features (in_features of the weight)",
            f"{input.shape[-1]}",
            f"set in_features={input.shape[-1]}, or flatten the input first.",
            **values,
        )
    if bias is not None and bias.shape != weight.shape[:-1]:
        fail("linear", f"a bias of shape {weight.shape[:-1]}", f"{bias.shape}", **values)
