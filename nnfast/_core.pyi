"""The compiled core (csrc/bind). Private: use nnfast.ops."""

from collections.abc import Callable, Sequence
from types import CodeType
from typing import Any, overload

import numpy as np

from nnfast.tensor import Tensor as FullTensor

class Tensor:
    """The slots of nnfast.Tensor, which core code reads."""

    array: np.ndarray
    """The NumPy array underneath."""
    grad: FullTensor | None
    """What `backward` has added up."""
    requires_grad: bool
    node: Node | None
    """Made this tensor; None for a leaf."""
    slot: int
    """As which output of its node."""
    hooks: dict[int, Any] | None
    """Of a leaf: called with its gradient."""
    _version: int
    """Counts changes in place."""
    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def dtype(self) -> np.dtype[Any]: ...
    @property
    def ndim(self) -> int: ...

def set_tensor_type(type: type[FullTensor], /) -> None:
    """What `wrap` and ops make."""

def wrap(array: np.ndarray, /) -> FullTensor:
    """A tensor on an array as it is, without checks."""

class Node:
    """One call of an op, remembered for the backward pass."""

    op: Any
    number: int
    """Grows with time."""
    freed: bool
    """Whether the saved values are gone."""
    hooks: dict[int, Any] | None
    """Called with the gradients of its outputs."""
    attrs: Any
    edges: list[Any]
    """Where the gradient of each input goes: (node, slot), a leaf, or None."""
    out_specs: tuple[tuple[tuple[int, ...], Any], ...]
    def free(self) -> None:
        """Drops the saved values."""

    def changed(self) -> FullTensor | np.ndarray | None:
        """A saved value that was changed in place since."""

    def pull(
        self, rules: Any, joint: Any, dys: list[FullTensor | None], edges: list[Any], /
    ) -> list[tuple[Any, FullTensor]]:
        """Pairs of an edge that is not None and its gradient."""

def note_write(array: np.ndarray, /) -> None:
    """Nodes that saved values in this memory may not use them any more."""

class Op:
    """What every call of an op needs of its record."""

    _graded: int
    """Bits: the inputs that have a gradient rule."""
    def __init__(
        self,
        rule: Callable[..., Any],
        kinds: bytes,
        names: tuple[str, ...],
        required: int,
        kernel: int,
        mutates: int,
        differentiable: int,
        floats: bool,
        values: Callable[..., None] | None,
        /,
    ) -> None: ...
    def _leave_node(
        self, inputs: list[FullTensor | None], result: Any, outputs: list[FullTensor], /
    ) -> None:
        """Leaves a node for a traced call, if gradients are wanted."""

    def _run(self, inputs: list[FullTensor | None], result: Any, /) -> Any:
        """Runs on checked inputs and leaves a node if gradients are wanted."""

class Mode:
    """What the calling thread records."""

    grad: bool
    trace: Callable[..., Any] | None

MODE: Mode

def run(
    op: int,
    attrs: bytes,
    inputs: tuple[np.ndarray | None, ...],
    outputs: tuple[np.ndarray, ...],
    /,
) -> None:
    """Runs one op."""

def innermost(call: CodeType | None, files: dict[str, str | None]) -> tuple[Any, str, int]:
    """Of the innermost frames: `self` of a call, file and line of the user's."""

def share_memory(arrays: list[tuple[np.ndarray, bool]]) -> bool:
    """Whether a changed array lies in the memory of another."""

def bounds(array: np.ndarray) -> tuple[int, int]:
    """The addresses of the first byte of an array and behind its last."""

def dense(array: np.ndarray) -> np.ndarray:
    """A copy of an array in C order."""

def all_below(labels: np.ndarray, n: int, /) -> bool:
    """Whether all of int64 `labels` are at least 0 and below n."""

def set_idle_memory_limit(bytes: int, /) -> None: ...
def idle_memory_limit() -> int: ...
def idle_memory() -> int:
    """Bytes kept for arrays to come."""

def release_idle_memory() -> None: ...
def ops() -> dict[str, tuple[int, int]]:
    """Name -> (id, bytes of attributes)."""

class Arenas:
    """Memory for plans: as many blocks as plans run at the same time."""

class Plan:
    """A planned list of instructions; see nnfast/graph/plan.py."""

    @overload
    def __init__(
        self,
        calls: list[tuple[int, bytes, int, list[int]]],
        operands: list[tuple[int, int, int, tuple[int, ...], Sequence[int]]],
        externals: list[tuple[int, tuple[int, ...], Sequence[int], bool]],
        tensors: list[Any],
        arena: int,
        arenas: Arenas,
        commit: int,
        watched: list[int],
        prologue: int,
        kept: int,
        sources: list[int],
    ) -> None: ...
    @overload
    def __init__(
        self,
        like: Plan,
        tensors: list[Any],
        shapes: list[tuple[int, tuple[int, ...], Sequence[int]]],
        attrs: list[tuple[int, bytes]],
    ) -> None: ...
    def fits(self) -> bool:
        """Whether the arrays of `tensors` are what the plan was made for."""

    timed: bool
    """Whether runs add to `seconds`."""

    @property
    def timed_runs(self) -> int: ...
    @property
    def seconds(self) -> np.ndarray:
        """Of each instruction, in all timed runs together."""

    def replay(
        self, arrays: tuple[np.ndarray, ...], visit: Callable[[int, list[Any], list[Any]], bool]
    ) -> None:
        """Runs without committing; visits each instruction until told to stop."""

    def workspace(self) -> int:
        """Bytes, with the present number of threads."""

class Guards:
    """What a plan takes for granted; see csrc/bind/guards.h."""

    def entry(self, dict: dict[str, Any], key: str, /) -> None:
        """dict[key] stays the same object, or absent."""

    def cell(self, cell: Any, /) -> None:
        """The variable of a closure stays the same object."""

    def attribute(self, owner: Any, name: str, /) -> None:
        """owner.name stays the same object, or absent."""

    def items(self, container: Any, /) -> None:
        """A container holds the same objects, in this order."""

    def gradient(self, tensor: Any, /) -> None:
        """A tensor has a gradient, or none, as now."""

    def call(
        self,
        read: Callable[[], Any],
        expected: Any,
        dict: dict[str, Any] | None = None,
        names: tuple[str, ...] = (),
    ) -> None:
        """read() == expected; not asked while these entries of the dict are the same numbers."""

    def copy(self) -> Guards:
        """The same guards again."""

    def hold(self) -> bool:
        """Whether all is as it was."""

    def clear(self) -> None:
        """Forget all of it."""

class Call:
    """A call of a compiled function; see nnfast/graph/entry.py."""

    def __init__(
        self,
        plan: Plan,
        identities: Guards,
        surroundings: Guards,
        arguments: list[Any] | None,
        sources: list[tuple[Any, ...]],
        checks: list[tuple[int, Callable[..., None], int]],
        answers: list[Any],
        rebuild: Callable[[list[Any]], Any] | None,
        actions: dict[str, Any],
    ) -> None: ...
    def attempt(self, arguments: tuple[Any, ...]) -> Any:
        """The answer to positional arguments; NotImplemented, and nothing done, if something is
        not as the plan took it."""

    def run(self, leaves: list[Any]) -> Any:
        """The answer to leaves of arguments whose kinds have been looked at, or NotImplemented."""

def algorithm(op: int, attrs: bytes, inputs: list[tuple[int, ...]], output: tuple[int, ...]) -> str:
    """How a call on arrays of such shapes is computed; "" where there is one way only."""

def takes_strides(op: int, /) -> bool:
    """Whether it reads inputs of any strides, or C-contiguous ones only."""

def memory_order(
    op: int,
    attrs: bytes,
    inputs: Sequence[tuple[tuple[int, ...], tuple[int, ...]] | None],
    output: tuple[int, ...],
) -> tuple[list[int], list[int], bytes] | None:
    """(orders of the dimensions of inputs and of outputs, attributes) in which a call runs, as its
    inputs, (shape, strides) or None, lie in memory; None: as it is."""

def place(blocks: Sequence[tuple[int, int, int]]) -> tuple[list[int], int]:
    """Offsets for blocks (bytes, first, last), and how many bytes they take together: two overlap
    only if the calls from first to last, at which they are used, do not."""

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
def probe_fma(rounds: int, double_precision: bool = False) -> float:
    """Independent multiply-adds on all threads; how many floating-point operations."""

def probe_read(x: np.ndarray, times: int = 1) -> None: ...
def probe_copy(x: np.ndarray, y: np.ndarray, times: int = 1) -> None: ...
