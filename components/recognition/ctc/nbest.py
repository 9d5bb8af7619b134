"""Windows of an utterance, searched one by one -> its n-best list."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from components.decoding.ctc.alignment import align
from components.decoding.ctc.forward import LogProbs, score_tokens
from components.decoding.ctc.prefix_beam_search import CtcHypothesis
from components.recognition.ctc.model import CtcModel
from components.recognition.vad.windows import Span
from components.recognition.word_boundaries import word_boundaries
from components.records import Hypothesis, Segment, Token, Word

_END = " "
"""The piece of the end of a window, which has a log-probability of its own: the next one begins a word."""


@dataclass(frozen=True)
class DecodedWindow:
    """A window of audio, its frames (T, V), and what was found in it, best first."""

    span: Span
    log_probs: LogProbs
    hypotheses: Sequence[CtcHypothesis]


def build_nbest(
    windows: Sequence[DecodedWindow], model: CtcModel, system: str, n: int, word_times: bool
) -> tuple[Hypothesis, ...]:
    """At most ``n`` hypotheses of different texts, best first; one with empty text where nothing was said.

    A hypothesis is one text per window, its score the sum over the windows: to join window after window and
    to keep the best is exact. Twice ``n`` are kept, because equal texts become one afterwards.

    Args:
        windows: In order.
        model: Whose frames they are.
        system: Names the recognizer in the hypotheses.
        n: Hypotheses at most.
        word_times: Whether the words of the best one get times.
    """
    paths: list[tuple[CtcHypothesis, ...]] = [()]
    for window in windows:
        joined = [(*path, hypothesis) for path in paths for hypothesis in window.hypotheses]
        paths = sorted(joined, key=lambda path: -sum(h.log_prob for h in path))[: 2 * n]
    hypotheses: dict[str, Hypothesis] = {}
    for number, path in enumerate(paths):
        text = " ".join(filter(None, (model.decode(part.tokens) for part in path)))
        if text not in hypotheses and len(hypotheses) < n:
            with_times = word_times and number == 0
            hypotheses[text] = _build_hypothesis(text, windows, path, model, system, with_times)
    return tuple(hypotheses.values())


def _build_hypothesis(
    text: str,
    windows: Sequence[DecodedWindow],
    path: Sequence[CtcHypothesis],
    model: CtcModel,
    system: str,
    word_times: bool,
) -> Hypothesis:
    tokens: list[Token] = []
    segments: list[Segment] = []
    for window, part in zip(windows, path, strict=True):
        scores = score_tokens(window.log_probs, part.tokens, model.vocabulary.blank).tolist()
        pieces = [*(model.vocabulary.pieces[token] for token in part.tokens), _END]
        tokens += [Token(piece=p, log_prob=s) for p, s in zip(pieces, scores, strict=True)]
        if window_text := model.decode(part.tokens):
            words = _time_words(window, part, scores, model) if word_times else ()
            segments.append(
                Segment(
                    start=words[0].start if words else window.span.start,
                    end=words[-1].end if words else window.span.end,
                    text=window_text,
                    words=words,
                    mean_log_prob=math.fsum(scores) / len(scores) if words else None,
                )
            )
    score = math.fsum(token.log_prob for token in tokens)
    return Hypothesis(
        text=text,
        score=score,
        n_tokens=len(tokens),
        system=system,
        features={
            "windows": float(len(windows)),
            "silence": float(not text),
            "mean_log_prob": score / max(len(tokens), 1),
        },
        tokens=tuple(tokens),
        segments=tuple(segments),
    )


def _time_words(
    window: DecodedWindow, part: CtcHypothesis, scores: Sequence[float], model: CtcModel
) -> tuple[Word, ...]:
    """The words of a window: a word lasts from the first frame of its first token to the last of its last."""
    span = window.span
    seconds = (span.end - span.start) / len(window.log_probs)
    frames = align(window.log_probs, part.tokens, model.vocabulary.blank)
    pieces = [model.vocabulary.pieces[token] for token in part.tokens]
    words = []
    for begin, end in pairwise(word_boundaries(pieces)):
        spoken = [i for i in range(begin, end) if pieces[i].strip()]
        if spoken:
            words.append(
                Word(
                    start=span.start + frames[spoken[0]][0] * seconds,
                    end=span.start + (frames[spoken[-1]][1] + 1) * seconds,
                    text=" " + "".join(pieces[i] for i in spoken).strip(),
                    probability=float(np.mean([math.exp(scores[i]) for i in spoken])),
                )
            )
    return tuple(words)
