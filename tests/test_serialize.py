"""Safetensors files: right both ways, clear when damaged, whole or not there when saving fails."""

from __future__ import annotations

import doctest
import errno
import json
import math
import os
import pickle
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

import nnfast
import nnfast.data
from nnfast import nested, nn, optim, serialize
from nnfast.data.idx import write_idx
from nnfast.errors import DTypeError, FileError, FormatError, MissingFileError, NNFastError
from nnfast.files import atomic_file
from nnfast.serialize import load, metadata, save

ROOT = str(Path(nnfast.data.__file__).parents[2])
SIZES = (8, 16, 32, 64)
DTYPES = [*(f"{kind}{size}" for kind in ("int", "uint") for size in SIZES), "bool"]
DTYPES += ["float16", "float32", "float64"]
SHAPES: list[tuple[int, ...]] = [(), (0,), (1,), (7,), (2, 3), (3, 0, 2), (2, 1, 3, 2)]


def make(dtype: str, shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    return np.asarray(np.random.default_rng(seed).integers(0, 100, shape)).astype(dtype)


def everything() -> dict[str, np.ndarray]:
    return {f"{dtype}.{i}": make(dtype, s, i) for dtype in DTYPES for i, s in enumerate(SHAPES)}


def assert_same(got: dict[str, np.ndarray], want: dict[str, np.ndarray]) -> None:
    assert got.keys() == want.keys()
    for name, array in want.items():
        assert got[name].dtype == array.dtype and got[name].shape == array.shape, name
        np.testing.assert_array_equal(got[name], array, err_msg=name)


def test_round_trip_of_every_dtype_and_shape(tmp_path: Path) -> None:
    save(everything(), tmp_path / "a", {"epoch": "3", "näme": "wért"})
    assert_same(load(tmp_path / "a"), everything())
    assert list(load(tmp_path / "a")) == list(everything())  # the order too
    assert metadata(tmp_path / "a") == {"epoch": "3", "näme": "wért"}


def test_the_reference_package_reads_what_we_write(tmp_path: Path) -> None:
    save(everything(), tmp_path / "a", {"epoch": "3"})
    assert_same(load_file(tmp_path / "a"), everything())
    with safe_open(tmp_path / "a", "numpy") as file:
        assert file.metadata() == {"epoch": "3"}


def test_we_read_what_the_reference_package_writes(tmp_path: Path) -> None:
    save_file(everything(), tmp_path / "a", {"epoch": "3"})
    assert_same(load(tmp_path / "a"), everything())
    assert metadata(tmp_path / "a") == {"epoch": "3"}


def test_nothing_is_a_file_too(tmp_path: Path) -> None:
    save({}, tmp_path / "a")
    assert load(tmp_path / "a") == {} == load_file(tmp_path / "a") == metadata(tmp_path / "a")


def test_the_bytes_are_those_of_the_format(tmp_path: Path) -> None:
    save({"b": np.array([1, 2], np.uint8), "w": np.array([1.5], np.float32)}, tmp_path / "a")
    raw = (tmp_path / "a").read_bytes()
    size = int.from_bytes(raw[:8], "little")
    assert size % 8 == 0 and raw[8:9] == b"{"
    assert json.loads(raw[8 : 8 + size]) == {
        "b": {"dtype": "U8", "shape": [2], "data_offsets": [4, 6]},
        "w": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]},
    }
    assert raw[8 + size :] == b"\0\0\xc0\x3f\x01\x02"


@pytest.mark.parametrize(
    "array",
    [
        np.arange(12.0).reshape(3, 4).T,
        np.arange(12.0)[::-2],
        np.arange(6, dtype=">i4").reshape(2, 3),
        np.asfortranarray(np.ones((2, 3, 4), np.float32)),
        np.broadcast_to(np.float32(3), (2, 2)),
        np.frombuffer(b"x" + np.arange(3.0).tobytes(), np.uint8)[1:].view(np.float64),  # misaligned
    ],
)
def test_any_layout_is_saved_by_value(tmp_path: Path, array: Any) -> None:
    save({"a": array}, tmp_path / "a")
    np.testing.assert_array_equal(load(tmp_path / "a")["a"], array)
    np.testing.assert_array_equal(load_file(tmp_path / "a")["a"], array)


def test_tensors_give_their_array(tmp_path: Path) -> None:
    class Tensor:
        def numpy(self) -> np.ndarray:
            return np.arange(3)

    save({"t": Tensor()}, tmp_path / "a")
    assert load(tmp_path / "a")["t"].tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    "value",
    [
        np.arange(3.0),
        [np.arange(2), {"a": np.ones(1), 3: None}],
        {"epoch": 4, "loss": math.inf, "name": "x", "done": False, "betas": (0.9, [0.99])},
        {"a": {"b": np.zeros(1)}, "a.b": np.ones(1), "tensor": (), "dict": {}, "tuple": []},
        {"rate": np.float32(0.5), 2.5: {True: None}},
    ],
)
def test_checkpoints_come_back_as_they_were(tmp_path: Path, value: Any) -> None:
    save(value, tmp_path / "a", {"by": "me"})
    assert metadata(tmp_path / "a")["by"] == "me"
    np.testing.assert_equal(load(tmp_path / "a"), value)  # types of containers too
    assert repr(load(tmp_path / "a")) == repr(value).replace("np.float32(0.5)", "0.5")


def test_training_goes_on_from_a_checkpoint(tmp_path: Path) -> None:
    def made() -> tuple[Any, Any, Any]:
        nnfast.manual_seed(0)
        model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 2))
        optimizer = optim.Adam(model.parameters(), lr=0.05)
        return model, optimizer, optim.lr_scheduler.MultiStepLR(optimizer, [2, 5], 0.5)

    def steps(model: Any, optimizer: Any, schedule: Any) -> list[float]:
        losses = []
        for k in range(3):
            loss = (model(nnfast.ones(3, 4) * (k + 1)) ** 2).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            losses.append(loss.item())
        return losses

    parts = made()
    steps(*parts)
    save({"step": 3, "state": [p.state_dict() for p in parts]}, tmp_path / "a.safetensors")
    expected = steps(*parts)
    again = made()
    checkpoint = load(tmp_path / "a.safetensors")
    for part, state in zip(again, checkpoint["state"], strict=True):
        part.load_state_dict(state)
    assert checkpoint["step"] == 3 and steps(*again) == expected


TREES = ["{", "{}", '{"a": 1, "b": 2}', '{"tensor": "none"}', '{"dict": [[1]]}', '{"set": []}']


@pytest.mark.parametrize("tree", [*TREES, '{"dict": [[[], 1]]}', "[" * 100000])
def test_a_tree_that_is_none_is_refused(tmp_path: Path, tree: str) -> None:
    save({"w": np.ones(1)}, tmp_path / "a", {nested.KEY: tree})
    with pytest.raises(FormatError, match="a tree of the file's tensors"):
        load(tmp_path / "a")


def test_loaded_arrays_are_aligned_read_only_views_of_one_mapping(tmp_path: Path) -> None:
    save(everything(), tmp_path / "a", {"any": "length" * 3})
    for array in load(tmp_path / "a").values():
        assert array.flags.aligned and not array.flags.writeable
        base: Any = array
        while isinstance(base, np.ndarray):
            base = base.base
        assert type(getattr(base, "obj", base)).__name__ == "mmap"


def test_saving_over_a_loaded_file_leaves_its_arrays(tmp_path: Path) -> None:
    save({"a": np.arange(1000)}, tmp_path / "a")
    old = load(tmp_path / "a")
    save({"a": old["a"] * 0}, tmp_path / "a")
    assert old["a"].sum() == 499500 and load(tmp_path / "a")["a"].sum() == 0


# Damaged files


def raw_file(header: Any, data: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


def one(dtype: Any = "F32", shape: Any = (1,), offsets: Any = (0, 4)) -> dict[str, Any]:
    return {"w": {"dtype": dtype, "shape": shape, "data_offsets": offsets}}


def two(first: tuple[int, int], second: tuple[int, int]) -> dict[str, Any]:
    u8 = {"a": first, "w": second}
    return {
        n: {"dtype": "U8", "shape": [e - b], "data_offsets": [b, e]} for n, (b, e) in u8.items()
    }


TENSOR = "tensor 'w': expected"
DAMAGED = {
    "empty": (b"", "a file of at least 8 bytes, got 0 bytes"),
    "short": (b"\1\0\0", "a file of at least 8 bytes, got 3 bytes"),
    "header longer than file": (
        b"\xff" * 7 + b"\x7f{}",
        "a header of at most 2 bytes, got a length",
    ),
    "no header": (raw_file(b""), "a header in UTF-8 JSON"),
    "pickle": (raw_file(pickle.dumps({})), "a header in UTF-8 JSON"),
    "not utf-8": (raw_file(b'{"\xff": 1}'), "'utf-8' codec can't decode"),
    "not json": (raw_file(b"{'a': 1}"), "a header in UTF-8 JSON"),
    "half a surrogate": (raw_file(b'{"\\ud800": 1}'), "surrogates not allowed"),
    "deep": (raw_file(b'{"a":' * 100_000), "recursion"),
    "long integer": (raw_file(b'{"a":' + b"9" * 5000 + b"}"), "a header in UTF-8 JSON"),
    "array": (raw_file([1]), "a header that is a JSON object, got [1]"),
    "key twice": (raw_file(b'{"w": 1, "v": 2, "w": 3}'), "the key 'w' twice"),
    "dtype twice": (raw_file(b'{"w": {"dtype": "F32", "dtype": "F64"}}'), "the key 'dtype' twice"),
    "metadata list": (raw_file({"__metadata__": []}), "metadata that maps str to str, got []"),
    "metadata int": (raw_file({"__metadata__": {"a": 1}}), "metadata that maps str to str"),
    "tensor is null": (raw_file({"w": None}), f"{TENSOR} an object with dtype, shape and data_off"),
    "tensor lacks shape": (
        raw_file({"w": {"dtype": "F32", "data_offsets": [0, 0]}}),
        f"{TENSOR} an object with dtype, shape and data_offsets",
    ),
    "bf16": (raw_file(one("BF16"), bytes(4)), "got 'BF16'. Hint: save the tensor as F32."),
    "dtype of numpy": (raw_file(one("<f4"), bytes(4)), f"{TENSOR} a dtype of F64, F32"),
    "dtype is a list": (raw_file(one([]), bytes(4)), f"{TENSOR} a dtype of F64, F32"),
    "negative": (raw_file(one(shape=[-1, -1]), bytes(4)), f"{TENSOR} a shape of at most 32"),
    "shape of floats": (raw_file(one(shape=[1.0]), bytes(4)), f"{TENSOR} a shape of at most 32"),
    "shape of bools": (raw_file(one(shape=[True]), bytes(4)), f"{TENSOR} a shape of at most 32"),
    "shape is a number": (raw_file(one(shape=1), bytes(4)), f"{TENSOR} a shape of at most 32"),
    "40 axes": (raw_file(one(shape=[1] * 40), bytes(4)), f"{TENSOR} a shape of at most 32"),
    "huge": (raw_file(one(shape=[2**62, 4]), bytes(4)), f"{TENSOR} a dtype and shape of 4 bytes"),
    "overflow to 4 bytes": (
        raw_file(one(shape=[2**32, 2**30, 4, 2**32 + 1]), bytes(4)),
        f"{TENSOR} a dtype and shape of 4 bytes",
    ),
    "huge but empty": (
        raw_file(one(shape=[0, 2**62, 8], offsets=[0, 0])),
        f"{TENSOR} a dtype and shape of 0 bytes",
    ),
    "too small": (raw_file(one(offsets=[0, 3]), bytes(3)), "a dtype and shape of 3 bytes, as data"),
    "past the end": (raw_file(one(), bytes(3)), f"{TENSOR} two data_offsets, rising and at most 3"),
    "falling": (raw_file(one(offsets=[4, 0]), bytes(4)), f"{TENSOR} two data_offsets, rising"),
    "below zero": (raw_file(one(offsets=[-4, 0]), bytes(4)), f"{TENSOR} two data_offsets"),
    "three offsets": (raw_file(one(offsets=[0, 4, 4]), bytes(4)), f"{TENSOR} two data_offsets"),
    "null offsets": (raw_file(one(offsets=None), bytes(4)), f"{TENSOR} two data_offsets"),
    "overlap": (
        raw_file(two((0, 4), (2, 6)), bytes(6)),
        "data_offsets that begin at 4, got 2, an ov",
    ),
    "hole": (
        raw_file(two((0, 4), (5, 6)), bytes(6)),
        "data_offsets that begin at 4, got 5, a hole",
    ),
    "hole in front": (raw_file(one(offsets=[1, 5]), bytes(5)), "begin at 0, got 1, a hole"),
    "trailing": (raw_file(one(), bytes(5)), "4 bytes of tensor data after the header, got 5"),
    "bool of 2": (raw_file(one("BOOL", [1], [0, 1]), b"\2"), f"{TENSOR} bytes 0 and 1 in a BOOL"),
}


@pytest.mark.parametrize("case", DAMAGED)
def test_damaged_files_are_refused_with_their_name(tmp_path: Path, case: str) -> None:
    content, message = DAMAGED[case]
    path = tmp_path / "damaged.safetensors"
    path.write_bytes(content)
    with pytest.raises(FormatError) as caught:
        load(path)
    text = str(caught.value)
    assert text.startswith(f"load({str(path)!r}): ") and " Hint: " in text and len(text) < 1000
    assert message in text


def test_a_header_over_the_limit_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "sparse"
    with path.open("wb") as file:
        file.write((200_000_000).to_bytes(8, "little"))
        file.truncate(300_000_000)
    with pytest.raises(FormatError, match="at most 100000000 bytes, got a length of 200000000"):
        load(path)


def test_fuzzed_files_load_or_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "fuzz"
    save({"a": np.arange(6.0), "b": np.ones(3, bool), "c": np.ones((0, 2))}, path, {"k": "v"})
    good = path.read_bytes()
    rng = np.random.default_rng(0)
    refused = 0
    for _ in range(2000):
        bad = bytearray(good)
        for _ in range(rng.integers(0, 4)):
            bad[rng.integers(len(bad))] = rng.integers(256)
        path.write_bytes(bad[: rng.integers(len(bad))] if rng.random() < 0.3 else bad)
        try:
            arrays = load(path)
        except (NNFastError, OSError):
            refused += 1
        else:
            assert sum(array.nbytes for array in arrays.values()) <= len(bad)
            assert all(np.array_equal(array, array.copy(), equal_nan=array.dtype.kind == "f")
                       for array in arrays.values())  # fmt: skip
    assert 200 < refused < 1900  # the fuzz reaches both sides


# Files that the system refuses


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(
        FileNotFoundError, match=r"load\('.*nothing'\): expected a file that"
    ) as info:
        load(tmp_path / "nothing")
    assert info.value.errno == errno.ENOENT and info.value.filename == str(tmp_path / "nothing")
    copy = pickle.loads(pickle.dumps(info.value))  # as a worker process sends it
    assert type(copy) is MissingFileError and str(copy) == str(info.value)
    assert (copy.errno, copy.filename) == (info.value.errno, info.value.filename)


def test_directories_and_pipes_are_refused_unopened(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="expected a regular file, got a directory"):
        load(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(FormatError, match="expected a regular file, got a device, pipe"):
        load(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe"):
        with pytest.raises(NNFastError, match="expected the path of a regular file, got a d"):
            save({}, path)


@pytest.mark.parametrize("path", [None, 3, "", "a\0b", "\ud800"])
def test_things_that_are_no_path(path: Any) -> None:
    for call in (load, metadata, lambda p: save({}, p)):
        with pytest.raises(DTypeError, match=r"expected a path: a str or os\.PathLike"):
            call(path)


LOOP: list[Any] = []
LOOP.append(LOOP)


@pytest.mark.parametrize(
    ("tensors", "notes", "message"),
    [
        ([nn.Linear(1, 1)], None, "got Linear as '0'. Hint: save model.state_dict(), not"),
        ({"a": {(1, 2): 3}}, None, "text and numbers as keys, got (1, 2)"),
        (LOOP, None, "dicts and lists of some depth"),
        ({"__metadata__": np.ones(3)}, None, "names that are str and not '__metadata__'"),
        (
            {"w": np.array([None])},
            None,
            "tensor 'w': expected bool, integers or float16/32/64, got o",
        ),
        ({"w": np.ones(2, complex)}, None, "tensor 'w': expected bool, integers or float16/32/64"),
        ({"w": np.array(["a"])}, None, "tensor 'w': expected bool, integers or float16/32/64"),
        ({"w": np.zeros(2, "f4,i4")}, None, "tensor 'w': expected bool, integers or float16/32/64"),
        ({"w": {"b": np.ones(2, complex)}}, None, "tensor 'w.b': expected bool, integers or float"),
        ({"\ud800": np.ones(3)}, None, "expected names and metadata in valid Unicode"),
        ({}, {"epoch": 3}, "expected metadata that maps str to str, got {'epoch': 3}"),
    ],
)
def test_what_cannot_be_saved(tmp_path: Path, tensors: Any, notes: Any, message: str) -> None:
    with pytest.raises(NNFastError) as caught:
        save(tensors, tmp_path / "a", notes)
    assert message in str(caught.value)
    assert os.listdir(tmp_path) == []


# Whole or not at all


def test_a_full_disk_leaves_the_old_file(tmp_path: Path) -> None:
    """A real limit on the size of files stands in for the full disk."""
    save({"a": np.arange(5)}, tmp_path / "a")
    write_idx(tmp_path / "b.gz", np.arange(5, dtype=np.uint8))
    before = {name: (tmp_path / name).read_bytes() for name in os.listdir(tmp_path)}
    code = """
import errno, resource, signal, sys
import numpy as np
from nnfast.data.idx import write_idx
from nnfast.errors import NNFastError
from nnfast.serialize import save
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
noise = np.random.default_rng(0).integers(0, 256, 1_000_000, np.uint8)
for call in (lambda: save({"x": noise}, "a"), lambda: write_idx("b.gz", noise),
             lambda: save({"x": noise}, "new"), lambda: write_idx("new.idx", noise)):
    try:
        call()
    except OSError as error:
        assert isinstance(error, NNFastError) and error.errno == errno.EFBIG, repr(error)
        print(error)
"""
    env = {**os.environ, "PYTHONPATH": ROOT}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=env, capture_output=True, text=True
    )
    lines = done.stdout.splitlines()
    assert done.returncode == 0 and len(lines) == 4, done.stderr
    for line, name in zip(lines, ("a", "b.gz", "new", "new.idx"), strict=True):
        assert f"{name}'): expected a file that can be written, got File too large." in line
        assert line.endswith("is as it was before.")
    assert {name: (tmp_path / name).read_bytes() for name in os.listdir(tmp_path)} == before


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_late_refusal_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """Network disks report that they are full only when they are asked to keep the data."""
    save({"a": np.arange(5)}, tmp_path / "a")

    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, step, full)
    with pytest.raises(FileError, match=r"got No space left on device\. Hint: free space") as info:
        save({"a": np.zeros(9)}, tmp_path / "a")
    assert info.value.errno == errno.ENOSPC and info.value.filename == str(tmp_path / "a")
    assert os.listdir(tmp_path) == ["a"] and load(tmp_path / "a")["a"].tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("error", [KeyboardInterrupt, ZeroDivisionError])
def test_an_interrupted_write_leaves_the_old_file(tmp_path: Path, error: type) -> None:
    (tmp_path / "a").write_bytes(b"old")
    with pytest.raises(error), atomic_file("test", str(tmp_path / "a")) as file:
        file.write(b"new")
        raise error
    assert os.listdir(tmp_path) == ["a"] and (tmp_path / "a").read_bytes() == b"old"


def test_the_data_is_on_the_disk_before_the_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []
    fsync, replace = os.fsync, os.replace

    def log_fsync(number: int) -> None:
        kind = "folder" if stat.S_ISDIR(os.fstat(number).st_mode) else "file"
        steps.append(f"{kind} {os.fstat(number).st_size if kind == 'file' else ''}".strip())
        fsync(number)

    def log_replace(source: str, target: str) -> None:
        assert os.path.dirname(source) == os.path.dirname(target)  # the same file system
        steps.append("replace")
        replace(source, target)

    monkeypatch.setattr(os, "fsync", log_fsync)
    monkeypatch.setattr(os, "replace", log_replace)
    save({"a": np.arange(5)}, tmp_path / "a")
    assert steps == [f"file {(tmp_path / 'a').stat().st_size}", "replace", "folder"]


def test_a_reader_never_sees_half_a_file_even_when_the_writer_is_killed(tmp_path: Path) -> None:
    code = """
import itertools
import numpy as np
from nnfast.serialize import save
for i in itertools.count():
    save({"x": np.full(200_000, i)}, "a")
    if i == 0:
        print("ready", flush=True)
"""
    env = {**os.environ, "PYTHONPATH": ROOT}
    with subprocess.Popen(
        [sys.executable, "-c", code], cwd=tmp_path, env=env, stdout=subprocess.PIPE, text=True
    ) as writer:
        assert writer.stdout is not None and writer.stdout.readline() == "ready\n"
        for _ in range(200):
            x = load(tmp_path / "a")["x"]
            assert x.shape == (200_000,) and (x == x[0]).all()
        writer.kill()
    x = load(tmp_path / "a")["x"]
    assert x.shape == (200_000,) and (x == x[0]).all()


def test_links_and_permissions_are_kept(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    target, link = tmp_path / "folder" / "target", tmp_path / "link"
    save({}, target)
    target.chmod(0o600)
    link.symlink_to(target)
    save({"a": np.arange(3)}, link)
    assert link.is_symlink() and list(load(target)) == ["a"]
    assert stat.S_IMODE(target.stat().st_mode) == 0o600


def test_new_files_follow_the_umask(tmp_path: Path) -> None:
    save({}, tmp_path / "ours")
    (tmp_path / "plain").write_bytes(b"")
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_no_folder_to_write_to(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="got No such file or directory"):
        save({}, tmp_path / "no" / "folder" / "a")


def test_examples_in_the_documentation() -> None:
    result = doctest.testmod(serialize)
    assert result.attempted > 0 and result.failed == 0
