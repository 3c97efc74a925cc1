"""The compiled core (csrc/bind). Private: use nnfast.ops."""

from typing import Any

import numpy as np

def run(
    op: int,
    attrs: bytes,
    inputs: tuple[np.ndarray | None, ...],
    outputs: tuple[np.ndarray, ...],
    /,
) -> None:
    """Runs one op."""

def ops() -> dict[str, tuple[int, int]]:
    """Name -> (id, bytes of attributes)."""

class Arenas:
    """Memory for plans: as many blocks as plans run at the same time."""

class Plan:
    """A planned list of instructions; see nnfast/graph/plan.py."""

    def __init__(
        self,
        calls: list[tuple[int, bytes, int, list[int]]],
        operands: list[tuple[int, int, int, tuple[int, ...], list[int]]],
        externals: list[tuple[int, tuple[int, ...], list[int], bool]],
        tensors: list[Any],
        arena: int,
        arenas: Arenas,
    ) -> None: ...
    def run(self, arrays: tuple[np.ndarray, ...], seconds: np.ndarray | None = None) -> bool:
        """False, and nothing done, if an array does not fit."""

    def workspace(self) -> int:
        """Bytes, with the present number of threads."""

def takes_strides(op: int, /) -> bool:
    """Whether it reads inputs of any strides, or C-contiguous ones only."""

def is_map(op: int, /) -> bool:
    """Whether it is elementwise, so that its output may lie in the memory of an input."""

def set_isa(cap: str) -> None: ...
def isa() -> str: ...
def force_conv(name: str) -> bool:
    """Compute convolutions by that algorithm where it can ("": by the fastest)."""

def conv_algorithms() -> list[str]: ...
def show_conv_choices(show: bool) -> None: ...
def isas() -> list[str]:
    """ISAs this machine can run, worst first."""

def built_isas() -> list[str]: ...
def num_threads() -> int: ...
def set_num_threads(n: int, /) -> None: ...
def thread_limit() -> int: ...
def set_thread_limit(n: int, /) -> None: ...
def build_info() -> dict[str, Any]: ...
