"""Files opened, mapped and written: errors that say what to do, and never a half-written file."""

from __future__ import annotations

import mmap as _mmap
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import BinaryIO, NoReturn

import numpy as np

from nnfast.errors import DTypeError, FileError, FormatError, MissingFileError, fail


def refuse(where: str, name: str, expected: str, cause: OSError, hint: str) -> NoReturn:
    """Raise what the system said about file `name` in the one form of our errors."""
    kind = MissingFileError if isinstance(cause, FileNotFoundError) else FileError
    try:
        fail(where, expected, cause.strerror or str(cause), hint, error=kind)
    except FileError as error:
        error.errno, error.filename = cause.errno, name
        raise error from cause


def as_path(where: str, path: str | os.PathLike[str]) -> str:
    """The path as a string that the system can take."""
    try:
        name = os.fsdecode(path)
        if "\0" not in name and os.fsencode(name):
            return name
    except (TypeError, UnicodeError):
        pass
    expected = "a path: a str or os.PathLike, not empty, without a null character"
    fail(where, expected, repr(path), "pass the name of a file.", error=DTypeError)


def open_file(where: str, name: str) -> BinaryIO:
    """Open a regular file for reading; a folder or a pipe is refused before it is opened."""
    try:
        mode = os.stat(name).st_mode
        if stat.S_ISREG(mode):
            return open(name, "rb")
    except OSError as error:
        hint = "check the path (a relative one starts in the current folder) and the permissions."
        refuse(where, name, "a file that can be read", error, hint)
    got = "a directory" if stat.S_ISDIR(mode) else "a device, pipe or socket"
    fail(where, "a regular file", got, "give the path of the file itself.", FormatError)


def map_bytes(file: BinaryIO) -> np.ndarray:
    """The whole file as a read-only uint8 array, memory-mapped where the system can."""
    try:
        return np.frombuffer(_mmap.mmap(file.fileno(), 0, access=_mmap.ACCESS_READ), np.uint8)
    except (OSError, ValueError):  # a file system without mapping, an empty file
        file.seek(0)
        data = np.fromfile(file, np.uint8)
        data.flags.writeable = False
        return data


@contextmanager
def atomic_file(where: str, name: str) -> Iterator[BinaryIO]:
    """A file to write that takes the place of `name` once it is complete and on the disk.

    Whatever fails before, the old file stays as it was and nothing else is left behind.
    """
    name = os.path.realpath(name)  # a symbolic link stays one
    temp = os.path.join(os.path.dirname(name), f".nnfast-{os.urandom(8).hex()}.tmp")
    try:
        mode = os.stat(name).st_mode if os.path.exists(name) else stat.S_IFREG | 0o666
        if not stat.S_ISREG(mode):  # os.replace would put a file in the place of /dev/null
            got = "a directory" if stat.S_ISDIR(mode) else "a device, pipe or socket"
            fail(where, "the path of a regular file", got, "choose the name of a file.")
        with open(temp, "xb", opener=lambda n, flags: os.open(n, flags, mode & 0o777)) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temp, name)
    except BaseException as error:  # also a KeyboardInterrupt
        with suppress(OSError):
            os.unlink(temp)
        if not isinstance(error, OSError):
            raise
        hint = f"free space or choose a folder that can be written; {name!r} is as it was before."
        refuse(where, name, "a file that can be written", error, hint)
    _sync_folder(os.path.dirname(name))


def _sync_folder(folder: str) -> None:
    """Bring the renaming to the disk; the new file is whole even where a system cannot do this."""
    with suppress(OSError):
        number = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(number)
        finally:
            os.close(number)
