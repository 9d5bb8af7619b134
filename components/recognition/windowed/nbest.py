"""N-best texts of the windows of an utterance -> its n-best list."""

from __future__ import annotations

import math
from collections.abc import Sequence

from components.recognition.vad.windows import Span
from components.recognition.windowed.decoder import WindowHypothesis
from components.records import Hypothesis, Segment, Token, Word

DecodedSpan = tuple[Span, Sequence[WindowHypothesis]]
"""A window's times in the recording, and what was found in it, best first."""


def build_nbest(windows: Sequence[DecodedSpan], system: str, n: int) -> tuple[Hypothesis, ...]:
    """At most ``n`` hypotheses of different texts, best first; one with empty text where nothing was said.

    A hypothesis is one text per window, ordered by the sum of their ranks: joining window after window and
    keeping the best is exact. Twice ``n`` are kept, because equal texts become one afterwards.

    Args:
        windows: In order.
        system: Names the recognizer in the hypotheses.
        n: Hypotheses at most.
    """
    paths: list[tuple[WindowHypothesis, ...]] = [()]
    for _, candidates in windows:
        joined = [(*path, candidate) for path in paths for candidate in candidates]
        paths = sorted(joined, key=lambda path: -math.fsum(part.rank for part in path))[: 2 * n]
    hypotheses: dict[str, Hypothesis] = {}
    for path in paths:
        text = " ".join(part.text for part in path if part.text)
        if text not in hypotheses and len(hypotheses) < n:
            spans = [span for span, _ in windows]
            hypotheses[text] = _build_hypothesis(text, spans, path, system)
    return tuple(hypotheses.values())


def _build_hypothesis(
    text: str, spans: Sequence[Span], path: Sequence[WindowHypothesis], system: str
) -> Hypothesis:
    tokens: tuple[Token, ...] = tuple(token for part in path for token in part.tokens)
    score = math.fsum(part.score for part in path)
    return Hypothesis(
        text=text,
        score=score,
        n_tokens=len(tokens),
        system=system,
        features={
            "windows": float(len(path)),
            "silence": float(not text),
            "cut": float(sum(not part.finished for part in path)),
            "rank": math.fsum(part.rank for part in path),
            "mean_log_prob": score / max(len(tokens), 1),
        },
        tokens=tokens,
        segments=tuple(
            _build_segment(span, part) for span, part in zip(spans, path, strict=True) if part.text
        ),
    )


def _build_segment(span: Span, part: WindowHypothesis) -> Segment:
    words = tuple(
        Word(
            start=min(span.start + word.start, span.end),
            end=min(span.start + word.end, span.end),
            text=word.text,
            probability=word.probability,
        )
        for word in part.words
    )
    return Segment(
        start=words[0].start if words else span.start,
        end=words[-1].end if words else span.end,
        text=part.text,
        words=words,
        mean_log_prob=part.score / len(part.tokens) if part.tokens else None,
    )
