"""What the writer of edit diffusion emits: the new text, with kept tokens given and spans written.

A trace goes over the kept tokens of the canvas from left to right. Where a span is open behind one of them,
its tokens follow and then its end: the ``end`` token, or eos behind the last kept token, as in a plain
translation. A trace ends with eos. Only what is written (spans and their ends) is free; the rest is given.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from components.refining.edits import Script, openings

Tokens = tuple[int, ...]


@dataclass(frozen=True)
class Trace:
    """``tokens`` emitted, which of them are ``free``, and the canvas position that each stands behind.

    ``places[i]`` is the last kept canvas position (0 = start) before token i, ``nexts[i]`` the next kept one
    (n + 1, the canvas's end, behind the last).
    """

    tokens: Tokens
    free: tuple[bool, ...]
    places: tuple[int, ...]
    nexts: tuple[int, ...]


def trace_of(canvas: Sequence[int], script: Script, end: int, eos: int) -> Trace:
    """The trace of applying ``script`` to ``canvas`` (ids without start and eos)."""
    kept, opens = openings(script.tags)
    spans = iter(script.spans)
    rows: list[tuple[int, bool, int, int]] = []
    for index, place in enumerate(kept):
        last = index + 1 == len(kept)
        after = len(canvas) + 1 if last else kept[index + 1]
        if opens[index]:
            written = (*next(spans), eos if last else end)
            rows += [(token, True, place, after) for token in written]
        if not last:
            rows.append((canvas[after - 1], False, place, after))
        elif not opens[index]:
            rows.append((eos, False, place, after))
    tokens, free, places, nexts = zip(*rows, strict=True)
    return Trace(tokens, free, places, nexts)


def text_of(tokens: Sequence[int], end: int, eos: int) -> Tokens:
    """The new text of a trace: its tokens without the ends of spans."""
    return tuple(token for token in tokens if token not in (end, eos))
