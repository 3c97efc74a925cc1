"""The memory plan: every intermediate value gets an offset in one arena."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nnfast import _core
from nnfast.graph.ir import Call, Graph, Value

ALIGNMENT = 64


@dataclass(eq=False, slots=True)
class Block:
    """Memory that one value after another may use: from call `first` to call `last`."""

    first: int
    last: int
    nbytes: int
    offset: int = 0


def plan_memory(graph: Graph, outside: set[Value]) -> tuple[dict[Value, Block], int]:
    """A block for each value that is not outside, and the size of the arena.

    Two blocks overlap only if they are never used at the same time.
    """
    last: dict[Value, int] = {}
    for i, call in enumerate(graph.calls):
        for m in (*call.reads(), *call.writes()):
            last[m] = i
    blocks: dict[Value, Block] = {}
    for i, call in enumerate(graph.calls):
        for k, v in enumerate(call.outputs):
            m = v.memory
            if m in outside or m in blocks:
                continue
            block = _inherited(call, k, i, blocks, last)
            if block is None:
                block = Block(i, last[m], _rounded(m.nbytes))
            block.last = last[m]
            blocks[m] = block
    return blocks, _place(list({id(b): b for b in blocks.values()}.values()))


def need(blocks: dict[Value, Block]) -> int:
    """The size of an arena for these values in blocks that were planned for larger ones."""
    sizes = {id(b): 0 for b in blocks.values()}
    for v, b in blocks.items():
        sizes[id(b)] = max(sizes[id(b)], _rounded(v.nbytes))
    distinct = {id(b): b for b in blocks.values()}
    return _place([Block(b.first, b.last, sizes[i]) for i, b in distinct.items()])


def keep(graph: Graph) -> tuple[dict[Value, Block], int]:
    """Memory of its own for all that the prologue makes, and how many bytes that are."""
    blocks: dict[Value, Block] = {}
    total = 0
    for call in graph.calls[: graph.prologue]:
        for v in call.outputs:
            blocks[v.memory] = Block(0, 0, _rounded(v.memory.nbytes), total)
            total += blocks[v.memory].nbytes
    return blocks, total


def _inherited(
    call: Call, k: int, i: int, blocks: dict[Value, Block], last: dict[Value, int]
) -> Block | None:
    """The block of an input that ends here, if the kernel may write output k over it."""
    out = call.outputs[k]
    for v in call.overwrites[k] if call.overwrites else _overwritten(call, k):
        if v is None or v.root is not None or v.shape != out.shape or v.dtype != out.dtype:
            continue
        block = blocks.get(v)
        if block is None or last[v] != i or block.last != i:
            continue
        # A view of it among the other inputs would be read after it was written over.
        if all(w is v or w is None or w.memory is not v for w in call.inputs):
            return block
    return None


def _overwritten(call: Call, k: int) -> Sequence[Value | None]:
    """Inputs that output k may be written over: any of an elementwise kernel, or as its op says."""
    if len(call.outputs) == 1 and _core.is_map(call.op.id):
        return call.inputs
    return [call.inputs[call.op.over[k]]] if k in call.op.over else ()


def _rounded(nbytes: int) -> int:
    return -(-max(nbytes, 1) // ALIGNMENT) * ALIGNMENT


def _place(blocks: list[Block]) -> int:
    """Offsets: the largest block first, each at the lowest place that is free all its time."""
    offsets, total = _core.place([(b.nbytes, b.first, b.last) for b in blocks])
    for block, offset in zip(blocks, offsets, strict=True):
        block.offset = offset
    return total
