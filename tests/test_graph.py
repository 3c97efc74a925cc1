"""The graph and the backward pass: depth, sharing, memory, modes, threads."""

from __future__ import annotations

import gc
import threading
import time
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import nnfast
from nnfast import Tensor
from nnfast.errors import ArgumentError, DTypeError, StateError
from nnfast.graph.node import Node

DEEP = 100_000


def leaf(*values: float) -> Tensor:
    return nnfast.tensor(values, dtype=nnfast.float64, requires_grad=True)


def gradient_of(x: Tensor) -> list[float]:
    assert x.grad is not None
    return x.grad.tolist()  # type: ignore[no-any-return]


# ---- shape of the graph ---------------------------------------------------------------------


@pytest.mark.parametrize("step", [lambda y, w: y + w, lambda y, w: y * w], ids=["add", "mul"])
def test_chain_of_100_000_nodes(step: Callable[[Tensor, Tensor], Tensor]) -> None:
    """Forward, backward and deletion are not recursive, whether rules save values or not."""
    w = leaf(1.0)
    y = x = leaf(2.0)
    for _ in range(DEEP):
        y = step(y, w)
    y.backward(retain_graph=True)
    assert gradient_of(x) == [1.0]
    assert gradient_of(w) == [
        DEEP if step(leaf(0.0), leaf(0.0)).node.op.name == "add" else 2.0 * DEEP
    ]
    del y


def test_deletion_of_a_deep_graph_that_was_never_used() -> None:
    y = leaf(2.0)
    for _ in range(DEEP):
        y = y * 1.0
    del y


def test_many_paths_through_few_nodes() -> None:
    """2**60 paths, 60 nodes: each runs once, with the sum of what reached it."""
    y = x = leaf(1.0)
    for _ in range(60):
        y = y + y
    y.backward()
    assert gradient_of(x) == [2.0**60]


def test_a_node_runs_after_all_that_use_it() -> None:
    x = leaf(3.0)
    early = x * x
    late = (early + 1.0) * 2.0
    (late * early).backward()  # d/dx of 2 (x^2 + 1) x^2
    assert gradient_of(x) == [8 * 27 + 4 * 3]


def test_an_input_used_twice_by_one_op() -> None:
    x = leaf(3.0, -1.0)
    (x * x).sum().backward()
    assert gradient_of(x) == [6.0, -2.0]


def test_accumulation_over_passes() -> None:
    x = leaf(1.0, 2.0)
    for k in range(1, 4):
        (x * x).sum().backward()
        assert gradient_of(x) == [2.0 * k, 4.0 * k]
    x.grad = None
    x.sum().backward()
    assert gradient_of(x) == [1.0, 1.0]


def test_a_leaf_itself() -> None:
    x = leaf(5.0)
    x.backward()
    x.backward(leaf(2.0).detach())
    assert gradient_of(x) == [3.0]


def test_what_needs_no_gradient_gets_none() -> None:
    x, constant = leaf(2.0), nnfast.tensor([3.0], dtype=nnfast.float64)
    y = x * constant
    assert y.requires_grad and not y.is_leaf and not (constant * 2.0).requires_grad
    y.backward()
    assert constant.grad is None and y.grad is None and gradient_of(x) == [3.0]


def test_integers_have_no_gradient() -> None:
    x = leaf(2.5)
    for y in (x.long(), x > 0, x.argmax()):
        assert not y.requires_grad and y.is_leaf


# ---- used graphs ----------------------------------------------------------------------------


def test_second_backward_is_refused() -> None:
    x = leaf(2.0)
    y = x * x
    y.backward()
    text = "mul: expected saved values for the backward pass, but they were freed by an earlier one"
    with pytest.raises(StateError, match=text):
        y.backward()
    assert gradient_of(x) == [4.0]


def test_retain_graph() -> None:
    x = leaf(2.0)
    y = x * x
    y.backward(retain_graph=True)
    y.backward()
    assert gradient_of(x) == [8.0]
    with pytest.raises(StateError):
        y.backward()


def test_only_the_part_that_ran_is_freed() -> None:
    x = leaf(2.0)
    shared = x * x
    first, second = shared * 3.0, shared * 5.0
    first.backward(retain_graph=True)
    second.backward()
    assert gradient_of(x) == [4.0 * 8]


def test_create_graph_goes_on() -> None:
    x = leaf(2.0)
    y = x * x * x
    y.backward(create_graph=True)
    assert x.grad is not None and x.grad.requires_grad
    first, x.grad = x.grad, None
    first.backward()
    assert gradient_of(x) == [12.0]


@pytest.mark.parametrize(
    "change",
    [
        lambda x: x.__setitem__(0, 1.0),
        lambda x: setattr(x, "data", nnfast.ones(1, dtype=nnfast.float64)),
    ],
    ids=["setitem", "data"],
)
def test_change_after_it_was_saved_is_noticed(change: Callable[[Tensor], None]) -> None:
    x = leaf(2.0)
    y = x * x
    with nnfast.no_grad():
        change(x)
    text = r"mul: expected a value of shape \(1,\) unchanged since the forward pass, but it was"
    with pytest.raises(StateError, match=text):
        y.backward()
    assert x.grad is None


def test_change_of_what_no_rule_needs_is_allowed() -> None:
    x = leaf(2.0)
    y = x + x
    with nnfast.no_grad():
        x[0] = 7.0
    y.backward()
    assert gradient_of(x) == [2.0]


# ---- memory ---------------------------------------------------------------------------------


@pytest.mark.parametrize("f", [lambda a, b: a + b, lambda a, b: (a + b).sum()], ids=["add", "sum"])
def test_gradients_of_leaves_share_no_memory(f: Callable[..., Tensor]) -> None:
    a, b = leaf(1.0, 2.0), leaf(3.0, 4.0)
    seed = nnfast.ones(2, dtype=nnfast.float64)
    y = f(a, b)
    y.backward(seed if y.ndim else None)
    assert a.grad is not None and b.grad is not None
    arrays = [a.grad.array, b.grad.array, seed.array, a.array, b.array]
    for i, p in enumerate(arrays[:2]):
        assert p.flags.writeable
        assert not any(np.shares_memory(p, q) for q in arrays[i + 1 :])


def test_gradient_of_a_leaf_is_not_the_callers_array() -> None:
    x, seed = leaf(1.0), nnfast.ones(1, dtype=nnfast.float64)
    x.backward(seed)
    x.reshape(1).backward(seed)
    assert x.grad is not None and not np.shares_memory(x.grad.array, seed.array)
    assert seed.tolist() == [1.0] and gradient_of(x) == [2.0]


def test_activations_are_freed_by_backward() -> None:
    x = leaf(2.0)
    hidden = x * 3.0
    loss = (hidden * hidden).sum()
    alive = weakref.ref(hidden.array)
    del hidden
    assert alive() is not None
    loss.backward()
    assert alive() is None, "a saved activation outlives the backward pass"
    assert gradient_of(x) == [36.0]


def test_an_activation_that_no_rule_needs_is_freed_at_once() -> None:
    hidden = leaf(2.0) + 1.0
    y = hidden + 1.0
    alive = weakref.ref(hidden.array)
    del hidden
    assert alive() is None
    assert y.requires_grad


def test_graphs_hold_no_cycles() -> None:
    """Memory comes back with the last reference, not with the next garbage collection."""
    gc.collect()
    gc.disable()
    try:
        x = leaf(2.0, -1.0)
        for f in (nnfast.relu, nnfast.exp, nnfast.tanh, lambda x: x * x):
            y = f(x)
            node, alive = y.node, weakref.ref(y.array)
            (y * y).sum().backward()
            (f(x) * 2.0).sum()  # one that never sees a backward pass
            del y, node
            assert alive() is None
        x.grad = None
        assert not [o for o in gc.get_objects() if type(o) is Node]
    finally:
        gc.enable()


# ---- modes ----------------------------------------------------------------------------------


def records() -> bool:
    recorded = (leaf(1.0) * 2.0).requires_grad
    assert recorded == nnfast.is_grad_enabled()
    return recorded


def test_no_grad_nests() -> None:
    assert records()
    with nnfast.no_grad():
        assert not records()
        with nnfast.enable_grad():
            assert records()
            with nnfast.no_grad():
                assert not records()
            assert records()
        assert not records()
        with nnfast.set_grad_enabled(True):
            assert records()
        assert not records()
    assert records()


def test_no_grad_ends_with_an_exception() -> None:
    with pytest.raises(ZeroDivisionError), nnfast.no_grad():
        raise ZeroDivisionError
    assert records()


def test_no_grad_as_a_decorator() -> None:
    @nnfast.no_grad()
    def inside(depth: int) -> int:
        """Counts down."""
        assert not records()
        return inside(depth - 1) if depth else 7

    assert inside(2) == 7 and records()
    assert inside.__name__ == "inside" and inside.__doc__ == "Counts down."

    @nnfast.enable_grad()
    def outside() -> bool:
        return records()

    with nnfast.no_grad():
        assert outside()
        assert not records()


def test_one_scope_entered_twice() -> None:
    scope = nnfast.no_grad()
    with scope, scope:
        assert not records()
    assert records()


def test_set_grad_enabled_as_a_function() -> None:
    nnfast.set_grad_enabled(False)
    assert not records()
    nnfast.set_grad_enabled(True)
    assert records()


def test_the_mode_is_each_threads_own() -> None:
    def started() -> None:
        seen.append(records())
        with nnfast.no_grad():
            inside.set()
            leave.wait(60)

    seen: list[bool] = []
    inside, leave = threading.Event(), threading.Event()
    with nnfast.no_grad():
        thread = threading.Thread(target=started)
        thread.start()
        assert inside.wait(60)
    assert records()  # while the other thread is inside its no_grad
    leave.set()
    thread.join()
    assert seen == [True]


def test_the_mode_is_restored_by_a_failing_backward() -> None:
    y = leaf(2.0) * leaf(1.0)
    y.backward()
    with pytest.raises(StateError):
        y.backward()
    assert records()


def test_backward_records_nothing_unless_asked() -> None:
    x = leaf(2.0)
    (x * x).backward()
    assert x.grad is not None and not x.grad.requires_grad


# ---- two threads ----------------------------------------------------------------------------


def test_two_threads_go_backward_at_once() -> None:
    """Graphs of their own over one shared, constant tensor."""
    rng = np.random.default_rng(0)
    data = nnfast.tensor(rng.standard_normal((64, 64)))
    start = threading.Barrier(2)
    results: dict[int, list[bytes]] = {0: [], 1: []}

    def work(me: int) -> None:
        start.wait(60)
        until = time.monotonic() + 0.3
        while len(results[me]) < 20 or time.monotonic() < until:
            w = nnfast.tensor(np.eye(64) * (me + 1), requires_grad=True)
            y = data
            for _ in range(5):
                y = nnfast.tanh(y @ w)
            (y * y).sum().backward()
            assert w.grad is not None
            results[me].append(w.grad.array.tobytes())

    threads = [threading.Thread(target=work, args=(me,)) for me in (0, 1)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    for me in (0, 1):
        assert len(results[me]) >= 20 and len(set(results[me])) == 1


# ---- refusals -------------------------------------------------------------------------------


def refused(kind: type[Exception], text: str, call: Callable[[], Any]) -> None:
    with pytest.raises(kind) as e:
        call()
    assert str(e.value).startswith(text)


def test_backward_of_what_has_no_gradient() -> None:
    text = "backward: expected a tensor that requires gradients, got one of shape (2,) that depends"
    refused(StateError, text, nnfast.ones(2).backward)
    with nnfast.no_grad():
        y = leaf(1.0, 2.0) * 2.0
    refused(StateError, text, y.backward)


def test_backward_of_many_elements() -> None:
    y = leaf(1.0, 2.0) * 2.0
    refused(
        ArgumentError, "backward: expected a scalar, got shape (2,). Hint: reduce it", y.backward
    )
    wrong = nnfast.ones(3, dtype=nnfast.float64)
    text = "backward: expected a gradient of shape (2,), got shape (3,)"
    refused(ArgumentError, text, lambda: y.backward(wrong))


def test_numpy_of_what_requires_gradients() -> None:
    refused(
        StateError,
        "numpy: expected a tensor without gradient, got one of shape (1,)",
        leaf(1.0).numpy,
    )


def test_requires_grad_of_integers_and_results() -> None:
    text = "requires_grad_: expected a float tensor, got int64"
    refused(DTypeError, text, nnfast.tensor([1]).requires_grad_)
    y = leaf(1.0) * 2.0
    text = "requires_grad_: expected a leaf, got a result of an op"
    refused(ArgumentError, text, lambda: y.requires_grad_(False))
