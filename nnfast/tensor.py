"""The user's handle on an array. It knows its node in the graph; nnfast.ops adds the ops."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from nnfast import _core
from nnfast.errors import ArgumentError, DTypeError, StateError, fail
from nnfast.facts import Facts
from nnfast.graph.mode import tracing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from nnfast.graph.hooks import RemovableHandle
    from nnfast.methods import Methods
else:
    Methods = object

float32 = np.dtype(np.float32)
float64 = np.dtype(np.float64)
int64 = np.dtype(np.int64)
int32 = np.dtype(np.int32)
int16 = np.dtype(np.int16)
int8 = np.dtype(np.int8)
uint8 = np.dtype(np.uint8)
bool_ = np.dtype(np.bool_)
PRINTED: dict[str, Any] = {}  # how, as nnfast.set_printoptions was told
KERNEL_DTYPES = (float32, float64, int64, bool_)  # those that csrc knows


class Tensor(_core.Tensor, Facts, Methods):
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
        if (trace := tracing()) is not None:
            trace.made(self)
        if requires_grad:
            self.requires_grad_()

    # ---- the array ------------------------------------------------------------------------

    def dim(self) -> int:
        """Number of dimensions.

        >>> import nnfast
        >>> nnfast.ones(2, 3).dim()
        2
        """
        return self.array.ndim

    def size(self, dim: int | None = None) -> Any:
        """The shape, or the size of one dimension.

        >>> import nnfast
        >>> nnfast.ones(2, 3).size(), nnfast.ones(2, 3).size(-1)
        ((2, 3), 3)
        """
        return self.array.shape if dim is None else self.array.shape[dim]

    def numel(self) -> int:
        """Number of elements.

        >>> import nnfast
        >>> nnfast.ones(2, 3).numel()
        6
        """
        return self.array.size

    def numpy(self, *, force: bool = False) -> np.ndarray:
        """The NumPy array underneath, sharing memory. Not of a tensor that requires gradients,
        unless `force`.

        >>> import nnfast
        >>> nnfast.tensor([1.0, 2.0]).numpy()
        array([1., 2.], dtype=float32)
        """
        if self.requires_grad and not force:
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
        """The one element, as a Python number.

        >>> import nnfast
        >>> nnfast.tensor([3.0]).item()
        3.0
        """
        if self.array.size != 1:
            fail("item", "a tensor of one element", f"shape {self.shape}", "use numpy().")
        return self._values().item()

    def tolist(self) -> Any:
        """Nested lists of Python numbers.

        >>> import nnfast
        >>> nnfast.tensor([[1, 2], [3, 4]]).tolist()
        [[1, 2], [3, 4]]
        """
        return self._values().tolist()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        array = self.numpy()
        if dtype is not None and dtype != array.dtype:
            return array.astype(dtype)
        return array.copy() if copy else array

    @property
    def __array_interface__(self) -> dict[str, Any]:
        return self.numpy().__array_interface__

    def __dlpack__(self, **kwargs: Any) -> Any:
        return self.numpy().__dlpack__(**kwargs)

    def __dlpack_device__(self) -> Any:
        return self.array.__dlpack_device__()

    # ---- the graph ------------------------------------------------------------------------

    @property
    def is_leaf(self) -> bool:
        """Whether no recorded op made it.

        >>> import nnfast
        >>> x = nnfast.ones(1, requires_grad=True)
        >>> x.is_leaf, (2 * x).is_leaf
        (True, False)
        """
        return self.node is None

    @property
    def grad_fn(self) -> Any:
        """The node of the op that made it; None of a leaf.

        >>> import nnfast
        >>> x = nnfast.ones(1, requires_grad=True)
        >>> x.grad_fn is None, (2 * x).grad_fn is None
        (True, False)
        """
        return self.node

    @property
    def data(self) -> Tensor:
        """The same memory without history. Assigning replaces the array.

        >>> import nnfast
        >>> nnfast.ones(1, requires_grad=True).data.requires_grad
        False
        """
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

    def register_hook(self, hook: Callable[[Tensor], Tensor | None]) -> RemovableHandle:
        """Call `hook` with the gradient of this tensor in each backward pass.

        What it returns takes the gradient's place; None leaves it. A compiled function that meets
        a hook runs eagerly. Returns a handle whose `remove()` takes the hook away.

        >>> import nnfast
        >>> x = nnfast.tensor([1.0, 2.0], requires_grad=True)
        >>> handle = x.register_hook(lambda grad: grad * 10)
        >>> (x * x).sum().backward()
        >>> x.grad
        tensor([20., 40.])
        """
        from nnfast.graph.hooks import register_hook

        return register_hook(self, hook)

    def register_post_accumulate_grad_hook(self, hook: Callable[[Tensor], Any]) -> RemovableHandle:
        """Call `hook` with this leaf when a backward pass has added to its `grad`.

        >>> import nnfast
        >>> x = nnfast.ones(1, requires_grad=True)
        >>> handle = x.register_post_accumulate_grad_hook(lambda x: print(x.grad))
        >>> (3 * x).backward()
        tensor([3.])
        """
        from nnfast.graph.hooks import add_hook

        if self.node is not None or not self.requires_grad:
            raise StateError(
                "register_post_accumulate_grad_hook",
                "expected a leaf that requires gradients, got another tensor.",
            )
        return add_hook(self, hook, last=True)

    def retain_grad(self) -> None:
        """Let `backward` fill `grad` of this result too, as it does for leaves.

        >>> import nnfast
        >>> x = nnfast.tensor([1.0, 2.0], requires_grad=True)
        >>> y = x * 3
        >>> y.retain_grad()
        >>> (y * y).sum().backward()
        >>> y.grad
        tensor([ 6., 12.])
        """
        from nnfast.graph.hooks import retain_grad

        retain_grad(self)

    @property
    def retains_grad(self) -> bool:
        """Whether `retain_grad` was asked for; False for a leaf.

        >>> import nnfast
        >>> y = 2 * nnfast.ones(1, requires_grad=True)
        >>> y.retain_grad()
        >>> y.retains_grad
        True
        """
        from nnfast.graph.hooks import retains_grad

        return retains_grad(self)

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        """Ask for (or refuse) gradients of this leaf; returns itself.

        >>> import nnfast
        >>> nnfast.ones(1).requires_grad_().requires_grad
        True
        """
        if requires_grad and self.array.dtype.kind != "f":
            fail(
                "requires_grad_",
                "a float tensor",
                str(self.dtype),
                "convert it with x.float().",
                DTypeError,
            )
        if (trace := tracing()) is not None and not trace.is_inside(self):
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
        inputs: Tensor | Sequence[Tensor] | None = None,
    ) -> None:
        """Add d self / d leaf to the `grad` of each leaf that requires it, or of `inputs` alone.

        `gradient` is the gradient of something with respect to self (1 for a scalar).
        `create_graph` records the backward pass, so that it can be differentiated again.
        Raises StateError on a second call without `retain_graph`.

        >>> import nnfast
        >>> x = nnfast.tensor([3.0], requires_grad=True)
        >>> (x * x).backward()
        >>> x.grad
        tensor([6.])
        """
        from nnfast.graph.backward import run_backward, run_backward_into

        keep = create_graph if retain_graph is None else retain_graph
        if inputs is None:
            run_backward([self], [gradient], retain_graph=keep, create_graph=create_graph)
        else:
            run_backward_into([self], [gradient], inputs, keep, create_graph)

    # ---- Python ---------------------------------------------------------------------------

    def __len__(self) -> int:
        if self.array.ndim == 0:
            raise DTypeError("len", "expected at least one dimension, got a scalar tensor.")
        return len(self.array)

    def __iter__(self) -> Iterator[Tensor]:
        return (self[i] for i in range(len(self)))

    def __reversed__(self) -> Iterator[Tensor]:
        return (self[i] for i in reversed(range(len(self))))

    def __contains__(self, element: Any) -> bool:
        return bool((self._values() == getattr(element, "array", element)).any())

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
        text = np.array2string(self._values(), separator=", ", prefix="tensor(", **PRINTED)
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
        new.__setstate__({"array": self._values().copy(), "requires_grad": self.requires_grad})
        new.grad = wrap(self.grad._values().copy()) if isinstance(self.grad, Tensor) else None
        return new

    def __getstate__(self) -> dict[str, Any]:
        return {"array": self.detach()._values(), "requires_grad": self.requires_grad}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.array, self.requires_grad = known_dtype(state["array"]), state["requires_grad"]


class _UsedGradient:
    """In place of a gradient that a compiled step has used up in its update.

    What a backward pass adds to it is lost as well: nobody may ask for it, before zero_grad() or
    such a step forgets both, as when the generator's loss passes a trained discriminator.
    """

    def __getattr__(self, name: str) -> Any:
        if name == "__wrapped__":  # inspect asks it of whatever a module holds
            raise AttributeError(name)
        raise StateError(
            "grad",
            "expected a gradient, but a compiled step has used it up in its update.",
            "return it from the compiled function, or call zero_grad() before the next one.",
        )

    def __add__(self, other: Any) -> Any:
        return self.array

    def __repr__(self) -> str:
        return "<used up by a compiled step>"


USED: Any = _UsedGradient()


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
    size = array.itemsize
    for step in array.strides:
        if step % size:
            return array.copy()
    return array if array.flags.aligned else array.copy()


def known_dtype(array: np.ndarray) -> np.ndarray:
    """The same memory with NumPy's own dtype object, by which the core knows it: an array that was
    pickled has a copy."""
    own = np.dtype(array.dtype.char)
    return array if array.dtype is own or array.dtype != own else array.view(own)


def as_dtype(dtype: Any, where: str) -> np.dtype[Any]:
    """`dtype` as NumPy knows it; raises unless it is one of real numbers or booleans."""
    try:
        known = np.dtype(dtype)
    except TypeError:
        known = np.dtype(object)
    if known.kind not in "fiub":
        fail(where, "a dtype of real numbers or booleans", repr(dtype), error=DTypeError)
    return known
