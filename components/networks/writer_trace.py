"""What the writer of edit diffusion emits: the new text, with kept tokens given and spans written.

A trace goes over the kept tokens of the canvas from left to right. Where a span is open behind one of them,
its tokens follow and then its end: the ``end`` token, or eos behind the last kept token, as in a plain
translation. A trace ends with eos. Only what is written (spans and their ends) is free; the rest is given.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from components.networks.edit_script import EditScript, span_openings

Tokens = tuple[int, ...]


@dataclass(frozen=True)
class WriterTrace:
    """``tokens`` emitted, which of them are ``free``, and the canvas position that each stands behind.

    ``places[i]`` is the last kept canvas position (0 = start) before token i, ``nexts[i]`` the next kept one
    (n + 1, the canvas's end, behind the last).
    """

    tokens: Tokens
    is_free: tuple[bool, ...]
    previous_kept: tuple[int, ...]
    next_kept: tuple[int, ...]


def trace_of(canvas: Sequence[int], script: EditScript, end: int, eos: int) -> WriterTrace:
    """The trace of applying ``script`` to ``canvas`` (ids without start and eos)."""
    kept_positions, opens = span_openings(script.tags)
    spans = iter(script.spans)
    rows: list[tuple[int, bool, int, int]] = []
    for index, position in enumerate(kept_positions):
        last = index + 1 == len(kept_positions)
        after = len(canvas) + 1 if last else kept_positions[index + 1]
        if opens[index]:
            span = (*next(spans), eos if last else end)
            rows += [(token, True, position, after) for token in span]
        if not last:
            rows.append((canvas[after - 1], False, position, after))
        elif not opens[index]:
            rows.append((eos, False, position, after))
    tokens, free, previous_kept, next_kept = zip(*rows, strict=True)
    return WriterTrace(tokens, free, previous_kept, next_kept)


def text_of(tokens: Sequence[int], end: int, eos: int) -> Tokens:
    """The new text of a trace: its tokens without the ends of spans."""
    return tuple(token for token in tokens if token not in (end, eos))
