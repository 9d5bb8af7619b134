"""Windows of an utterance -> its n-best list.

A hypothesis of several windows is one candidate per window. Its score and its rank are the sums over the
windows, so joining window after window and keeping the best is exact; twice n are kept, because equal texts
become one afterwards, and still fewer than n may be left. The best hypothesis joins the best candidates.
Candidates that differ in timestamps only are one hypothesis, the better one.

Samples of several windows are joined by their numbers, the n-th of each, and equal ones are kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from components.compute.openai_whisper import Tokenizer
from components.decoding.candidates import Candidate, member_scores_at, statistics_at
from components.recognition.whisper.fallback import compression_ratio
from components.recognition.whisper.windows.decoding_state import DecodedWhisperWindow
from components.recognition.whisper.windows.features import FRAMES_PER_SECOND
from components.recognition.whisper.word_timer import find_word_timer
from components.recognition.whisper.words.segments import build_segments, split_into_segments
from components.records import Hypothesis, Segment, Token


@dataclass(frozen=True)
class _Path:
    """One candidate of each window so far, and the sum of their ranks."""

    rank: float
    choice: tuple[Candidate, ...]


def build_nbest(
    windows: Sequence[DecodedWhisperWindow],
    tokenizer: Tokenizer,
    system: str,
    n: int | None,
    members: Sequence[str] = (),
) -> tuple[Hypothesis, ...]:
    """Build at most ``n`` hypotheses, best first; where nothing was said one, empty, with ``silence`` 1.

    Args:
        windows: all windows of the utterance, in any order.
        tokenizer: the model's.
        system: names the recognizer in the hypotheses.
        n: hypotheses at most; None: the candidates are samples, of which all become hypotheses.
        members: names of an ensemble's members, whose scores and weights the tokens keep.
    """
    ordered = sorted(windows, key=lambda w: w.start)
    spoken = [w for w in ordered if not w.is_silence and w.candidates]
    features = {
        "no_speech": max((w.no_speech for w in ordered), default=1.0),
        "temperature": max((w.temperature for w in ordered), default=0.0),
        "windows": float(len(ordered)),
    }
    paths = _paths_of_samples(spoken) if n is None else _best_paths(spoken, 2 * n)
    hypotheses = []
    for path in paths:
        # The best candidates were aligned, if any: those of the best path.
        hypothesis = _build_hypothesis(spoken, path, tokenizer, system, features, path is paths[0])
        tokens = tuple(t for c in path.choice for t in _build_tokens(c, tokenizer, members))
        hypotheses.append(hypothesis.model_copy(update={"tokens": tokens}))
    if n is None:
        return tuple(hypotheses)
    best = hypotheses[0]
    if not best.text:
        return (best,)
    different: dict[str, Hypothesis] = {}
    for hypothesis in hypotheses:
        different.setdefault(hypothesis.text, hypothesis)
    return tuple(h for h in different.values() if h.text)[:n]


def _best_paths(windows: Sequence[DecodedWhisperWindow], n: int) -> list[_Path]:
    """Return the best ways to take one candidate of each window, at most ``n``, best first."""
    paths = [_Path(0.0, ())]
    for window in windows:
        joined = [
            _Path(p.rank + c.normalized_score, (*p.choice, c)) for p in paths for c in window.candidates
        ]
        paths = sorted(joined, key=lambda p: -p.rank)[:n]
    return paths


def _paths_of_samples(windows: Sequence[DecodedWhisperWindow]) -> list[_Path]:
    """Return the n-th sample of each window together, best first."""
    drawn = [sorted(window.candidates, key=lambda c: c.draw or 0) for window in windows]
    choices = list(zip(*drawn, strict=True)) or [()]
    paths = [_Path(sum(c.normalized_score for c in choice), choice) for choice in choices]
    return sorted(paths, key=lambda p: -p.rank)


def _build_hypothesis(
    windows: Sequence[DecodedWhisperWindow],
    path: _Path,
    tokenizer: Tokenizer,
    system: str,
    features: dict[str, float],
    is_aligned: bool,
) -> Hypothesis:
    segments: list[Segment] = []
    texts: list[str] = []
    for window, candidate in zip(windows, path.choice, strict=True):
        pieces, _ = split_into_segments(candidate.tokens, tokenizer, window.frames)
        texts += [tokenizer.decode(list(piece.tokens)) for piece in pieces]
        alignment = window.alignment if is_aligned else None
        previous_end = segments[-1].end if segments else 0.0
        times = (window.start, window.start + window.frames / FRAMES_PER_SECOND)
        if alignment is None:
            segments += build_segments(pieces, tokenizer, times, previous_end)
        else:
            timer = find_word_timer()
            segments += timer.build_segments(pieces, alignment, tokenizer, times, previous_end)
    text = "".join(texts).strip()
    score = sum(c.score for c in path.choice)
    count = sum(len(c.tokens) + c.finished for c in path.choice)
    return Hypothesis(
        text=text,
        score=score,
        n_tokens=count,
        system=system,
        features={
            **features,
            "silence": float(not text),
            "mean_log_prob": score / max(count, 1),
            "compression_ratio": compression_ratio(text),
        },
        segments=tuple(segments),
    )


def _build_tokens(candidate: Candidate, tokenizer: Tokenizer, members: Sequence[str]) -> list[Token]:
    if not candidate.log_probs:  # the backend returns the sum only
        return []
    ids = [*candidate.tokens, *([tokenizer.eot] if candidate.finished else [])]
    return [
        Token(
            piece=piece_of(token, tokenizer),
            log_prob=value,
            members=member_scores_at(members, candidate.member_log_probs, position),
            weights=member_scores_at(members, candidate.member_weights, position),
            **statistics_at(candidate, position),
        )
        for position, (token, value) in enumerate(zip(ids, candidate.log_probs, strict=True))
    ]


def piece_of(token: int, tokenizer: Tokenizer) -> str:
    r"""Return the token's text; bytes that are part of a character are written as ``\xNN``."""
    data: bytes = tokenizer.encoding.decode_single_token_bytes(token)
    return data.decode("utf-8", "backslashreplace")
