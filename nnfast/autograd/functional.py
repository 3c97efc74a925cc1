"""Derivatives of functions of tensors: products with Jacobians and Hessians, and these themselves.

All take `func(*inputs)` and a tensor or a tuple of them as `inputs`; what belongs to inputs or
outputs comes in the same form. `create_graph` lets the results be differentiated again; `strict`
refuses an output that does not depend on an input, whose derivative is 0 otherwise.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from nnfast.autograd.functions import grad
from nnfast.errors import DTypeError, StateError, fail
from nnfast.graph.mode import enable_grad
from nnfast.ops import cat
from nnfast.tensor import Tensor, wrap

Tensors: TypeAlias = Tensor | tuple[Tensor, ...]
Function: TypeAlias = Callable[..., Any]


def vjp(
    func: Function,
    inputs: Tensors,
    v: Tensors | None = None,
    create_graph: bool = False,
    strict: bool = False,
) -> tuple[Tensors, Tensors]:
    """(y, v^T J): the outputs, and the gradient of <v, y>. One backward pass (reverse mode).

    v has the outputs' shapes; it may be left out if there is one output of one element.

    >>> import nnfast
    >>> from nnfast.autograd.functional import vjp
    >>> x = nnfast.tensor([1.0, 2.0])
    >>> vjp(lambda x: x * x, x, nnfast.tensor([1.0, 10.0]))
    (tensor([1., 4.]), tensor([ 2., 40.]))
    """
    with enable_grad():
        xs, ys, form = _call("vjp", func, inputs, create_graph)
        found = _pull(ys, xs, _vectors("vjp", v, ys), create_graph, strict)
    return _done(ys, form[1], create_graph), _done(found, form[0], create_graph)


def jvp(
    func: Function,
    inputs: Tensors,
    v: Tensors | None = None,
    create_graph: bool = False,
    strict: bool = False,
) -> tuple[Tensors, Tensors]:
    """(y, J v): the outputs, and their change along v, of the inputs' shapes (forward mode).

    v^T J is linear in v, so its gradient with respect to v, weighted by v, is J v: two backward
    passes. v may be left out if there is one input of one element.

    >>> import nnfast
    >>> from nnfast.autograd.functional import jvp
    >>> x = nnfast.tensor([1.0, 2.0])
    >>> jvp(lambda x: x * x, x, nnfast.tensor([1.0, 10.0]))
    (tensor([1., 4.]), tensor([ 2., 40.]))
    """
    with enable_grad():
        xs, ys, form = _call("jvp", func, inputs, create_graph)
        along = _vectors("jvp", v, xs)
        found = _push(ys, xs, create_graph, strict)(along)
    return _done(ys, form[1], create_graph), _done(found, form[1], create_graph)


def jacobian(
    func: Function,
    inputs: Tensors,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    strategy: str = "reverse-mode",
) -> Any:
    """All d y_i / d x_j, of shape (*y.shape, *x.shape); nested tuples [output][input] of several.

    One backward pass for each element of the outputs, or with strategy="forward-mode" one J v for
    each element of the inputs: the better choice where these are fewer. `vectorize` is accepted
    and changes nothing.

    >>> import nnfast
    >>> from nnfast.autograd.functional import jacobian
    >>> jacobian(lambda x: x * x.sum(), nnfast.tensor([1.0, 2.0]))
    tensor([[4., 1.],
            [2., 5.]])
    """
    if strategy not in ("reverse-mode", "forward-mode"):
        fail("jacobian", "strategy 'reverse-mode' or 'forward-mode'", repr(strategy))
    with enable_grad():
        xs, ys, form = _call("jacobian", func, inputs, create_graph)
        rows = _by_rows if strategy == "reverse-mode" else _by_columns
        blocks = [
            _done(tuple(row), form[0], create_graph) for row in rows(ys, xs, create_graph, strict)
        ]
    return tuple(blocks) if form[1] else blocks[0]


def hessian(
    func: Function,
    inputs: Tensors,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    outer_jacobian_strategy: str = "reverse-mode",
) -> Any:
    """All second derivatives of a function of one element, of shape (*x_i.shape, *x_j.shape).

    Nested tuples [i][j] of several inputs. The Jacobian of the gradient: reverse over reverse, or
    forward over reverse with outer_jacobian_strategy="forward-mode".

    >>> import nnfast
    >>> from nnfast.autograd.functional import hessian
    >>> hessian(lambda x: (x ** 3).sum(), nnfast.tensor([1.0, 2.0]))
    tensor([[ 6.,  0.],
            [ 0., 12.]])
    """

    def gradient(*xs: Tensor) -> Tensors:
        found = _gradient("hessian", func, xs, strict)
        return found if isinstance(inputs, tuple | list) else found[0]

    return jacobian(gradient, inputs, create_graph, strict, vectorize, outer_jacobian_strategy)


def vhp(
    func: Function,
    inputs: Tensors,
    v: Tensors | None = None,
    create_graph: bool = False,
    strict: bool = False,
) -> tuple[Tensors, Tensors]:
    """(y, v^T H): the output of one element, and the gradient of <v, its gradient>.

    v has the inputs' shapes. Reverse over reverse mode: no Hessian is formed.

    >>> import nnfast
    >>> from nnfast.autograd.functional import vhp
    >>> vhp(lambda x: (x ** 3).sum(), nnfast.tensor([1.0, 2.0]), nnfast.tensor([1.0, 10.0]))
    (tensor(9.), tensor([  6., 120.]))
    """
    with enable_grad():
        xs, ys, form = _call("vhp", func, inputs, create_graph)
        _check_scalar("vhp", ys)
        gradients = _pull(ys, xs, [None], True, strict)
        found = _pull(gradients, xs, _vectors("vhp", v, xs), create_graph, strict)
    return _done(ys, form[1], create_graph), _done(found, form[0], create_graph)


def hvp(
    func: Function,
    inputs: Tensors,
    v: Tensors | None = None,
    create_graph: bool = False,
    strict: bool = False,
) -> tuple[Tensors, Tensors]:
    """(y, H v): as `vhp`, for H is symmetric.

    >>> import nnfast
    >>> from nnfast.autograd.functional import hvp
    >>> hvp(lambda x: x[0] * x[1], nnfast.tensor([1.0, 2.0]), nnfast.tensor([1.0, 10.0]))
    (tensor(2.), tensor([10.,  1.]))
    """
    return vhp(func, inputs, v, create_graph, strict)


def second_derivative_test(func: Function, x: Tensor, atol: float | None = None) -> str:
    """What a critical point x is: "minimum", "maximum", "saddle" or "undecided".

    All eigenvalues of the Hessian positive; all negative; some of both; else. One counts as 0 if
    it is below sqrt(epsilon) times the largest.

    Errors: ArgumentError if the gradient at x is larger than `atol` (default: sqrt(epsilon) times
    the size of x and of the Hessian, at least 1 each): x is then no critical point.

    >>> import nnfast
    >>> from nnfast.autograd.functional import second_derivative_test
    >>> second_derivative_test(lambda x: x[0] ** 2 - x[1] ** 2, nnfast.zeros(2))
    'saddle'
    """
    gradient = np.asarray(vjp(func, x)[1].numpy().ravel(), np.float64)  # type: ignore[union-attr]
    n = gradient.size
    matrix = np.asarray(hessian(func, x).numpy().reshape(n, n), np.float64)
    values = np.linalg.eigvalsh((matrix + matrix.T) / 2)
    small = float(np.finfo(x.dtype).eps) ** 0.5
    largest = float(np.abs(values).max(initial=0))
    if atol is None:
        atol = small * max(1.0, largest) * max(1.0, float(np.abs(x.numpy()).max(initial=0)))
    size = float(np.abs(gradient).max(initial=0))
    if not size <= atol:
        fail("second_derivative_test", f"a gradient of 0 within {atol:.3g}", f"one of {size:.3g}")
    up, down = values > small * largest, values < -small * largest
    if up.any() and down.any():
        return "saddle"
    if not n or not (up | down).all():
        return "undecided"
    return "minimum" if up.all() else "maximum"


# ---- a call ------------------------------------------------------------------------------------


def _call(
    where: str, func: Function, inputs: Any, create_graph: bool
) -> tuple[list[Tensor], list[Tensor], tuple[bool, bool]]:
    """Inputs that can be differentiated by, outputs, and whether either were a tuple."""
    given = list(inputs) if isinstance(inputs, tuple | list) else [inputs]
    for x in given:
        if not isinstance(x, Tensor):
            fail(where, "tensors as inputs", type(x).__name__, error=DTypeError)
    xs = [_fresh(x, create_graph) for x in given]
    answer = func(*xs)
    ys = list(answer) if isinstance(answer, tuple | list) else [answer]
    for y in ys:
        if not isinstance(y, Tensor):
            fail(where, "a function that returns tensors", type(y).__name__, error=DTypeError)
    return xs, ys, (isinstance(inputs, tuple | list), isinstance(answer, tuple | list))


def _fresh(x: Tensor, create_graph: bool) -> Tensor:
    """x as a tensor of its own to differentiate by, linked to its history if it has one."""
    if create_graph and x.requires_grad:
        return x.reshape(x.shape)
    return x.detach().requires_grad_()


def _done(results: Any, several: bool, create_graph: bool) -> Any:
    done = tuple(r if create_graph else r.detach() for r in results)
    return done if several else done[0]


def _vectors(where: str, v: Any, like: list[Tensor]) -> list[Tensor | None]:
    if v is None:
        if len(like) != 1 or like[0].array.size != 1:
            fail(where, "v", "none", "only one tensor of one element does without.")
        return [wrap(np.ones(like[0].shape, like[0].dtype))]
    vs = list(v) if isinstance(v, tuple | list) else [v]
    shapes, wanted = [tuple(x.shape) for x in vs], [y.shape for y in like]
    if shapes != wanted:
        fail(where, f"v of shapes {wanted}", str(shapes))
    return vs


def _check_scalar(where: str, ys: list[Tensor]) -> None:
    if len(ys) != 1 or ys[0].array.size != 1:
        fail(where, "a function of one element", f"shapes {[y.shape for y in ys]}")


def _gradient(
    where: str, func: Function, xs: tuple[Tensor, ...], strict: bool
) -> tuple[Tensor, ...]:
    y = func(*xs)
    ys = list(y) if isinstance(y, tuple | list) else [y]
    _check_scalar(where, ys)
    return tuple(_pull(ys, list(xs), [None], True, strict))


# ---- products ----------------------------------------------------------------------------------


def _pull(
    ys: list[Tensor], xs: list[Tensor], vs: list[Tensor | None], create_graph: bool, strict: bool
) -> list[Tensor]:
    """sum_k v_k^T d y_k / d x_i for each i."""
    linked = [(y, v) for y, v in zip(ys, vs, strict=True) if y.requires_grad]
    if strict and len(linked) < len(ys):
        raise StateError("strict", "expected outputs that depend on the inputs, got a constant.")
    found: Any = [None] * len(xs)
    if linked:
        seeds = [v for _, v in linked]
        found = grad(
            [y for y, _ in linked], xs, seeds, retain_graph=True, create_graph=create_graph,
            allow_unused=True,
        )  # fmt: skip
    return [_or_zeros(dx, x, strict) for dx, x in zip(found, xs, strict=True)]


def _or_zeros(dx: Tensor | None, x: Tensor, strict: bool) -> Tensor:
    if dx is None and strict:
        what = f"expected outputs that depend on every input, got an input of shape {x.shape} "
        raise StateError("strict", what + "that none depends on.")
    return wrap(np.zeros(x.shape, x.dtype)) if dx is None else dx


def _push(
    ys: list[Tensor], xs: list[Tensor], create_graph: bool, strict: bool
) -> Callable[[list[Any]], list[Tensor]]:
    """A function of v that gives J v for each output."""
    dummies = [wrap(np.zeros(y.shape, y.dtype)) for y in ys]
    for dummy in dummies:
        dummy.requires_grad = True
    pulled = _pull(ys, xs, list(dummies), True, strict)
    return lambda v: _pull(pulled, dummies, v, create_graph, strict=False)


def _by_rows(
    ys: list[Tensor], xs: list[Tensor], create_graph: bool, strict: bool
) -> list[list[Tensor]]:
    """Jacobians [output][input], a backward pass for each element of an output."""
    blocks = []
    for y in ys:
        pulled = [_pull([y], xs, [e], create_graph, strict) for e in _units(y)]
        columns = zip(*pulled, strict=True) if pulled else [()] * len(xs)
        blocks.append([_stack(rows, y.shape, x) for rows, x in zip(columns, xs, strict=True)])
    return blocks


def _by_columns(
    ys: list[Tensor], xs: list[Tensor], create_graph: bool, strict: bool
) -> list[list[Tensor]]:
    """Jacobians [output][input], J v for each element of an input."""
    push = _push(ys, xs, create_graph, strict)
    zeros = [wrap(np.zeros(x.shape, x.dtype)) for x in xs]
    blocks: list[list[Tensor]] = [[] for _ in ys]
    for i, x in enumerate(xs):
        pushed = [push([*zeros[:i], e, *zeros[i + 1 :]]) for e in _units(x)]
        columns = zip(*pushed, strict=True) if pushed else [()] * len(ys)
        for block, rows, y in zip(blocks, columns, ys, strict=True):
            turned = _stack(rows, x.shape, y).reshape(x.array.size, y.array.size).T
            block.append(turned.reshape(*y.shape, *x.shape))
    return blocks


def _units(x: Tensor) -> list[Tensor]:
    """Tensors of x's shape with one 1 each."""
    eye = np.eye(x.array.size, dtype=x.dtype)
    return [wrap(row.reshape(x.shape)) for row in eye]


def _stack(rows: Any, shape: tuple[int, ...], like: Tensor) -> Tensor:
    """Rows, each shaped as `like`, as one tensor of shape (*shape, *like.shape)."""
    if not rows:
        return wrap(np.zeros((*shape, *like.shape), like.dtype))
    return cat([r.reshape(1, -1) for r in rows], 0).reshape(*shape, *like.shape)
