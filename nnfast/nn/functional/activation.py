"""Activations with PyTorch's arguments: `inplace`, a `dim` that may be left out."""

from __future__ import annotations

import warnings
from typing import Any

from nnfast import ops
from nnfast.errors import fail
from nnfast.generator import default_generator
from nnfast.ops.activation_hard import _prelu
from nnfast.ops.changes import in_place
from nnfast.ops.operands import Operand, as_tensor
from nnfast.ops.random import _uniform
from nnfast.ops.record import check_dim
from nnfast.tensor import Tensor


def relu(input: Operand, inplace: bool = False) -> Tensor:
    """y = max(x, 0).

    Shapes: any, the same out. Floats; integers and booleans give float32.

    >>> import nnfast
    >>> nnfast.nn.functional.relu(nnfast.tensor([-1.0, 2.0]))
    tensor([0., 2.])
    """
    y: Tensor = ops.relu(input)
    return y


def leaky_relu(input: Operand, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    """y = x for x > 0, else negative_slope * x.

    Shapes: any, the same out. Floats; integers and booleans give float32.

    >>> import nnfast
    >>> nnfast.nn.functional.leaky_relu(nnfast.tensor([-3.0, 0.0, 3.0]))
    tensor([-0.03,  0.  ,  3.  ])
    """
    y: Tensor = ops.leaky_relu(input, negative_slope)
    return y


def dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """In training each element is 0 with probability p, the others are divided by 1 - p.

    Shapes: any, the same out. float32, float64.

    Ranges: p from 0 to 1.

    Source: Srivastava et al., Dropout: a simple way to prevent neural networks from overfitting,
    2014.

    >>> import nnfast
    >>> nnfast.nn.functional.dropout(nnfast.ones(3), p=0.0)
    tensor([1., 1., 1.])
    """
    y: Tensor = ops.dropout(input, p, training)
    return y


def silu(input: Operand, inplace: bool = False) -> Tensor:
    """y = x sigmoid(x).

    Shapes: any, the same out. Floats; integers and booleans give float32.

    >>> import nnfast
    >>> nnfast.nn.functional.silu(nnfast.tensor([-3.0, 0.0, 3.0]))
    tensor([-0.142...,  0... ,  2.857...])
    """
    y: Tensor = ops.silu(input)
    return y


def mish(input: Operand, inplace: bool = False) -> Tensor:
    """y = x tanh(log(1 + e^x)).

    Shapes: any, the same out. Floats; integers and booleans give float32.

    >>> import nnfast
    >>> nnfast.nn.functional.mish(nnfast.tensor([-3.0, 0.0, 3.0]))
    tensor([-0.145...,  0... ,  2.986...])
    """
    y: Tensor = ops.mish(input)
    return y


def elu(input: Operand, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """y = x where x > 0, else alpha (e^x - 1).

    Shapes: any, the same out. Floats; integers and booleans give float32.

    >>> import nnfast
    >>> nnfast.nn.functional.elu(nnfast.tensor([-3.0, 0.0, 3.0]))
    tensor([-0.950...,  0... ,  3... ])
    """
    return ops.elu(input, alpha)


def celu(input: Operand, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """y = x where x > 0, else alpha (e^(x / alpha) - 1).

    Shapes: any, the same out. Floats; integers and booleans give float32.

    >>> import nnfast
    >>> nnfast.nn.functional.celu(nnfast.tensor([-3.0, 0.0, 3.0]))
    tensor([-0.950...,  0... ,  3... ])
    """
    return ops.celu(input, alpha)


def selu(input: Operand, inplace: bool = False) -> Tensor:
    """y = 1.0507 elu(x, 1.6733).

    Shapes: any, the same out. Floats; integers and booleans give float32.

    >>> import nnfast
    >>> nnfast.nn.functional.selu(nnfast.tensor([-3.0, 0.0, 3.0]))
    tensor([-1.670...,  0... ,  3.152...])
    """
    return ops.selu(input)


def hardtanh(
    input: Operand, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False
) -> Tensor:
    """y = min(max(x, min_val), max_val).

    Shapes: any, the same out. Floats; integers and booleans give float32.

    >>> import nnfast
    >>> nnfast.nn.functional.hardtanh(nnfast.tensor([-3.0, 0.0, 3.0]))
    tensor([-1.,  0.,  1.])
    """
    return ops.hardtanh(input, min_val, max_val)


def relu6(input: Operand, inplace: bool = False) -> Tensor:
    """y = min(max(x, 0), 6).

    Shapes: any, the same out. Floats; integers and booleans give float32.

    >>> import nnfast
    >>> nnfast.nn.functional.relu6(nnfast.tensor([-3.0, 0.0, 3.0]))
    tensor([0., 0., 3.])
    """
    return ops.relu6(input)


def hardsigmoid(input: Operand, inplace: bool = False) -> Tensor:
    """y = min(max(x + 3, 0), 6) / 6.

    Shapes: any, the same out. Floats; integers and booleans give float32.

    >>> import nnfast
    >>> nnfast.nn.functional.hardsigmoid(nnfast.tensor([-3.0, 0.0, 3.0]))
    tensor([0. , 0.5, 1. ])
    """
    y: Tensor = ops.hardsigmoid(input)
    return y


def hardswish(input: Operand, inplace: bool = False) -> Tensor:
    """y = x min(max(x + 3, 0), 6) / 6.

    Shapes: any, the same out. Floats; integers and booleans give float32.

    >>> import nnfast
    >>> nnfast.nn.functional.hardswish(nnfast.tensor([-3.0, 0.0, 3.0]))
    tensor([0., 0., 3.])
    """
    y: Tensor = ops.hardswish(input)
    return y


def threshold(input: Operand, threshold: float, value: float, inplace: bool = False) -> Tensor:
    """y = x where x > threshold, else value.

    Shapes: any, the same out. Floats; integers and booleans give float32.

    >>> import nnfast
    >>> nnfast.nn.functional.threshold(nnfast.tensor([-1.0, 2.0]), 1.0, 9.0)
    tensor([9., 2.])
    """
    return ops.threshold(input, threshold, value)


def rrelu(
    input: Tensor,
    lower: float = 1 / 8,
    upper: float = 1 / 3,
    training: bool = False,
    inplace: bool = False,
) -> Tensor:
    """y = x where x > 0, else a x: in training a is drawn from lower to upper for each element.

    In evaluation a is the mean of both.

    Shapes: any, the same out. Floats; integers and booleans give float32.

    >>> import nnfast
    >>> nnfast.nn.functional.rrelu(nnfast.tensor([-3.0, 0.0, 3.0]))
    tensor([-0.6875,  0.    ,  3.    ])
    """
    y: Tensor
    if training:
        x = as_tensor(input, "rrelu")
        slope = _uniform(default_generator.next_rng(), x.shape, x.dtype)
        y = _prelu(x, slope * (upper - lower) + lower)
    else:
        y = ops.leaky_relu(input, (lower + upper) / 2)
    return y


def softmax(
    input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None
) -> Tensor:
    """y = exp(x) / sum(exp(x)) along `dim`, of x as `dtype` if that is given.

    Without dim, as in old programs, it is 0 for 0, 1 and 3 dimensions, else 1, with a warning.

    Shapes: any, the same out. float32, float64.

    >>> import nnfast
    >>> nnfast.nn.functional.softmax(nnfast.tensor([[0.0, 0.0]]), dim=1)
    tensor([[0.5, 0.5]])
    """
    y: Tensor = ops.softmax(input, _along("softmax", input, dim), dtype)
    return y


def log_softmax(
    input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None
) -> Tensor:
    """y = log(softmax(x)) along `dim`, without overflow; dim and dtype as in softmax.

    Shapes: any, the same out. float32, float64.

    >>> import nnfast
    >>> nnfast.nn.functional.log_softmax(nnfast.tensor([1000.0, 0.0]), dim=0)
    tensor([    0., -1000.])
    """
    y: Tensor = ops.log_softmax(input, _along("log_softmax", input, dim), dtype)
    return y


def softmin(
    input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None
) -> Tensor:
    """y = exp(-x) / sum(exp(-x)) along `dim`; dim and dtype as in softmax.

    Shapes: any, the same out. float32, float64.

    >>> import nnfast
    >>> nnfast.nn.functional.softmin(nnfast.tensor([0.0, 0.0]), dim=0)
    tensor([0.5, 0.5])
    """
    y: Tensor = ops.softmax(-input, _along("softmin", input, dim), dtype)
    return y


def _along(name: str, input: Tensor, dim: int | None) -> int:
    """`dim`, or the one that PyTorch takes where it is not given."""
    if dim is not None:
        return dim
    dim = 0 if input.ndim in (0, 1, 3) else 1
    warnings.warn(f"nnfast: {name} takes dim={dim}; name it in the call.", stacklevel=3)
    return dim


def gumbel_softmax(
    logits: Tensor, tau: float = 1, hard: bool = False, eps: float = 1e-10, dim: int = -1
) -> Tensor:
    """y = softmax((logits + g) / tau), g = -log(-log u) with u uniform: a soft random choice.

    The largest element is class i with probability softmax(logits)_i. `hard`: 1 for the largest, 0
    for the others, with the gradient of the soft choice. `eps` changes nothing.

    Shapes: any, the same out. float32, float64.

    Source: Jang, Gu and Poole, Categorical reparameterization with Gumbel-softmax, 2017.

    >>> import nnfast
    >>> nnfast.nn.functional.gumbel_softmax(nnfast.tensor([0.0, 100.0]), hard=True)
    tensor([0., 1.])
    """
    x = as_tensor(logits, "gumbel_softmax")
    if not tau > 0:
        fail("gumbel_softmax", "tau > 0", f"{tau}")
    waiting = -ops.log1p(-_uniform(default_generator.next_rng(), x.shape, x.dtype))
    soft = ops.softmax((x - ops.log(ops.maximum(waiting, 2.0**-25))) / tau, dim)
    if not hard:
        return soft
    largest = ops.argmax(soft, dim, keepdim=True)
    chosen = ops.scatter(soft.detach() * 0.0, dim, largest, 1.0)
    return chosen - soft.detach() + soft


def glu(input: Tensor, dim: int = -1) -> Tensor:
    """y = a sigmoid(b), a and b the halves of the input along `dim`.

    Shapes: (*, 2 n, *) -> (*, n, *). float32, float64.

    >>> import nnfast
    >>> nnfast.nn.functional.glu(nnfast.tensor([3.0, 4.0, 0.0, 0.0]))
    tensor([1.5, 2. ])
    """
    if input.ndim == 0:
        fail("glu", "at least one dimension", "a scalar")
    dim = check_dim("glu", dim, input.ndim)
    half, odd = divmod(input.shape[dim], 2)
    if odd:
        fail("glu", f"an even size of dim {dim}", f"{input.shape[dim]}", input=input)
    before = (slice(None),) * dim
    y: Tensor = input[(*before, slice(half))] * ops.sigmoid(input[(*before, slice(half, None))])
    return y


# ---- in place ---------------------------------------------------------------------------------

_DOC = """`{name}` in place; returns the tensor itself.

Shapes: any. Floats.

>>> import nnfast
>>> x = nnfast.tensor([-2.0, 3.0])
>>> nnfast.nn.functional.{name}_({given}) is x
True
"""


def _changing(fn: Any, given: str = "x") -> Any:
    call = in_place(f"{fn.__name__}_", fn)
    call.__doc__ = _DOC.format(name=fn.__name__, given=given)
    return call


relu_ = _changing(relu)
leaky_relu_ = _changing(leaky_relu)
elu_ = _changing(elu)
celu_ = _changing(celu)
selu_ = _changing(selu)
hardtanh_ = _changing(hardtanh)
threshold_ = _changing(threshold, "x, 1.0, 0.0")
rrelu_ = _changing(rrelu)
