"""Other views of the same elements: exact."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.specs.spec import Array, Case, Spec


def _place(values: Array, index: Any, shape: tuple[int, ...]) -> Array:
    y = np.zeros(shape)
    y[index] = values
    return y


def _place_diagonal(values: Array, shape: tuple[int, ...], k: int, a: int, b: int) -> Array:
    y = np.zeros(shape)
    part = np.diagonal(y, k, a, b)
    part.flags.writeable = True
    part[...] = values
    return y


SPECS = {
    "reshape": Spec(
        [Case(((2, 6),), args=(3, -1)), Case(((0, 3),), args=((3, 0),)), Case(((),), args=(1,))],
        lambda x, *shape: x.reshape(*shape),
        ulp=0,
    ),
    "permute": Spec(
        [
            Case(((2, 3, 4),), args=(2, 0, 1)),
            Case(((5,),), args=(0,)),
            Case(((0, 2),), args=(1, 0)),
        ],
        lambda x, *dims: x.transpose(*dims),
        ulp=0,
    ),
    "transpose": Spec(
        [
            Case(((2, 3, 4),), args=(0, -1)),
            Case(((2, 3, 4),), args=(1, 1)),
            Case(((5,),), args=(0, -1)),
            Case(((),), args=(0, 0)),
            Case(((0, 2),), args=(-2, 1)),
        ],
        lambda x, a, b: x.swapaxes(a, b) if x.ndim else x,
        ulp=0,
    ),
    "cat": Spec(
        [
            Case(((3,), (2,)), {"dim": 0}),
            Case(((2, 3, 4), (2, 0, 4)), {"dim": 1}),
            Case(((2, 1), (2, 5)), {"dim": -1}),
            Case(((40, 33), (40, 17)), {"dim": 1}),
            Case(((20000,), (30000,)), {"dim": 0}),
            Case(((300, 5, 7), (300, 40, 7)), {"dim": 1}),
            Case(((2, 3),), {"dim": 1}),
            Case(tuple((2, n) for n in (1, 3, 0, 2, 5, 1, 4, 2)), {"dim": 1}),
        ],
        lambda *parts, dim: np.concatenate(parts, axis=dim),
        ulp=0,
    ),
    "stack": Spec(
        [
            Case(((3,), (3,)), {"dim": 0}),
            Case(((), (), ()), {"dim": 0}),
            Case(((2, 3), (2, 3)), {"dim": -1}),
            Case(((2, 3),) * 8, {"dim": 1}),
            Case(((0, 3),), {"dim": 1}),
            Case(((300, 70), (300, 70)), {"dim": -1}),
            Case(((300, 70), (300, 70)), {"dim": 1}),
        ],
        lambda *parts, dim: np.stack(parts, axis=dim),
        ulp=0,
    ),
    "narrow": Spec(
        [
            Case(((4, 5),), args=(1, 1, 3)),
            Case(((4, 5),), args=(-2, -3, 2)),
            Case(((4, 0),), args=(0, 0, 0)),
        ],
        lambda x, dim, start, n: np.take(
            x, range(start % x.shape[dim], start % x.shape[dim] + n), dim
        ),
        ulp=0,
    ),
    "select": Spec(
        [
            Case(((4, 5),), args=(1, -2)),
            Case(((3,),), args=(0, 1)),
            Case(((2, 3, 4),), args=(1, 0)),
        ],
        lambda x, dim, i: np.take(x, i, dim),
        ulp=0,
    ),
    "diagonal": Spec(
        [
            Case(((3, 4),)),
            *(Case(((3, 4),), args=(k,)) for k in (-3, -2, 1, 3, 5)),
            Case(((2, 3, 4, 3),), args=(1, -1, 1)),
            Case(((0, 3),)),
        ],
        np.diagonal,
        ulp=0,
    ),
    "place_diagonal": Spec(
        [
            Case(((3,),), args=((3, 4), 0, 0, 1)),
            Case(((2,),), args=((3, 4), -1, 0, 1)),
            Case(((2, 4, 2),), args=((2, 3, 4, 3), 1, 3, 1)),
            Case(((0,),), args=((0, 3), 0, 0, 1)),
            Case(((20000, 2),), args=((20000, 2, 2), 0, 1, 2)),
        ],
        _place_diagonal,
        ulp=0,
    ),
    "expand": Spec(
        [
            Case(((3, 1),), args=(2, 3, 4)),
            Case(((3, 1),), args=(-1, 4)),
            Case(((1,),), args=(0,)),
            Case(((),), args=(2,)),
        ],
        lambda x, *sizes: np.broadcast_to(
            x, [x.shape[i - len(sizes) + x.ndim] if n == -1 else n for i, n in enumerate(sizes)]
        ),
        ulp=0,
    ),
    "alias": Spec([Case(((3, 4),)), Case(((),))], lambda x: x, ulp=0),
    "clone": Spec(
        # Other layouts of them are turned in tiles of 128 x 128.
        [Case((s,)) for s in ((3, 4), (0,), (), (300, 257), (5, 40, 70), (2, 33, 2, 65), (1, 131))]
        + [Case((s,)) for s in ((2, 33), (2, 130, 2), (3, 2, 5, 2))],
        lambda x: x.copy(),
        ulp=0,
    ),
    "getitem": Spec(
        [
            Case(((4, 5),), {"index": (slice(1, None, 2), 3)}),
            Case(((4, 5),), {"index": (slice(None, None, -1), None, ...)}),
            Case(((4, 5),), {"index": 2}),
        ],
        lambda x, index: x[index],
        ulp=0,
    ),
    "place": Spec(
        [
            Case(((2,),), args=(slice(1, 3), (4,))),
            Case(((3, 2),), args=((slice(None), slice(0, 4, 2)), (3, 5))),
            Case(((2, 1, 3),), args=((slice(2, 0, -1), None, Ellipsis), (4, 3))),
            Case(((),), args=((1, 2), (2, 4))),
            Case(((0, 3),), args=(slice(2, 2), (4, 3))),
            Case(((300, 150),), args=((slice(1, 301), slice(None, None, 2)), (310, 300))),
        ],
        _place,
        ulp=0,
    ),
}
