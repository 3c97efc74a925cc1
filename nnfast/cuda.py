"""What programs ask of GPUs before they do without: there are none."""

from __future__ import annotations


def is_available() -> bool:
    """False: nnfast runs on the CPU.

    >>> import nnfast
    >>> nnfast.cuda.is_available()
    False
    """
    return False


def device_count() -> int:
    """0.

    >>> import nnfast
    >>> nnfast.cuda.device_count()
    0
    """
    return 0


def manual_seed(seed: int) -> None:
    """Nothing: there is no GPU whose generator to seed.

    >>> import nnfast
    >>> nnfast.cuda.manual_seed(0)
    """


def manual_seed_all(seed: int) -> None:
    """Nothing: there is no GPU whose generator to seed.

    >>> import nnfast
    >>> nnfast.cuda.manual_seed_all(0)
    """
