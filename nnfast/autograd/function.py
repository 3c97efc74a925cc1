"""Functions with a gradient of one's own, as PyTorch's `autograd.Function`.

The results of `forward` stand, one behind the other, in one vector, which a node of its own links
to the inputs; what is returned are parts of it. So the node sees the gradients of all at once.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from nnfast.errors import DTypeError, StateError, fail
from nnfast.graph.mode import MODE, no_grad
from nnfast.ops.join import cat
from nnfast.ops.operands import AnyTensor
from nnfast.ops.record import Op, Result, view
from nnfast.ops.shape import reshape
from nnfast.ops.slices import narrow
from nnfast.tensor import Tensor

_AT_ONCE = 8  # inputs that a function may have gradients of


class FunctionCtx:
    """What `forward` leaves for `backward`: tensors by `save_for_backward`, all else as attributes.

    `needs_input_grad` says for each argument whether its gradient is asked for.
    """

    def __init__(self, needs_input_grad: tuple[bool, ...]) -> None:
        self.needs_input_grad = needs_input_grad
        self._saved: tuple[Any, ...] = ()
        self._constant: tuple[Tensor, ...] = ()
        self._results: dict[int, Tensor] = {}  # by the place in `_saved`, while backward runs
        self._is_result: dict[int, int] = {}  # place in `_saved` -> number of the result

    def save_for_backward(self, *tensors: Tensor | None) -> None:
        """Keep arguments or results, which `saved_tensors` gives back."""
        self._saved = tensors

    @property
    def saved_tensors(self) -> tuple[Any, ...]:
        """What was saved, with its history."""
        return tuple(self._results.get(i, x) for i, x in enumerate(self._saved))

    def mark_non_differentiable(self, *tensors: Tensor) -> None:
        """These results carry no gradient."""
        self._constant = tensors

    def set_materialize_grads(self, value: bool) -> None:
        """The gradient of a result that nobody used is 0 in any case."""


class _Link(NamedTuple):
    ctx: Any
    backward: Any
    shapes: Any  # of the results
    places: Any  # of the inputs among the arguments


def _rule(
    values: AnyTensor,
    a: AnyTensor | None = None,
    b: AnyTensor | None = None,
    c: AnyTensor | None = None,
    d: AnyTensor | None = None,
    e: AnyTensor | None = None,
    f: AnyTensor | None = None,
    g: AnyTensor | None = None,
    h: AnyTensor | None = None,
    link: Any = None,
) -> Result:
    """The results of a function, linked to its inputs."""
    return view(lambda values, *_: values, values.shape, values, link)


# Not in OPS: what it computes is another function each time.
_link: Op[Any] = Op(_rule, None, _Link, ("results",), (), (), False, None)


def _pulled(dresults: Tensor, results: Tensor, attrs: _Link) -> list[Any]:
    ctx = attrs.ctx
    parts = _parts(results, attrs.shapes)
    ctx._results = {i: parts[k] for i, k in ctx._is_result.items()}
    answer = attrs.backward(ctx, *_parts(dresults, attrs.shapes))
    ctx._results = {}
    dxs = answer if isinstance(answer, tuple | list) else (answer,)
    if len(dxs) < len(ctx.needs_input_grad):
        expected = f"a gradient or None for each of {len(ctx.needs_input_grad)} arguments"
        fail("Function.backward", expected, f"{len(dxs)}", error=StateError)
    found = [dxs[i] for i in attrs.places]
    return [None, *found, *[None] * (_AT_ONCE - len(found))]


_link.vjp_joint(_pulled, needs=("dresults", "results", "attrs"))


def _parts(values: Tensor, shapes: Sequence[tuple[int, ...]]) -> list[Tensor]:
    """The results out of the vector."""
    parts, at = [], 0
    for shape in shapes:
        n = math.prod(shape)
        parts.append(reshape(narrow(values, 0, at, n), shape))
        at += n
    return parts


class Function:
    """A function with a gradient of its own: `forward(ctx, ...)` and `backward(ctx, *grads)`.

    `backward` gets the gradient of each result and answers with that of each argument of
    `forward`, None for one that has none. It is written with ops, so that it can be
    differentiated too. `forward` may leave out `ctx` where `setup_context(ctx, inputs, output)`
    is there. Call the function by `apply`; up to eight arguments may require gradients, and results
    that carry gradients are of one dtype.

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

    forward: Callable[..., Any]
    backward: Callable[..., Any]
    setup_context: Callable[..., None] | None = None

    @classmethod
    def apply(cls, *args: Any) -> Any:
        """The results of `forward`, linked to the arguments."""
        wanted = tuple(isinstance(x, Tensor) and x.requires_grad for x in args)
        ctx = FunctionCtx(wanted)
        with no_grad():
            if cls.setup_context is None:
                answer = cls.forward(ctx, *args)
            else:
                answer = cls.forward(*args)
                cls.setup_context(ctx, args, answer)
        if not (MODE.grad and any(wanted)):
            return answer
        results = list(answer) if isinstance(answer, tuple) else [answer]
        linked = _linked(cls, ctx, args, results)
        return tuple(linked) if isinstance(answer, tuple) else linked[0]


def _linked(cls: type[Function], ctx: FunctionCtx, args: Any, results: list[Any]) -> list[Any]:
    """The results, those of floats with history."""
    carry = [
        k for k, y in enumerate(results)
        if isinstance(y, Tensor) and y.dtype.kind == "f" and not _among(y, ctx._constant)
    ]  # fmt: skip
    if not carry:
        return results
    places = [i for i, wanted in enumerate(ctx.needs_input_grad) if wanted]
    if len(places) > _AT_ONCE:
        fail(cls.__name__, f"at most {_AT_ONCE} arguments with gradients", f"{len(places)}")
    parts = [results[k] for k in carry]
    if len({y.dtype for y in parts}) > 1:
        fail(cls.__name__, "results of one dtype", "several", error=DTypeError)
    ctx._is_result = {i: n for i, x in enumerate(ctx._saved) for n, y in enumerate(parts) if x is y}
    link = _Link(ctx, _filled(cls, carry, results), [y.shape for y in parts], places)
    inputs = [args[i] for i in places]
    values = cat([reshape(y.detach(), -1) for y in parts])
    vector = _link(values, *inputs, *[None] * (_AT_ONCE - len(inputs)), link)
    for k, y in zip(carry, _parts(vector, link.shapes), strict=True):
        results[k] = y
    return results


def _among(x: Any, tensors: Sequence[Any]) -> bool:
    return any(x is y for y in tensors)


def _filled(cls: type[Function], carry: list[int], results: list[Any]) -> Callable[..., Any]:
    """`backward` with a gradient for every result, None for those that carry none."""
    count = len(results)

    def backward(ctx: FunctionCtx, *dys: Tensor) -> Any:
        given: list[Any] = [None] * count
        for k, dy in zip(carry, dys, strict=True):
            given[k] = dy
        return cls.backward(ctx, *given)

    return backward
