"""What a CTC model is, and one as a decoder of windows: prefix beam search, word times by alignment."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Protocol

import numpy as np

from components import audio
from components.audio import Samples
from components.decoding.ctc.alignment import align
from components.decoding.ctc.forward import LogProbs, score_tokens
from components.decoding.ctc.prefix_beam_search import CtcHypothesis, search
from components.errors import RecordError
from components.recognition.config import RecognitionConfig
from components.recognition.vad.windows import Span
from components.recognition.windowed.decoder import Window, WindowHypothesis
from components.recognition.windowed.nbest import Hypotheses, NBestDecoder, WindowPath, word_boundaries
from components.records import Hypothesis, Token, Word

_END = " "
"""The piece of the end of a window, which has a log-probability of its own: the next one begins a word."""


class CtcDecoder(NBestDecoder):
    """A :class:`~components.recognition.windowed.decoder.WindowDecoder` over a model that labels frames.

    Of the settings it uses ``beam_size``, ``n_best`` and ``word_times``. A hypothesis's score is the
    log-probability of its text, the sum over all alignments; that of a token is conditional on those before.

    Args:
        model: the model.
        name: of the model, for messages.
        config: the search, and whether the words of the best text get times.
    """

    min_seconds = 0.1

    def __init__(self, model: CtcModel, name: str, config: RecognitionConfig) -> None:
        self.language = model.language
        self._model, self._name, self._config = model, name, config

    def decode(self, windows: Sequence[Window]) -> list[Hypotheses | RecordError]:
        """See :class:`WindowDecoder`: one by one, without padding."""
        return [self._decode_one(window.samples) for window in windows]

    def _decode_one(self, samples: audio.Samples) -> Hypotheses | RecordError:
        log_probs = self._model.score_frames(samples)
        if not np.isfinite(log_probs).all():
            detail = f"expected finite log-probabilities, found others from {self._name}"
            return RecordError("no finite scores", f"{detail}: listen to this recording")
        seconds = len(samples) / audio.SAMPLE_RATE
        blank, config = self._model.vocabulary.blank, self._config
        return [
            self._to_hypothesis(hypothesis, log_probs, seconds if config.word_times and not number else None)
            for number, hypothesis in enumerate(search(log_probs, blank, config.beam_size, config.n_best))
        ]

    def _to_hypothesis(
        self, hypothesis: CtcHypothesis, log_probs: LogProbs, seconds: float | None
    ) -> WindowHypothesis:
        """Return the text of a window; with word times where its length ``seconds`` is given."""
        vocabulary, tokens = self._model.vocabulary, hypothesis.tokens
        scores = score_tokens(log_probs, tokens, vocabulary.blank).tolist()
        pieces = [vocabulary.pieces[token] for token in tokens]
        words: tuple[Word, ...] = ()
        if seconds is not None:
            frames = align(log_probs, tokens, vocabulary.blank)
            words = _time_words(pieces, frames, scores, seconds / len(log_probs))
        return WindowHypothesis(
            text=self._model.decode(tokens),
            score=math.fsum(scores),
            rank=hypothesis.log_prob,
            tokens=tuple(
                Token(piece=piece, log_prob=score)
                for piece, score in zip([*pieces, _END], scores, strict=True)
            ),
            words=words,
        )

    def build_hypothesis(
        self, spans: Sequence[Span], path: WindowPath, system: str, *, is_best: bool
    ) -> Hypothesis:
        """See :class:`NBestDecoder`: word times and means of segments are the best one's, nothing is cut."""
        if not is_best:
            path = tuple(replace(part, words=()) for part in path)
        hypothesis = super().build_hypothesis(spans, path, system, is_best=is_best)
        features = {name: hypothesis.features[name] for name in ("windows", "silence", "mean_log_prob")}
        segments = tuple(
            segment if segment.words else segment.model_copy(update={"mean_log_prob": None})
            for segment in hypothesis.segments
        )
        return hypothesis.model_copy(update={"features": features, "segments": segments})


def _time_words(
    pieces: Sequence[str], frames: Sequence[tuple[int, int]], scores: Sequence[float], seconds: float
) -> tuple[Word, ...]:
    """The words of a window of frames of ``seconds``: from the first frame of a word to its last one."""
    words = []
    for begin, end in pairwise(word_boundaries(pieces)):
        spoken = [i for i in range(begin, end) if pieces[i].strip()]
        if spoken:
            words.append(
                Word(
                    start=frames[spoken[0]][0] * seconds,
                    end=(frames[spoken[-1]][1] + 1) * seconds,
                    text=" " + "".join(pieces[i] for i in spoken).strip(),
                    probability=float(np.mean([math.exp(scores[i]) for i in spoken])),
                )
            )
    return tuple(words)


@dataclass(frozen=True)
class CtcVocabulary:
    """The tokens of a CTC model.

    Attributes:
        blank: the token that stands for none.
        pieces: the text of each token, with a space where a word begins or ends; "" for special tokens.
    """

    blank: int
    pieces: tuple[str, ...]


class CtcModel(Protocol):
    """A model that labels the frames of speech.

    Attributes:
        vocabulary: its tokens.
        language: the only one that it knows; None where it does not say.
    """

    vocabulary: CtcVocabulary
    language: str | None

    def score_frames(self, samples: Samples) -> LogProbs:
        """Return log-probabilities (T, V) of mono 16 kHz ``samples``, whose frames are of equal length."""

    def decode(self, tokens: Sequence[int]) -> str:
        """Return the text of ``tokens``, which are without blanks and repetitions."""
