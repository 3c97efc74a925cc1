"""nnfast.autograd.functional and nnfast.func, against closed forms and PyTorch."""

from __future__ import annotations

import itertools
import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nnfast
from nnfast import func
from nnfast.autograd import functional as AF
from nnfast.errors import NNFastError, StateError
from tests.plans import planned

RNG = np.random.default_rng(0)
A, B = RNG.standard_normal((3, 4)), RNG.standard_normal((2, 3))
X, V = RNG.standard_normal(4), RNG.standard_normal(4)
NAMES = ["vjp", "jvp", "jacobian", "hessian", "vhp", "hvp"]


def t(a: Any) -> nnfast.Tensor:
    return nnfast.from_numpy(np.array(a))


def values(x: Any) -> Any:
    """Arrays in place of either library's tensors."""
    if isinstance(x, tuple | list):
        return tuple(values(y) for y in x)
    return np.asarray(x.detach().numpy())


def same(a: Any, b: Any, rtol: float = 1e-12) -> None:
    assert isinstance(a, tuple) == isinstance(b, tuple)
    if isinstance(a, tuple):
        assert len(a) == len(b)
        for x, y in zip(a, b, strict=True):
            same(x, y, rtol)
    else:
        assert a.shape == b.shape and a.dtype == b.dtype
        np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol)


# ---- closed forms ---------------------------------------------------------------------------


def test_products_with_the_jacobian() -> None:
    """y = tanh(A x): J = diag(1 - y^2) A."""
    y = np.tanh(A @ X)
    J = (1 - y * y)[:, None] * A

    def f(x: nnfast.Tensor) -> nnfast.Tensor:
        return (t(A) @ x.unsqueeze(1)).squeeze(1).tanh()

    u = RNG.standard_normal(3)
    same(values(AF.vjp(f, t(X), t(u))), (y, u @ J))
    same(values(AF.jvp(f, t(X), t(V))), (y, J @ V))
    for strategy in ("reverse-mode", "forward-mode"):
        same(values(AF.jacobian(f, t(X), strategy=strategy)), J)
    same(values(func.jacrev(f)(t(X))), J)
    same(values(func.jacfwd(f)(t(X))), J)
    got, pull = func.vjp(f, t(X))
    same(values((got, *pull(t(u)))), (y, u @ J))
    same(values(func.jvp(f, (t(X),), (t(V),))), (y, J @ V))


def test_products_with_the_hessian() -> None:
    """y = (x^T Q x)^2 / 4: H = q S + 2 s s^T... of q = x^T Q x, S = (Q + Q^T) / 2, s = S x."""
    Q = RNG.standard_normal((4, 4))
    S = (Q + Q.T) / 2
    q, s = X @ Q @ X, S @ X
    H = q * S + 2 * np.outer(s, s)

    def f(x: nnfast.Tensor) -> nnfast.Tensor:
        return (x.unsqueeze(0) @ t(Q) @ x.unsqueeze(1)).sum() ** 2 / 4

    y = np.array(q * q / 4)
    same(values(AF.hessian(f, t(X))), H)
    same(values(AF.hessian(f, t(X), outer_jacobian_strategy="forward-mode")), H)
    same(values(func.hessian(f)(t(X))), H)
    same(values(AF.vhp(f, t(X), t(V))), (y, V @ H))
    same(values(AF.hvp(f, t(X), t(V))), (y, H @ V))
    same(values(func.grad(f)(t(X))), q * s)
    same(values(func.grad(lambda x: (func.grad(f)(x) * t(V)).sum())(t(X))), H @ V)
    same(values(func.grad_and_value(f)(t(X))), (q * s, y))


def test_functions_of_several_and_nested_arguments() -> None:
    def loss(params: Any, x: nnfast.Tensor, power: int = 2) -> Any:
        return ((params["w"] * x + params["b"][0]) ** power).sum(), "note"

    params = {"w": t([1.0, 2.0]), "b": [t([0.5])]}
    grads, note = func.grad(loss, has_aux=True)(params, t([1.0, -1.0]))
    assert note == "note" and grads["w"].tolist() == [3.0, 3.0]
    assert grads["b"][0].tolist() == [0.0]
    (dx, dparams), (y, _) = func.grad_and_value(loss, (1, 0), has_aux=True)(
        params, t([1.0, -1.0]), power=2
    )
    assert y.item() == 4.5 and dx.tolist() == [3.0, -6.0]
    assert dparams["w"].tolist() == [3.0, 3.0]
    J = func.jacrev(lambda a, b: a * b, (0, 1))(t([1.0, 2.0]), t([3.0, 4.0]))
    same(values(J), (np.diag([3.0, 4.0]), np.diag([1.0, 2.0])))


def test_results_have_a_history_only_if_it_is_asked_for() -> None:
    x = nnfast.tensor([2.0, 3.0], requires_grad=True)
    y, J = AF.vjp(lambda x: (x**3).sum(), x)
    assert not y.requires_grad and not J.requires_grad
    y, g = AF.vjp(lambda x: (x**3).sum(), x, create_graph=True)
    (g * nnfast.tensor([1.0, 2.0])).sum().backward()
    assert x.grad.tolist() == [12.0, 36.0]
    x.grad = None
    AF.hessian(lambda x: (x**3).sum(), x, create_graph=True).sum().backward()
    assert x.grad.tolist() == [6.0, 6.0]
    with nnfast.no_grad():
        assert AF.jacobian(lambda x: x * x, x).tolist() == [[4.0, 0.0], [0.0, 6.0]]


def test_what_does_not_depend_is_zero_or_refused() -> None:
    x, z = t([1.0, 2.0]), t([3.0])

    def f(x: Any, z: Any) -> Any:
        return (x * 2).sum()

    assert AF.vjp(f, (x, z))[1][1].tolist() == [0.0]
    assert AF.hessian(f, (x, z))[0][1].tolist() == [[0.0], [0.0]]
    assert AF.jacobian(lambda x: t([5.0, 6.0]), x).tolist() == [[0, 0], [0, 0]]
    assert AF.jvp(lambda x: t([5.0]), x, x)[1].tolist() == [0]
    for name in NAMES:
        args = (x, z) if name in ("jvp", "vhp", "hvp") else ()
        with pytest.raises(StateError, match="depend"):
            getattr(AF, name)(f, (x, z), *([args] if args else []), strict=True)


@pytest.mark.parametrize("shape", [(), (0,), (1,), (2, 0), (2, 3)])
def test_shapes(shape: tuple[int, ...]) -> None:
    x = t(RNG.standard_normal(shape))
    n = x.numel()
    for strategy in ("reverse-mode", "forward-mode"):
        J = AF.jacobian(lambda x: x**3, x, strategy=strategy)
        assert J.shape == shape + shape
        want = np.diag(3 * x.numpy().ravel() ** 2)
        np.testing.assert_allclose(J.numpy().reshape(n, n), want, rtol=1e-14)
    assert AF.hessian(lambda x: (x**3).sum(), x).shape == shape + shape
    assert AF.jacobian(lambda x: x.reshape(-1)[:0], x).shape == (0, *shape)


# ---- the second derivative test -------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("f", "x", "kind"),
    [
        (lambda x: (x * x).sum(), [0, 0, 0], "minimum"),
        (lambda x: -((x - 1) ** 2).sum(), [1, 1], "maximum"),
        (lambda x: x[0] ** 2 - x[1] ** 2, [0, 0], "saddle"),
        (lambda x: x[0] * x[1], [0, 0], "saddle"),
        (lambda x: (x**4).sum(), [0, 0], "undecided"),
        (lambda x: x[0] ** 2 + x[1] ** 4, [0, 0], "undecided"),
        (lambda x: x[0] ** 3 - 3 * x[0] * x[1] ** 2, [0, 0], "undecided"),  # monkey saddle
        (lambda x: x[0] ** 3 - 3 * x[0] + x[1] ** 2, [1, 0], "minimum"),
        (lambda x: x[0] ** 3 - 3 * x[0] + x[1] ** 2, [-1, 0], "saddle"),
        (lambda x: 1e6 * x[0] ** 2 + 1e3 * x[1] ** 2, [0, 0], "minimum"),
        (lambda x: (1 - x[0]) ** 2 + 100 * (x[1] - x[0] ** 2) ** 2, [1, 1], "minimum"),
        (lambda x: -(x**2), 0, "maximum"),
    ],
)
def test_second_derivative_test(f: Any, x: Any, kind: str, dtype: Any) -> None:
    assert AF.second_derivative_test(f, t(np.array(x, dtype))) == kind


def test_second_derivative_test_wants_a_critical_point() -> None:
    with pytest.raises(NNFastError, match="expected a gradient of 0 within"):
        AF.second_derivative_test(lambda x: (x * x).sum(), t([0.1, 0.0]))
    assert AF.second_derivative_test(lambda x: (x * x).sum(), t([0.1, 0.0]), 1.0) == "minimum"


# ---- PyTorch, compiled ----------------------------------------------------------------------

# Functions that both libraries run, their inputs, whether they have one element.
FUNCTIONS: dict[str, tuple[Any, list[tuple[int, ...]], bool]] = {
    "elementwise": (lambda x: (x.tanh() * x).exp(), [(3, 2)], False),
    "product": (lambda x, w: (x @ w).sigmoid(), [(3, 2), (2, 4)], False),
    "two": (lambda x, w: ((x @ w).exp(), (x * x).sum()), [(3, 2), (2, 1)], False),
    "scalar": (lambda x: ((x**3).sum() * x.sum()).tanh(), [(2, 2)], True),
    "of two": (lambda x, w: ((x @ w).tanh() ** 2).sum(), [(3, 2), (2, 4)], True),
    "softmax": (lambda x: (x.softmax(1).log() * x).sum(), [(2, 3)], True),
}


SCALAR = ("hessian", "vhp", "hvp")  # these want functions of one element
PAIRS = [(n, which) for n in NAMES for which in FUNCTIONS if FUNCTIONS[which][2] or n not in SCALAR]


@pytest.mark.parametrize(("name", "which"), PAIRS)
def test_structure_and_values_are_pytorchs(name: str, which: str) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    f, shapes, _ = FUNCTIONS[which]
    rng = np.random.default_rng(1)
    arrays = [rng.standard_normal(s) * 0.5 for s in shapes]
    ys = f(*map(torch.tensor, arrays))
    many = isinstance(ys, tuple)
    like = [y.shape for y in (ys if many else [ys])] if name == "vjp" else shapes
    vs = [rng.standard_normal(tuple(s)) for s in like]
    results = []
    for library, make in ((nnfast, t), (torch, torch.tensor)):
        inputs = tuple(map(make, arrays)) if len(arrays) > 1 else make(arrays[0])
        v = tuple(map(make, vs)) if len(vs) > 1 else make(vs[0])
        extra = () if name in ("jacobian", "hessian") else (v,)
        results.append(values(getattr(library.autograd.functional, name)(f, inputs, *extra)))
    same(*results, rtol=1e-10)


@pytest.mark.parametrize("name", NAMES)
def test_inside_compiled_functions(name: str) -> None:
    f: Any = (lambda x: (x.tanh() * x).exp()) if name in ("vjp", "jvp", "jacobian") else (
        lambda x: (x**3).sum().tanh()
    )  # fmt: skip
    x, v = t(X[:3] * 0.3), t(V[:3])

    def fn(x: nnfast.Tensor) -> Any:
        return getattr(AF, name)(f, x, *(() if name in ("jacobian", "hessian") else (v,)))

    compiled = planned(fn)
    for a in (x, t(V[:3] * 0.2)):
        want, got = values(fn(a)), values(compiled(a))
        for p, q in zip(want, got, strict=True):
            assert p.tobytes() == q.tobytes()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: AF.vjp(lambda x: x * 2, t(X)), "vjp: expected v, got none"),
        (lambda: AF.vjp(lambda x: x * 2, t(X), t(X[:2])), "vjp: expected v of shapes [(4,)]"),
        (lambda: AF.jvp(lambda x: x * 2, t(X)), "jvp: expected v, got none"),
        (lambda: AF.vjp(lambda x: 3.0, t(X)), "expected a function that returns tensors"),
        (lambda: AF.jacobian(lambda x: x, 3.0), "jacobian: expected tensors as inputs, got float"),
        (lambda: AF.jacobian(lambda x: x, t(X), strategy="x"), "'reverse-mode' or 'forward-mode'"),
        (lambda: AF.hessian(lambda x: x, t(X)), "hessian: expected a function of one element"),
        (lambda: AF.vhp(lambda x: x, t(X), t(X)), "vhp: expected a function of one element"),
        (lambda: func.grad(lambda x: x)(t(X)), "grad: expected a function of one element"),
        (lambda: func.grad(lambda x: x)(2.0), "grad: expected tensors to differentiate by"),
        (lambda: func.grad(lambda x: x, 1)(t(X)), "numbers of 1 positional arguments, got 1"),
    ],
)
def test_wrong_arguments(call: Any, message: str) -> None:
    with pytest.raises(NNFastError) as caught:
        call()
    assert message in str(caught.value)


# ---- the example ----------------------------------------------------------------------------

EXAMPLE = Path(__file__).parents[1] / "examples" / "forward_and_reverse.py"


def test_the_best_order_of_a_chain() -> None:
    """Against all orders, and the textbook's chain of six (Cormen et al., 15.2): 15,125."""
    example = runpy.run_path(str(EXAMPLE))
    count, best = example["multiplications"], example["best_order"]
    assert count(best([30, 35, 15, 5, 10, 20, 25]), [30, 35, 15, 5, 10, 20, 25]) == 15125

    def orders(first: int, last: int) -> list[Any]:
        if first == last:
            return [first]
        return [
            pair
            for i in range(first, last)
            for pair in itertools.product(orders(first, i), orders(i + 1, last))
        ]

    for sizes in ([2, 3, 4], [5, 1, 7, 2, 9], [1, 8, 8, 8, 3], [6, 6, 2, 6, 6]):
        assert count(best(sizes), sizes) == min(count(o, sizes) for o in orders(0, len(sizes) - 2))


def test_the_example_runs(capsys: pytest.CaptureFixture[str]) -> None:
    runpy.run_path(str(EXAMPLE))["main"](["--scale", "1"])
    text = capsys.readouterr().out
    assert text.count("multiplications") == 9 and text.count("passes") == 4
