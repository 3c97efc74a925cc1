"""Arrays between pages that may not be touched: one element too far is a crash with a trace."""

from __future__ import annotations

import ctypes
import mmap

import numpy as np

_PAGE = mmap.PAGESIZE
_LIBC = ctypes.CDLL(None, use_errno=True)


class Arena:
    """Memory with a forbidden page on either side, used again for one array after the other."""

    memory: np.ndarray  # all of its bytes
    used: slice  # those of the last array

    def __init__(self) -> None:
        self._size = 0

    def array(self, shape: tuple[int, ...], dtype: np.dtype, at_end: bool) -> np.ndarray:
        """An uninitialized array that ends (or starts) exactly at a forbidden page.

        The rest of the arena is filled with a pattern that `untouched` looks for.
        """
        nbytes = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
        if nbytes > self._size or self._size == 0:
            self._map(-(-max(nbytes, 1) // _PAGE) * _PAGE)
        self.memory[:] = 0xA5
        start = self._size - nbytes if at_end else 0
        self.used = slice(start, start + nbytes)
        return self.memory[self.used].view(dtype).reshape(shape)

    def untouched(self) -> bool:
        """Whether the bytes around the last array are as they were."""
        before, after = self.memory[: self.used.start], self.memory[self.used.stop :]
        return bool((before == 0xA5).all() and (after == 0xA5).all())

    def _map(self, size: int) -> None:
        self._pages = mmap.mmap(-1, size + 2 * _PAGE)
        whole = np.frombuffer(self._pages, np.uint8)
        for offset in (0, size + _PAGE):
            address = ctypes.c_void_p(whole.ctypes.data + offset)
            if _LIBC.mprotect(address, ctypes.c_size_t(_PAGE), ctypes.c_int(0)):
                raise OSError(ctypes.get_errno(), "mprotect")
        self.memory, self._size = whole[_PAGE : _PAGE + size], size
