"""Memory of results: ordinary NumPy arrays, on blocks that are used again when they are free."""

from __future__ import annotations

import gc
import pickle
import sys
import threading
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

import nnfast
from nnfast import _core
from nnfast.config import available_memory
from tests.test_process import files, output

SIZES = [1, 255, 256, 257, 1000, 1 << 12, (1 << 16) + 3, 1 << 18, 3_000_000]


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    limit = _core.idle_memory_limit()
    _core.release_idle_memory()
    yield
    _core.set_idle_memory_limit(limit)
    _core.release_idle_memory()


keeps = pytest.mark.skipif(_core.idle_memory_limit() == 0, reason="a sanitized build keeps none")


def result(n: int) -> np.ndarray:
    """A fresh result of n floats, all 2."""
    one = nnfast.from_numpy(np.broadcast_to(np.float32(1), (n,)))
    return (one + one).array


@pytest.mark.parametrize("n", SIZES)
def test_a_result_is_an_ordinary_array(n: int) -> None:
    a, usual = result(n), np.empty(n, np.float32)
    assert type(a) is np.ndarray and a.base is None and repr(a.flags) == repr(usual.flags)
    assert n < 256 or a.ctypes.data % 64 == 0
    assert a.strides == usual.strides and sys.getsizeof(a) == sys.getsizeof(usual)
    assert np.array_equal(pickle.loads(pickle.dumps(a)), a)
    assert memoryview(a).nbytes == 4 * n and np.from_dlpack(a).ctypes.data == a.ctypes.data
    view = a[::2].reshape(-1, 1)
    assert view.base is a and view.__array_interface__["data"][0] == a.ctypes.data
    del view
    gc.collect()
    for size in (2 * n, n // 2 + 1, 4 * n):  # NumPy frees and takes through our handler
        a.resize(size, refcheck=False)
        assert (a[: min(size, n // 2 + 1)] == 2).all() and (a[2 * n :] == 0).all()
    a.shape = (2, -1)
    assert a.nbytes == 16 * n


@pytest.mark.parametrize("shape", [(300, 5), (0, 7), (7, 0, 1000), (2, 3, 4, 500)])
def test_results_of_more_dimensions(shape: tuple[int, ...]) -> None:
    y = nnfast.zeros(*shape).exp()
    assert y.array.flags.carray and y.array.flags.owndata and (y.array == 1).all()


@keeps
def test_memory_is_used_again() -> None:
    for n in SIZES[2:]:
        a = result(n)
        place = a.ctypes.data
        del a
        assert _core.idle_memory() > 4 * n
        assert result(n).ctypes.data == place
        nnfast.empty_cache()
        assert _core.idle_memory() == 0


def test_live_results_never_share_memory() -> None:
    rng = np.random.default_rng(0)
    live: list[np.ndarray] = []
    for _ in range(2000):
        if live and rng.random() < 0.5:
            live.pop(int(rng.integers(len(live))))
        a = result(int(rng.integers(200, 3000)))
        a[:] = len(live)
        live.append(a)
        if rng.random() < 0.02:
            nnfast.empty_cache()
        for k, b in enumerate(live):
            b[:] = k
        assert all((b == k).all() for k, b in enumerate(live))
    spans = sorted((b.ctypes.data, b.ctypes.data + b.nbytes) for b in live)
    assert all(end <= start for (_, end), (start, _) in pairwise(spans))


@keeps
def test_what_is_kept_is_bounded() -> None:
    _core.set_idle_memory_limit(1 << 20)
    for n in (100_000, 150_000, 200_000, 1_000_000):
        assert all(a[-1] == 2 for a in [result(n) for _ in range(5)])
        assert _core.idle_memory() <= 1 << 20
    assert result(1_000_000)[-1] == 2 and _core.idle_memory() <= 1 << 20
    _core.set_idle_memory_limit(0)
    assert _core.idle_memory() == 0
    result(1000)
    assert _core.idle_memory() == 0


def test_memory_of_a_loop_does_not_grow() -> None:
    code = """
import numpy as np, nnfast
def resident():
    return int(open('/proc/self/statm').read().split()[1]) * 4
w = nnfast.ones(300, 300, requires_grad=True)
def step(n):
    w.grad = None
    (nnfast.ones(n, 300) @ w).relu().sum().backward()
    (nnfast.ones(4) + 1.0).tolist()
for n in (500, 501, 502): step(n)
before = resident()
for k in range(1000): step(500 + k % 3)
print(resident() - before)
"""
    assert int(output(code)) < 8192


def test_threads_take_and_give_at_once() -> None:
    wrong: list[int] = []
    start = threading.Barrier(3)

    def work(me: int) -> None:
        start.wait(60)
        x = nnfast.from_numpy(np.full(20_000, me, np.float32))  # large enough to release the GIL
        kept = []
        for k in range(300):
            y = x + float(k)
            kept = [*kept[-3:], (k, y)]
            if any((z.array != me + j).any() for j, z in kept):
                wrong.append(me)

    threads = [threading.Thread(target=work, args=(me,)) for me in range(3)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong


def test_too_large_is_an_error() -> None:
    x = nnfast.from_numpy(np.broadcast_to(np.float32(1), (1 << 30, 1 << 20)))
    with pytest.raises(MemoryError):
        x + x
    with pytest.raises((MemoryError, ValueError)):
        x.expand(1 << 20, 1 << 30, 1 << 20) + x
    assert result(1000)[0] == 2


# ---- how much is kept -----------------------------------------------------------------------


def test_available_memory(tmp_path: Path) -> None:
    v2 = {"proc/self/cgroup": "0::/box\n", "sys/fs/cgroup/box/memory.max": f"{1 << 26}\n"}
    assert available_memory(files(tmp_path / "v2", v2)) == 1 << 26
    v1 = {
        "proc/self/cgroup": "3:cpu:/x\n4:memory:/box\n",
        "sys/fs/cgroup/memory/box/memory.limit_in_bytes": f"{1 << 27}\n",
    }
    assert available_memory(files(tmp_path / "v1", v1)) == 1 << 27
    free = {"proc/self/cgroup": "0::/box\n", "sys/fs/cgroup/box/memory.max": "max\n"}
    unlimited = available_memory(files(tmp_path / "free", free))
    assert unlimited == available_memory(str(tmp_path / "nothing")) > 1 << 28


def test_the_configuration_tells() -> None:
    assert "memory kept: " in output("import nnfast; nnfast.show_config()")
