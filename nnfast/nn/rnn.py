"""Recurrent layers and their cells."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np

from nnfast import ops
from nnfast.errors import DTypeError, fail
from nnfast.nn import init
from nnfast.nn.checks import number, one_of, whole
from nnfast.nn.linear import empty_parameter
from nnfast.nn.module import Module
from nnfast.nn.parameter import Parameter
from nnfast.nn.utils.rnn import PackedSequence, _numbers
from nnfast.ops.operands import as_tensor
from nnfast.ops.recurrent import States, Weights
from nnfast.tensor import Tensor, wrap

GATES = {"RNN_TANH": 1, "RNN_RELU": 1, "GRU": 3, "LSTM": 4}


def _run(
    mode: str, rows: Tensor, states: States, w: Weights, sizes: Tensor | None, reverse: bool
) -> States:
    """One direction of a layer: what it finds in each row, and its last states."""
    if mode == "LSTM":
        return ops.lstm_layer(rows, states, w, sizes, reverse)
    if mode == "GRU":
        return ops.gru_layer(rows, states, w, sizes, reverse)
    return ops.rnn_layer(rows, states, w, sizes, reverse, mode == "RNN_RELU")


class _Recurrent(Module):
    """What layers and cells share: weights U(-b, b) with b = 1 / sqrt(hidden_size)."""

    mode: str
    hidden_size: int

    def reset_parameters(self) -> None:
        """Draw the weights anew."""
        bound = 1 / math.sqrt(self.hidden_size)
        for p in self.parameters():
            init.uniform_(p, -bound, bound)

    def _add_weights(
        self, suffix: str, input_size: int, state_size: int, bias: bool, projected: bool
    ) -> None:
        G, H = GATES[self.mode] * self.hidden_size, self.hidden_size
        shapes: dict[str, tuple[int, ...]] = {
            "weight_ih": (G, input_size),
            "weight_hh": (G, state_size),
        }
        if bias:
            shapes |= {"bias_ih": (G,), "bias_hh": (G,)}
        if projected:
            shapes["weight_hr"] = (state_size, H)
        for name, shape in shapes.items():
            self.register_parameter(name + suffix, empty_parameter(*shape))

    def _weights(self, suffix: str = "") -> Weights:
        found: dict[str, Any] = {n: getattr(self, n + suffix, None) for n in Weights._fields}
        return Weights(**found)


class RNNBase(_Recurrent):
    """Recurrent layers above each other, in one direction or both; see RNN, GRU and LSTM.

    Shapes: as RNN.

    >>> import nnfast
    >>> nnfast.nn.RNNBase("GRU", 3, 5).weight_ih_l0.shape
    (15, 3)
    """

    def __init__(
        self,
        mode: str,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        where = type(self).__name__
        self.mode = one_of(where, "mode", mode, *GATES)
        self.input_size = whole(where, "input_size", input_size, 1)
        self.hidden_size = whole(where, "hidden_size", hidden_size, 1)
        self.num_layers = whole(where, "num_layers", num_layers, 1)
        self.bias, self.batch_first, self.bidirectional = bias, batch_first, bidirectional
        self.dropout = number(where, "dropout", dropout, 0, 1)
        self.proj_size = whole(where, "proj_size", proj_size)
        if proj_size and (mode != "LSTM" or proj_size >= hidden_size):
            fail(where, "proj_size of an LSTM, below hidden_size", f"{proj_size} of {mode}")
        if dropout and num_layers == 1:
            warnings.warn(
                f"{where}: dropout={dropout} acts between layers, of which there is one.",
                stacklevel=3,
            )
        width = input_size
        for layer in range(num_layers):
            for suffix in self._suffixes(layer):
                self._add_weights(suffix, width, self._state_size, bias, proj_size > 0)
            width = self._state_size * len(self._directions)
        self.reset_parameters()
        self.to(device, dtype)

    @property
    def _state_size(self) -> int:
        return self.proj_size or self.hidden_size

    @property
    def _directions(self) -> tuple[str, ...]:
        return ("", "_reverse") if self.bidirectional else ("",)

    def _suffixes(self, layer: int) -> list[str]:
        return [f"_l{layer}{direction}" for direction in self._directions]

    @property
    def all_weights(self) -> list[list[Parameter]]:
        """The weights of each direction of each layer."""
        suffixes = [s for k in range(self.num_layers) for s in self._suffixes(k)]
        return [[w for w in self._weights(s) if isinstance(w, Parameter)] for s in suffixes]

    def flatten_parameters(self) -> None:
        """Nothing: weights need no order in memory here."""

    def forward(self, input: Tensor | PackedSequence, hx: Any = None) -> Any:
        if isinstance(input, PackedSequence):
            return self._forward_packed(input, hx)
        x = as_tensor(input, type(self).__name__)
        self._check_input(x, (2, 3))
        batched = x.ndim == 3
        if not batched:
            x = x.unsqueeze(1)
        elif self.batch_first:
            x = x.transpose(0, 1)
        T, N = x.shape[:2]
        if T == 0:
            fail(type(self).__name__, "a sequence of at least one step", "none", input=x)
        rows = x.contiguous().reshape(T * N, self.input_size)
        y, states = self._layers(rows, self._states(hx, N, rows, batched), None)
        y = y.reshape(T, N, y.shape[1])
        if not batched:
            return y.squeeze(1), self._answer([s.squeeze(1) for s in states])
        return y.transpose(0, 1) if self.batch_first else y, self._answer(states)

    def _forward_packed(self, input: PackedSequence, hx: Any) -> tuple[PackedSequence, Any]:
        rows, sizes, order, back = input
        self._check_input(rows, (2,))
        N = _numbers(type(self).__name__, sizes)[0] if order is None else order.shape[0]
        states = self._states(hx, N, rows, True)
        if order is not None and hx is not None:
            states = [ops.index_select(s, 1, order) for s in states]
        y, states = self._layers(rows, states, sizes)
        if back is not None:
            states = [ops.index_select(s, 1, back) for s in states]
        return PackedSequence(y, sizes, order, back), self._answer(states)

    def _layers(
        self, rows: Tensor, states: list[Tensor], sizes: Tensor | None
    ) -> tuple[Tensor, list[Tensor]]:
        """All layers: what the last finds in each row, and the last states of all."""
        last: list[States] = []
        for layer in range(self.num_layers):
            found = []
            for suffix in self._suffixes(layer):
                first = tuple(s[len(last)] for s in states)
                w, reverse = self._weights(suffix), suffix.endswith("_reverse")
                y, *ends = _run(self.mode, rows, first, w, sizes, reverse)
                found.append(y)
                last.append(tuple(ends))
            rows = ops.cat(found, 1) if len(found) > 1 else found[0]
            if layer + 1 < self.num_layers:
                rows = ops.dropout(rows, self.dropout, self.training)
        return rows, [ops.cat([s.unsqueeze(0) for s in ends]) for ends in zip(*last, strict=True)]

    def _states(self, hx: Any, N: int, like: Tensor, batched: bool) -> list[Tensor]:
        """The states to begin with: those given, of one sequence with a dimension for it, or 0."""
        where, pair = type(self).__name__, self.mode == "LSTM"
        count = self.num_layers * len(self._directions)
        widths = (self._state_size, self.hidden_size) if pair else (self.hidden_size,)
        if hx is None:
            return [wrap(np.zeros((count, N, width), like.dtype)) for width in widths]
        if pair and (not isinstance(hx, tuple | list) or len(hx) != 2):
            fail(where, "hx = (h_0, c_0)", type(hx).__name__, error=DTypeError)
        states = [as_tensor(s, where) for s in (hx if pair else (hx,))]
        for s, width in zip(states, widths, strict=True):
            shape = (count, N, width) if batched else (count, width)
            if s.shape != shape:
                fail(where, f"hx of shape {shape}", f"shape {s.shape}")
        return states if batched else [s.unsqueeze(1) for s in states]

    def _answer(self, states: list[Tensor]) -> Any:
        return tuple(states) if self.mode == "LSTM" else states[0]

    def _check_input(self, x: Tensor, ndims: tuple[int, ...]) -> None:
        where = type(self).__name__
        if x.ndim not in ndims:
            fail(where, f"an input of {' or '.join(map(str, ndims))} dimensions", f"{x.ndim}")
        if x.shape[-1] != self.input_size:
            fail(where, f"an input of size {self.input_size}", f"{x.shape[-1]}", input=x)

    def extra_repr(self) -> str:
        said = {
            "proj_size": (self.proj_size, 0),
            "num_layers": (self.num_layers, 1),
            "bias": (self.bias, True),
            "batch_first": (self.batch_first, False),
            "dropout": (self.dropout, 0),
            "bidirectional": (self.bidirectional, False),
        }
        more = [f"{name}={value}" for name, (value, usual) in said.items() if value != usual]
        return ", ".join([f"{self.input_size}, {self.hidden_size}", *more])


class RNN(RNNBase):
    """h_t = tanh(w_ih x_t + b_ih + w_hh h_(t-1) + b_hh), or with relu; h_0 = 0 unless given.

    Shapes: (T, N, input_size), (N, T, input_size) with batch_first, (T, input_size) or a
    PackedSequence, and hx (layers x directions, N, hidden_size) -> the states of the last layer at
    every step, those of both directions side by side, and the last states of all as hx.

    Ranges: input_size, hidden_size, num_layers >= 1; dropout (between layers) from 0 to 1.

    Source: Elman, Finding structure in time, 1990.

    >>> import nnfast
    >>> y, h = nnfast.nn.RNN(3, 4)(nnfast.zeros(5, 2, 3))
    >>> y.shape, h.shape
    ((5, 2, 4), (1, 2, 4))
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        one_of("RNN", "nonlinearity", nonlinearity, "tanh", "relu")
        super().__init__(
            f"RNN_{nonlinearity.upper()}", input_size, hidden_size, num_layers, bias, batch_first,
            dropout, bidirectional,
        )  # fmt: skip
        self.nonlinearity = nonlinearity
        self.to(device, dtype)


class GRU(RNNBase):
    """r = s(w_ir x + b_ir + w_hr h + b_hr), z = s(w_iz x + b_iz + w_hz h + b_hz),
    n = tanh(w_in x + b_in + r (w_hn h + b_hn)), h = (1 - z) n + z h, with s = sigmoid.

    Arguments and shapes as in RNN. The rows of each weight are those of r, z and n.

    Source: Cho et al., Learning phrase representations using RNN encoder-decoder, 2014, with the
    reset gate r after the product.

    >>> import nnfast
    >>> y, h = nnfast.nn.GRU(3, 4, bidirectional=True)(nnfast.zeros(5, 2, 3))
    >>> y.shape, h.shape
    ((5, 2, 8), (2, 2, 4))
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(
            "GRU", input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional
        )
        self.to(device, dtype)


class LSTM(RNNBase):
    """(i, f, g, o) = w_ih x + b_ih + w_hh h + b_hh, c = s(f) c + s(i) tanh(g), h = s(o) tanh(c),
    with s = sigmoid; h_0 = c_0 = 0 unless given.

    Arguments and shapes as in RNN, but hx = (h_0, c_0), and so is the answer (y, (h, c)). The rows
    of each weight are those of i, f, g and o. With proj_size the states are w_hr h, of that size.

    Ranges: 0 <= proj_size < hidden_size.

    Source: Hochreiter and Schmidhuber, Long short-term memory, 1997; Gers, Schmidhuber and
    Cummins, Learning to forget, 2000; Sak, Senior and Beaufays, Long short-term memory recurrent
    neural network architectures for large scale acoustic modeling, 2014 (projection).

    >>> import nnfast
    >>> y, (h, c) = nnfast.nn.LSTM(3, 4, num_layers=2)(nnfast.zeros(5, 2, 3))
    >>> y.shape, h.shape, c.shape
    ((5, 2, 4), (2, 2, 4), (2, 2, 4))
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(
            "LSTM", input_size, hidden_size, num_layers, bias, batch_first, dropout,
            bidirectional, proj_size,
        )  # fmt: skip
        self.to(device, dtype)


class RNNCellBase(_Recurrent):
    """One step of a recurrent layer; see RNNCell, GRUCell and LSTMCell.

    Shapes: as RNNCell.

    >>> import nnfast
    >>> nnfast.nn.RNNCellBase("GRU", 3, 5, bias=True).weight_ih.shape
    (15, 3)
    """

    def __init__(
        self,
        mode: str,
        input_size: int,
        hidden_size: int,
        bias: bool,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        where = type(self).__name__
        self.mode = mode
        self.input_size = whole(where, "input_size", input_size, 1)
        self.hidden_size = whole(where, "hidden_size", hidden_size, 1)
        self.bias = bias
        self._add_weights("", input_size, hidden_size, bias, False)
        self.reset_parameters()
        self.to(device, dtype)

    def _step(self, input: Tensor, states: list[Any] | None) -> list[Tensor]:
        """The states after this step; None: from 0."""
        where, H = type(self).__name__, self.hidden_size
        x = as_tensor(input, where)
        if x.ndim not in (1, 2) or x.shape[-1] != self.input_size:
            expected = f"an input of shape ({self.input_size},) or (N, {self.input_size})"
            fail(where, expected, f"shape {x.shape}")
        batched = x.ndim == 2
        shape = (x.shape[0], H) if batched else (H,)
        if states is None:
            states = [wrap(np.zeros(shape, x.dtype))] * (2 if self.mode == "LSTM" else 1)
        given = [as_tensor(s, where) for s in states]
        for s in given:
            if s.shape != shape:
                fail(where, f"hx of shape {shape}", f"shape {s.shape}")
        rows = x if batched else x.unsqueeze(0)
        first = tuple(s if batched else s.unsqueeze(0) for s in given)
        _, *last = _run(self.mode, rows, first, self._weights(), None, False)
        return last if batched else [s.squeeze(0) for s in last]

    def extra_repr(self) -> str:
        more = [] if self.bias else ["bias=False"]
        if self.mode == "RNN_RELU":
            more.append("nonlinearity=relu")
        return ", ".join([f"{self.input_size}, {self.hidden_size}", *more])


class RNNCell(RNNCellBase):
    """h' = tanh(w_ih x + b_ih + w_hh h + b_hh), or with relu: one step of RNN.

    Shapes: input (N, input_size), hx (N, hidden_size) -> as hx; or all without N.

    >>> import nnfast
    >>> nnfast.nn.RNNCell(3, 4)(nnfast.zeros(2, 3)).shape
    (2, 4)
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: str = "tanh",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        one_of("RNNCell", "nonlinearity", nonlinearity, "tanh", "relu")
        super().__init__(f"RNN_{nonlinearity.upper()}", input_size, hidden_size, bias)
        self.nonlinearity = nonlinearity
        self.to(device, dtype)

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        return self._step(input, None if hx is None else [hx])[0]


class GRUCell(RNNCellBase):
    """One step of GRU. Shapes as in RNNCell.

    >>> import nnfast
    >>> nnfast.nn.GRUCell(3, 4)(nnfast.zeros(2, 3)).shape
    (2, 4)
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__("GRU", input_size, hidden_size, bias)
        self.to(device, dtype)

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        return self._step(input, None if hx is None else [hx])[0]


class LSTMCell(RNNCellBase):
    """One step of LSTM: (h', c') of the input and hx = (h, c). Shapes as in RNNCell.

    >>> import nnfast
    >>> h, c = nnfast.nn.LSTMCell(3, 4)(nnfast.zeros(2, 3))
    >>> h.shape, c.shape
    ((2, 4), (2, 4))
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__("LSTM", input_size, hidden_size, bias)
        self.to(device, dtype)

    def forward(
        self, input: Tensor, hx: tuple[Tensor, Tensor] | None = None
    ) -> tuple[Tensor, Tensor]:
        if hx is not None and (not isinstance(hx, tuple | list) or len(hx) != 2):
            fail("LSTMCell", "hx = (h_0, c_0)", type(hx).__name__, error=DTypeError)
        h, c = self._step(input, None if hx is None else list(hx))
        return h, c
