"""Recognition by a CTC model: windows, search, n-best lists."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from components import audio
from components.batch_sizes import BatchLimit, ItemTooLargeError
from components.decoding.ctc.prefix_beam_search import search
from components.errors import DataError
from components.languages import base_of, is_undetermined, two_letters_of
from components.progress import track
from components.recognition.config import RecognitionConfig
from components.recognition.ctc.model import CtcModel
from components.recognition.ctc.nbest import DecodedWindow, build_nbest
from components.recognition.recognizer import quarantine
from components.recognition.vad.windows import Span, cut, is_silent, windows_of
from components.records import Checkpoint, NBest, Outcome, Utterance

MIN_SAMPLES = 1600
"""Shorter audio (0.1 s) is padded with silence: convolutions need some samples to give a frame."""


class CtcRecognizer:
    """A :class:`~components.recognition.recognizer.Recognizer` over a model that labels frames.

    Of the settings it uses ``beam_size``, ``n_best``, ``vad`` and ``word_times``. A hypothesis's score is the
    log-probability of its text, the sum over all alignments; that of a token is conditional on those before.
    """

    def __init__(self, config: RecognitionConfig, model: CtcModel, checkpoint: Checkpoint) -> None:
        self.config, self.checkpoint = config, checkpoint
        self._model = model
        self.system = f"{checkpoint.reference}/{config.backend}"

    def recognize(self, utterances: Sequence[Utterance]) -> list[Outcome]:
        """One outcome per utterance, in order; quarantined without readable audio in the model's language."""
        return [self._recognize_one(utterance) for utterance in track(utterances)]

    def _recognize_one(self, utterance: Utterance) -> Outcome:
        language, known = utterance.source_language, self._model.language
        if utterance.audio is None:
            return quarantine(utterance, "no audio", "expected audio to recognise, found text only")
        if known and two_letters_of(language) != known and not is_undetermined(language):
            detail = f"{self.checkpoint.reference} knows {known} only, found {base_of(language)!r}"
            return quarantine(utterance, "unknown language", detail)
        try:
            samples = audio.decode(utterance.audio)
        except DataError as error:
            return quarantine(utterance, "unreadable audio", str(error))
        try:
            windows = BatchLimit(1).map(
                lambda spans: [self._decode(samples, *spans)], self._find_spans(samples)
            )
        except ItemTooLargeError as error:
            return quarantine(utterance, error.reason, str(error))
        if not all(np.isfinite(window.log_probs).all() for window in windows):
            detail = f"expected finite log-probabilities, found others from {self.checkpoint.reference}"
            return quarantine(utterance, "no finite scores", f"{detail}: listen to this recording")
        hypotheses = build_nbest(
            windows, self._model, self.system, self.config.n_best, self.config.word_times
        )
        declared = None if is_undetermined(language) else two_letters_of(language)
        return NBest(utterance_id=utterance.id, hypotheses=hypotheses, language=known or declared)

    def _find_spans(self, samples: audio.Samples) -> list[Span]:
        if is_silent(samples):
            return []
        if self.config.vad:
            return [span for span in windows_of(samples) if span.voiced]
        return cut(Span(0.0, len(samples) / audio.SAMPLE_RATE))

    def _decode(self, samples: audio.Samples, span: Span) -> DecodedWindow:
        rate = audio.SAMPLE_RATE
        part = samples[int(span.start * rate) : int(span.end * rate)]
        part = np.pad(part, (0, max(0, MIN_SAMPLES - len(part))))
        log_probs = self._model.score_frames(part)
        span = Span(span.start, span.start + len(part) / rate)
        blank = self._model.vocabulary.blank
        return DecodedWindow(
            span, log_probs, search(log_probs, blank, self.config.beam_size, self.config.n_best)
        )
