"""Ids that are taken, some of them many at a time: those of shards that are not read again."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from components.data.used_ids import ID_BYTES, UsedIds

_FILTER_BITS = 24


class IdGroups(UsedIds):
    """Ids that are added one by one, or in groups, no id in two of these.

    Two filters, with a bit for the first bits of each digest, tell at once that most ids of a group are none
    of the others, and the other way round; a group goes into the database where they do not.
    """

    def __init__(self) -> None:
        super().__init__()
        self._single, self._grouped = (np.zeros(2**_FILTER_BITS // 8, np.uint8) for _ in range(2))
        self._waiting: list[bytes] = []

    def has(self, digest: bytes) -> bool:
        """Return whether the id of a digest is taken."""
        self._store_groups_like(digest)
        return super().has(digest)

    def add_digest(self, digest: bytes) -> bool:
        """Add the id of a digest; return False where it is taken."""
        place, bit = self._store_groups_like(digest)
        self._single[place] |= bit
        return super().add_digest(digest)

    def add_group(self, digests: bytes) -> bool:
        """Add ids by their digests, one after another; return False, and add none, where one is taken."""
        places = (np.frombuffer(digests, "<u8")[::2] >> (64 - _FILTER_BITS)).astype(np.int64)
        taken = self._single[places >> 3] >> (places & 7) & 1
        if any(super(IdGroups, self).has(_digest_at(digests, number)) for number in taken.nonzero()[0]):
            return False
        np.bitwise_or.at(self._grouped, places >> 3, (1 << (places & 7)).astype(np.uint8))
        self._waiting.append(digests)
        return True

    def _store_groups_like(self, digest: bytes) -> tuple[int, int]:
        """Store the groups if an id may be in one; return where its bit is in the filters, and the bit."""
        number = int.from_bytes(digest[:8], "little") >> (64 - _FILTER_BITS)
        place, bit = number >> 3, 1 << (number & 7)
        if self._waiting and self._grouped[place] & bit:
            self._database.executemany("INSERT INTO ids VALUES (?)", _split(self._waiting))
            self._waiting.clear()
        return place, bit


def _split(groups: list[bytes]) -> Iterator[tuple[bytes]]:
    for digests in groups:
        yield from ((_digest_at(digests, number),) for number in range(len(digests) // ID_BYTES))


def _digest_at(digests: bytes, number: int) -> bytes:
    return digests[number * ID_BYTES : (number + 1) * ID_BYTES]
