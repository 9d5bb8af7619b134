"""Ids that are taken: the last in memory, the others sorted in files that are removed with this object."""

from __future__ import annotations

import hashlib
import tempfile
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Halves: TypeAlias = NDArray[np.uint64]

ID_BYTES = 16
"""Of the digest of an id."""
_IN_MEMORY = 20_000
_FILTER_BITS = 24


def digest_id(name: str) -> bytes:
    """Return what stands for an id."""
    return hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=ID_BYTES).digest()


class UsedIds:
    """The ids of the rows so far; a row takes 16 bytes of disk."""

    def __init__(self) -> None:
        self._recent: set[bytes] = set()
        self._runs: list[_Run] = []
        """Each has at most half of what the one before has."""
        self._filter = bytearray(2**_FILTER_BITS // 8)
        """A bit for the first bits of each digest in the runs: that of most new ones is not set."""

    def __contains__(self, name: str) -> bool:
        return self._has(digest_id(name))

    def add(self, name: str) -> bool:
        """Add an id; return False where it is taken."""
        digest = digest_id(name)
        if self._has(digest):
            return False
        self._recent.add(digest)
        self._put_aside_many()
        return True

    def add_all(self, digests: bytes) -> bool:
        """Add ids by their digests, one after another; return False, and add none, where one is taken."""
        names = {digests[start : start + ID_BYTES] for start in range(0, len(digests), ID_BYTES)}
        is_new = len(names) * ID_BYTES == len(digests) and names.isdisjoint(self._recent)
        if not is_new or any(run.has_any(*_split(digests)) for run in self._runs):
            return False
        self._recent |= names
        self._put_aside_many()
        return True

    def _has(self, digest: bytes) -> bool:
        if digest in self._recent:
            return True
        bit = int.from_bytes(digest[:8], "little") >> (64 - _FILTER_BITS)
        may_be_aside = self._filter[bit >> 3] >> (bit & 7) & 1
        return may_be_aside == 1 and any(run.has_any(*_split(digest)) for run in self._runs)

    def _put_aside_many(self) -> None:
        if len(self._recent) < _IN_MEMORY:
            return
        first, second = _split(b"".join(self._recent))
        self._recent.clear()
        _set_bits(self._filter, first)
        while self._runs and len(self._runs[-1].first) < 2 * len(first):
            first, second = _join(self._runs.pop(), first, second)
        self._runs.append(_store(first, second))


class _Run(NamedTuple):
    """The halves of digests, ascending by the first."""

    first: Halves
    second: Halves

    def has_any(self, first: Halves, second: Halves) -> bool:
        """Return whether it has one of some digests."""
        places = self.first.searchsorted(first)
        found = (self.first.take(places, mode="clip") == first).nonzero()[0]
        for number in found:  # all but one of 2**64 that are new are none of these
            place = places[number]
            while place < len(self.first) and self.first[place] == first[number]:
                if self.second[place] == second[number]:
                    return True
                place += 1
        return False


def _split(digests: bytes) -> tuple[Halves, Halves]:
    import numpy as np  # noqa: PLC0415 - 0.1 s, which small data sets need not

    halves = np.frombuffer(digests, "<u8")
    return halves[::2], halves[1::2]


def _set_bits(bits: bytearray, first: Halves) -> None:
    import numpy as np  # noqa: PLC0415 - as above

    places = (first >> np.uint64(64 - _FILTER_BITS)).astype(np.int64)
    np.bitwise_or.at(np.frombuffer(bits, np.uint8), places >> 3, (1 << (places & 7)).astype(np.uint8))


def _join(run: _Run, first: Halves, second: Halves) -> tuple[Halves, Halves]:
    import numpy as np  # noqa: PLC0415 - as above

    return np.concatenate([run.first, first]), np.concatenate([run.second, second])


def _store(first: Halves, second: Halves) -> _Run:
    """Return digests sorted, in memory that the system may take back, as it is that of a file."""
    import numpy as np  # noqa: PLC0415 - as above

    order = first.argsort()
    with tempfile.TemporaryFile() as file:
        kept = np.memmap(file, "<u8", "w+", shape=(2, len(order)))
    kept[:] = first[order], second[order]
    return _Run(np.asarray(kept[0]), np.asarray(kept[1]))
