"""Where random numbers come from: a seed, and a count of the draws made with it.

Every draw is a function of (seed, offset, element) alone, see csrc/base/philox.h. A generator
hands out the pairs (seed, 0), (seed, 1), ...; nothing else of it ever changes.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from nnfast.device import CPU, device
from nnfast.errors import DTypeError, fail
from nnfast.graph.mode import only_eagerly
from nnfast.graph.trace import refreshed
from nnfast.tensor import Tensor, as_array, int64, wrap

_MASK = 2**64 - 1


def _signed(word: int) -> int:
    """The 64 bits of `word` as int64 reads them."""
    word &= _MASK
    return word - 2**64 if word >> 63 else word


class Generator:
    """A stream of random draws, started by a seed.

    Drawing from one generator in two threads at once is safe, but which thread gets which numbers
    is then up to chance: give each thread its own.

    >>> import nnfast
    >>> g = nnfast.Generator().manual_seed(3)
    >>> a = nnfast.rand(2, generator=g)
    >>> g.manual_seed(3).initial_seed()
    3
    >>> bool((a == nnfast.rand(2, generator=g)).numpy().all())
    True
    """

    def __init__(self) -> None:
        self._seed = 0
        self._offset = 0
        self.seed()

    def manual_seed(self, seed: int) -> Generator:
        """Start again from `seed`, an integer of up to 64 bits; returns itself."""
        only_eagerly("manual_seed")
        if not isinstance(seed, int | np.integer):
            fail("manual_seed", "an integer", repr(seed), error=DTypeError)
        if not -(2**63) <= seed < 2**64:
            fail("manual_seed", "a seed of 64 bits, -2**63 to 2**64 - 1", str(seed))
        self._seed, self._offset = int(seed) & _MASK, 0
        return self

    def seed(self) -> int:
        """Start again from a seed of the operating system's; returns it."""
        self.manual_seed(int.from_bytes(os.urandom(8), "little"))
        return self._seed

    def initial_seed(self) -> int:
        """The seed, from 0 to 2**64 - 1."""
        return self._seed

    def next_rng(self) -> Tensor:
        """The next (seed, offset), an int64 tensor: what an op needs for one draw."""
        return refreshed(self._next, (2,), int64)

    def _next(self) -> tuple[int, int]:
        offset = self._offset
        self._offset = offset + 1
        return _signed(self._seed), _signed(offset)

    @property
    def device(self) -> device:
        """Always "cpu"."""
        return CPU

    def clone_state(self) -> Generator:
        """Another generator that goes on from where this one is."""
        other = Generator()
        other.set_state(self.get_state())
        return other

    def get_state(self) -> Tensor:
        """(seed, offset) of the next draw, an int64 tensor: all there is to save."""
        return wrap(np.array((_signed(self._seed), _signed(self._offset)), int64))

    def set_state(self, new_state: Any) -> None:
        """Go on from what `get_state` returned."""
        only_eagerly("set_state")
        state = as_array(new_state, "set_state")
        if state.shape != (2,) or state.dtype != int64:
            fail("set_state", "what get_state returned", f"{state.dtype} {state.shape}")
        self._seed, self._offset = int(state[0]) & _MASK, int(state[1]) & _MASK


default_generator = Generator()


def manual_seed(seed: int) -> Generator:
    """Seed the generator that is used where no other is given; returns it.

    >>> import nnfast
    >>> _ = nnfast.manual_seed(0)
    >>> a = nnfast.randn(3)
    >>> _ = nnfast.manual_seed(0)
    >>> bool((a == nnfast.randn(3)).numpy().all())
    True
    """
    return default_generator.manual_seed(seed)


def seed() -> int:
    """Seed the default generator from the operating system; returns the seed.

    >>> import nnfast
    >>> nnfast.seed() == nnfast.initial_seed()
    True
    """
    return default_generator.seed()


def initial_seed() -> int:
    """The seed of the default generator.

    >>> import nnfast
    >>> _ = nnfast.manual_seed(7)
    >>> nnfast.initial_seed()
    7
    """
    return default_generator.initial_seed()


def get_rng_state() -> Tensor:
    """The state of the default generator, for `set_rng_state`.

    >>> import nnfast
    >>> state = nnfast.get_rng_state()
    >>> a = nnfast.rand(2)
    >>> nnfast.set_rng_state(state)
    >>> bool((a == nnfast.rand(2)).all())
    True
    """
    return default_generator.get_state()


def set_rng_state(new_state: Any) -> None:
    """Let the default generator go on from a state.

    >>> import nnfast
    >>> state = nnfast.get_rng_state()
    >>> x = nnfast.rand(3)
    >>> nnfast.set_rng_state(state)
    >>> nnfast.equal(x, nnfast.rand(3))
    True
    """
    default_generator.set_state(new_state)
