"""Initial values of parameters, in place; names, defaults and formulas are PyTorch's.

Every function returns the tensor it filled and records no gradient. fan_in and fan_out are the
numbers of inputs of one output and of outputs of one input: for a weight (O, I, *kernel), I and O
times the size of the kernel.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from nnfast.errors import DTypeError, fail
from nnfast.generator import Generator, default_generator
from nnfast.graph.mode import only_eagerly
from nnfast.ops.random import _normal, _uniform
from nnfast.tensor import Tensor, float32, float64


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """Factor by which weights grow to undo what a nonlinearity takes off the variance.

    1 for linear, conv and sigmoid, 5/3 for tanh, sqrt(2) for relu, 3/4 for selu and
    sqrt(2 / (1 + slope^2)) for leaky_relu, with slope = param (0.01 if None).

    >>> from nnfast.nn import init
    >>> init.calculate_gain("leaky_relu", 1.0)
    1.0
    """
    if nonlinearity == "leaky_relu":
        slope = 0.01 if param is None else param
        if isinstance(slope, bool) or not isinstance(slope, int | float):
            fail("calculate_gain", "a number as slope", repr(slope), error=DTypeError)
        return math.sqrt(2 / (1 + slope**2))
    if nonlinearity not in _GAINS:
        known = ", ".join([*_GAINS, "leaky_relu"])
        fail("calculate_gain", f"one of {known}", repr(nonlinearity))
    return _GAINS[nonlinearity]


_LINEAR = ("linear", "conv1d", "conv2d", "conv3d")
_TRANSPOSED = ("conv_transpose1d", "conv_transpose2d", "conv_transpose3d")
_GAINS = {
    **dict.fromkeys((*_LINEAR, *_TRANSPOSED, "sigmoid"), 1.0),
    "tanh": 5 / 3,
    "relu": math.sqrt(2),
    "selu": 0.75,
}


# ---- constants ------------------------------------------------------------------------------


def constant_(tensor: Tensor, val: float) -> Tensor:
    """Every element is `val`.

    >>> import nnfast
    >>> nnfast.nn.init.constant_(nnfast.zeros(2), 3)
    tensor([3., 3.])
    """
    return _set("constant_", tensor, val)


def ones_(tensor: Tensor) -> Tensor:
    """Every element is 1.

    >>> import nnfast
    >>> nnfast.nn.init.ones_(nnfast.empty(2))
    tensor([1., 1.])
    """
    return _set("ones_", tensor, 1)


def zeros_(tensor: Tensor) -> Tensor:
    """Every element is 0.

    >>> import nnfast
    >>> nnfast.nn.init.zeros_(nnfast.empty(2))
    tensor([0., 0.])
    """
    return _set("zeros_", tensor, 0)


def eye_(tensor: Tensor) -> Tensor:
    """1 on the diagonal of a matrix, 0 elsewhere: a linear layer that passes its input on.

    Ranges: 2 dimensions.

    >>> import nnfast
    >>> nnfast.nn.init.eye_(nnfast.zeros(2, 3))
    tensor([[1., 0., 0.],
            [0., 1., 0.]])
    """
    if tensor.ndim != 2:
        fail("eye_", "a tensor of 2 dimensions", f"{tensor.ndim}", tensor=tensor)
    return _set("eye_", tensor, np.eye(tensor.shape[0], tensor.shape[1]))


def dirac_(tensor: Tensor, groups: int = 1) -> Tensor:
    """A convolution that passes its input on: 1 in the middle of the kernel of channel i to i.

    >>> import nnfast
    >>> nnfast.nn.init.dirac_(nnfast.zeros(1, 1, 3))
    tensor([[[0., 1., 0.]]])
    """
    if tensor.ndim not in (3, 4, 5):
        fail("dirac_", "a tensor of 3, 4 or 5 dimensions", f"{tensor.ndim}", tensor=tensor)
    if groups < 1 or tensor.shape[0] % groups:
        fail("dirac_", "groups that divide the first dimension", f"groups={groups}", tensor=tensor)
    values = np.zeros(tensor.shape)
    middle = tuple(k // 2 for k in tensor.shape[2:])
    per_group = tensor.shape[0] // groups
    for g in range(groups):
        for i in range(min(per_group, tensor.shape[1])):
            values[(g * per_group + i, i, *middle)] = 1
    return _set("dirac_", tensor, values)


# ---- independent elements -------------------------------------------------------------------


def uniform_(
    tensor: Tensor, a: float = 0.0, b: float = 1.0, generator: Generator | None = None
) -> Tensor:
    """Uniform from a to b.

    >>> import nnfast
    >>> w = nnfast.nn.init.uniform_(nnfast.zeros(100), -2.0, 2.0)
    >>> bool(-2 <= w.numpy().min() < w.numpy().max() <= 2)
    True
    """
    if not a <= b:
        fail("uniform_", "a <= b", f"a={a}, b={b}")
    return _set("uniform_", tensor, a + (b - a) * _draw(_uniform, tensor, generator))


def normal_(
    tensor: Tensor, mean: float = 0.0, std: float = 1.0, generator: Generator | None = None
) -> Tensor:
    """Normal with this mean and standard deviation.

    >>> import nnfast
    >>> nnfast.nn.init.normal_(nnfast.empty(2), mean=3.0, std=0.0)
    tensor([3., 3.])
    """
    if not std >= 0:
        fail("normal_", "std >= 0", f"std={std}")
    return _set("normal_", tensor, mean + std * _draw(_normal, tensor, generator))


def trunc_normal_(
    tensor: Tensor,
    mean: float = 0.0,
    std: float = 1.0,
    a: float = -2.0,
    b: float = 2.0,
    generator: Generator | None = None,
) -> Tensor:
    """Normal, given that the value lies from a to b.

    A normal draw that falls outside is replaced by an independent one from inside: the normal
    distribution's inverse at a uniform draw between its values at a and b.

    >>> import nnfast
    >>> w = nnfast.nn.init.trunc_normal_(nnfast.zeros(100))
    >>> bool(-2 <= w.numpy().min() < w.numpy().max() <= 2)
    True
    """
    if not a <= b or not std > 0:
        fail("trunc_normal_", "a <= b and std > 0", f"a={a}, b={b}, std={std}")
    z = np.asarray(_draw(_normal, tensor, generator), float64)
    u = np.asarray(_draw(_uniform, tensor, generator, float64))
    low, high = (a - mean) / std, (b - mean) / std
    outside = (z < low) | (z > high)
    z[outside] = _between(low, high, u[outside])
    return _set("trunc_normal_", tensor, np.clip(mean + std * z, a, b))


def _between(low: float, high: float, u: np.ndarray) -> np.ndarray:
    """Standard normals between low and high, from uniforms."""
    if low > 0:  # the lower tail has the finer numbers
        return -_between(-high, -low, u)
    from statistics import NormalDist

    p, q = (math.erfc(-x / math.sqrt(2)) / 2 for x in (low, high))
    tiny = np.finfo(float64).tiny
    inverse = map(NormalDist().inv_cdf, np.clip(p + (q - p) * u, tiny, 1 - 2**-53).tolist())
    return np.fromiter(inverse, float64, u.size)


# ---- variance from the layer's size ---------------------------------------------------------


def _calculate_fan_in_and_fan_out(tensor: Tensor) -> tuple[int, int]:
    if tensor.ndim < 2:
        fail(
            "fan_in",
            "a weight of at least 2 dimensions",
            f"{tensor.ndim}",
            "initialize biases with zeros_ or uniform_.",
            tensor=tensor,
        )
    kernel = math.prod(tensor.shape[2:])
    return tensor.shape[1] * kernel, tensor.shape[0] * kernel


def xavier_uniform_(
    tensor: Tensor, gain: float = 1.0, generator: Generator | None = None
) -> Tensor:
    """Uniform from -a to a, a = gain sqrt(6 / (fan_in + fan_out)).

    Ranges: at least 2 dimensions.

    Source: Glorot and Bengio, Understanding the difficulty of training deep feedforward neural
    networks, AISTATS 2010.

    >>> import nnfast
    >>> w = nnfast.nn.init.xavier_uniform_(nnfast.empty(3, 5))
    >>> bool((w.abs() <= (6 / (3 + 5)) ** 0.5).all())
    True
    """
    bound = math.sqrt(3) * _xavier_std(tensor, gain)
    return uniform_(tensor, -bound, bound, generator)


def xavier_normal_(tensor: Tensor, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Normal with standard deviation gain sqrt(2 / (fan_in + fan_out)).

    Ranges: at least 2 dimensions.

    Source: Glorot and Bengio, 2010, as xavier_uniform_.

    >>> import nnfast
    >>> w = nnfast.nn.init.xavier_normal_(nnfast.empty(300, 200))
    >>> round(w.std().item(), 2)
    0.06
    """
    return normal_(tensor, 0.0, _xavier_std(tensor, gain), generator)


def _xavier_std(tensor: Tensor, gain: float) -> float:
    fan_in, fan_out = _calculate_fan_in_and_fan_out(tensor)
    return gain * math.sqrt(2 / max(fan_in + fan_out, 1))


def kaiming_uniform_(
    tensor: Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> Tensor:
    """Uniform from -b to b, b = gain sqrt(3 / fan); a is the slope of a leaky_relu.

    Ranges: at least 2 dimensions; `mode` "fan_in" or "fan_out".

    Source: He et al., Delving deep into rectifiers, ICCV 2015.

    >>> import nnfast
    >>> w = nnfast.nn.init.kaiming_uniform_(nnfast.empty(3, 5))
    >>> bool((w.abs() <= (6 / 5) ** 0.5).all())
    True
    """
    bound = math.sqrt(3) * _kaiming_std(tensor, a, mode, nonlinearity)
    return uniform_(tensor, -bound, bound, generator)


def kaiming_normal_(
    tensor: Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> Tensor:
    """Normal with standard deviation gain / sqrt(fan); a is the slope of a leaky_relu.

    Ranges: at least 2 dimensions; `mode` "fan_in" or "fan_out".

    Source: He et al., 2015, as kaiming_uniform_.

    >>> import nnfast
    >>> w = nnfast.nn.init.kaiming_normal_(nnfast.empty(300, 200))
    >>> round(w.std().item(), 2)
    0.1
    """
    return normal_(tensor, 0.0, _kaiming_std(tensor, a, mode, nonlinearity), generator)


def _kaiming_std(tensor: Tensor, a: float, mode: str, nonlinearity: str) -> float:
    if mode not in ("fan_in", "fan_out"):
        fail("kaiming", "mode 'fan_in' or 'fan_out'", repr(mode))
    fan = _calculate_fan_in_and_fan_out(tensor)[mode == "fan_out"]
    return calculate_gain(nonlinearity, a) / math.sqrt(max(fan, 1))


def random_walk_(
    tensor: Tensor, nonlinearity: str = "relu", generator: Generator | None = None
) -> Tensor:
    """Normal with standard deviation g / sqrt(fan_in), g for very deep nets.

    The log of the gradient's length takes one step of a random walk in each layer; g is chosen so
    that its mean step is 0: e^(1 / (2 n)) for "linear" and sqrt(2) e^(1.2 / (max(n, 6) - 2.4)) for
    "relu", n = fan_in.

    Source: Sussillo and Abbott, Random walk initialization for training very deep feedforward
    networks, 2014.

    >>> import nnfast
    >>> w = nnfast.nn.init.random_walk_(nnfast.zeros(64, 64))
    >>> bool(0.9 < w.numpy().std() / (2 / 64) ** 0.5 < 1.2)
    True
    """
    n = max(_calculate_fan_in_and_fan_out(tensor)[0], 1)
    if nonlinearity == "linear":
        gain = math.exp(1 / (2 * n))
    elif nonlinearity == "relu":
        gain = math.sqrt(2) * math.exp(1.2 / (max(n, 6) - 2.4))
    else:
        fail("random_walk_", "nonlinearity 'linear' or 'relu'", repr(nonlinearity))
    return normal_(tensor, 0.0, gain / math.sqrt(n), generator)


# ---- structure ------------------------------------------------------------------------------


def orthogonal_(tensor: Tensor, gain: float = 1, generator: Generator | None = None) -> Tensor:
    """gain times a random matrix with orthonormal rows (or columns, whichever are fewer).

    The tensor is taken as a matrix of its first by all its other dimensions: Q of the QR
    factorization of a normal matrix, with the signs of R's diagonal so that Q is uniform.

    Ranges: at least 2 dimensions.

    Source: Saxe, McClelland and Ganguli, Exact solutions to the nonlinear dynamics of learning in
    deep linear neural networks, 2013.

    >>> import nnfast
    >>> w = nnfast.nn.init.orthogonal_(nnfast.zeros(2, 2, dtype=nnfast.float64)).numpy()
    >>> bool(abs(w @ w.T - [[1, 0], [0, 1]]).max() < 1e-12)
    True
    """
    if tensor.ndim < 2:
        fail("orthogonal_", "at least 2 dimensions", f"{tensor.ndim}", tensor=tensor)
    if tensor.array.size == 0:
        return tensor
    rows = tensor.shape[0]
    z = np.asarray(_draw(_normal, tensor, generator, float64)).reshape(rows, -1)
    q, r = np.linalg.qr(z.T if rows < z.shape[1] else z)
    q = q * np.where(np.diagonal(r) < 0, -1, 1)
    return _set("orthogonal_", tensor, gain * (q.T if rows < z.shape[1] else q))


def sparse_(
    tensor: Tensor, sparsity: float, std: float = 0.01, generator: Generator | None = None
) -> Tensor:
    """Normal, but in each column of the matrix a random part `sparsity` of the rows is 0.

    Ranges: 2 dimensions; sparsity from 0 to 1.

    Source: Martens, Deep learning via Hessian-free optimization, ICML 2010.

    >>> import nnfast
    >>> w = nnfast.nn.init.sparse_(nnfast.empty(4, 3), sparsity=0.5)
    >>> (w == 0).sum(dim=0)
    tensor([2, 2, 2])
    """
    if tensor.ndim != 2:
        fail("sparse_", "a tensor of 2 dimensions", f"{tensor.ndim}", tensor=tensor)
    if not 0 <= sparsity <= 1:
        fail("sparse_", "sparsity from 0 to 1", f"{sparsity}")
    values = std * np.asarray(_draw(_normal, tensor, generator))
    order = np.argsort(_draw(_uniform, tensor, generator, float64), axis=0, kind="stable")
    np.put_along_axis(values, order[: math.ceil(sparsity * tensor.shape[0])], 0, axis=0)
    return _set("sparse_", tensor, values)


# ---- how ------------------------------------------------------------------------------------


def _draw(op: Any, tensor: Tensor, generator: Generator | None, dtype: Any = None) -> np.ndarray:
    """Random numbers of the tensor's shape, float64 where it is so itself."""
    rng = (default_generator if generator is None else generator).next_rng()
    working = dtype or (float64 if tensor.dtype == float64 else float32)
    return op(rng, tensor.shape, working).array


def _set(where: str, tensor: Tensor, values: Any) -> Tensor:
    """Write values into the tensor's memory."""
    only_eagerly(where)
    if tensor.dtype.kind != "f" or not tensor.array.flags.writeable:
        fail(where, "a writable float tensor", str(tensor.dtype), error=DTypeError, tensor=tensor)
    tensor.array[...] = np.reshape(values, tensor.shape) if np.ndim(values) else values
    tensor._version += 1
    return tensor
