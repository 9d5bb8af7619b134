"""The ``served`` backend (extra ``served``): recognizers behind an OpenAI-compatible transcription endpoint.

Of the settings it uses ``word_times`` and ``vad``. Times, languages and log-probabilities are there where the
server gives them; else a hypothesis has the score 0 of no tokens, which says nothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from components import audio
from components.endpoints.connection import AnswerError
from components.endpoints.transcription import Clip, TimedWordForm, Transcript, TranscriptionModel
from components.endpoints.usage import AUDIO_SECONDS, INPUT_TOKENS, OUTPUT_TOKENS
from components.errors import DataError
from components.languages import NAMES, is_undetermined, two_letters_of, without_spaces
from components.recognition.config import RecognitionConfig
from components.recognition.recognizer import quarantine
from components.recognition.vad.windows import Span, is_silent, windows_of
from components.records import (
    Checkpoint,
    Hypothesis,
    NBest,
    Outcome,
    Quarantined,
    Segment,
    Token,
    Utterance,
    Word,
)
from components.resegmentation import resegment

MAX_SECONDS = 600.0
"""Of one request: 19 MB of samples; OpenAI takes 25. Longer recordings are cut at their pauses."""


class ServedRecognizer:
    """A :class:`~components.recognition.recognizer.Recognizer` over a transcription endpoint."""

    def __init__(
        self,
        config: RecognitionConfig,
        model: TranscriptionModel,
        checkpoint: Checkpoint,
    ) -> None:
        self.config, self.checkpoint = config, checkpoint
        self._model = model
        self.system = checkpoint.reference

    def recognize(self, utterances: Sequence[Utterance]) -> list[Outcome]:
        """One outcome per utterance, in order; all requests of all of them are asked at once."""
        prepared = [self._prepare(utterance) for utterance in utterances]
        clips = [clip for each in prepared if not isinstance(each, Quarantined) for _, clip in each]
        answers = iter(self._model.transcribe(clips))
        return [
            each
            if isinstance(each, Quarantined)
            else self._build_outcome(utterance, [span for span, _ in each], [next(answers) for _ in each])
            for utterance, each in zip(utterances, prepared, strict=True)
        ]

    def _prepare(self, utterance: Utterance) -> list[tuple[Span, Clip]] | Quarantined:
        if utterance.audio is None:
            return quarantine(utterance, "no audio", "expected audio to recognise, found text only")
        try:
            samples = audio.decode(utterance.audio)
        except DataError as error:
            return quarantine(utterance, "unreadable audio", str(error))
        spoken = utterance.source_language
        language = None if is_undetermined(spoken) else two_letters_of(spoken)
        rate = audio.SAMPLE_RATE
        return [
            (span, Clip(samples[int(span.start * rate) : int(span.end * rate)], language))
            for span in self._find_spans(samples)
        ]

    def _find_spans(self, samples: audio.Samples) -> list[Span]:
        if is_silent(samples):
            return []
        spans = windows_of(samples, MAX_SECONDS)
        return [span for span in spans if span.voiced or not self.config.vad]

    def _build_outcome(
        self, utterance: Utterance, spans: Sequence[Span], answers: Sequence[Transcript | AnswerError]
    ) -> Outcome:
        transcripts = [answer for answer in answers if isinstance(answer, Transcript)]
        fault = next((answer for answer in answers if isinstance(answer, AnswerError)), None)
        if fault is not None:
            return quarantine(utterance, fault.reason, str(fault))
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
            system=self.system,
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


def _language_of(utterance: Utterance, transcripts: Sequence[Transcript]) -> str:
    """The declared language, else the one that the server found, which it writes as a code or in English."""
    found_names = [t.language.casefold() for t in transcripts if t.language]
    if not is_undetermined(utterance.source_language) or not found_names:
        return utterance.source_language
    name = found_names[0]
    codes = [code for code, (_, english) in NAMES.items() if name in (code, english.casefold())]
    return codes[0] if codes else utterance.source_language


def _score_of(transcript: Transcript) -> tuple[float, int] | None:
    """Log-probability (nats) and number of the tokens; None where the server does not say."""
    if transcript.logprobs:
        return math.fsum(min(row.logprob, 0.0) for row in transcript.logprobs), len(transcript.logprobs)
    rows = [(s.avg_logprob, len(s.tokens)) for s in transcript.segments or ()]
    if not rows or any(mean is None or not n for mean, n in rows):
        return None
    return math.fsum(min(mean or 0.0, 0.0) * n for mean, n in rows), sum(n for _, n in rows)


def _segments_of(span: Span, transcript: Transcript, language: str) -> list[Segment]:
    """The segments of a span; one for all of it where the server gives no times."""
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
