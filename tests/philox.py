"""Philox4x32-10 and the stream of csrc/base/philox.h in plain NumPy, to compare with."""

from __future__ import annotations

from typing import Any

import numpy as np

MASK = 0xFFFFFFFF
MULTIPLIER = (0xD2511F53, 0xCD9E8D57)
WEYL = (0x9E3779B9, 0xBB67AE85)


def philox4x32(counter: Any, key: tuple[int, int]) -> list[np.ndarray]:
    """The four words of blocks whose counters are given as four arrays of words."""
    c = [np.asarray(word, np.uint64) for word in counter]
    low, half = np.uint64(MASK), np.uint64(32)
    for r in range(10):
        k = [np.uint64((key[i] + r * WEYL[i]) & MASK) for i in (0, 1)]
        a, b = c[0] * np.uint64(MULTIPLIER[0]), c[2] * np.uint64(MULTIPLIER[1])
        c = [(b >> half) ^ c[1] ^ k[0], b & low, (a >> half) ^ c[3] ^ k[1], a & low]
    return [word.astype(np.uint32) for word in c]


def words(rng: np.ndarray, n: int) -> np.ndarray:
    """The first n words of the draw rng = (seed, offset)."""
    seed, offset = (int(x) % 2**64 for x in rng)
    block = np.arange(-(-n // 64) * 16, dtype=np.uint64).reshape(-1, 16)
    counter = [block & np.uint64(MASK), block >> np.uint64(32)]
    counter += [np.full_like(block, offset & MASK), np.full_like(block, offset >> 32)]
    rows = philox4x32(counter, (seed & MASK, seed >> 32))
    return np.stack(rows, axis=1).reshape(-1)[:n]


def uniform(rng: np.ndarray, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """What the op `uniform` draws, in float64 (int64 as it is)."""
    n = int(np.prod(shape))
    if dtype == np.float32:
        return np.reshape((words(rng, n) >> 9) * 2.0**-23, shape)
    bits = words(rng, 2 * n).view(np.uint64)
    x = bits.view(np.int64) if dtype == np.int64 else (bits >> np.uint64(12)) * 2.0**-52
    return np.reshape(x, shape)


def normal(rng: np.ndarray, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """What the op `normal` draws, in float64, from the same uniforms."""
    size = int(np.prod(shape))
    rows = 16 if dtype == np.float32 else 8  # elements between the two of a pair
    n = -(-size // (4 * rows)) * 4 * rows
    v = uniform(rng, (n,), dtype)
    if dtype == np.float32:  # all 32 bits, rounded to float32
        u = ((words(rng, n).astype(np.float64) + 0.5) * 2.0**-32).astype(np.float32)
    else:
        u = v + 2.0**-53
    u, v = (x.astype(np.float64).reshape(-1, 2, rows) for x in (u, v))
    # exp(2 pi i v) = i^q exp(2 pi i r), q the nearest quarter: NumPy's angle would be rounded.
    q = np.rint(4 * v[:, 1])
    angle = 2 * np.pi * (v[:, 1] - q / 4)
    c, s = np.cos(angle), np.sin(angle)
    cos = np.choose(q.astype(int) % 4, [c, -s, -c, s])
    sin = np.choose(q.astype(int) % 4, [s, c, -s, -c])
    z = np.sqrt(-2 * np.log(u[:, :1])) * np.stack([cos, sin], axis=1)
    return z.reshape(-1)[:size].reshape(shape)


def kept(rng: np.ndarray, shape: tuple[int, ...], p: float) -> np.ndarray:
    """Which elements `dropout` keeps."""
    n = int(np.prod(shape))
    word = words(rng, n).view(np.int32).astype(np.float64) + 2.0**31
    return np.reshape((word >= np.rint(p * 2.0**32)) & (p < 1), shape)
