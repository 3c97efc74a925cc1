"""Where tensors are: on the CPU, under the names that programs for several devices use."""

from __future__ import annotations

from typing import Any, Self

from nnfast.errors import DTypeError, fail


class device(str):
    """A device, of which there is one: "cpu". Also a context manager that changes nothing.

    >>> import nnfast
    >>> nnfast.device("cuda" if nnfast.cuda.is_available() else "cpu")
    device(type='cpu')
    >>> nnfast.zeros(2, device="cpu").device == "cpu"
    True
    """

    type, index = "cpu", None  # type: ignore[assignment]

    def __new__(cls, type: Any, index: int | None = None) -> Self:
        check_device("device", type)
        return super().__new__(cls, "cpu")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        pass

    def __repr__(self) -> str:
        return "device(type='cpu')"


def check_device(where: str, device: Any) -> None:
    """Raise DTypeError unless it is "cpu", or None for it."""
    if device is not None and str(device).partition(":")[0] != "cpu":
        hint = "nnfast runs on the CPU; leave it out."
        fail(where, "the device 'cpu'", repr(device), hint, DTypeError)


CPU = device("cpu")
