"""Derivatives as functions of functions: `grad(f)` is a function like f that returns its gradient.

They nest: `grad(grad(f))`. Arguments may be tensors or lists, tuples and dicts of them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from nnfast.autograd import functional
from nnfast.autograd.functions import grad as _grad
from nnfast.errors import DTypeError, fail
from nnfast.graph.mode import enable_grad
from nnfast.graph.tree import flatten, rebuild
from nnfast.ops.join import stack
from nnfast.tensor import Tensor

if TYPE_CHECKING:
    from nnfast.nn.module import Module

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


def vjp(func: Callable[..., Any], *primals: Tensor, has_aux: bool = False) -> Any:
    """(y, a function of v that returns a tuple of v^T J by each of `primals`).

    With `has_aux` func returns (y, anything), and vjp (y, that function, anything).

    >>> import nnfast
    >>> from nnfast.func import vjp
    >>> y, pull = vjp(lambda x: x * x, nnfast.tensor([1.0, 2.0]))
    >>> pull(nnfast.tensor([1.0, 10.0]))
    (tensor([ 2., 40.]),)
    """
    again = any(x.requires_grad for x in primals)
    call, aux = _without_aux(func, has_aux)
    with enable_grad():
        xs, ys, (_, several) = functional._call("vjp", call, primals, again)

    def pull(*v: Any) -> tuple[Tensor, ...]:
        given = v[0] if len(v) == 1 and isinstance(v[0], tuple | list) else v
        with enable_grad():
            seeds = functional._vectors("vjp", tuple(given), ys)
            return tuple(functional._pull(ys, xs, seeds, again, False))

    return (functional._done(ys, several, again), pull, *aux)


def _without_aux(func: Callable[..., Any], has_aux: bool) -> tuple[Callable[..., Any], list[Any]]:
    """func without the second of what it answers, which is put into the list."""
    aux: list[Any] = []
    if not has_aux:
        return func, aux

    def call(*args: Any, **kwargs: Any) -> Any:
        y, more = func(*args, **kwargs)
        aux[:] = [more]
        return y

    return call, aux


def jvp(
    func: Callable[..., Any],
    primals: tuple[Tensor, ...],
    tangents: tuple[Tensor, ...],
    *,
    strict: bool = False,
    has_aux: bool = False,
) -> Any:
    """(y, J v): the outputs, and their change along `tangents`.

    With `has_aux` func returns (y, anything), and jvp (y, J v, anything).

    >>> import nnfast
    >>> from nnfast.func import jvp
    >>> jvp(lambda x: x * x, (nnfast.tensor([1.0, 2.0]),), (nnfast.tensor([1.0, 10.0]),))
    (tensor([1., 4.]), tensor([ 2., 40.]))
    """
    again = any(x.requires_grad for x in primals)
    call, aux = _without_aux(func, has_aux)
    return (*functional.jvp(call, tuple(primals), tuple(tangents), again, strict), *aux)


def jacrev(
    func: Callable[..., Any],
    argnums: Arguments = 0,
    *,
    has_aux: bool = False,
    chunk_size: int | None = None,
) -> Any:
    """A function that returns the Jacobian of func by argument `argnums`, in reverse mode.

    >>> import nnfast
    >>> from nnfast.func import jacrev
    >>> jacrev(lambda x: x * x.sum())(nnfast.tensor([1.0, 2.0]))
    tensor([[4., 1.],
            [2., 5.]])
    """
    return _jacobian(func, argnums, "reverse-mode", has_aux)


def jacfwd(
    func: Callable[..., Any],
    argnums: Arguments = 0,
    has_aux: bool = False,
    *,
    randomness: str = "error",
) -> Any:
    """As `jacrev`, in forward mode: better where the outputs have more elements than the inputs.

    >>> import nnfast
    >>> from nnfast.func import jacfwd
    >>> jacfwd(lambda x: x * x.sum())(nnfast.tensor([1.0, 2.0]))
    tensor([[4., 1.],
            [2., 5.]])
    """
    return _jacobian(func, argnums, "forward-mode", has_aux)


def hessian(func: Callable[..., Any], argnums: Arguments = 0) -> Any:
    """A function that returns the Hessian of func by argument `argnums`: forward over reverse.

    >>> import nnfast
    >>> from nnfast.func import hessian
    >>> hessian(lambda x: (x ** 3).sum())(nnfast.tensor([1.0, 2.0]))
    tensor([[ 6.,  0.],
            [ 0., 12.]])
    """
    return jacfwd(jacrev(func, argnums), argnums)


def _jacobian(func: Callable[..., Any], argnums: Arguments, strategy: str, has_aux: bool) -> Any:
    func, aux = _without_aux(func, has_aux)

    def matrix(*args: Any, **kwargs: Any) -> Any:
        wanted, put = _choose(args, argnums)
        several = isinstance(wanted, tuple)
        again = any(x.requires_grad for x in (wanted if several else (wanted,)))

        def of_wanted(*xs: Tensor) -> Any:
            return func(*put(xs if several else xs[0]), **kwargs)

        found = functional.jacobian(of_wanted, wanted, again, strategy=strategy)
        return (found, *aux) if has_aux else found

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


def functional_call(
    module: Module,
    parameter_and_buffer_dicts: Any,
    args: Any = None,
    kwargs: dict[str, Any] | None = None,
    *,
    tie_weights: bool = True,
    strict: bool = False,
) -> Any:
    """module(*args, **kwargs) with other tensors in the place of parameters and buffers.

    Tensors by dotted path, in a dict or several; the module itself does not change. Under a name
    that is not given it uses its own; `strict` refuses that. `tie_weights`: a parameter that stands
    under several names is replaced under all.

    >>> import nnfast
    >>> from nnfast.func import functional_call, grad
    >>> layer = nnfast.nn.Linear(2, 1, bias=False)
    >>> loss = lambda w: functional_call(layer, {"weight": w}, (nnfast.ones(1, 2),)).sum()
    >>> grad(loss)(nnfast.zeros(1, 2))
    tensor([[1., 1.]])
    """
    several = isinstance(parameter_and_buffer_dicts, tuple | list)
    given: dict[str, Tensor] = {}
    for part in parameter_and_buffer_dicts if several else [parameter_and_buffer_dicts]:
        given.update(part)
    own: dict[str, Tensor] = {}
    own.update(dict(module.named_parameters(remove_duplicate=False)))
    own.update(module.named_buffers(remove_duplicate=False))
    unknown = [k for k in given if k not in own]
    missing = [k for k in own if k not in given] if strict else []
    if unknown or missing:
        fail("functional_call", "names of the module", f"unknown {unknown}, missing {missing}")
    if tie_weights:
        same = {id(own[k]): x for k, x in given.items()}
        given = {k: same[id(x)] for k, x in own.items() if id(x) in same} | given
    places = []
    for path, x in given.items():
        holder, _, name = path.rpartition(".")
        places.append((module.get_submodule(holder).__dict__, name, x))
    before = [(held, name, held[name]) for held, name, _ in places]
    inputs = () if args is None else args if isinstance(args, tuple) else (args,)
    try:
        for held, name, x in places:
            held[name] = x
        return module(*inputs, **(kwargs or {}))
    finally:
        for held, name, x in before:
            held[name] = x


def vmap(
    func: Callable[..., Any],
    in_dims: Any = 0,
    out_dims: Any = 0,
    randomness: str = "error",
    *,
    chunk_size: int | None = None,
) -> Callable[..., Any]:
    """A function that calls func for each element along `in_dims` and stacks what it answers.

    in_dims: the dimension of every tensor, or one for each argument (None: as it is). The calls are
    made one after the other: what func means for one element is what it does, but it is no faster.
    `randomness` and `chunk_size` change nothing.

    >>> import nnfast
    >>> from nnfast.func import grad, vmap
    >>> vmap(grad(lambda x: (x * x).sum()))(nnfast.tensor([[1.0], [3.0]]))
    tensor([[2.],
            [6.]])
    """

    def mapped(*args: Any, **kwargs: Any) -> Any:
        dims = in_dims if isinstance(in_dims, tuple | list) else (in_dims,) * len(args)
        if len(dims) != len(args):
            fail("vmap", f"in_dims for {len(args)} arguments", f"{in_dims}")
        parts = [flatten(x) for x in args]
        sizes = {
            x.shape[d] for (leaves, _), d in zip(parts, dims, strict=True) if d is not None
            for x in leaves if isinstance(x, Tensor)
        }  # fmt: skip
        if len(sizes) != 1 or 0 in sizes:
            fail("vmap", "one size > 0 along in_dims", f"{sorted(sizes)}")
        answers = []
        for i in range(sizes.pop()):
            one = [
                rebuild([x if d is None else x.select(d, i) for x in leaves], structure)
                for (leaves, structure), d in zip(parts, dims, strict=True)
            ]
            answers.append(flatten(func(*one, **kwargs)))
        columns = list(zip(*(leaves for leaves, _ in answers), strict=True))
        places = out_dims if isinstance(out_dims, tuple | list) else (out_dims,) * len(columns)
        stacked = [stack(column, d) for column, d in zip(columns, places, strict=True)]
        return rebuild(stacked, answers[0][1])

    return mapped


def stack_module_state(models: list[Module]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The parameters, and the buffers, of models of one kind, stacked along a new dimension 0.

    >>> import nnfast
    >>> models = [nnfast.nn.Linear(3, 1) for _ in range(2)]
    >>> parameters, buffers = nnfast.func.stack_module_state(models)
    >>> {name: p.shape for name, p in parameters.items()}
    {'weight': (2, 1, 3), 'bias': (2, 1)}
    """
    found = []
    for named in ("named_parameters", "named_buffers"):
        each = [dict(getattr(m, named)()) for m in models]
        found.append({k: stack([x[k].detach() for x in each]) for k in each[0]})
    parameters, buffers = found
    for x in parameters.values():
        x.requires_grad_()
    return parameters, buffers


def linearize(func: Callable[..., Any], *primals: Tensor) -> tuple[Any, Callable[..., Any]]:
    """(y, a function of tangents that gives J v at `primals`); see jvp.

    >>> import nnfast
    >>> from nnfast.func import linearize
    >>> y, push = linearize(lambda x: x * x, nnfast.tensor([3.0]))
    >>> push(nnfast.tensor([2.0]))
    tensor([12.])
    """
    fixed = tuple(x.detach() for x in primals)
    return func(*primals), lambda *tangents: jvp(func, fixed, tangents)[1]
