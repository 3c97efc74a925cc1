"""Derivatives as functions of functions: `grad(f)` is a function like f that returns its gradient.

They nest: `grad(grad(f))`. Arguments may be tensors or lists, tuples and dicts of them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nnfast.autograd import functional
from nnfast.autograd.functions import grad as _grad
from nnfast.errors import DTypeError, fail
from nnfast.graph.mode import enable_grad
from nnfast.graph.tree import flatten, rebuild
from nnfast.tensor import Tensor

Arguments = int | tuple[int, ...]


def grad(func: Callable[..., Any], argnums: Arguments = 0, has_aux: bool = False) -> Any:
    """A function that returns the gradient of func, of one element, by argument `argnums`.

    With `has_aux` func returns (y, anything), and the function (gradient, anything).

    >>> import nnfast
    >>> from nnfast.func import grad
    >>> cube = lambda x: x * x * x
    >>> grad(cube)(nnfast.tensor(2.0)), grad(grad(cube))(nnfast.tensor(2.0))
    (tensor(12.), tensor(12.))
    """

    both = grad_and_value(func, argnums, has_aux)

    def gradient(*args: Any, **kwargs: Any) -> Any:
        found, value = both(*args, **kwargs)
        return (found, value[1]) if has_aux else found

    return gradient


def grad_and_value(func: Callable[..., Any], argnums: Arguments = 0, has_aux: bool = False) -> Any:
    """As `grad`, but the function returns (gradient, y); with `has_aux` (gradient, (y, anything)).

    >>> import nnfast
    >>> from nnfast.func import grad_and_value
    >>> grad_and_value(lambda x: (x * x).sum())(nnfast.tensor([1.0, 2.0]))
    (tensor([2., 4.]), tensor(5.))
    """

    def both(*args: Any, **kwargs: Any) -> Any:
        wanted, put = _choose(args, argnums)
        leaves, structure = flatten(wanted)
        again = any(isinstance(x, Tensor) and x.requires_grad for x in leaves)
        with enable_grad():
            xs = [functional._fresh(_checked(x), again) for x in leaves]
            answer = func(*put(rebuild(xs, structure)), **kwargs)
            y, *aux = answer if has_aux else (answer,)
            functional._check_scalar("grad", [y])
            found: Any = [None] * len(xs)
            if y.requires_grad:
                found = _grad(y, xs, create_graph=again, allow_unused=True)
        dxs = [functional._or_zeros(dx, x, False) for dx, x in zip(found, xs, strict=True)]
        value = y if again else y.detach()
        return rebuild(dxs, structure), ((value, *aux) if has_aux else value)

    return both


def vjp(func: Callable[..., Any], *primals: Tensor) -> tuple[Any, Callable[..., Any]]:
    """(y, a function of v that returns a tuple of v^T J by each of `primals`).

    >>> import nnfast
    >>> from nnfast.func import vjp
    >>> y, pull = vjp(lambda x: x * x, nnfast.tensor([1.0, 2.0]))
    >>> pull(nnfast.tensor([1.0, 10.0]))
    (tensor([ 2., 40.]),)
    """
    again = any(x.requires_grad for x in primals)
    with enable_grad():
        xs, ys, (_, several) = functional._call("vjp", func, primals, again)

    def pull(*v: Any) -> tuple[Tensor, ...]:
        given = v[0] if len(v) == 1 and isinstance(v[0], tuple | list) else v
        with enable_grad():
            seeds = functional._vectors("vjp", tuple(given), ys)
            return tuple(functional._pull(ys, xs, seeds, again, False))

    return functional._done(ys, several, again), pull


def jvp(
    func: Callable[..., Any], primals: tuple[Tensor, ...], tangents: tuple[Tensor, ...]
) -> tuple[Any, Any]:
    """(y, J v): the outputs, and their change along `tangents`.

    >>> import nnfast
    >>> from nnfast.func import jvp
    >>> jvp(lambda x: x * x, (nnfast.tensor([1.0, 2.0]),), (nnfast.tensor([1.0, 10.0]),))
    (tensor([1., 4.]), tensor([ 2., 40.]))
    """
    again = any(x.requires_grad for x in primals)
    return functional.jvp(func, tuple(primals), tuple(tangents), again)


def jacrev(func: Callable[..., Any], argnums: Arguments = 0) -> Any:
    """A function that returns the Jacobian of func by argument `argnums`, in reverse mode.

    >>> import nnfast
    >>> from nnfast.func import jacrev
    >>> jacrev(lambda x: x * x.sum())(nnfast.tensor([1.0, 2.0]))
    tensor([[4., 1.],
            [2., 5.]])
    """
    return _jacobian(func, argnums, "reverse-mode")


def jacfwd(func: Callable[..., Any], argnums: Arguments = 0) -> Any:
    """As `jacrev`, in forward mode: better where the outputs have more elements than the inputs.

    >>> import nnfast
    >>> from nnfast.func import jacfwd
    >>> jacfwd(lambda x: x * x.sum())(nnfast.tensor([1.0, 2.0]))
    tensor([[4., 1.],
            [2., 5.]])
    """
    return _jacobian(func, argnums, "forward-mode")


def hessian(func: Callable[..., Any], argnums: Arguments = 0) -> Any:
    """A function that returns the Hessian of func by argument `argnums`: forward over reverse.

    >>> import nnfast
    >>> from nnfast.func import hessian
    >>> hessian(lambda x: (x ** 3).sum())(nnfast.tensor([1.0, 2.0]))
    tensor([[ 6.,  0.],
            [ 0., 12.]])
    """
    return jacfwd(jacrev(func, argnums), argnums)


def _jacobian(func: Callable[..., Any], argnums: Arguments, strategy: str) -> Any:
    def matrix(*args: Any, **kwargs: Any) -> Any:
        wanted, put = _choose(args, argnums)
        several = isinstance(wanted, tuple)
        again = any(x.requires_grad for x in (wanted if several else (wanted,)))

        def of_wanted(*xs: Tensor) -> Any:
            return func(*put(xs if several else xs[0]), **kwargs)

        return functional.jacobian(of_wanted, wanted, again, strategy=strategy)

    return matrix


def _choose(args: tuple[Any, ...], argnums: Arguments) -> tuple[Any, Callable[[Any], list[Any]]]:
    """The arguments to differentiate by, and a function that puts others in their places."""
    numbers = argnums if isinstance(argnums, tuple) else (argnums,)
    for n in numbers:
        if not isinstance(n, int) or not -len(args) <= n < len(args):
            fail("argnums", f"numbers of {len(args)} positional arguments", repr(argnums))

    def put(new: Any) -> list[Any]:
        changed = list(args)
        for n, x in zip(numbers, new if isinstance(argnums, tuple) else (new,), strict=True):
            changed[n] = x
        return changed

    wanted = tuple(args[n] for n in numbers)
    return (wanted if isinstance(argnums, tuple) else wanted[0]), put


def _checked(x: Any) -> Tensor:
    if not isinstance(x, Tensor):
        fail("grad", "tensors to differentiate by", type(x).__name__, error=DTypeError)
    return x
