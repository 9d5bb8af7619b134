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
_IN_MEMORY = 2**16
_FILTER_BITS = 24


def digest_id(name: str) -> bytes:
    """Return what stands for an id."""
    return hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=ID_BYTES).digest()


class UsedIds:
    """The ids of the rows so far; a row takes 16 bytes of disk."""

    def __init__(self) -> None:
        self._single, self._grouped = _Digests(), _Digests()

    def __contains__(self, name: str) -> bool:
        return self._has(digest_id(name))

    def add(self, name: str) -> bool:
        """Add an id; return False where it is taken."""
        digest = digest_id(name)
        if self._has(digest):
            return False
        self._single.add(digest)
        return True

    def add_group(self, digests: bytes) -> bool:
        """Add ids by their digests, one after another; return False, and add none, where one is taken.

        No id may be in two groups.
        """
        if self._single.has_any(digests):
            return False
        self._grouped.add_all(digests)
        return True

    def _has(self, digest: bytes) -> bool:
        return self._single.has(digest) or self._grouped.has(digest)


class _Digests:
    """Digests of ids, of which a filter knows at once that most others are none of them."""

    def __init__(self) -> None:
        self._recent: set[bytes] = set()
        self._waiting: list[bytes] = []
        """Many each, one after another."""
        self._count = 0
        """Of those in memory."""
        self._runs: list[_Run] = []
        """Each has at most half of what the one before has."""
        self._filter = bytearray(2**_FILTER_BITS // 8)
        """A bit for the first bits of each digest."""

    def has(self, digest: bytes) -> bool:
        bit = _bit_of(digest)
        return bool(self._filter[bit >> 3] >> (bit & 7) & 1) and self._find(digest)

    def has_any(self, digests: bytes) -> bool:
        import numpy as np  # noqa: PLC0415 - 0.1 s, which small data sets need not

        places = _places(_split(digests)[0])
        may_be = np.frombuffer(self._filter, np.uint8)[places >> 3] >> (places & 7) & 1
        starts = (may_be.nonzero()[0] * ID_BYTES).tolist()
        return any(self._find(digests[start : start + ID_BYTES]) for start in starts)

    def add(self, digest: bytes) -> None:
        bit = _bit_of(digest)
        self._filter[bit >> 3] |= 1 << (bit & 7)
        self._recent.add(digest)
        self._count_more(1)

    def add_all(self, digests: bytes) -> None:
        import numpy as np  # noqa: PLC0415 - as above

        places = _places(_split(digests)[0])
        bits = np.frombuffer(self._filter, np.uint8)
        np.bitwise_or.at(bits, places >> 3, (1 << (places & 7)).astype(np.uint8))
        self._waiting.append(digests)
        self._count_more(len(digests) // ID_BYTES)

    def _find(self, digest: bytes) -> bool:
        if digest in self._recent:
            return True
        if self._waiting:
            self._put_aside()
        return any(run.has(digest) for run in self._runs)

    def _count_more(self, number: int) -> None:
        self._count += number
        if self._count >= _IN_MEMORY:
            self._put_aside()

    def _put_aside(self) -> None:
        first, second = _split(b"".join([*self._recent, *self._waiting]))
        self._recent.clear()
        self._waiting.clear()
        self._count = 0
        while self._runs and len(self._runs[-1].first) < 2 * len(first):
            first, second = _join(self._runs.pop(), first, second)
        self._runs.append(_store(first, second))


class _Run(NamedTuple):
    """The halves of digests, ascending by the first."""

    first: Halves
    second: Halves

    def has(self, digest: bytes) -> bool:
        first, second = _split(digest)
        place = int(self.first.searchsorted(first[0]))
        while place < len(self.first) and self.first[place] == first[0]:  # once, but for one of 2**64
            if self.second[place] == second[0]:
                return True
            place += 1
        return False


def _bit_of(digest: bytes) -> int:
    return int.from_bytes(digest[:8], "little") >> (64 - _FILTER_BITS)


def _places(first: Halves) -> NDArray[np.int64]:
    """The bits of many digests in a filter."""
    return (first >> (64 - _FILTER_BITS)).astype("i8")


def _split(digests: bytes) -> tuple[Halves, Halves]:
    import numpy as np  # noqa: PLC0415 - as above

    halves = np.frombuffer(digests, "<u8")
    return halves[::2], halves[1::2]


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
