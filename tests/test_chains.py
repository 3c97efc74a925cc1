"""fuse_chains: elementwise maps that follow from each other are one call."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import nnfast
from nnfast.nn import functional as F
from nnfast.ops.update import add_
from tests.passes import names, randn, same_bits


def chains(compiled) -> list[int]:
    """How many maps each chain holds."""
    return [len(n.split()) for n in names(compiled) if n.startswith("chain")]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(), (0, 3), (1, 1), (3, 5), (7, 2049), (5000,), (33, 1000)])
def test_maps_of_one_shape_are_a_chain(shape, dtype):
    x, y = randn(*shape, dtype=dtype), randn(*shape, dtype=dtype)
    compiled = same_bits(lambda x, y: (((x + y) * x).tanh() - y).exp(), x, y)
    assert chains(compiled) == [5]
    assert compiled.plan.arena == 0  # nothing passes through memory


@pytest.mark.parametrize("disable", [(), ("prune",)])
def test_what_nobody_reads(disable):
    def fn(x):
        y = x.tanh()
        y.exp()
        return (y * 2.0).exp()

    compiled = same_bits(fn, randn(5, 7), disable=disable)
    assert chains(compiled) == [4 if disable else 3]


@pytest.mark.parametrize(
    "shape", [(1,), (70,), (30, 1), (1, 70), (2, 1, 1), (2, 30, 1), (2, 1, 70), ()]
)
def test_inputs_broadcast(shape):
    x, b = randn(2, 30, 70), randn(*shape)
    compiled = same_bits(lambda x, b: F.relu((x * b + 1.0) * 3.0) - b, x, b)
    assert chains(compiled) == [5]


def test_rows_with_a_step_are_read_where_they_lie():
    x = randn(300, 40)
    compiled = same_bits(lambda x: x[:, :10].sigmoid() * x[:, 10:20].tanh() + x[:, 20:30], x)
    assert names(compiled) == ["chain[sigmoid tanh mul add]"]


def test_columns_are_left_to_the_map_itself():
    x, y = randn(30, 40), randn(40, 30)
    compiled = same_bits(lambda x, y: ((x.mT + y).exp() + 1.0) * 2.0, x, y)
    assert names(compiled) == ["add", "chain[exp add mul]"]


def test_what_others_read_is_written():
    def fn(x):
        a = x.exp()
        b = a + 1.0
        c = b * a
        return c, b.sum(), a.sum(0)

    assert chains(same_bits(fn, randn(40, 50))) == [3]


def test_a_reader_in_between_ends_a_chain():
    def fn(x):
        a = x.exp() * 2.0
        return a / a.sum()

    compiled = same_bits(fn, randn(40, 50))
    assert names(compiled) == ["chain[exp mul]", "sum", "div"]


def test_a_view_of_a_link_is_another_thing():
    def fn(x):
        a = x.exp()
        return a + a.mT, (a * 2.0)[1:] + a[:-1]

    assert names(same_bits(fn, randn(6, 6))) == ["exp", "add", "mul", "add"]


def test_a_change_in_place_ends_a_chain():
    def run(wrap):
        w = nnfast.tensor([1.0, 2.0])

        def fn():
            a = w.exp()
            add_(w, nnfast.tensor([1.0, 1.0]))
            return a * w

        return wrap(fn)().tolist(), w.tolist()

    assert run(nnfast.compile) == run(lambda f: f)


def test_long_wide_and_deep_chains_are_cut():
    def long(x):
        for k in range(40):
            x = (x * 0.5) + float(k)
        return x

    def power(x):
        y = x
        for _ in range(20):
            y = y * x
        return y

    def wide(*xs):
        y = xs[0]
        for x in xs[1:]:
            y = y * x
        return y

    def deep(x):  # all ten are alive at once
        ys = [(x + float(k)).tanh() for k in range(10)]
        y = ys[0]
        for other in ys[1:]:
            y = y * other
        for other in ys:
            y = y - other
        return y

    assert max(chains(same_bits(long, randn(9)))) == 11  # each with a number of its own
    assert max(chains(same_bits(power, randn(9)))) == 16
    assert max(chains(same_bits(wide, *(randn(5, 3) for _ in range(14))))) == 11
    same_bits(deep, randn(4, 3000))


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_chains_on_threads(threads):
    x = randn(5, 40_001)
    with nnfast.threads(threads):
        same_bits(lambda x: F.gelu(x * 2.0) + x, x)


UNARY = ("exp", "tanh", "sigmoid", "relu", "abs", "neg")
BINARY = ("add", "mul", "sub", "maximum", "minimum")


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_random_graphs_of_maps(data):
    """Any graph of maps over shapes that broadcast, some of whose values are results."""
    shapes = [(3, 5), (5,), (3, 1), (1, 1), (), (4, 3, 5)]
    inputs = [
        randn(*s) for s in data.draw(st.lists(st.sampled_from(shapes), min_size=1, max_size=4))
    ]
    program = []
    for k in range(data.draw(st.integers(1, 25))):
        at = st.integers(0, len(inputs) + k - 1)
        kind = data.draw(st.sampled_from((*UNARY, *BINARY, "sum")))
        program.append((kind, data.draw(at), data.draw(at)))
    wanted = data.draw(st.lists(st.integers(0, len(program) - 1), min_size=1, max_size=4))

    def fn(*inputs):
        values = list(inputs)
        for kind, a, b in program:
            if kind == "sum":
                values.append(values[a].sum(-1, keepdim=True) if values[a].ndim else values[a])
            elif kind in UNARY:
                values.append(getattr(values[a], kind)())
            else:
                values.append(getattr(nnfast, kind)(values[a], values[b]))
        return tuple(values[len(inputs) + k] for k in wanted)

    same_bits(fn, *inputs)
