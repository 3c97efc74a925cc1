"""A residual and relu after a batch norm in training are done as it writes its results.

y = relu((x - mean) scale + bias + residual), in the order and with the functions of the calls that
it replaces: the same bits. Where nothing was added, the gradient of relu is taken as that of the
norm reads it: what relu was given is computed again from x, which is read anyhow.
"""

from __future__ import annotations

from dataclasses import replace

from nnfast.graph.ir import Call, Graph, Value

_Y, _MEAN, _RSTD = 0, 1, 3  # outputs of a norm; its inputs are x, weight, bias, residual


def fuse_norms(graph: Graph) -> Graph:
    """relu, and a sum before it, become part of the batch norm before them; gradients likewise."""
    if not graph.calls_any("batch_norm_train"):
        return graph
    norms = _Norms(graph)
    for call in graph.calls:
        if norms.take_forward(call) or norms.take_backward(call):
            continue
        norms.append(call)
    return Graph([c for c in norms.calls if c is not None], graph.results)


class _Norms:
    """Calls so far, and where batch norms, gradients of relu and all writes are among them."""

    def __init__(self, graph: Graph) -> None:
        self.calls: list[Call | None] = []
        self._readers = graph.readers()
        self._norms: dict[Value | None, int] = {}  # by their results
        self._masks: dict[Value | None, int] = {}  # relu_backward, by its result
        self._written: dict[Value, int] = {}  # by the memory: the last call that wrote there

    def append(self, call: Call) -> None:
        if call.op.name == "batch_norm_train":
            self._norms[call.outputs[_Y]] = len(self.calls)
        elif call.op.name == "relu_backward" and self._readers[call.outputs[0]] == 1:
            self._masks[call.outputs[0]] = len(self.calls)
        self._written.update(dict.fromkeys(call.writes(), len(self.calls)))
        self.calls.append(call)

    def take_forward(self, call: Call) -> bool:
        """Make a sum or relu part of the norm before it; whether that is possible."""
        if call.op.name not in ("relu", "add"):
            return False
        place = max((self._norms.get(v, -1) for v in call.inputs), default=-1)
        norm = self.calls[place] if place >= 0 else None
        fused = None if norm is None else self._fused(norm, call, place)
        if fused is None:
            return False
        del self._norms[norm.outputs[_Y]]  # type: ignore[union-attr]
        self.calls[place] = fused
        self._norms[fused.outputs[_Y]] = self._written[fused.outputs[_Y]] = place
        return True

    def _fused(self, norm: Call, reader: Call, place: int) -> Call | None:
        """The norm with what its reader does to its results; None if it cannot do that."""
        x, y = norm.outputs[_Y], reader.outputs[0]
        attrs = norm.op.unpack(norm.attrs)  # type: ignore[union-attr]
        if attrs.relu or reader.changed or self._readers[x] > 1 or y.shape != x.shape:
            return None
        inputs = list(norm.inputs)
        if reader.op.name == "relu":
            attrs = attrs._replace(relu=1)
        else:
            residual = next((v for v in reader.inputs if v is not x), None)
            if residual is None or (residual.shape, residual.dtype) != (x.shape, x.dtype):
                return None
            if len(inputs) > 3 or self._written.get(residual.memory, -1) >= place:
                return None  # it has one, or comes later
            inputs.append(residual)
        packed = norm.op.pack(attrs)  # type: ignore[union-attr]
        return replace(norm, inputs=inputs, outputs=[y, *norm.outputs[1:]], attrs=packed)

    def take_backward(self, call: Call) -> bool:
        """Make the gradient of relu part of that of the norm; whether that is possible."""
        if call.op.name != "batch_norm_train_backward" or call.inputs[0] not in self._masks:
            return False
        at = self._masks[call.inputs[0]]
        mask = self.calls[at]
        assert mask is not None
        dy, y = mask.inputs
        place = self._norms.get(y, -1)
        norm = self.calls[place] if place >= 0 else None
        if norm is None or len(norm.inputs) > 3 or dy is None:
            return False
        x, weight, bias = norm.inputs
        reads = (x, norm.outputs[_MEAN], norm.outputs[_RSTD], weight)
        if any(a is not b for a, b in zip(call.inputs[1:], reads, strict=True)):
            return False
        if self._written.get(dy.memory, -1) > at or any(
            v is not None and self._written.get(v.memory, -1) > place for v in (*reads, bias)
        ):
            return False  # one of them has changed since
        attrs = call.op.unpack(call.attrs)._replace(relu=1)  # type: ignore[union-attr]
        self.calls[at] = None
        self.append(call.of([dy, *reads, bias], call.op.pack(attrs)))  # type: ignore[union-attr]
        return True
