"""The one form of every error: what was expected, what came, where, what to do.

`conv2d: expected x with C=4 channels, got C=3. x: (8, 3, 32, 32) float32, ...
Hint: ...` and, when a module raised it, the module's path in front: `features.3: conv2d: ...`.
"""

from __future__ import annotations

from typing import Any, NoReturn


class NNFastError(Exception):
    """Base of every error that nnfast raises on purpose.

    `where` is the op or function, `path` the dotted path of the module it ran in ("" outside).

    >>> import nnfast
    >>> try:
    ...     nnfast.matmul(nnfast.ones(2, 3), nnfast.ones(2, 3))
    ... except nnfast.NNFastError as error:
    ...     print(error.where)
    matmul
    """

    def __init__(self, where: str, what: str, hint: str = "") -> None:
        super().__init__(where, what, hint)
        self.where, self.what, self.hint = where, what, hint
        self.path = ""
        self.module: Any = None  # the innermost module that has put itself into `path`

    def __str__(self) -> str:
        path = f"{self.path}: " if self.path else ""
        hint = f" Hint: {self.hint}" if self.hint else ""
        return f"{path}{self.where}: {self.what}{hint}"


class ArgumentError(NNFastError, ValueError):
    """A shape, value or combination of arguments that the function cannot take.

    >>> import nnfast
    >>> from nnfast.errors import ArgumentError
    >>> try:
    ...     nnfast.ones(2) + nnfast.ones(3)
    ... except ArgumentError as error:
    ...     print(error.where)
    add
    """


class DTypeError(NNFastError, TypeError):
    """A type or dtype that the function cannot take.

    >>> import nnfast
    >>> from nnfast.errors import DTypeError
    >>> try:
    ...     nnfast.nn.Linear(2, 1)(nnfast.tensor([[1, 2]]))
    ... except DTypeError as error:
    ...     print(error.where)
    linear
    """


class StateError(NNFastError, RuntimeError):
    """A call that comes at the wrong time (a second backward, gradients switched off).

    >>> import nnfast
    >>> from nnfast.errors import StateError
    >>> y = 2 * nnfast.ones(1, requires_grad=True)
    >>> y.backward()
    >>> try:
    ...     y.backward()
    ... except StateError as error:
    ...     print(error.where)
    mul
    """


class NonFiniteError(NNFastError, ArithmeticError):
    """A step of training whose loss or gradients are infinite or not a number.

    >>> import nnfast
    >>> from nnfast.errors import NNFastError, NonFiniteError
    >>> issubclass(NonFiniteError, NNFastError)
    True
    """


class MemoryLimitError(NNFastError, MemoryError):
    """A plan that needs more memory than it may.

    >>> import nnfast
    >>> from nnfast.errors import MemoryLimitError
    >>> step = nnfast.compile(lambda x: x @ x, memory_limit=1000)
    >>> try:
    ...     _ = step(nnfast.ones(64, 64))
    ... except MemoryLimitError:
    ...     print("it needs more")
    it needs more
    """


class FormatError(NNFastError, ValueError):
    """A file whose content is not what its format says.

    >>> import nnfast
    >>> import tempfile
    >>> from nnfast.errors import FormatError
    >>> with tempfile.NamedTemporaryFile() as file:
    ...     try:
    ...         _ = nnfast.serialize.load(file.name)
    ...     except FormatError:
    ...         print("an empty file")
    an empty file
    """


class FileError(NNFastError, OSError):
    """What the operating system refused; `errno` and `filename` say why and which.

    >>> import nnfast
    >>> from nnfast.errors import FileError
    >>> issubclass(FileError, OSError)
    True
    """

    def __reduce__(self) -> tuple[Any, ...]:  # OSError's own would mix up our arguments
        state = {**self.__dict__, "errno": self.errno, "filename": self.filename}
        return type(self), (self.where, self.what, self.hint), state


class MissingFileError(FileError, FileNotFoundError):
    """There is no file of that name.

    >>> import nnfast
    >>> from nnfast.errors import MissingFileError
    >>> try:
    ...     _ = nnfast.data.read_idx("nowhere")
    ... except MissingFileError as error:
    ...     print(error.filename)
    nowhere
    """


def describe(**values: Any) -> str:
    """Name, shape and dtype of each array-like value: `x: (8, 3) float32, w: (4, 3) float32`.

    >>> import nnfast
    >>> nnfast.errors.describe(x=nnfast.ones(8, 3), n=3)
    'x: (8, 3) float32, n: int 3'
    """
    return ", ".join(f"{name}: {_one(v)}" for name, v in values.items() if v is not None)


def _one(v: Any) -> str:
    if hasattr(v, "shape") and hasattr(v, "dtype"):
        return f"{tuple(v.shape)} {v.dtype}"
    return f"{type(v).__name__} {v!r}"


def fail(
    where: str,
    expected: str,
    got: str,
    hint: str = "",
    error: type[NNFastError] = ArgumentError,
    **values: Any,
) -> NoReturn:
    """Raise `error` as "where: expected ..., got .... <values> Hint: ...".

    >>> import numpy as np
    >>> fail("relu", "a float tensor", "int64", x=np.zeros(3, int))
    Traceback (most recent call last):
    nnfast.errors.ArgumentError: relu: expected a float tensor, got int64. x: (3,) int64.
    """
    shown = f" {describe(**values)}." if values else ""
    raise error(where, f"expected {expected}, got {got}.{shown}", hint)
