"""The IDX files of MNIST and its kin, plain or gzip; and how the package opens and writes files.

A file is two zero bytes, a type code, the number of dimensions, each dimension as a big-endian
uint32, then the elements in C order, big-endian. Source: http://yann.lecun.com/exdb/mnist/
"""

from __future__ import annotations

import gzip
import math
import os
import zlib
from collections.abc import Callable
from typing import BinaryIO, NoReturn

import numpy as np

from nnfast.errors import DTypeError, FormatError, fail
from nnfast.files import as_path, atomic_file, map_bytes, open_file

_DTYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_CODES = {np.dtype(dtype): code for code, dtype in _DTYPES.items()}
_MAX_NDIM = 32  # what every NumPy takes
_MAX_GZIP = 1 << 30  # bytes unpacked; a plain file is mapped and needs no memory at all
_DAMAGED = "the file is truncated, damaged or not IDX; fetch or write it again."


def read_idx(path: str | os.PathLike[str], mmap: bool = True) -> np.ndarray:
    """Read an IDX file, plain or gzip (told by its first bytes, not by its name).

    Returns the array in the machine's byte order. A plain file of uint8 or int8 is memory-mapped
    and read-only, unless `mmap=False`; anything else is a writable array of its own. Raises
    FormatError for content that is not IDX, MissingFileError (a FileNotFoundError) for no file.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_idx(folder + "/labels.gz", np.array([5, 0, 4], np.uint8))
    ...     read_idx(folder + "/labels.gz")
    array([5, 0, 4], dtype=uint8)
    """
    name = as_path("read_idx", path)
    where = f"read_idx({name!r})"
    with open_file(where, name) as file:
        if file.read(2) == b"\x1f\x8b":
            file.seek(0)
            dtype, shape, data = _read_gzip(where, file)
        else:
            file.seek(0)
            dtype, shape, data = _read_plain(where, file, mmap)
    array = data.view(dtype).reshape(shape)
    return array.astype(dtype.newbyteorder("="), copy=False)


def write_idx(path: str | os.PathLike[str], array: np.ndarray) -> None:
    """Write an array as IDX, atomically; packed, and without a date, if the name ends in `.gz`.

    dtypes: uint8, int8, int16, int32, float32, float64; DTypeError for any other. Raises FileError
    (an OSError) when the disk is full; the old file is then untouched. Example: see `read_idx`.

    >>> import nnfast
    >>> import tempfile
    >>> import numpy as np
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     nnfast.data.write_idx(f"{folder}/x.gz", np.arange(3, dtype=np.uint8))
    ...     nnfast.data.read_idx(f"{folder}/x.gz")
    array([0, 1, 2], dtype=uint8)
    """
    name = as_path("write_idx", path)
    where = f"write_idx({name!r})"
    array = np.asarray(array, order="C")
    big = array.dtype.newbyteorder(">")
    if big not in _CODES:
        hint = "labels fit in .astype(np.uint8), other integers in np.int32."
        names = "uint8, int8, int16, int32, float32 or float64"
        fail(where, names, str(array.dtype), hint, error=DTypeError, array=array)
    if any(length >= 1 << 32 for length in array.shape):
        fail(where, "dimensions below 2**32", str(array.shape), "split the array.")
    head = bytes([0, 0, _CODES[big], array.ndim]) + np.array(array.shape, ">u4").tobytes()
    body = array.astype(big, copy=False).reshape(-1).view(np.uint8).data
    with atomic_file(where, name) as file:
        if not name.endswith(".gz"):
            file.write(head)
            file.write(body)
            return
        with gzip.GzipFile("", "wb", compresslevel=9, fileobj=file, mtime=0) as packed:
            packed.write(head)
            packed.write(body)


def _read_header(where: str, read: Callable[[int], bytes]) -> tuple[np.dtype, list[int], int]:
    """dtype, shape and the number of bytes that must follow."""
    magic = read(4)
    if len(magic) < 4:
        _bad(where, "a header of at least 4 bytes", f"a file of {len(magic)} bytes")
    if magic[:2] != b"\0\0" or magic[2] not in _DTYPES or magic[3] > _MAX_NDIM:
        codes = ", ".join(f"{code:02x}" for code in _DTYPES)
        expected = f"the bytes 00 00, a type code ({codes}) and at most {_MAX_NDIM} dimensions"
        _bad(where, expected, magic.hex(" "))
    lengths = read(4 * magic[3])
    if len(lengths) < 4 * magic[3]:
        _bad(where, f"{magic[3]} dimensions of 4 bytes", f"{len(lengths)} bytes, then the end")
    dtype, shape = np.dtype(_DTYPES[magic[2]]), np.frombuffer(lengths, ">u4").tolist()
    # NumPy multiplies the non-zero lengths even of an empty shape such as (0, 2**31, 2**32).
    if math.prod(length for length in shape if length) * dtype.itemsize >= 1 << 63:
        _bad(where, "a shape that fits in memory", str(tuple(shape)))
    return dtype, shape, math.prod(shape) * dtype.itemsize


def _read_plain(where: str, file: BinaryIO, mmap: bool) -> tuple[np.dtype, list[int], np.ndarray]:
    dtype, shape, size = _read_header(where, file.read)
    start = file.tell()
    _check_size(where, dtype, shape, size, os.fstat(file.fileno()).st_size - start)
    data = map_bytes(file)[start:] if mmap else np.fromfile(file, np.uint8)
    _check_size(where, dtype, shape, size, data.size)  # it may have changed meanwhile
    return dtype, shape, data


def _read_gzip(where: str, file: BinaryIO) -> tuple[np.dtype, list[int], np.ndarray]:
    """Unpack as far as the header says and one byte on, so the size is bounded on both sides."""
    data = bytearray()
    try:
        with gzip.GzipFile(fileobj=file) as packed:
            dtype, shape, size = _read_header(where, packed.read)
            if size > _MAX_GZIP:
                hint = "gunzip it first: a plain file is memory-mapped. Or the file is damaged."
                expected = f"at most {_MAX_GZIP} bytes of elements in a gzip file"
                _bad(where, expected, f"{tuple(shape)} {dtype.name}", hint)
            while len(data) <= size:
                piece = packed.read(min(1 << 20, size + 1 - len(data)))
                if not piece:  # the end, and the checksum is right
                    break
                data += piece
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        _bad(where, "a whole gzip file", str(error))
    _check_size(where, dtype, shape, size, len(data))
    return dtype, shape, np.frombuffer(data, np.uint8)


def _check_size(where: str, dtype: np.dtype, shape: list[int], size: int, got: int) -> None:
    if size != got:
        what = f"{got} bytes" if got < size else "trailing bytes"
        _bad(where, f"{size} bytes of elements for {tuple(shape)} {dtype.name}", what)


def _bad(where: str, expected: str, got: str, hint: str = _DAMAGED) -> NoReturn:
    fail(where, expected, got, hint, error=FormatError)


# Files in general, for every reader and writer of the package.
