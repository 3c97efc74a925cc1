"""IDX files, the MNIST digits and batches from arrays."""

from __future__ import annotations

import doctest
import gzip
import itertools
import os
import runpy
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nnfast.data import (
    MNIST_MEAN,
    MNIST_STD,
    DataLoader,
    TensorDataset,
    idx,
    load_mnist,
    loader,
    mnist,
    normalize_images,
    read_idx,
    split,
    write_idx,
)
from nnfast.errors import DTypeError, FormatError, NNFastError

REPOSITORY = Path(__file__).resolve().parent.parent
FULL_MNIST = os.environ.get("NNFAST_MNIST_DIR")  # a folder with the four files, for more tests
needs_full_mnist = pytest.mark.skipif(not FULL_MNIST, reason="NNFAST_MNIST_DIR is not set")

# IDX

IDX_DTYPES = ["uint8", "int8", "int16", "int32", "float32", "float64"]
MAGIC_2X3 = b"\0\0\x08\x02" + b"\0\0\0\2" + b"\0\0\0\3"


@pytest.mark.parametrize("dtype", IDX_DTYPES)
@pytest.mark.parametrize("shape", [(), (0,), (1,), (5,), (2, 3), (3, 0, 2), (2, 3, 4, 5)])
@pytest.mark.parametrize("name", ["a.idx", "a.gz"])
def test_idx_round_trip(tmp_path: Path, dtype: str, shape: tuple[int, ...], name: str) -> None:
    array = np.asarray(np.random.default_rng(0).integers(-99, 100, shape)).astype(dtype)
    write_idx(tmp_path / name, array)
    for mmap in (True, False):
        got = read_idx(tmp_path / name, mmap=mmap)
        assert got.dtype == array.dtype and got.dtype.isnative and got.shape == shape
        np.testing.assert_array_equal(got, array)


def test_idx_bytes_are_those_of_the_format(tmp_path: Path) -> None:
    write_idx(tmp_path / "a", np.array([[1, -2]], np.int16))
    expected = b"\0\0\x0b\2" + b"\0\0\0\1" + b"\0\0\0\2" + b"\0\1\xff\xfe"
    assert (tmp_path / "a").read_bytes() == expected


@pytest.mark.parametrize(
    "array", [np.arange(6, dtype=np.uint8).reshape(2, 3).T, np.arange(4, dtype=">f4"), [[1.5, 2.5]]]
)
def test_idx_writes_any_layout(tmp_path: Path, array: Any) -> None:
    write_idx(tmp_path / "a", array)
    np.testing.assert_array_equal(read_idx(tmp_path / "a"), array)


def test_idx_gzip_is_told_by_its_bytes_not_its_name(tmp_path: Path) -> None:
    (tmp_path / "plain.gz").write_bytes(MAGIC_2X3 + bytes(range(6)))
    (tmp_path / "packed").write_bytes(gzip.compress(MAGIC_2X3 + bytes(range(6))))
    for name in ("plain.gz", "packed"):
        assert read_idx(tmp_path / name).tolist() == [[0, 1, 2], [3, 4, 5]]


def test_idx_gzip_in_several_members(tmp_path: Path) -> None:
    data = MAGIC_2X3 + bytes(range(6))
    (tmp_path / "a").write_bytes(gzip.compress(data[:5]) + gzip.compress(data[5:]))
    assert read_idx(tmp_path / "a").tolist() == [[0, 1, 2], [3, 4, 5]]


def test_idx_bytes_are_mapped_and_read_only(tmp_path: Path) -> None:
    write_idx(tmp_path / "a", np.zeros((100, 28, 28), np.uint8))
    mapped = read_idx(tmp_path / "a")
    base: Any = mapped
    while isinstance(base, np.ndarray):
        base = base.base
    assert type(getattr(base, "obj", base)).__name__ == "mmap" and not mapped.flags.writeable
    assert read_idx(tmp_path / "a", mmap=False).flags.writeable


def test_idx_gzip_is_reproducible(tmp_path: Path) -> None:
    for name in ("a.gz", "b.gz"):
        write_idx(tmp_path / name, np.arange(200, dtype=np.uint8))
    raw = (tmp_path / "a.gz").read_bytes()
    assert raw == (tmp_path / "b.gz").read_bytes()
    assert raw[3:8] == bytes(5)  # no name, no date


BAD_IDX = {
    "empty": (b"", "a header of at least 4 bytes, got a file of 0 bytes"),
    "three bytes": (b"\0\0\x08", "a header of at least 4 bytes, got a file of 3 bytes"),
    "png": (b"\x89PNG\r\n", "the bytes 00 00, a type code (08, 09, 0b, 0c, 0d, 0e)"),
    "little-endian": (b"\x03\x08\0\0" + bytes(12), "the bytes 00 00, a type code"),
    "type 0a": (b"\0\0\x0a\1" + bytes(5), "got 00 00 0a 01"),
    "33 dimensions": (b"\0\0\x08\x21" + bytes(200), "at most 32 dimensions, got 00 00 08 21"),
    "cut header": (MAGIC_2X3[:10], "2 dimensions of 4 bytes, got 6 bytes, then the end"),
    "truncated": (MAGIC_2X3 + bytes(5), "6 bytes of elements for (2, 3) uint8, got 5 bytes"),
    "trailing": (MAGIC_2X3 + bytes(7), "6 bytes of elements for (2, 3) uint8, got trailing"),
    "2**60": (b"\0\0\x08\2" + b"\x40\0\0\0" * 2, f"{2**60} bytes of elements"),
    "2**120": (b"\0\0\x0e\4" + b"\x40\0\0\0" * 4, "a shape that fits in memory"),
    "empty but huge": (b"\0\0\x0e\4" + b"\0" * 4 + b"\xff" * 12, "a shape that fits in memory"),
}


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("case", BAD_IDX)
def test_damaged_idx_is_refused_with_its_name(tmp_path: Path, case: str, packed: bool) -> None:
    content, message = BAD_IDX[case]
    if packed and case == "2**60":
        message = (
            "at most 1073741824 bytes of elements in a gzip file, got (1073741824, 1073741824)"
        )
    path = tmp_path / "damaged"
    path.write_bytes(gzip.compress(content) if packed else content)
    with pytest.raises(FormatError) as caught:
        read_idx(path)
    text = str(caught.value)
    assert text.startswith(f"read_idx({str(path)!r}): expected ") and " Hint: " in text
    assert message in text


def change(data: bytes, place: int) -> bytes:
    return data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]


PACKED = gzip.compress(MAGIC_2X3 + bytes(range(6)), mtime=0)
BAD_GZIP = {
    "cut": (PACKED[:-9], "ended before the end-of-stream marker"),
    "no checksum": (PACKED[:-8], "ended before the end-of-stream marker"),
    "only the magic": (PACKED[:2], "a whole gzip file"),
    "wrong checksum": (change(PACKED, len(PACKED) - 5), "CRC check failed"),
    "wrong length": (change(PACKED, len(PACKED) - 1), "Incorrect length of data"),
    "wrong method": (change(PACKED, 2), "Unknown compression method"),
    "rubbish inside": (PACKED[:10] + b"\xff" * 20, "Error -3 while decompressing"),
    "rubbish behind": (PACKED + b"rubbish", "Not a gzipped file"),
}


@pytest.mark.parametrize("case", BAD_GZIP)
def test_damaged_gzip_is_refused(tmp_path: Path, case: str) -> None:
    content, message = BAD_GZIP[case]
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(FormatError, match=r"expected a whole gzip file, got .* Hint: ") as caught:
        read_idx(tmp_path / "a")
    assert message in str(caught.value)


def test_a_gzip_bomb_is_unpacked_no_further_than_its_header_says(tmp_path: Path) -> None:
    bomb = gzip.compress(MAGIC_2X3 + bytes(50_000_000))
    (tmp_path / "bomb").write_bytes(bomb)
    tracemalloc.start()
    with pytest.raises(FormatError, match="got trailing bytes"):
        read_idx(tmp_path / "bomb")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2_000_000


def test_a_bomb_with_a_fitting_header_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_idx(tmp_path / "a.gz", np.zeros(1001, np.uint8))
    monkeypatch.setattr(idx, "_MAX_GZIP", 1000)
    with pytest.raises(FormatError, match=r"at most 1000 bytes .* Hint: gunzip it first"):
        read_idx(tmp_path / "a.gz")


@pytest.mark.parametrize("name", ["a.idx", "a.gz"])
def test_fuzzed_idx_is_read_or_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    write_idx(path, np.arange(40, dtype=np.int16).reshape(4, 10))
    good = path.read_bytes()
    rng = np.random.default_rng(0)
    refused = 0
    for _ in range(2000):
        bad = bytearray(good)
        for _ in range(rng.integers(0, 3)):
            bad[rng.integers(len(bad))] = rng.integers(256)
        path.write_bytes(bad[: rng.integers(len(bad))] if rng.random() < 0.2 else bad)
        try:
            array = read_idx(path)
        except (NNFastError, OSError):
            refused += 1
        else:
            assert array.nbytes == 80
    assert 200 < refused < 1900  # the fuzz reaches both sides


def test_idx_files_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"No such file or directory\. Hint: check") as info:
        read_idx(tmp_path / "nothing")
    assert str(tmp_path / "nothing") in str(info.value)
    with pytest.raises(FormatError, match="expected a regular file, got a directory"):
        read_idx(tmp_path)
    with pytest.raises(DTypeError, match="expected a path"):
        read_idx(None)  # type: ignore[arg-type]


@pytest.mark.parametrize("dtype", ["int64", "uint16", "bool", "float16", "complex64", "O", "U3"])
def test_dtypes_that_idx_does_not_have(tmp_path: Path, dtype: str) -> None:
    with pytest.raises(DTypeError, match=r"expected uint8, int8, .* Hint: labels fit in"):
        write_idx(tmp_path / "a", np.zeros(3, dtype))
    with pytest.raises(DTypeError):
        write_idx(tmp_path / "a", np.zeros(3, dtype))
    assert os.listdir(tmp_path) == []


def test_idx_is_written_atomically(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_idx(tmp_path / "a.gz", np.arange(3, dtype=np.uint8))

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match=r"No space left on device\. Hint: free space"):
        write_idx(tmp_path / "a.gz", np.arange(9, dtype=np.uint8))
    assert os.listdir(tmp_path) == ["a.gz"] and read_idx(tmp_path / "a.gz").tolist() == [0, 1, 2]


# Batches


def epochs(loader: DataLoader, count: int = 1) -> list[list[int]]:
    return [np.concatenate([batch[0] for batch in loader]).tolist() for _ in range(count)]


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("drop_last", [False, True])
@pytest.mark.parametrize(("n", "size"), [(1, 1), (5, 1), (5, 2), (6, 2), (6, 6), (7, 6), (65, 64)])
def test_every_row_comes_once(n: int, size: int, drop_last: bool, shuffle: bool) -> None:
    x = np.arange(n * 6, dtype=np.float32).reshape(n, 2, 3)
    y = np.arange(n)
    loader = DataLoader(TensorDataset(x, y), size, shuffle, seed=1, drop_last=drop_last)
    batches = list(loader)
    assert len(batches) == len(loader)
    used = n - n % size if drop_last else n
    assert [len(b) for _, b in batches] == [min(size, used - i) for i in range(0, used, size)]
    rows = np.concatenate([b for _, b in batches])
    assert len(set(rows.tolist())) == used and (shuffle or rows.tolist() == list(range(used)))
    np.testing.assert_array_equal(np.concatenate([a for a, _ in batches]), x[rows])


@pytest.mark.parametrize("shuffle", [False, True])
def test_batches_are_new_arrays(shuffle: bool) -> None:
    x = np.arange(12.0).reshape(6, 2)
    original = x.copy()
    loader = DataLoader(TensorDataset(x, x), batch_size=2, shuffle=shuffle)
    kept = [array for batch in loader for array in batch]
    for array, other in itertools.combinations([x, *kept], 2):
        assert not np.shares_memory(array, other)
    for array in kept:
        array[:] = -1
    np.testing.assert_array_equal(x, original)


def read_only() -> np.ndarray:
    array = np.arange(60.0).reshape(20, 3)
    array.flags.writeable = False
    return array


SOURCES = {
    "read-only": read_only(),
    "transposed": np.arange(60.0).reshape(3, 20).T,
    "axes swapped": np.arange(240.0).reshape(20, 4, 3).swapaxes(1, 2),
    "reversed": np.arange(60.0).reshape(20, 3)[::-1],
    "broadcast": np.broadcast_to(np.float32(2), (20, 3)),
    "misaligned": np.frombuffer(b"x" + bytes(160), np.uint8)[1:].view(np.float64),
    "no columns": np.zeros((20, 0)),
    **{dtype: np.arange(20).astype(dtype) for dtype in [*IDX_DTYPES, "?", "f2", "c8", ">i4", "U2"]},
}


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("case", SOURCES)
def test_any_source_gives_contiguous_batches(case: str, shuffle: bool) -> None:
    array = SOURCES[case]
    loader = DataLoader(TensorDataset(array), batch_size=6, shuffle=shuffle, seed=3)
    rows = loader.order(0)
    for i, (batch,) in enumerate(loader):
        assert batch.dtype == array.dtype and batch.flags.c_contiguous and batch.flags.writeable
        np.testing.assert_array_equal(batch, array[rows[6 * i : 6 * i + 6]])


def test_memory_mapped_source(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.arange(40).reshape(20, 2))
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    for (batch,) in DataLoader(TensorDataset(mapped), batch_size=8, shuffle=True):
        assert type(batch) is np.ndarray and (batch[:, 0] * 2 + 1 == batch.sum(1)).all()


def test_tensors_give_their_array() -> None:
    class Tensor:
        def numpy(self) -> np.ndarray:
            return np.arange(3)

    assert next(iter(DataLoader(TensorDataset(Tensor(), [5, 6, 7]))))[1].tolist() == [5, 6, 7]


def test_an_epoch_depends_on_seed_and_number_alone() -> None:
    dataset = TensorDataset(np.arange(100))
    runs = epochs(DataLoader(dataset, 7, shuffle=True, seed=5), 4)
    np.random.seed(0)
    assert epochs(DataLoader(dataset, 9, shuffle=True, seed=5), 4) == runs  # whatever the batch
    assert len({tuple(run) for run in runs}) == 4
    assert epochs(DataLoader(dataset, 7, shuffle=True, seed=6))[0] not in runs
    other = DataLoader(dataset, 7, shuffle=True, seed=5 + 2**32)  # no two seeds run together
    assert all(run not in runs for run in epochs(other, 4))


def test_the_order_is_the_same_on_every_machine() -> None:
    """Fixed numbers: a change here breaks every run that someone wants to repeat."""
    loader = DataLoader(TensorDataset(np.arange(12)), 4, shuffle=True, seed=0)
    assert loader.order(0).tolist() == [1, 10, 4, 5, 11, 6, 8, 2, 0, 3, 9, 7]
    assert loader.order(1).tolist() == [10, 7, 8, 6, 2, 9, 3, 1, 11, 0, 4, 5]


def test_resume_by_setting_the_epoch() -> None:
    dataset = TensorDataset(np.arange(50))
    whole = DataLoader(dataset, 8, shuffle=True)  # a seed of its own
    runs = epochs(whole, 5)
    assert whole.epoch == 5
    resumed = DataLoader(dataset, 8, shuffle=True, seed=whole.seed)
    resumed.epoch = 3
    assert epochs(resumed, 2) == runs[3:]


def test_an_epoch_that_is_broken_off_is_not_repeated() -> None:
    loader = DataLoader(TensorDataset(np.arange(50)), 50, shuffle=True, seed=0)
    first, second = next(iter(loader))[0], next(iter(loader))[0]
    assert first.tolist() != second.tolist() and loader.epoch == 2
    a, b = iter(loader), iter(loader)  # two at a time do not disturb each other
    assert next(b)[0].tolist() == loader.order(3).tolist()
    assert next(a)[0].tolist() == loader.order(2).tolist()


def test_without_a_seed_two_loaders_differ() -> None:
    dataset = TensorDataset(np.arange(100))
    assert epochs(DataLoader(dataset, shuffle=True)) != epochs(DataLoader(dataset, shuffle=True))


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 8, 9, 1000, 1024, 1025])
def test_orders_are_permutations(n: int) -> None:
    for epoch in range(3):
        order = DataLoader(TensorDataset(np.zeros(n)), shuffle=True, seed=2).order(epoch)
        assert order.dtype == np.int64 and sorted(order.tolist()) == list(range(n))


def test_orders_are_uniform() -> None:
    """Every row at every place equally often: chi-square of 7 x 7 counts, 36 degrees of freedom."""
    n, rounds = 7, 4000
    loader = DataLoader(TensorDataset(np.zeros(n)), shuffle=True, seed=11)
    counts = np.zeros((n, n))
    for epoch in range(rounds):
        counts[loader.order(epoch), np.arange(n)] += 1
    expected = rounds / n
    chi2 = ((counts - expected) ** 2 / expected).sum() * (n - 1) / n
    assert 12 < chi2 < 75  # both tails below 1 in 5,000 for a fair shuffle


X5, Y4 = np.zeros((5, 2)), np.zeros(4)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: TensorDataset(), "TensorDataset: expected at least one array, got none"),
        (lambda: TensorDataset(X5, Y4), "arrays of equal length, got [5, 4]. tensors[0]: (5, 2)"),
        (lambda: TensorDataset(X5[:0]), "at least one row, got an empty dataset"),
        (lambda: TensorDataset(3.0), "arrays with a first axis, got a scalar"),
        (lambda: TensorDataset([[1], [2, 3]]), "an array as tensors[0], got"),
        (lambda: DataLoader(X5), "a TensorDataset, got ndarray. Hint: DataLoader(TensorDataset("),
        (lambda: DataLoader(TensorDataset(X5), 0), "batch_size to be an integer >= 1, got 0"),
        (lambda: DataLoader(TensorDataset(X5), -1), "batch_size to be an integer >= 1, got -1"),
        (lambda: DataLoader(TensorDataset(X5), 2.0), "batch_size to be an integer >= 1, got 2.0"),
        (lambda: DataLoader(TensorDataset(X5), "8"), "batch_size to be an integer >= 1, got '8'"),
        (lambda: DataLoader(TensorDataset(X5), True), "batch_size to be an integer >= 1, got True"),
        (lambda: DataLoader(TensorDataset(X5), seed=-1), "seed to be an integer >= 0, got -1"),
        (lambda: DataLoader(TensorDataset(X5), seed=0.5), "seed to be an integer >= 0, got 0.5"),
        (
            lambda: DataLoader(TensorDataset(X5), 8, drop_last=True),
            "at least one batch, got 5 rows",
        ),
        (
            lambda: setattr(DataLoader(TensorDataset(X5)), "epoch", -1),
            "epoch to be an integer >= 0",
        ),
        (lambda: split(10, (5, 6)), "counts with sum n=10, got sum 11"),
        (lambda: split(10, (0.5, 0.6)), "fractions with sum 1, got sum 1.1"),
        (lambda: split(10, (11, -1)), "parts >= 0"),
        (lambda: split(10, (float("nan"), 1.0)), "parts >= 0"),
        (lambda: split(10, ()), "a list of counts or of fractions, got ()"),
        (lambda: split(10, 10), "a list of counts or of fractions, got 10"),
        (lambda: split(2.5, (1, 1)), "n to be an integer >= 0, got 2.5"),
    ],
)
def test_wrong_arguments(make: Any, message: str) -> None:
    with pytest.raises(NNFastError) as caught:
        make()
    assert message in str(caught.value) and " Hint: " in str(caught.value)


def test_dataset_indexing() -> None:
    dataset = TensorDataset(np.arange(10).reshape(5, 2), np.arange(5))
    assert len(dataset) == 5 and dataset[3][0].tolist() == [6, 7] and dataset[-1][1] == 4
    assert dataset[1:3][1].tolist() == [1, 2] and dataset[np.array([4, 0])][1].tolist() == [4, 0]
    assert [int(y) for _, y in dataset] == [0, 1, 2, 3, 4]  # the old protocol ends by IndexError
    assert repr(dataset) == f"TensorDataset((5, 2) {np.arange(1).dtype}, (5,) {np.arange(1).dtype})"


@pytest.mark.parametrize(
    ("n", "parts", "lengths"),
    [
        (60000, (55000, 5000), [55000, 5000]),
        (10, (0.9, 0.1), [9, 1]),
        (7, (0.5, 0.5), [4, 3]),
        (5, (5, 0), [5, 0]),
        (0, (0,), [0]),
        (3, (1 / 3, 1 / 3, 1 / 3), [1, 1, 1]),
    ],
)
def test_split(n: int, parts: tuple[Any, ...], lengths: list[int]) -> None:
    pieces = split(n, parts, seed=4)
    assert [len(piece) for piece in pieces] == lengths
    assert sorted(np.concatenate(pieces).tolist()) == list(range(n))
    assert all((np.diff(piece) > 0).all() for piece in pieces)
    for piece, again in zip(pieces, split(n, parts, seed=4), strict=True):
        np.testing.assert_array_equal(piece, again)
    if n == 60000:
        assert not np.array_equal(pieces[1], split(n, parts, seed=5)[1])


# MNIST

STEMS = ["train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1"]


def small_mnist(n: int = 40) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (n + 20, 28, 28), np.uint8)
    labels = rng.permutation(np.arange(n + 20) % 10).astype(np.uint8)
    return [images[:n], labels[:n], images[n:], labels[n:]]


def write_mnist(folder: Path, arrays: list[np.ndarray], dot: bool = False, end: str = "") -> None:
    for stem, array in zip(STEMS, arrays, strict=True):
        write_idx(folder / f"{stem.replace('-idx', '.idx') if dot else stem}-ubyte{end}", array)


@pytest.mark.parametrize("dot", [False, True])
@pytest.mark.parametrize("end", ["", ".gz"])
def test_mnist_from_a_folder(tmp_path: Path, dot: bool, end: str) -> None:
    write_mnist(tmp_path, small_mnist(), dot, end)
    for got, want in zip(load_mnist(tmp_path), small_mnist(), strict=True):
        np.testing.assert_array_equal(got, want)


def test_mnist_names_what_is_missing(tmp_path: Path) -> None:
    write_mnist(tmp_path, small_mnist())
    (tmp_path / "t10k-images-idx3-ubyte").unlink()
    (tmp_path / "t10k-labels-idx1-ubyte").unlink()
    with pytest.raises(FileNotFoundError) as caught:
        load_mnist(tmp_path)
    text = str(caught.value)
    assert (
        f"load_mnist({str(tmp_path)!r}): expected the four files of MNIST, got no t10k-im" in text
    )
    assert "no t10k-images-idx3-ubyte, t10k-labels-idx1-ubyte." in text and "train" not in text
    assert (
        "Hint: t10k-images-idx3-ubyte.gz and t10k-images.idx3-ubyte and t10k-images.idx3-ub" in text
    )


def test_mnist_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="got no such folder"):
        load_mnist(tmp_path / "nothing")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda a: [a[0], a[1][:-1], a[2], a[3]],
            "expected 40 train labels, uint8, N > 0, got (39,)",
        ),
        (
            lambda a: [a[0], a[1], a[2][:-1], a[3]],
            "expected 19 t10k labels, uint8, N > 0, got (20,)",
        ),
        (lambda a: [a[1], a[0], a[2], a[3]], "expected train images (N, 28, 28) uint8, got (40,)"),
        (
            lambda a: [a[0][:, 1:], *a[1:]],
            "expected train images (N, 28, 28) uint8, got (40, 27, 28)",
        ),
        (lambda a: [a[0].astype("i2"), *a[1:]], "got (40, 28, 28) int16"),
        (lambda a: [a[0], a[1].astype("i4"), *a[2:]], "got (40,) int32"),
        (lambda a: [a[0][:0], a[1][:0], *a[2:]], "expected 0 train labels, uint8, N > 0"),
        (lambda a: [*a[:3], a[3] * 0 + 10], "expected t10k labels 0 .. 9, got label 10 at index 0"),
    ],
)
def test_mnist_files_that_do_not_fit(tmp_path: Path, change: Any, message: str) -> None:
    write_mnist(tmp_path, change(small_mnist()))
    with pytest.raises(FormatError) as caught:
        load_mnist(tmp_path)
    assert message in str(caught.value) and " Hint: " in str(caught.value)


def test_the_excerpt_is_small_and_balanced() -> None:
    train_images, train_labels, test_images, test_labels = load_mnist()
    assert train_images.shape == (5000, 28, 28) and test_images.shape == (1000, 28, 28)
    assert np.bincount(train_labels).tolist() == [500] * 10
    assert np.bincount(test_labels).tolist() == [100] * 10
    folder = Path(mnist.__file__).parent / "mnist_excerpt"
    assert sum(path.stat().st_size for path in folder.iterdir()) < 1_050_000
    assert "CC BY-SA 3.0" in (folder / "README.md").read_text(encoding="utf-8")


def test_the_excerpt_has_the_right_labels() -> None:
    """The nearest mean image gets about 80% of MNIST; wrong labels would give 10%."""
    train_images, train_labels, test_images, test_labels = load_mnist()
    train, test = (x.reshape(len(x), -1) / 255 for x in (train_images, test_images))
    means = np.array([train[train_labels == digit].mean(0) for digit in range(10)])
    guess = (test @ means.T - (means**2).sum(1) / 2).argmax(1)
    assert (guess == test_labels).mean() > 0.75


def test_no_test_image_is_in_the_training_part() -> None:
    train_images, _, test_images, _ = load_mnist()
    train, test = ({image.tobytes() for image in images} for images in (train_images, test_images))
    assert len(train) == 5000 and len(test) == 1000 and not train & test


def test_the_excerpt_script_draws_the_same_every_time(tmp_path: Path) -> None:
    script = runpy.run_path(str(REPOSITORY / "tools" / "make_mnist_excerpt.py"))
    full = small_mnist(200)
    write_mnist(tmp_path, full)
    script["main"].__globals__.update(TRAIN_PER_DIGIT=10, TEST_PER_DIGIT=1)
    for name in ("a", "b"):
        script["main"](["--data-dir", str(tmp_path), "--out", str(tmp_path / name)])
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()
    train_images, train_labels, _, test_labels = load_mnist(tmp_path / "a")
    assert np.bincount(train_labels).tolist() == [10] * 10
    assert np.bincount(test_labels).tolist() == [1] * 10
    known = {image.tobytes(): label for image, label in zip(full[0], full[1], strict=True)}
    for image, label in zip(train_images, train_labels, strict=True):
        assert known[image.tobytes()] == label


def test_normalize_images() -> None:
    images = small_mnist()[0]
    got = normalize_images(images)
    assert got.shape == (40, 1, 28, 28) and got.dtype == np.float32 and got.flags.c_contiguous
    want = (images.astype(np.float64) / 255 - MNIST_MEAN) / MNIST_STD
    np.testing.assert_allclose(got[:, 0], want, rtol=0, atol=8 * np.finfo(np.float32).eps)
    np.testing.assert_array_equal(normalize_images(images[::2]), got[::2])
    turned = normalize_images(images.swapaxes(1, 2))
    np.testing.assert_array_equal(turned, got.swapaxes(2, 3))
    assert turned.flags.c_contiguous
    assert normalize_images(images[:0]).shape == (0, 1, 28, 28)
    for wrong in (images.astype(np.float32), images[0], got):
        with pytest.raises(DTypeError, match=r"expected uint8 images \(N, H, W\), got"):
            normalize_images(wrong)


@needs_full_mnist
def test_the_full_set() -> None:
    train_images, train_labels, test_images, test_labels = load_mnist(FULL_MNIST)
    assert len(train_images) == 60_000 == len(train_labels)
    assert len(test_images) == 10_000 == len(test_labels)
    assert round(train_images.mean() / 255, 4) == MNIST_MEAN
    assert round(train_images.std() / 255, 4) == MNIST_STD


@needs_full_mnist
def test_the_excerpt_is_what_the_script_draws(tmp_path: Path) -> None:
    script = runpy.run_path(str(REPOSITORY / "tools" / "make_mnist_excerpt.py"))
    script["main"](["--data-dir", FULL_MNIST, "--out", str(tmp_path)])
    for got, want in zip(load_mnist(tmp_path), load_mnist(), strict=True):
        np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("module", [idx, loader, mnist])
def test_examples_in_the_documentation(module: Any) -> None:
    result = doctest.testmod(module)
    assert result.attempted > 0 and result.failed == 0
