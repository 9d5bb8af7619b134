"""The ``served`` backend (extra ``served``): recognizers behind an OpenAI-compatible transcription endpoint.

Of the settings it uses ``word_times`` and ``vad``. Times, languages and log-probabilities are there where the
server gives them; else a hypothesis has the score 0 of no tokens, which says nothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from components.endpoints.connection import AnswerError
from components.endpoints.transcription import (
    Clip,
    TimedWordForm,
    Transcript,
    TranscriptionModel,
    open_transcription,
)
from components.models.references import split_reference
from components.recognition.config import RecognitionConfig
from components.recognition.vad.windows import Span
from components.recognition.windowed.decoder import Window, WindowDecoder
from components.records import (
    Checkpoint,
    Hypothesis,
    NBest,
    Segment,
    Token,
    Utterance,
    Word,
)
from components.served_usage import AUDIO_SECONDS, INPUT_TOKENS, OUTPUT_TOKENS
from components.text.languages import NAMES, is_undetermined, two_letters_of, without_spaces
from components.text.matching.resegmentation import resegment

if TYPE_CHECKING:
    import torch

MAX_SECONDS = 600.0
"""Of one request: 19 MB of samples; OpenAI takes 25. Longer recordings are cut at their pauses."""


class ServedDecoder(WindowDecoder[Transcript]):
    """A :class:`~components.recognition.windowed.decoder.WindowDecoder` over a transcription endpoint."""

    max_seconds = MAX_SECONDS
    min_seconds = 0.0
    is_remote = True

    def __init__(self, model: TranscriptionModel) -> None:
        self._model = model

    def decode(self, windows: Sequence[Window]) -> list[Transcript | AnswerError]:
        """See :class:`WindowDecoder`: all windows are asked for at once."""
        return self._model.transcribe([_to_clip(window) for window in windows])

    def join(
        self, utterance: Utterance, windows: Sequence[tuple[Span, Transcript]], system: str, n: int
    ) -> NBest:
        """See :class:`WindowDecoder`: one hypothesis, with a score where the server gives one."""
        del n
        spans, transcripts = [span for span, _ in windows], [transcript for _, transcript in windows]
        language = _language_of(utterance, transcripts)
        scores = [_score_of(transcript) for transcript in transcripts]
        known = [score for score in scores if score is not None]
        is_scored = len(known) == len(scores)
        seconds = math.fsum(span.end - span.start for span in spans)
        counts = {
            AUDIO_SECONDS: seconds,
            INPUT_TOKENS: float(sum(t.usage.input_tokens for t in transcripts if t.usage)),
            OUTPUT_TOKENS: float(sum(t.usage.output_tokens for t in transcripts if t.usage)),
        }
        hypothesis = Hypothesis(
            text=" ".join(text for t in transcripts if (text := " ".join(t.text.split()))),
            score=math.fsum(score for score, _ in known) if is_scored else 0.0,
            n_tokens=sum(n for _, n in known) if is_scored else 0,
            system=system,
            features={
                "windows": float(len(spans)),
                "silence": float(not spans),
                **{name: count for name, count in counts.items() if count},
            },
            tokens=tuple(
                Token(piece=row.token, log_prob=min(row.logprob, 0.0))
                for transcript in transcripts
                for row in transcript.logprobs or ()
            ),
            segments=tuple(
                segment
                for span, transcript in zip(spans, transcripts, strict=True)
                for segment in _segments_of(span, transcript, language)
            ),
        )
        return NBest(utterance_id=utterance.id, hypotheses=(hypothesis,), language=language)


def _to_clip(window: Window) -> Clip:
    source = window.request.source
    return Clip(window.samples, None if is_undetermined(source) else two_letters_of(source))


def _language_of(utterance: Utterance, transcripts: Sequence[Transcript]) -> str:
    """The declared language, else the one that the server found, which it writes as a code or in English."""
    found_names = [t.language.casefold() for t in transcripts if t.language]
    if not is_undetermined(utterance.source_language) or not found_names:
        return utterance.source_language
    name = found_names[0]
    codes = [code for code, (_, english) in NAMES.items() if name in (code, english.casefold())]
    return codes[0] if codes else utterance.source_language


def _score_of(transcript: Transcript) -> tuple[float, int] | None:
    """Return the log-probability (nats) and number of the tokens; None where the server does not say."""
    if transcript.logprobs:
        return math.fsum(min(row.logprob, 0.0) for row in transcript.logprobs), len(transcript.logprobs)
    rows = [(s.avg_logprob, len(s.tokens)) for s in transcript.segments or ()]
    if not rows or any(mean is None or not n for mean, n in rows):
        return None
    return math.fsum(min(mean or 0.0, 0.0) * n for mean, n in rows), sum(n for _, n in rows)


def _segments_of(span: Span, transcript: Transcript, language: str) -> list[Segment]:
    """Return the segments of a span; one for all of it where the server gives no times."""
    text = " ".join(transcript.text.split())
    rows = [row for row in transcript.segments or () if row.text.strip()]
    if not rows:
        whole = Segment(start=span.start, end=span.end, text=text)
        return [_with_words(whole, transcript.words or (), span, language)] if text else []
    segments = []
    for row in rows:
        start, end = (min(span.start + time, span.end) for time in (row.start, max(row.start, row.end)))
        mean = None if row.avg_logprob is None else min(row.avg_logprob, 0.0)
        segment = Segment(start=start, end=end, text=" ".join(row.text.split()), mean_log_prob=mean)
        inside = [w for w in transcript.words or () if row.start <= (w.start + w.end) / 2 < row.end]
        segments.append(_with_words(segment, inside, span, language))
    return segments


def _with_words(segment: Segment, words: Sequence[TimedWordForm], span: Span, language: str) -> Segment:
    """A segment whose words are those of its text, punctuation with them, with the times of ``words``."""
    if not words:
        return segment
    space = "" if without_spaces(language) else " "
    pieces = resegment(segment.text, [word.word for word in words], language)
    timed = tuple(
        Word(
            start=min(span.start + word.start, span.end),
            end=min(span.start + word.end, span.end),
            text=space + piece,
        )
        for word, piece in zip(words, pieces, strict=True)
        if piece
    )
    if not timed:
        return segment
    return segment.model_copy(update={"words": timed, "start": timed[0].start, "end": timed[-1].end})


def load(checkpoint: Checkpoint, config: RecognitionConfig, device: torch.device) -> TranscriptionModel:
    """Return ``checkpoint``'s endpoint, which computes elsewhere, whatever ``device``. ConfigError."""
    return open_transcription(split_reference(checkpoint.reference)[1], word_times=config.word_times)


def build_decoder(
    loaded: TranscriptionModel, checkpoint: Checkpoint, config: RecognitionConfig
) -> ServedDecoder:
    """Return the decoder of what :func:`load` loaded."""
    return ServedDecoder(loaded)
