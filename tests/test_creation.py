"""New tensors, conversions, and the ways out: NumPy, DLPack, pickle."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest

import nnfast
from tests.peers import Function, agrees_with_torch

MADE: list[Function] = [
    lambda L: L.arange(5),
    lambda L: L.arange(1, 8, 3),
    lambda L: L.arange(5, -4, -2),
    lambda L: L.arange(0.0, 1.0, 0.1),
    lambda L: L.arange(2, 2),
    lambda L: L.arange(3, dtype=L.float64),
    lambda L: L.linspace(-1, 2, 7),
    lambda L: L.linspace(1, 2, 1),
    lambda L: L.linspace(1, 2, 0),
    lambda L: L.logspace(0, 2, 5, base=2.0),
    lambda L: L.eye(3),
    lambda L: L.eye(2, 4, dtype=L.int64),
    lambda L: L.full((2, 2), 3),
    lambda L: L.full((2,), 0.5),
    lambda L: L.full((), True),
    lambda L: L.zeros((2, 0)),
    lambda L: L.ones(3, dtype=L.bool),
    lambda L: L.zeros_like(L.ones(2, dtype=L.float64)),
    lambda L: L.ones_like(L.ones(2), dtype=L.int64),
    lambda L: L.full_like(L.ones(2), 7),
    lambda L: L.tensor([[1, 2], [3, 4]]),
    lambda L: L.tensor([1.5, 2]),
    lambda L: L.tensor([True, False]),
    lambda L: L.tensor([L.tensor(1.0), L.tensor(2.0)]),
    lambda L: L.as_tensor([1, 2], dtype=L.float32),
    lambda L: L.ones(2, dtype=L.float64).new_zeros(2, 3),
    lambda L: L.ones(2, dtype=L.int64).new_tensor([1.0]),
    lambda L: L.ones(2).new_full((2,), 3),
    lambda L: L.tril_indices(3, 4, 1),
    lambda L: L.triu_indices(4, 3, -1),
    lambda L: L.arange(0, 5, -1),
    lambda L: L.arange(0, 5, 0),
    lambda L: L.arange(0, float("inf")),
    lambda L: L.linspace(0, 1, -1),
    lambda L: L.eye(-1),
    lambda L: L.zeros(-1),
    lambda L: L.tensor([[1], [2, 3]]),
    # conversions
    lambda L: L.tensor([1.7, -1.7]).int(),
    lambda L: L.tensor([0.0, 2.0]).bool(),
    lambda L: L.tensor([1, 2]).float(),
    lambda L: L.tensor([1, 200]).to(L.uint8),
    lambda L: L.tensor([1]).type_as(L.ones(1)),
    lambda L: L.tensor([1]).to("cpu").to(L.ones(1)),
    lambda L: L.tensor([1]) + 0.5,
    lambda L: L.tensor([1]) + L.ones(1, dtype=L.float64),
    lambda L: L.tensor([1]) + L.ones((), dtype=L.float64),
    lambda L: L.ones(1) + L.ones((), dtype=L.float64),
    lambda L: L.tensor([True]) + 1,
    lambda L: L.tensor([True]) + L.tensor([True]),
    lambda L: L.tensor([True, False]) * L.tensor([True, True]),
    lambda L: L.maximum(L.tensor([True, False]), L.tensor(False)),
    lambda L: L.tensor([1, 2]) * L.ones(2),
    lambda L: L.tensor(1) + L.ones(()),
    lambda L: L.maximum(L.tensor([1, 2]), L.ones(2)),
    lambda L: L.tensor([1]) / 2,
    lambda L: L.tensor([True, False]).sum(),
    lambda L: L.tensor([True, False]).sum(dtype=L.float32),
    lambda L: L.tensor([-1, 5]).clamp(0, 2),
    lambda L: L.tensor([-1, 5]).clamp(max=0.5),
    lambda L: L.tensor([-1, 5]).clamp(L.tensor([0, 6])),
    lambda L: L.where(L.tensor([True, False]), 1, 0),
    lambda L: L.where(L.tensor([True, False]), 1, 0.5),
    lambda L: L.ones(3) @ L.ones(3),
    lambda L: L.ones(3) @ L.ones(2, 3, 4),
    lambda L: L.ones(2, 4, 3) @ L.ones(3),
    lambda L: L.ones(1, 3, 1).squeeze(),
    lambda L: L.ones(1, 3, 1).squeeze(1),
    lambda L: L.ones(1, 3, 1).squeeze((0, 1)),
    lambda L: L.ones(()).squeeze(0),
    lambda L: L.ones(()).flatten(),
]


@pytest.mark.parametrize("number", range(len(MADE)))
def test_as_torch_does(number: int) -> None:
    agrees_with_torch(MADE[number])


def test_as_numpy_does() -> None:
    for got, want in [
        (nnfast.arange(2, 11, 4), np.arange(2, 11, 4)),
        (nnfast.linspace(0, 1, 5), np.linspace(0, 1, 5)),
        (nnfast.logspace(0, 3, 4), np.logspace(0, 3, 4)),
        (nnfast.eye(2, 4), np.eye(2, 4)),
        (nnfast.eye(4, 2), np.eye(4, 2)),
        (nnfast.eye(0, 2), np.eye(0, 2)),
        (nnfast.full((2, 1), 2.5), np.full((2, 1), 2.5)),
    ]:
        np.testing.assert_allclose(got.numpy(), want, rtol=1e-6)
    assert nnfast.arange(3).dtype == nnfast.int64 and nnfast.arange(3.0).dtype == nnfast.float32


def test_whose_memory() -> None:
    a = np.zeros(3, np.float32)
    for share in (nnfast.from_numpy, nnfast.as_tensor, nnfast.asarray, nnfast.from_dlpack):
        assert np.shares_memory(share(a).numpy(), a), share
    assert not np.shares_memory(nnfast.tensor(a).numpy(), a)
    assert not np.shares_memory(nnfast.asarray(a, copy=True).numpy(), a)
    x = nnfast.from_numpy(a)
    assert nnfast.as_tensor(x) is x
    for out in (np.asarray(x), np.from_dlpack(x), x.numpy(), np.array(x, copy=False)):
        assert np.shares_memory(out, a)
    assert x.__array_interface__["data"][0] == a.__array_interface__["data"][0]
    assert not np.shares_memory(np.array(x), a)
    with pytest.raises(nnfast.NNFastError):
        nnfast.from_dlpack([1, 2])


def test_torch_shares_memory() -> None:
    torch = pytest.importorskip("torch")
    x = nnfast.zeros(3)
    torch.from_dlpack(x)[0] = 5
    assert x.tolist() == [5, 0, 0]
    t = torch.zeros(3)
    nnfast.from_dlpack(t)[1] = 7
    assert t.tolist() == [0, 7, 0]
    assert np.shares_memory(nnfast.as_tensor(t).numpy(), t.numpy())


def test_buffers() -> None:
    memory = bytearray(np.arange(6, dtype=np.int16).tobytes())
    x = nnfast.frombuffer(memory, dtype=nnfast.int16)
    memory[0] = 9
    assert x.tolist() == [9, 1, 2, 3, 4, 5]
    assert nnfast.frombuffer(memory, dtype=nnfast.int16, count=2, offset=4).tolist() == [2, 3]
    floats = nnfast.frombuffer(np.ones(3, np.float32), dtype=nnfast.float32, requires_grad=True)
    (floats * 2).sum().backward()
    assert floats.grad.tolist() == [2, 2, 2]
    wrong = ((7, -1, 0), (8, 3, 0), (8, -1, 8), (8, -1, -1), (8, 0, 0), (0, -1, 0))
    for size, count, offset in wrong:
        with pytest.raises(nnfast.NNFastError, match="frombuffer"):
            nnfast.frombuffer(bytearray(size), dtype=nnfast.int32, count=count, offset=offset)
    with pytest.raises(nnfast.NNFastError, match="read-only"):
        nnfast.frombuffer(bytes(4), dtype=nnfast.float32).zero_()


def test_scalars() -> None:
    assert nnfast.scalar_tensor(3).dtype == nnfast.float32 == nnfast.scalar_tensor(True).dtype
    x = nnfast.scalar_tensor(3, dtype=nnfast.float64, requires_grad=True)
    assert x.shape == () and x.requires_grad and x.dtype == nnfast.float64


def test_copies() -> None:
    x = nnfast.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    for y in (copy.deepcopy(x), pickle.loads(pickle.dumps(x)), copy.copy(x)):
        assert nnfast.equal(x, y) and y.requires_grad and y.dtype == x.dtype
        assert not np.shares_memory(y.array, x.array)
    for dtype in (nnfast.int64, nnfast.bool, nnfast.uint8, nnfast.float64):
        y = pickle.loads(pickle.dumps(x.detach().to(dtype).mT))
        assert y.dtype == dtype and nnfast.equal(y, x.detach().to(dtype).mT)


def test_what_a_tensor_says_of_itself() -> None:
    x = nnfast.zeros(2, 3)
    assert (x.dim(), x.size(), x.size(-1), x.numel(), x.nelement()) == (2, (2, 3), 3, 6, 6)
    assert (x.stride(), x.mT.stride(0), x.element_size(), x.nbytes) == ((3, 1), 1, 4, 24)
    assert x.is_contiguous() and not x.mT.is_contiguous() and x.is_floating_point()
    assert x.device == "cpu" and x.cpu() is x and x.to(nnfast.float32) is x
    assert len(x) == 2 and [r.shape for r in x] == [(3,), (3,)]
    y = nnfast.tensor([1, 2, 3])
    assert 2 in y and 5 not in y and [int(i) for i in reversed(y)] == [3, 2, 1]
    assert y.tolist() == [1, 2, 3] and y[0].item() == 1 and list(range(4))[y[1]] == 2
    for bad in (lambda: bool(y), lambda: y.item(), lambda: len(y[0]), lambda: float(y)):
        with pytest.raises(nnfast.NNFastError):
            bad()


def test_var_takes_unbiased() -> None:
    x = nnfast.tensor([[1.0, 2.0], [3.0, 7.0]])
    a = x.numpy()
    assert x.var(False).item() == a.var() and x.var(0, False).tolist() == a.var(0).tolist()
    assert x.var(unbiased=True).item() == x.var(correction=1).item() == x.var().item()
    spread = x.std(1, unbiased=False, keepdim=True)
    np.testing.assert_allclose(spread.numpy(), a.std(1, keepdims=True))


def test_random() -> None:
    g = nnfast.Generator().manual_seed(5)
    weights = nnfast.tensor([[0.0, 1.0, 3.0], [2.0, 0.0, 2.0]])
    drawn = nnfast.multinomial(weights, 4000, replacement=True, generator=g).numpy()
    share = [np.bincount(row, minlength=3) / 4000 for row in drawn]
    np.testing.assert_allclose(share, [[0, 0.25, 0.75], [0.5, 0, 0.5]], atol=0.04)
    pairs = nnfast.multinomial(weights.repeat(500, 1), 2, generator=g)
    assert (pairs[::2].sort(1).values == nnfast.tensor([1, 2])).all()
    assert (pairs[1::2].sort(1).values == nnfast.tensor([0, 2])).all()
    assert 0.2 < (pairs[::2, 0] == 1).float().mean().item() < 0.3
    means = nnfast.tensor([0.0, 100.0])
    assert nnfast.normal(means, 1.0, generator=g)[1].item() > 90
    assert nnfast.normal(2.0, 0.0, (2, 2)).tolist() == [[2, 2], [2, 2]]
    x = nnfast.zeros(2, 3, dtype=nnfast.float64)
    assert nnfast.rand_like(x).dtype == nnfast.randn_like(x).dtype == nnfast.float64
    assert nnfast.randint_like(x, 3).shape == (2, 3)
    first = nnfast.bernoulli(nnfast.full((50,), 0.5), generator=g.manual_seed(1))
    again = nnfast.bernoulli(nnfast.full((50,), 0.5), generator=g.manual_seed(1))
    assert nnfast.equal(first, again) and 0 < first.sum().item() < 50


def test_random_numbers_in_a_plan() -> None:
    def draw(w: Any) -> Any:
        return nnfast.multinomial(w, 2), nnfast.bernoulli(w), nnfast.randn(3)

    compiled, w = nnfast.compile(draw), nnfast.full((5,), 0.5)
    nnfast.manual_seed(3)
    got = [compiled(w), compiled(w)]
    nnfast.manual_seed(3)
    for parts, wants in zip(got, [draw(w), draw(w)], strict=True):
        assert all(nnfast.equal(a, b) for a, b in zip(parts, wants, strict=True))


@pytest.mark.parametrize(
    "call",
    [
        lambda: nnfast.multinomial(nnfast.tensor([-1.0, 2.0]), 1),
        lambda: nnfast.multinomial(nnfast.tensor([0.0, 2.0]), 2),
        lambda: nnfast.multinomial(nnfast.tensor([np.nan, 2.0]), 1),
        lambda: nnfast.multinomial(nnfast.tensor([1, 2]), 1),
        lambda: nnfast.multinomial(nnfast.ones(2), 0),
        lambda: nnfast.bernoulli(nnfast.tensor([1.5])),
        lambda: nnfast.normal(nnfast.zeros(2), -1.0),
        lambda: nnfast.tensor([1]).to("cuda"),
        lambda: nnfast.tensor(["a"]),
    ],
)
def test_bad_arguments_are_refused(call: Any) -> None:
    with pytest.raises(nnfast.NNFastError):
        call()


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "bool", "uint8"])
def test_arrays_that_were_pickled_are_known_to_kernels(dtype: str) -> None:
    """Their dtype is a copy of NumPy's own object, which is what kernels go by."""
    array = pickle.loads(pickle.dumps(np.ones((2, 3), dtype)))
    own = np.dtype(dtype)
    assert array.dtype is not own
    shared = nnfast.from_numpy(array)
    copied = pickle.loads(pickle.dumps(nnfast.tensor(array)))
    for t in (nnfast.tensor(array), nnfast.tensor(array.tolist(), array.dtype), shared, copied):
        assert t.dtype is own and t.tolist() == array.tolist()
    array[0] = 0
    assert shared.tolist() == array.tolist()
