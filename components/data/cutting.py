"""Content-defined cuts: where a stream of rows is cut into shards, decided by the rows near the cut alone.

A row may end a shard where its digest is small: a *candidate*. It does end one where no candidate lies within
:data:`LEAST` before it. So a cut depends on the rows back to the candidate before it, two cuts are at least
that far apart, and a row that is added, removed or changed anywhere touches the shard that it is in and at
most one neighbour (content-defined chunking, Muthitacharoen et al. 2001, with a least size that needs no
state). Two things touch more: a long recording, which has a shard of its own, touches both neighbours where
it comes or goes, and where a shard was ended by its length, as is rare, the ends after it move up to the next
that is decided by content. A cut is decided before audio is opened: by a row's id and texts, never by its
path, and by the length that its manifest states.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from hashlib import blake2b
from math import exp
from typing import NamedTuple, Protocol, TypeVar

SECONDS, CHARACTERS = 600.0, 100_000
"""Of speech, and of written text: a shard has about so much of it."""
UNKNOWN_SECONDS = 10.0
"""Of a recording whose length the manifest does not state."""
LEAST = 1 / 2.7
"""Least length of a shard that is not the last, and that no long recording follows; 1 is the usual length.
Candidates are so far apart on average, which gives most shards, of e * LEAST on average."""
GREATEST = 4.0
"""Length after which a shard ends in any case, as soon as its document does."""
_SHORTEST = 5e-4
"""Least length that a row counts for: rows that are empty fill shards, too."""
SIZES = (SECONDS, CHARACTERS, UNKNOWN_SECONDS, LEAST, GREATEST, _SHORTEST)
"""What is remembered of cuts holds for these."""


class Cut(NamedTuple):
    """What of a row decides where shards end.

    Attributes:
        digest: of its id and texts, from 0 to 1.
        length: share of a usual shard.
        document: that it is a part of, which no cut divides.
    """

    digest: float
    length: float
    document: str | None = None


class HasCut(Protocol):
    """A row of a data set."""

    @property
    def cut(self) -> Cut:
        """What of it decides where shards end."""


R = TypeVar("R", bound=HasCut)


def make_cut(
    name: str,
    text: str | None,
    transcript: str | None,
    *,
    seconds: float | None,
    document: str | None = None,
) -> Cut:
    """Return what of a row decides where shards end.

    Args:
        name: its id.
        text: that is written.
        transcript: of its speech.
        seconds: of its speech, as its manifest states it; None of a row that is only written.
        document: that it is a part of.
    """
    content = "\0".join((name, text or "", transcript or "")).encode("utf-8", "surrogatepass")
    digest = int.from_bytes(blake2b(content, digest_size=8).digest(), "big") / 2**64
    length = len(text or "") / CHARACTERS if seconds is None else seconds / SECONDS
    return Cut(digest, max(length, _SHORTEST), document)


class Cutter:
    """Decides row after row whether a shard ends there.

    Attributes:
        is_at_rest: whether the rows so far decide nothing of where the next shards end.
        by_content: whether the last shard ended where its rows say so: not before a long recording, nor for
            its length.
    """

    def __init__(self) -> None:
        self.is_at_rest = True
        self.by_content = False
        self._length = self._since_candidate = self._together = 0.0

    def ends_after(self, row: Cut, following: Cut | None) -> bool:
        """Return whether a shard ends after a row, and go on to the ``following`` one."""
        self._together += row.length
        if following is not None and row.document is not None and row.document == following.document:
            return False
        together, self._together = self._together, 0.0
        self._length += together
        self._since_candidate += together
        # As likely as that one of random points, which are LEAST apart on average, falls on the row.
        is_candidate = together >= 1 or row.digest < 1 - exp(-together / LEAST)
        self.by_content = is_candidate and self._since_candidate > LEAST
        if is_candidate:
            self._since_candidate = 0.0
        is_before_long = following is not None and following.length >= 1
        ends = self.by_content or is_before_long or self._length >= GREATEST
        if ends:
            self._length = 0.0
        self.is_at_rest = ends and is_candidate
        return ends


def cut_shards(rows: Iterable[R]) -> Iterator[list[R]]:
    """Cut rows into shards, in order; what has the length of a usual shard by itself is one."""
    batch, cutter = list[R](), Cutter()
    for row, following in _with_next(rows):
        batch.append(row)
        if cutter.ends_after(row.cut, None if following is None else following.cut):
            yield batch
            batch = []
    if batch:
        yield batch


def _with_next(rows: Iterable[R]) -> Iterator[tuple[R, R | None]]:
    previous: R | None = None
    for row in rows:
        if previous is not None:
            yield previous, row
        previous = row
    if previous is not None:
        yield previous, None
