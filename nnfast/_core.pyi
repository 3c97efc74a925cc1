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
def isas() -> list[str]:
    """ISAs this machine can run, worst first."""

def built_isas() -> list[str]: ...
def num_threads() -> int: ...
def set_num_threads(n: int, /) -> None: ...
def thread_limit() -> int: ...
def set_thread_limit(n: int, /) -> None: ...
def build_info() -> dict[str, Any]: ...
def probe_fma(rounds: int, double_precision: bool = False) -> float:
    """Independent multiply-adds on all threads; how many floating-point operations."""

def probe_read(x: np.ndarray, times: int = 1) -> None: ...
def probe_copy(x: np.ndarray, y: np.ndarray, times: int = 1) -> None: ...
