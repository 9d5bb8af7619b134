"""Decoders that give n-best texts of a window, and how these become the n-best list of an utterance."""

from __future__ import annotations

import math
from collections.abc import Sequence

from pydantic import TypeAdapter

from components.recognition.vad.windows import Span
from components.recognition.windowed.decoder import WindowDecoder, WindowHypothesis
from components.records import Hypothesis, NBest, Segment, Token, Utterance, Word
from components.text.languages import is_undetermined, two_letters_of

Hypotheses = Sequence[WindowHypothesis]
"""What was found in a window, best first."""
WindowPath = tuple[WindowHypothesis, ...]
"""A text of each window of a recording."""


class NBestDecoder(WindowDecoder[Hypotheses]):
    """A decoder whose results are the candidate texts of a window, best first, at least one."""

    form = TypeAdapter(list[Hypotheses])

    def join(
        self, utterance: Utterance, windows: Sequence[tuple[Span, Hypotheses]], system: str, n: int
    ) -> NBest:
        """See :class:`WindowDecoder`: hypotheses of different texts, one with empty text for silence."""
        declared = utterance.source_language
        known = None if is_undetermined(declared) else two_letters_of(declared)
        spans = [span for span, _ in windows]
        paths = find_best_paths([candidates for _, candidates in windows], n)
        return NBest(
            utterance_id=utterance.id,
            hypotheses=tuple(
                self.build_hypothesis(spans, path, system, is_best=not number)
                for number, path in enumerate(paths)
            ),
            language=self.language or known,
        )

    def build_hypothesis(
        self, spans: Sequence[Span], path: WindowPath, system: str, *, is_best: bool
    ) -> Hypothesis:
        """Return the hypothesis of a text per window, ``is_best`` where it is the first of the list."""
        text, score = text_of(path), math.fsum(part.score for part in path)
        tokens: tuple[Token, ...] = tuple(token for part in path for token in part.tokens)
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


def find_best_paths(windows: Sequence[Hypotheses], n: int) -> list[WindowPath]:
    """Find at most ``n`` paths of different texts through windows, ordered by the sum of their ranks.

    Joining window after window and keeping the best is exact. Twice ``n`` are kept, because equal texts
    become one afterwards. Without a window there is the empty path.
    """
    paths: list[WindowPath] = [()]
    for candidates in windows:
        joined = [(*path, candidate) for path in paths for candidate in candidates]
        paths = sorted(joined, key=lambda path: -math.fsum(part.rank for part in path))[: 2 * n]
    best: dict[str, WindowPath] = {}
    for path in paths:
        best.setdefault(text_of(path), path)
    return list(best.values())[:n]


def text_of(path: WindowPath) -> str:
    """Return the texts of the windows, joined."""
    return " ".join(part.text for part in path if part.text)


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


def word_boundaries(pieces: Sequence[str]) -> list[int]:
    """Find where words begin: at a piece that begins with a space, or after one ending so; and the end."""
    inner = (i for i in range(1, len(pieces)) if pieces[i][:1] == " " or pieces[i - 1][-1:] == " ")
    return [0, *inner, len(pieces)] if pieces else []
