"""Functions with a backward pass of one's own.

The results of `forward` hang on the inputs by two nodes: an empty token of each input, and one for
all results that turns their gradients into those of the inputs and leaves these to the tokens.
"""

from __future__ import annotations

from math import prod
from typing import Any, NamedTuple

from nnfast.errors import StateError, fail
from nnfast.graph.mode import MODE, no_grad
from nnfast.ops.join import cat
from nnfast.ops.operands import AnyTensor
from nnfast.ops.record import Op, Result, view
from nnfast.ops.shape import reshape
from nnfast.ops.slices import narrow
from nnfast.tensor import Tensor


class FunctionCtx:
    """What `forward` leaves for `backward`: tensors, and any attributes.

    >>> import nnfast
    >>> class Cube(nnfast.autograd.Function):
    ...     @staticmethod
    ...     def forward(ctx, x):
    ...         ctx.save_for_backward(x)
    ...         return x**3
    ...     @staticmethod
    ...     def backward(ctx, dy):
    ...         (x,) = ctx.saved_tensors
    ...         return 3 * x**2 * dy
    >>> x = nnfast.tensor([2.0], requires_grad=True)
    >>> Cube.apply(x).backward()
    >>> x.grad
    tensor([12.])
    """

    needs_input_grad: tuple[bool, ...] = ()

    def __init__(self) -> None:
        self._saved: list[Any] = []  # tensors, or numbers of results
        self._linked: list[Tensor] = []  # the results with their history, while backward runs
        self._constant: list[Tensor] = []

    def save_for_backward(self, *tensors: Tensor | None) -> None:
        """Keep inputs or results for `backward`."""
        self._saved = list(tensors)

    @property
    def saved_tensors(self) -> tuple[Any, ...]:
        """What save_for_backward kept; results, with their history, while `backward` runs."""
        return tuple(self._linked[x] if isinstance(x, int) else x for x in self._saved)

    def mark_non_differentiable(self, *tensors: Tensor) -> None:
        """These results get no gradient."""
        self._constant = list(tensors)

    def mark_dirty(self, *tensors: Tensor) -> None:
        """Refused: return a new tensor instead of changing an input."""
        raise StateError("mark_dirty", "expected inputs that stay as they are.")

    def set_materialize_grads(self, value: bool) -> None:
        """Accepted: missing gradients are zeros in any case."""

    def _results(self, raw: list[Tensor]) -> None:
        """Saved results are known by their number: the node has them, and so a history."""
        for k, y in enumerate(raw):
            self._saved = [k if x is y else x for x in self._saved]


class Function:
    """Base of functions with a backward pass of one's own; called by `apply`.

    `forward(ctx, *args)` computes, with no gradient recorded, a tensor or a tuple of them, and
    keeps what it needs in `ctx`; `backward(ctx, *grad_outputs)` answers with a gradient for each
    of args, None for those that have none. Written with ops it can be differentiated again.
    Instead of `forward(ctx, ...)` there may be `forward(*args)` and
    `setup_context(ctx, inputs, output)`.

    >>> import nnfast
    >>> class Cube(nnfast.autograd.Function):
    ...     @staticmethod
    ...     def forward(ctx, x):
    ...         ctx.save_for_backward(x)
    ...         return x * x * x
    ...     @staticmethod
    ...     def backward(ctx, dy):
    ...         (x,) = ctx.saved_tensors
    ...         return dy * 3 * x * x
    >>> x = nnfast.tensor([2.0], requires_grad=True)
    >>> Cube.apply(x).backward()
    >>> x.grad
    tensor([12.])
    """

    @staticmethod
    def forward(*args: Any, **kwargs: Any) -> Any:
        """What the function computes."""
        raise StateError("Function", "expected a method forward.")

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> Any:
        """The gradients of the arguments."""
        raise StateError("Function", "expected a method backward.")

    @classmethod
    def apply(cls, *args: Any) -> Any:
        """Call `forward`; results know how to go back."""
        ctx = FunctionCtx()
        ctx.needs_input_grad = tuple(isinstance(x, Tensor) and x.requires_grad for x in args)
        setup = getattr(cls, "setup_context", None)
        with no_grad():
            answer = cls.forward(ctx, *args) if setup is None else cls.forward(*args)
            if setup is not None:
                setup(ctx, args, answer)
        if not MODE.grad or not any(ctx.needs_input_grad):
            return answer
        outputs = list(answer) if isinstance(answer, tuple) else [answer]
        places = [
            i for i, y in enumerate(outputs)
            if isinstance(y, Tensor) and y.dtype.kind == "f"
            and not any(y is c for c in ctx._constant)
        ]  # fmt: skip
        raw = [outputs[i] for i in places]
        results = _Call(cls, ctx, args, raw, places, len(outputs)).results() if raw else []
        ctx._results(raw)
        for i, y in zip(places, results, strict=True):
            outputs[i] = y
        return tuple(outputs) if isinstance(answer, tuple) else outputs[0]


class _Call:
    """One call of a function: its results, and the way back."""

    def __init__(
        self,
        cls: Any,
        ctx: FunctionCtx,
        args: tuple[Any, ...],
        raw: list[Any],
        places: list[int],
        count: int,
    ) -> None:
        self.cls, self.ctx, self.raw, self.args = cls, ctx, raw, args
        self.places, self.count = places, count  # which of all results carry gradients
        self.shapes = [y.shape for y in raw]
        self.several = len(raw) > 1
        self.grads: list[Any] = [None] * len(args)

    def results(self) -> list[Tensor]:
        """The results, which hang on the inputs."""
        token: Any = None
        for i, x in enumerate(self.args):
            if self.ctx.needs_input_grad[i]:
                t = _token._call(x, self, i)
                t = t if t.dtype == self.raw[0].dtype else t.to(self.raw[0].dtype)
                token = t if token is None else token + t
        raw, self.raw, self.args = self.raw, [], ()
        if not self.several:
            return [_results._call(raw[0], token, self)]
        joined = _results._call(cat([reshape(y, -1) for y in raw]), token, self)
        return self._parts(joined)

    def _parts(self, joined: Tensor) -> list[Tensor]:
        """Each result, or its gradient."""
        if not self.several:
            return [joined]
        parts, start = [], 0
        for shape in self.shapes:
            n = prod(shape)
            parts.append(reshape(narrow(joined, 0, start, n), shape))
            start += n
        return parts

    def back(self, dy: Tensor, y: Tensor) -> Tensor:
        """Ask `backward`, and keep its answers for the tokens."""
        dys: list[Any] = [None] * self.count
        for i, part in zip(self.places, self._parts(dy), strict=True):
            dys[i] = part
        self.ctx._linked = self._parts(y)
        answer = self.cls.backward(self.ctx, *dys)
        self.ctx._linked = []
        grads = list(answer) if isinstance(answer, tuple | list) else [answer]
        if len(grads) != len(self.grads):
            name = f"{self.cls.__name__}.backward"
            fail(name, f"{len(self.grads)} gradients, one for each argument", str(len(grads)))
        self.grads = grads
        return narrow(reshape(dy, -1), 0, 0, 0)

    def grad(self, i: int, shape: tuple[int, ...]) -> Any:
        """The gradient of an argument."""
        g, self.grads[i] = self.grads[i], None
        if g is not None and g.shape != shape:
            name = f"{self.cls.__name__}.backward"
            fail(name, f"a gradient of shape {shape} for argument {i}", f"shape {g.shape}")
        return g


class _CallAttrs(NamedTuple):
    call: Any
    number: int


def _token_rule(input: AnyTensor, call: Any, number: int) -> Result:
    """An empty vector that depends on the input."""
    return view(lambda a: a.reshape(-1)[:0], (0,), input, _CallAttrs(call, number))


def _results_rule(value: AnyTensor, token: AnyTensor, call: Any) -> Result:
    """The value, which depends on the token."""
    return view(lambda a, *_: a, value.shape, value, _CallAttrs(call, 0))


_token = Op(_token_rule, None, _CallAttrs, ("y",), (), (), False, None)
_token.vjp(input=lambda dy, call, number, input_shape: call.grad(number, input_shape))
_results = Op(_results_rule, None, _CallAttrs, ("y",), (), (), False, None)
_results.vjp(token=lambda dy, y, call: call.back(dy, y))
