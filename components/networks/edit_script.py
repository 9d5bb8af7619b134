"""Edit scripts over tokens: keep, replace, insert, delete (the operations of Reid et al., 2022).

A script has one tag for the start of a sequence and one for each of its tokens. REPLACE removes the token and
writes a span there, INSERT keeps it and writes a span behind it. Between two kept tokens there is at most one
span, so an edit has one script only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rapidfuzz.distance import Levenshtein

KEEP, REPLACE, INSERT, DELETE = range(4)
TAGS = ("keep", "replace", "insert", "delete")


@dataclass(frozen=True)
class EditScript:
    """``tags`` of the start and of each token; ``spans``, in order, are written at REPLACE and INSERT."""

    tags: tuple[int, ...]
    spans: tuple[tuple[int, ...], ...]

    @property
    def edits(self) -> int:
        """How many tokens are removed or written."""
        removed = sum(tag in (REPLACE, DELETE) for tag in self.tags)
        return removed + sum(map(len, self.spans))


def shortest_edit_script(source: Sequence[int], target: Sequence[int]) -> EditScript:
    """Return a shortest script that turns ``source`` into ``target`` (Levenshtein, unit costs)."""
    tags = [KEEP] * (1 + len(source))
    span_behind: dict[int, tuple[int, ...]] = {}  # by the kept position (0 = start) that it stands behind
    last_kept = 0
    for code in Levenshtein.opcodes(list(source), list(target)):
        if code.tag == "equal":
            last_kept = code.src_end
            continue
        tags[code.src_start + 1 : code.src_end + 1] = [DELETE] * (code.src_end - code.src_start)
        span_behind[last_kept] = (*span_behind.get(last_kept, ()), *target[code.dest_start : code.dest_end])
    spans = []
    for position, span in sorted(span_behind.items()):
        if not span:
            continue
        removed = position + 1 < len(tags) and tags[position + 1] == DELETE
        tags[position + removed] = REPLACE if removed else INSERT
        spans.append(span)
    return EditScript(tuple(tags), tuple(spans))


def span_openings(tags: Sequence[int]) -> tuple[tuple[int, ...], tuple[bool, ...]]:
    """Return the kept positions (the start, 0, comes first) and whether a span is written behind each.

    Any tags are read, also those that :func:`shortest_edit_script` never gives: two REPLACE in a row are one
    span.
    """
    kept_positions, opens = [0], [tags[0] == INSERT]
    for position, tag in enumerate(tags[1:], start=1):
        if tag in (KEEP, INSERT):
            kept_positions.append(position)
            opens.append(tag == INSERT)
        elif tag == REPLACE:
            opens[-1] = True
    return tuple(kept_positions), tuple(opens)
