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
