"""The writer's output in edit diffusion: the new text, in which kept tokens are copied and spans are written.

A trace goes over the kept tokens of the canvas from left to right. Where a span is written behind one of
them, its tokens follow and then its end: the ``end`` token, or eos behind the last kept token, as in a plain
translation. A trace ends with eos. Spans and their ends are free (the model predicts them); the rest is
copied.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from components.networks.edit_script import EditScript, span_openings

Tokens = tuple[int, ...]


@dataclass(frozen=True)
class WriterTrace:
    """The writer's tokens, and where each of them is in the canvas.

    Attributes:
        tokens: what the writer emits.
        is_free: whether the model predicts the token; others are copied from the canvas.
        previous_kept: the last kept canvas position before each token (0 is the start).
        next_kept: the next kept one; behind the last it is the canvas's end, n + 1.
    """

    tokens: Tokens
    is_free: tuple[bool, ...]
    previous_kept: tuple[int, ...]
    next_kept: tuple[int, ...]


def trace_of(canvas: Sequence[int], script: EditScript, end: int, eos: int) -> WriterTrace:
    """Return the trace of applying ``script`` to ``canvas`` (ids without start and eos)."""
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
    """Return the new text of a trace: its tokens without the ends of spans."""
    return tuple(token for token in tokens if token not in (end, eos))
