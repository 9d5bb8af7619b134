"""Edit scripts over tokens: keep, replace, insert, delete (the operations of Reid et al., 2022).

A script has one tag for the start of a sequence and one for each of its tokens. REPLACE writes a span in the
place of the token, INSERT keeps it and writes a span behind it. Between two kept tokens there is at most one
span, so a script says what is removed and where something is written, and nothing twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rapidfuzz.distance import Levenshtein

KEEP, REPLACE, INSERT, DELETE = range(4)
TAGS = ("keep", "replace", "insert", "delete")


@dataclass(frozen=True)
class Script:
    """``tags`` of the start and of each token; ``spans`` written at REPLACE and INSERT, in order."""

    tags: tuple[int, ...]
    spans: tuple[tuple[int, ...], ...]

    @property
    def edits(self) -> int:
        """Tokens removed or written."""
        removed = sum(tag in (REPLACE, DELETE) for tag in self.tags)
        return removed + sum(map(len, self.spans))


def script(source: Sequence[int], target: Sequence[int]) -> Script:
    """The script that makes ``target`` of ``source`` along a shortest edit (Levenshtein, unit costs)."""
    tags = [KEEP] * (1 + len(source))
    written: dict[int, tuple[int, ...]] = {}  # by the kept position (0 = start) that it stands behind
    kept = 0
    for code in Levenshtein.opcodes(list(source), list(target)):
        if code.tag == "equal":
            kept = code.src_end
            continue
        tags[code.src_start + 1 : code.src_end + 1] = [DELETE] * (code.src_end - code.src_start)
        written[kept] = (*written.get(kept, ()), *target[code.dest_start : code.dest_end])
    spans = []
    for place, span in sorted(written.items()):
        if not span:
            continue
        removed = place + 1 < len(tags) and tags[place + 1] == DELETE
        tags[place + removed] = REPLACE if removed else INSERT
        spans.append(span)
    return Script(tuple(tags), tuple(spans))


def apply(source: Sequence[int], edit: Script) -> tuple[int, ...]:
    """What ``edit`` makes of ``source``. Raises ValueError where it does not fit."""
    if len(edit.tags) != 1 + len(source):
        raise ValueError(f"expected {1 + len(source)} tags for {len(source)} tokens, found {len(edit.tags)}")
    if edit.tags[0] not in (KEEP, INSERT):
        raise ValueError(f"expected the start to be kept, found {TAGS[edit.tags[0]]}")
    spans = iter(edit.spans)
    result: list[int] = []
    for place, tag in enumerate(edit.tags):
        if place and tag in (KEEP, INSERT):
            result.append(source[place - 1])
        if tag in (REPLACE, INSERT):
            span = next(spans, None)
            if span is None:
                raise ValueError(f"expected a span for each replace and insert, found {len(edit.spans)}")
            result += span
    if next(spans, None) is not None:
        raise ValueError("expected one span for each replace and insert, found more")
    return tuple(result)


def openings(tags: Sequence[int]) -> tuple[tuple[int, ...], tuple[bool, ...]]:
    """Kept positions (the start, 0, first) and whether a span is written behind each.

    Any tags will do, also those that :func:`script` never gives (two REPLACE in a row are one span).
    """
    kept, opens = [0], [tags[0] == INSERT]
    for place, tag in enumerate(tags[1:], start=1):
        if tag in (KEEP, INSERT):
            kept.append(place)
            opens.append(tag == INSERT)
        elif tag == REPLACE:
            opens[-1] = True
    return tuple(kept), tuple(opens)
