"""Tensors in a file: safetensors, read and written with NumPy alone, and never pickle.

A file is 8 bytes (little-endian length of the header), the header in JSON, the tensors' bytes:

    {"__metadata__": {str: str}, name: {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}}

Offsets count from the end of the header; the tensors fill the rest without hole or overlap.
Source: https://github.com/huggingface/safetensors (section "Format").
"""

from __future__ import annotations

import json
import math
import os
from collections import Counter
from collections.abc import Mapping
from typing import Any, NoReturn

import numpy as np

from nnfast import nested
from nnfast.errors import DTypeError, FormatError, NNFastError, fail
from nnfast.files import as_path, atomic_file, map_bytes, open_file

_DTYPES = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "|i1",
    "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "|u1", "BOOL": "|b1",
}  # fmt: skip
_CODES = {dtype: code for code, dtype in _DTYPES.items()}
_MAX_HEADER = 100_000_000  # bytes, the limit of the reference reader
_MAX_NDIM = 32  # what every NumPy takes
_DAMAGED = "the file is truncated, damaged or not safetensors; copy or save it again."


def save(
    tensors: Any,
    path: str | os.PathLike[str],
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Write named tensors to a safetensors file, atomically: the old file or the new, never half.

    Values are arrays or have a `.numpy()`; dtypes are bool, the integers and float16/32/64. Dicts
    and lists of tensors, numbers and text, nested as in a checkpoint, come back as they were: what
    is around the tensors stands in the file's metadata (see nnfast/nested.py).
    Raises DTypeError for anything else, FileError (an OSError) when the disk is full.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save({"weight": np.ones((2, 3))}, folder + "/a.safetensors")
    ...     load(folder + "/a.safetensors")["weight"].shape
    (2, 3)
    """
    name = as_path("save", path)
    where = f"save({name!r})"
    if not nested.is_flat(tensors):
        tensors, tree = nested.taken_apart(where, tensors)
        metadata = {**(metadata or {}), nested.KEY: tree}
    arrays = {key: _to_array(where, key, value) for key, value in tensors.items()}
    # The widest first: with a padded header every tensor is aligned. The header keeps the order.
    order, spans, end = sorted(arrays, key=lambda key: -arrays[key].itemsize), {}, 0
    for key in order:
        spans[key] = [end, end := end + arrays[key].nbytes]
    header = {"__metadata__": _strings(where, metadata, DTypeError)} if metadata else {}
    for key, a in arrays.items():
        header[key] = {"dtype": _CODES[a.dtype.str], "shape": a.shape, "data_offsets": spans[key]}
    text = _encode(where, header)
    with atomic_file(where, name) as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for key in order:
            file.write(arrays[key].reshape(-1).view(np.uint8).data)


def load(path: str | os.PathLike[str]) -> Any:
    """Read a safetensors file: name -> read-only array, a view of the memory-mapped file.

    A checkpoint (see `save`) comes back as it was, with such arrays for its tensors.

    Nothing is copied; bytes come from the disk when they are first used, so do not truncate the
    file meanwhile (`save` to the same name is safe). Raises FormatError, with the file and the
    tensor, for anything that is not as the format says. Example: see `save`.

    >>> import nnfast
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     nnfast.serialize.save({"w": nnfast.ones(2)}, f"{folder}/w.safetensors")
    ...     nnfast.serialize.load(f"{folder}/w.safetensors")["w"]
    array([1., 1.], dtype=float32)
    """
    where, data = _open("load", path)
    entries, pairs, start = _parse(where, data)
    arrays = {}
    for name, (dtype, shape, begin, end) in entries.items():
        raw = data[start + begin : start + end]
        if dtype == "|b1" and raw.size and raw.max() > 1:
            _bad(_tensor(where, name), "bytes 0 and 1 in a BOOL tensor", f"{raw.max()}")
        arrays[name] = raw.view(dtype).reshape(shape)
    tree = pairs.get(nested.KEY)
    return arrays if tree is None else nested.put_together(where, tree, arrays)


def metadata(path: str | os.PathLike[str]) -> dict[str, str]:
    """The `metadata` that a safetensors file was saved with, without touching its tensors.

    >>> import nnfast
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     nnfast.serialize.save({"w": nnfast.ones(2)}, f"{folder}/w.safetensors", {"epoch": "3"})
    ...     nnfast.serialize.metadata(f"{folder}/w.safetensors")
    {'epoch': '3'}
    """
    return _parse(*_open("metadata", path))[1]


def _open(where: str, path: str | os.PathLike[str]) -> tuple[str, np.ndarray]:
    name = as_path(where, path)
    where = f"{where}({name!r})"
    with open_file(where, name) as file:
        return where, map_bytes(file)


def _to_array(where: str, name: Any, value: Any) -> np.ndarray:
    if not isinstance(name, str) or name == "__metadata__":
        fail(where, "names that are str and not '__metadata__'", repr(name), "rename the tensor.")
    where, hint = _tensor(where, name), "convert it, as in .astype(np.float32)."
    try:
        array = np.asarray(value.numpy() if hasattr(value, "numpy") else value, order="C")
    except (TypeError, ValueError) as error:
        fail(where, "an array", str(error), hint, error=DTypeError)
    array = array.astype(array.dtype.newbyteorder("<"), copy=False)
    if array.dtype.str not in _CODES:
        fail(where, "bool, integers or float16/32/64", array.dtype.name, hint, error=DTypeError)
    return array


def _encode(where: str, header: dict[str, Any]) -> bytes:
    try:
        text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError as error:
        fail(where, "names and metadata in valid Unicode", str(error), "rename the tensor.")
    if len(text) > _MAX_HEADER:
        fail(where, f"a header of at most {_MAX_HEADER} bytes", f"{len(text)}", "shorten metadata.")
    return text + b" " * (-len(text) % 8)


def _parse(where: str, data: np.ndarray) -> tuple[dict[str, Any], dict[str, str], int]:
    """Check the whole header against the size of the file, before any tensor is touched."""
    if data.size < 8:
        _bad(where, "a file of at least 8 bytes", f"{data.size} bytes")
    length = int.from_bytes(data[:8].tobytes(), "little")
    start, most = 8 + length, min(data.size - 8, _MAX_HEADER)
    if length > most:
        _bad(where, f"a header of at most {most} bytes", f"a length of {length}")
    try:
        header = json.loads(data[8:start].tobytes().decode(), object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        _bad(where, "a header in UTF-8 JSON with every key once", str(error))
    if not isinstance(header, dict):
        _bad(where, "a header that is a JSON object", _short(header))
    pairs = _strings(where, header.pop("__metadata__", {}), FormatError)
    room = data.size - start
    entries = {name: _entry(_tensor(where, name), info, room) for name, info in header.items()}
    end = 0
    for name, (*_, begin, stop) in sorted(entries.items(), key=lambda item: item[1][2:]):
        if begin != end:
            what = "a hole" if begin > end else "an overlap"
            _bad(_tensor(where, name), f"data_offsets that begin at {end}", f"{begin}, {what}")
        end = stop
    if end != room:
        _bad(where, f"{end} bytes of tensor data after the header", f"{room} bytes")
    return entries, pairs, start


def _entry(where: str, info: Any, room: int) -> tuple[str, list[int], int, int]:
    if not isinstance(info, dict) or not info.keys() >= {"dtype", "shape", "data_offsets"}:
        _bad(where, "an object with dtype, shape and data_offsets", _short(info))
    code, shape, offsets = info["dtype"], info["shape"], info["data_offsets"]
    if not isinstance(code, str) or code not in _DTYPES:
        _bad(where, f"a dtype of {', '.join(_DTYPES)}", _short(code), "save the tensor as F32.")
    if not _counts(shape) or len(shape) > _MAX_NDIM:
        _bad(where, f"a shape of at most {_MAX_NDIM} integers >= 0", _short(shape))
    if not _counts(offsets) or len(offsets) != 2 or not offsets[0] <= offsets[1] <= room:
        _bad(where, f"two data_offsets, rising and at most {room}", _short(offsets))
    width, span = np.dtype(_DTYPES[code]).itemsize, offsets[1] - offsets[0]
    # NumPy multiplies the non-zero lengths even of an empty shape such as (0, 2**62, 2).
    if math.prod(shape) * width != span or math.prod(d for d in shape if d) * width >= 1 << 63:
        _bad(where, f"a dtype and shape of {span} bytes, as data_offsets say", f"{code} {shape}")
    return _DTYPES[code], shape, offsets[0], offsets[1]


def _counts(value: Any) -> bool:
    return isinstance(value, list) and all(type(v) is int and v >= 0 for v in value)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        twice = Counter(name for name, _ in pairs).most_common(1)[0][0]
        raise ValueError(f"the key {_short(twice)} twice")
    "".join(found).encode()  # a ValueError for half a surrogate pair
    return found


def _strings(where: str, pairs: Any, error: type[NNFastError]) -> dict[str, Any]:
    if isinstance(pairs, Mapping) and {str} >= {type(s) for pair in pairs.items() for s in pair}:
        return dict(pairs)
    fail(where, "metadata that maps str to str", _short(pairs), "use json.dumps.", error=error)


def _bad(where: str, expected: str, got: str, hint: str = _DAMAGED) -> NoReturn:
    fail(where, expected, got, hint, error=FormatError)


def _tensor(where: str, name: str) -> str:
    return f"{where}: tensor {_short(name)}"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 120 else text[:117] + "..."
