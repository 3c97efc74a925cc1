"""The user's handle on an array. It knows its node in the graph; nnfast.ops adds the ops."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from nnfast import _core
from nnfast.errors import ArgumentError, DTypeError, StateError, fail
from nnfast.graph.mode import tracing
from nnfast.graph.symbol import Symbol

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from nnfast.ops.operands import Operand
    from nnfast.ops.reduce import Dims

float32 = np.dtype(np.float32)
float64 = np.dtype(np.float64)
int64 = np.dtype(np.int64)
bool_ = np.dtype(np.bool_)
KERNEL_DTYPES = (float32, float64, int64, bool_)  # those that csrc knows


class Tensor(_core.Tensor):
    """An n-dimensional array that remembers how it was computed.

    `array` is the NumPy array underneath (shared, not copied). `grad` is filled by `backward`
    for leaves that require gradients.

    >>> import nnfast
    >>> x = nnfast.tensor([1.0, 2.0], requires_grad=True)
    >>> (x * x).sum().backward()
    >>> x.grad
    tensor([2., 4.])
    """

    __slots__ = ()  # those of _core.Tensor
    __array_priority__ = 1000  # array + tensor is a tensor
    __array_ufunc__ = None

    def __init__(self, data: Any, requires_grad: bool = False) -> None:
        self.array = as_array(data, "Tensor")
        if requires_grad:
            self.requires_grad_()

    # ---- the array ------------------------------------------------------------------------

    def dim(self) -> int:
        """Number of dimensions."""
        return self.array.ndim

    def size(self, dim: int | None = None) -> Any:
        """The shape, or the size of one dimension."""
        return self.array.shape if dim is None else self.array.shape[dim]

    def numel(self) -> int:
        """Number of elements."""
        return self.array.size

    def numpy(self) -> np.ndarray:
        """The NumPy array underneath, sharing memory. Not of a tensor that requires gradients.

        >>> import nnfast
        >>> nnfast.tensor([1.0, 2.0]).numpy()
        array([1., 2.], dtype=float32)
        """
        if self.requires_grad:
            raise StateError(
                "numpy",
                f"expected a tensor without gradient, got one of shape {self.shape} that "
                "requires gradients.",
                "use x.detach().numpy().",
            )
        return self._values()

    def _values(self) -> np.ndarray:
        """The array, for those who look at what it holds; a traced function must not."""
        if (trace := tracing()) is not None:
            raise trace.give_up(f"it looks at the values of a tensor of shape {self.shape}")
        return self.array

    def item(self) -> Any:
        """The one element, as a Python number."""
        if self.array.size != 1:
            fail("item", "a tensor of one element", f"shape {self.shape}", "use numpy().")
        return self._values().item()

    def tolist(self) -> Any:
        """Nested lists of Python numbers."""
        return self._values().tolist()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        array = self.numpy()
        if dtype is not None and dtype != array.dtype:
            return array.astype(dtype)
        return array.copy() if copy else array

    def __dlpack__(self, **kwargs: Any) -> Any:
        return self.numpy().__dlpack__(**kwargs)

    def __dlpack_device__(self) -> Any:
        return self.array.__dlpack_device__()

    # ---- the graph ------------------------------------------------------------------------

    @property
    def is_leaf(self) -> bool:
        """Whether no recorded op made it."""
        return self.node is None

    @property
    def data(self) -> Tensor:
        """The same memory without history. Assigning replaces the array."""
        return self.detach()

    @data.setter
    def data(self, value: Tensor) -> None:
        if (trace := tracing()) is not None:
            raise trace.give_up("it replaces the data of a tensor")
        self.array = as_array(value, "data")
        self._version += 1

    def detach(self) -> Tensor:
        """The same memory, cut off from the graph.

        >>> import nnfast
        >>> nnfast.ones(1, requires_grad=True).detach().requires_grad
        False
        """
        t = wrap(self.array)
        if (trace := tracing()) is not None:
            trace.alias(t, self)
        return t

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        """Ask for (or refuse) gradients of this leaf; returns itself."""
        if requires_grad and self.array.dtype.kind != "f":
            fail(
                "requires_grad_",
                "a float tensor",
                str(self.dtype),
                "convert it with x.float().",
                DTypeError,
            )
        if (trace := tracing()) is not None and not isinstance(self.array, Symbol):
            raise trace.give_up("it calls requires_grad_ of a tensor outside")
        if not requires_grad and self.node is not None:
            fail("requires_grad_", "a leaf", "a result of an op", "use x.detach().")
        self.requires_grad = bool(requires_grad)
        return self

    def backward(
        self,
        gradient: Tensor | None = None,
        retain_graph: bool | None = None,
        create_graph: bool = False,
    ) -> None:
        """Add d self / d leaf to the `grad` of each leaf that requires it.

        `gradient` is the gradient of something with respect to self (1 for a scalar).
        `create_graph` records the backward pass, so that it can be differentiated again.
        Raises StateError on a second call without `retain_graph`.
        """
        from nnfast.graph.backward import run_backward

        keep = create_graph if retain_graph is None else retain_graph
        run_backward([self], [gradient], retain_graph=keep, create_graph=create_graph)

    # ---- Python ---------------------------------------------------------------------------

    def __len__(self) -> int:
        if self.array.ndim == 0:
            raise DTypeError("len", "expected at least one dimension, got a scalar tensor.")
        return len(self.array)

    def __iter__(self) -> Iterator[Tensor]:
        return (self[i] for i in range(len(self)))

    def __bool__(self) -> bool:
        if self.array.size != 1:
            fail("bool", "one element", f"shape {self.shape}", "compare, then use item().")
        return bool(self._values().item())

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __index__(self) -> int:
        if self.array.dtype.kind not in "iu":
            raise DTypeError("index", f"expected an integer tensor, got {self.dtype}.")
        return int(self.item())

    __hash__ = object.__hash__

    def __repr__(self) -> str:
        text = np.array2string(self._values(), separator=", ", prefix="tensor(")
        if self.dtype not in (float32, int64, bool_):
            text += f", dtype={self.dtype}"
        if self.node is not None:
            text += f", node={self.node.op.name}"
        elif self.requires_grad:
            text += ", requires_grad=True"
        return f"tensor({text})"

    def __format__(self, spec: str) -> str:
        return format(self.item(), spec) if spec else repr(self)

    def __copy__(self) -> Tensor:
        return self.__deepcopy__({})

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        if self.node is not None:
            raise StateError("copy", "expected a leaf, got a result of an op.", "use x.detach().")
        new = type(self).__new__(type(self))
        memo[id(self)] = new
        new.__setstate__({"array": self.array.copy(), "requires_grad": self.requires_grad})
        new.grad = wrap(self.grad.array.copy()) if isinstance(self.grad, Tensor) else None
        return new

    def __getstate__(self) -> dict[str, Any]:
        return {"array": self.detach().array, "requires_grad": self.requires_grad}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.array, self.requires_grad = state["array"], state["requires_grad"]

    # ---- what nnfast.ops adds: for type checkers (tests/test_typing.py compares the names) ----

    if TYPE_CHECKING:

        def __add__(self, other: Operand) -> Tensor: ...
        def __radd__(self, other: Operand) -> Tensor: ...
        def __sub__(self, other: Operand) -> Tensor: ...
        def __rsub__(self, other: Operand) -> Tensor: ...
        def __mul__(self, other: Operand) -> Tensor: ...
        def __rmul__(self, other: Operand) -> Tensor: ...
        def __truediv__(self, other: Operand) -> Tensor: ...
        def __rtruediv__(self, other: Operand) -> Tensor: ...
        def __pow__(self, exponent: Operand) -> Tensor: ...
        def __rpow__(self, other: Operand) -> Tensor: ...
        def __mod__(self, other: Operand) -> Tensor: ...
        def __rmod__(self, other: Operand) -> Tensor: ...
        def __floordiv__(self, other: Operand) -> Tensor: ...
        def __rfloordiv__(self, other: Operand) -> Tensor: ...
        def __invert__(self) -> Tensor: ...
        def __and__(self, other: Operand) -> Tensor: ...
        def __rand__(self, other: Operand) -> Tensor: ...
        def __or__(self, other: Operand) -> Tensor: ...
        def __ror__(self, other: Operand) -> Tensor: ...
        def __xor__(self, other: Operand) -> Tensor: ...
        def __rxor__(self, other: Operand) -> Tensor: ...
        def __matmul__(self, other: Operand) -> Tensor: ...
        def __rmatmul__(self, other: Operand) -> Tensor: ...
        def __neg__(self) -> Tensor: ...
        def __abs__(self) -> Tensor: ...
        def __eq__(self, other: Operand) -> Tensor: ...  # type: ignore[override]
        def __ne__(self, other: Operand) -> Tensor: ...  # type: ignore[override]
        def __lt__(self, other: Operand) -> Tensor: ...  # type: ignore[misc]
        def __le__(self, other: Operand) -> Tensor: ...  # type: ignore[misc]
        def __gt__(self, other: Operand) -> Tensor: ...  # type: ignore[misc]
        def __ge__(self, other: Operand) -> Tensor: ...  # type: ignore[misc]
        def __getitem__(self, index: Any) -> Tensor: ...
        def __setitem__(self, index: Any, value: Any) -> None: ...

        def add(self, other: Operand) -> Tensor: ...
        def sub(self, other: Operand) -> Tensor: ...
        def mul(self, other: Operand) -> Tensor: ...
        def div(self, other: Operand) -> Tensor: ...
        def pow(self, exponent: Operand) -> Tensor: ...
        def matmul(self, other: Operand) -> Tensor: ...
        def maximum(self, other: Operand) -> Tensor: ...
        def minimum(self, other: Operand) -> Tensor: ...
        def fmod(self, other: Operand) -> Tensor: ...
        def remainder(self, other: Operand) -> Tensor: ...
        def floor_divide(self, other: Operand) -> Tensor: ...
        def atan2(self, other: Operand) -> Tensor: ...
        def lerp(self, end: Tensor, weight: Operand) -> Tensor: ...
        def addcmul(self, tensor1: Tensor, tensor2: Tensor, *, value: float = 1) -> Tensor: ...
        def addcdiv(self, tensor1: Tensor, tensor2: Tensor, *, value: float = 1) -> Tensor: ...
        def logical_and(self, other: Operand) -> Tensor: ...
        def logical_or(self, other: Operand) -> Tensor: ...
        def logical_xor(self, other: Operand) -> Tensor: ...
        def eq(self, other: Operand) -> Tensor: ...
        def ne(self, other: Operand) -> Tensor: ...
        def lt(self, other: Operand) -> Tensor: ...
        def le(self, other: Operand) -> Tensor: ...
        def gt(self, other: Operand) -> Tensor: ...
        def ge(self, other: Operand) -> Tensor: ...

        def abs(self) -> Tensor: ...
        def neg(self) -> Tensor: ...
        def sign(self) -> Tensor: ...
        def sqrt(self) -> Tensor: ...
        def exp(self) -> Tensor: ...
        def log(self) -> Tensor: ...
        def log1p(self) -> Tensor: ...
        def erf(self) -> Tensor: ...
        def rsqrt(self) -> Tensor: ...
        def square(self) -> Tensor: ...
        def reciprocal(self) -> Tensor: ...
        def exp2(self) -> Tensor: ...
        def expm1(self) -> Tensor: ...
        def log2(self) -> Tensor: ...
        def log10(self) -> Tensor: ...
        def floor(self) -> Tensor: ...
        def ceil(self) -> Tensor: ...
        def trunc(self) -> Tensor: ...
        def sin(self) -> Tensor: ...
        def cos(self) -> Tensor: ...
        def tan(self) -> Tensor: ...
        def asin(self) -> Tensor: ...
        def acos(self) -> Tensor: ...
        def atan(self) -> Tensor: ...
        def sinh(self) -> Tensor: ...
        def cosh(self) -> Tensor: ...
        def asinh(self) -> Tensor: ...
        def acosh(self) -> Tensor: ...
        def atanh(self) -> Tensor: ...
        def logical_not(self) -> Tensor: ...
        def isnan(self) -> Tensor: ...
        def isinf(self) -> Tensor: ...
        def isfinite(self) -> Tensor: ...
        def round(self, *, decimals: int = 0) -> Tensor: ...
        def relu(self) -> Tensor: ...
        def sigmoid(self) -> Tensor: ...
        def tanh(self) -> Tensor: ...
        def softmax(self, dim: int) -> Tensor: ...
        def log_softmax(self, dim: int) -> Tensor: ...
        def clip(self, min: float | None = None, max: float | None = None) -> Tensor: ...
        def clamp(self, min: float | None = None, max: float | None = None) -> Tensor: ...

        def sum(self, dim: Dims = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor: ...
        def mean(self, dim: Dims = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor: ...
        def var(
            self, dim: Dims = None, *, correction: float = 1, keepdim: bool = False
        ) -> Tensor: ...
        def std(
            self, dim: Dims = None, *, correction: float = 1, keepdim: bool = False
        ) -> Tensor: ...
        def amax(self, dim: Dims = None, keepdim: bool = False) -> Tensor: ...
        def amin(self, dim: Dims = None, keepdim: bool = False) -> Tensor: ...
        def max(self, dim: int | Tensor | None = None, keepdim: bool = False) -> Any: ...
        def min(self, dim: int | Tensor | None = None, keepdim: bool = False) -> Any: ...
        def argmax(self, dim: int | None = None, keepdim: bool = False) -> Tensor: ...
        def argmin(self, dim: int | None = None, keepdim: bool = False) -> Tensor: ...
        def logsumexp(self, dim: Dims, keepdim: bool = False) -> Tensor: ...

        def reshape(self, *shape: int | Sequence[int]) -> Tensor: ...
        def view(self, *shape: int | Sequence[int]) -> Tensor: ...
        def flatten(self, start_dim: int = 0, end_dim: int = -1) -> Tensor: ...
        def unflatten(self, dim: int, sizes: Sequence[int]) -> Tensor: ...
        def squeeze(self, dim: int | None = None) -> Tensor: ...
        def unsqueeze(self, dim: int) -> Tensor: ...
        def expand(self, *shape: int | Sequence[int]) -> Tensor: ...
        def broadcast_to(self, *shape: int | Sequence[int]) -> Tensor: ...
        def permute(self, *dims: int | Sequence[int]) -> Tensor: ...
        def transpose(self, dim0: int, dim1: int) -> Tensor: ...
        def t(self) -> Tensor: ...
        @property
        def T(self) -> Tensor: ...
        @property
        def mT(self) -> Tensor: ...
        def contiguous(self) -> Tensor: ...
        def clone(self) -> Tensor: ...

        def to(self, dtype: Any) -> Tensor: ...
        def double(self) -> Tensor: ...
        def long(self) -> Tensor: ...
        def float(self) -> Tensor: ...
        def bool(self) -> Tensor: ...


class UsedGradient:
    """In place of a gradient that a compiled step has used up in its update."""

    def __getattr__(self, name: str) -> Any:
        raise StateError(
            "grad",
            "expected a gradient, but a compiled step has used it up in its update.",
            "return it from the compiled function, or call zero_grad() before the next one.",
        )

    def __add__(self, other: Any) -> Any:
        return self.array

    def __repr__(self) -> str:
        return "<used up by a compiled step>"


_core.set_tensor_type(Tensor)
wrap = _core.wrap  # a tensor on an array as it is, without checks: for arrays that an op made


def as_array(data: Any, where: str) -> np.ndarray:
    """`data` as an array of numbers that kernels can read, copied only where it must be."""
    if isinstance(data, Tensor):
        return data.array
    try:
        array = np.asarray(data)
    except (ValueError, TypeError) as e:
        raise ArgumentError(where, f"expected numbers of one shape, got {e}.") from e
    if array.dtype.kind not in "fiub":
        fail(where, "real numbers or booleans", f"dtype {array.dtype}", error=DTypeError)
    if not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    strided = all(s % array.itemsize == 0 for s in array.strides)
    return array if array.flags.aligned and strided else array.copy()


def as_dtype(dtype: Any, where: str) -> np.dtype[Any]:
    """`dtype` as NumPy knows it; raises unless it is one of real numbers or booleans."""
    try:
        known = np.dtype(dtype)
    except TypeError:
        known = np.dtype(object)
    if known.kind not in "fiub":
        fail(where, "a dtype of real numbers or booleans", repr(dtype), error=DTypeError)
    return known


def tensor(data: Any, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """A tensor with a copy of `data`. Python floats become float32, ints int64.

    >>> import nnfast
    >>> nnfast.tensor([[1, 2], [3, 4]]).dtype
    dtype('int64')
    >>> nnfast.tensor([1.5]).dtype
    dtype('float32')
    """
    array = as_array(data, "tensor")
    given = isinstance(data, Tensor | np.ndarray | np.generic)
    if dtype is None and array.dtype == float64 and not given:
        dtype = float32
    target = array.dtype if dtype is None else as_dtype(dtype, "tensor")
    return Tensor(np.array(array, dtype=target), requires_grad)


def from_numpy(array: np.ndarray) -> Tensor:
    """A tensor on the memory of `array`: a change of one is seen in the other.

    >>> import numpy as np, nnfast
    >>> a = np.zeros(2, np.float32)
    >>> t = nnfast.from_numpy(a)
    >>> a[0] = 1
    >>> t
    tensor([1., 0.])
    """
    if not isinstance(array, np.ndarray):
        fail("from_numpy", "a NumPy array", type(array).__name__, error=DTypeError)
    if as_array(array, "from_numpy") is not array:
        fail(
            "from_numpy",
            "an aligned array in native byte order",
            f"dtype {array.dtype}, strides {array.strides}",
            "use nnfast.tensor(array), which copies.",
        )
    return wrap(array)


def _filled(value: float) -> Any:
    def create(
        *shape: int | Sequence[int], dtype: Any = None, requires_grad: bool = False
    ) -> Tensor:
        sizes = shape[0] if len(shape) == 1 and not isinstance(shape[0], int) else shape
        try:
            wanted = as_dtype(dtype or float32, "zeros/ones")
            array = np.full(sizes, value, dtype=wanted)  # type: ignore[type-var]
        except (ValueError, TypeError, MemoryError) as e:
            raise ArgumentError("zeros/ones", f"expected sizes, got {sizes!r}: {e}.") from e
        return Tensor(array, requires_grad)

    return create


zeros = _filled(0)
zeros.__doc__ = """A tensor of zeros: `zeros(2, 3)` or `zeros((2, 3))`, float32 unless told."""
ones = _filled(1)
ones.__doc__ = """A tensor of ones: `ones(2, 3)` or `ones((2, 3))`, float32 unless told."""
