"""What programs ask of, and tell, libraries for GPUs: none is there, and results are always the
same."""

from __future__ import annotations


class Backend:
    """A library that is not there; what is set is kept, and changes nothing.

    >>> import nnfast
    >>> nnfast.backends.cudnn.deterministic = True
    >>> nnfast.backends.mps.is_available()
    False
    """

    deterministic = True
    benchmark = False
    enabled = False
    allow_tf32 = False

    def is_available(self) -> bool:
        """False: nnfast runs on the CPU.

        >>> import nnfast
        >>> nnfast.backends.cudnn.is_available()
        False
        """
        return False

    is_built = is_available


cudnn, mps, cuda = Backend(), Backend(), Backend()
cuda.matmul = Backend()  # type: ignore[attr-defined]
