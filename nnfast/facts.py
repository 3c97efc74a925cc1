"""What a tensor says of its memory, its dtype and its device, under PyTorch's names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nnfast.device import CPU, device
from nnfast.errors import DTypeError, fail

if TYPE_CHECKING:
    from typing import Self

    import numpy as np

    from nnfast.tensor import Tensor


class Facts:
    """The part of `Tensor` that only tells."""

    __slots__ = ()

    if TYPE_CHECKING:
        array: np.ndarray

        def item(self) -> Any: ...

    def nelement(self) -> int:
        """Number of elements.

        >>> import nnfast
        >>> nnfast.ones(2, 3).nelement()
        6
        """
        return self.array.size

    def element_size(self) -> int:
        """Bytes of one element.

        >>> import nnfast
        >>> nnfast.ones(2, 3).element_size()
        4
        """
        return self.array.itemsize

    @property
    def nbytes(self) -> int:
        """Bytes of all elements.

        >>> import nnfast
        >>> nnfast.ones(2, 3).nbytes
        24
        """
        return self.array.nbytes

    def stride(self, dim: int | None = None) -> Any:
        """Elements from one place to the next along each dimension, or along one.

        >>> import nnfast
        >>> nnfast.ones(2, 3).stride()
        (3, 1)
        """
        steps = tuple(s // self.array.itemsize for s in self.array.strides)
        return steps if dim is None else steps[dim]

    def is_contiguous(self) -> bool:
        """Whether the elements lie one behind the other, in C order.

        >>> import nnfast
        >>> nnfast.ones(2, 3).is_contiguous()
        True
        """
        return bool(self.array.flags.c_contiguous)

    def is_floating_point(self) -> bool:
        """Whether the elements are floats.

        >>> import nnfast
        >>> nnfast.ones(2, 3).is_floating_point()
        True
        """
        return self.array.dtype.kind == "f"

    @property
    def device(self) -> device:
        """Always "cpu".

        >>> import nnfast
        >>> nnfast.ones(2, 3).device
        device(type='cpu')
        """
        return CPU

    @property
    def is_cpu(self) -> bool:
        """True.

        >>> import nnfast
        >>> nnfast.ones(2, 3).is_cpu
        True
        """
        return True

    @property
    def is_cuda(self) -> bool:
        """False.

        >>> import nnfast
        >>> nnfast.ones(2, 3).is_cuda
        False
        """
        return False

    @property
    def is_sparse(self) -> bool:
        """False: every element has its place in memory.

        >>> import nnfast
        >>> nnfast.ones(2, 3).is_sparse
        False
        """
        return False

    @property
    def is_quantized(self) -> bool:
        """False.

        >>> import nnfast
        >>> nnfast.ones(2, 3).is_quantized
        False
        """
        return False

    @property
    def is_meta(self) -> bool:
        """False: every tensor has memory.

        >>> import nnfast
        >>> nnfast.ones(2, 3).is_meta
        False
        """
        return False

    def is_pinned(self) -> bool:
        """False: there is no device to copy to.

        >>> import nnfast
        >>> nnfast.ones(2, 3).is_pinned()
        False
        """
        return False

    @property
    def itemsize(self) -> int:
        """Bytes of one element.

        >>> import nnfast
        >>> nnfast.ones(2, 3).itemsize
        4
        """
        return self.array.itemsize

    def ndimension(self) -> int:
        """Number of dimensions.

        >>> import nnfast
        >>> nnfast.ones(2, 3).ndimension()
        2
        """
        return self.array.ndim

    def get_device(self) -> int:
        """-1, as of every tensor on the CPU.

        >>> import nnfast
        >>> nnfast.ones(2, 3).get_device()
        -1
        """
        return -1

    def data_ptr(self) -> int:
        """The address of the first element.

        >>> import nnfast
        >>> x = nnfast.ones(2)
        >>> x.data_ptr() == x.array.ctypes.data
        True
        """
        return self.array.__array_interface__["data"][0]

    def is_complex(self) -> bool:
        """False: there are no complex tensors.

        >>> import nnfast
        >>> nnfast.ones(2, 3).is_complex()
        False
        """
        return False

    def is_signed(self) -> bool:
        """Whether the dtype has negative numbers.

        >>> import nnfast
        >>> nnfast.ones(2, 3).is_signed()
        True
        """
        return self.array.dtype.kind in "fi"

    def is_nonzero(self) -> bool:
        """Whether the one element is not 0.

        >>> import nnfast
        >>> nnfast.tensor([3.0]).is_nonzero()
        True
        """
        return bool(self.item())

    def is_same_size(self, other: Tensor) -> bool:
        """Whether both have one shape.

        >>> import nnfast
        >>> nnfast.ones(2, 3).is_same_size(nnfast.ones(2, 3))
        True
        """
        return self.array.shape == other.array.shape

    def cuda(self, *args: Any, **kwargs: Any) -> Tensor:
        """Not available: raises DTypeError.

        >>> import nnfast
        >>> from nnfast.errors import DTypeError
        >>> try:
        ...     nnfast.ones(2).cuda()
        ... except DTypeError as error:
        ...     print(error.where)
        cuda
        """
        hint = "leave the call out."
        return fail("cuda", "the device 'cpu'", "'cuda'", hint, DTypeError)

    def half(self) -> Tensor:
        """Not available: raises DTypeError.

        >>> import nnfast
        >>> from nnfast.errors import DTypeError
        >>> try:
        ...     nnfast.ones(2).half()
        ... except DTypeError as error:
        ...     print(error.where)
        half
        """
        hint = "use float(): training needs its range."
        return fail("half", "float32 or float64", "float16", hint, DTypeError)

    def bfloat16(self) -> Tensor:
        """Not available: raises DTypeError.

        >>> import nnfast
        >>> from nnfast.errors import DTypeError
        >>> try:
        ...     nnfast.ones(2).bfloat16()
        ... except DTypeError as error:
        ...     print(error.where)
        bfloat16
        """
        hint = "use float()."
        return fail("bfloat16", "float32 or float64", "bfloat16", hint, DTypeError)

    def pin_memory(self) -> Self:
        """Itself: there is no device to copy to.

        >>> import nnfast
        >>> x = nnfast.ones(2)
        >>> x.pin_memory() is x
        True
        """
        return self
