"""Ids that are taken, some of them many at a time: those of shards that are not read again."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from components.data.used_ids import ID_BYTES, UsedIds

_FILTER_BITS = 24
_LOOKUPS = 100
"""In the groups before they go into the database: of 100,000 ids one takes 0.3 ms, storing them 0.2 s."""


class IdGroups(UsedIds):
    """Ids that are added one by one, or in groups, no id in two of these.

    Two filters, with a bit for the first bits of each digest, tell at once that most ids of a group are none
    of the others, and the other way round.
    """

    def __init__(self) -> None:
        super().__init__()
        self._single, self._grouped = (np.zeros(2**_FILTER_BITS // 8, np.uint8) for _ in range(2))
        self._groups: list[bytes] = []
        self._lookups = 0

    def has(self, digest: bytes) -> bool:
        """Return whether the id of a digest is taken."""
        return self._is_in_group(digest) or super().has(digest)

    def add_digest(self, digest: bytes) -> bool:
        """Add the id of a digest; return False where it is taken."""
        place, bit = _place_of(digest)
        self._single[place] |= bit
        return not self._is_in_group(digest) and super().add_digest(digest)

    def add_group(self, digests: bytes) -> bool:
        """Add ids by their digests, one after another; return False, and add none, where one is taken."""
        places = (np.frombuffer(digests, "<u8")[::2] >> (64 - _FILTER_BITS)).astype(np.int64)
        taken = self._single[places >> 3] >> (places & 7) & 1
        if any(super(IdGroups, self).has(_digest_at(digests, number)) for number in taken.nonzero()[0]):
            return False
        np.bitwise_or.at(self._grouped, places >> 3, (1 << (places & 7)).astype(np.uint8))
        self._groups.append(digests)
        return True

    def _is_in_group(self, digest: bytes) -> bool:
        """Return whether an id is in one of the groups that are not in the database."""
        place, bit = _place_of(digest)
        if not self._groups or not self._grouped[place] & bit:
            return False
        self._lookups += 1
        if self._lookups > _LOOKUPS:
            self._database.executemany("INSERT INTO ids VALUES (?)", _split(self._groups))
            self._groups.clear()
            self._lookups = 0
        return any(digest in group for group in self._groups)


def _place_of(digest: bytes) -> tuple[int, int]:
    """Return where the bit of an id is in the filters, and the bit."""
    number = int.from_bytes(digest[:8], "little") >> (64 - _FILTER_BITS)
    return number >> 3, 1 << (number & 7)


def _split(groups: list[bytes]) -> Iterator[tuple[bytes]]:
    for digests in groups:
        yield from ((_digest_at(digests, number),) for number in range(len(digests) // ID_BYTES))


def _digest_at(digests: bytes, number: int) -> bytes:
    return digests[number * ID_BYTES : (number + 1) * ID_BYTES]
