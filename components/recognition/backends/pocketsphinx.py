"""The ``pocketsphinx`` backend (extra ``sphinx``): a classical recognizer, GMM-HMM and trigrams.

Far less accurate than Whisper, but its errors are others, which is what a vote among recognizers needs. Of
the settings it uses ``n_best`` and ``vad``. A word's log-probability is that of its posterior in the word
lattice, and the score of the best hypothesis is their sum.
"""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from components import audio
from components.compute.progress import track
from components.errors import DataError, ModelError
from components.models.sources.sphinx import find_parts
from components.recognition.config import RecognitionConfig
from components.recognition.recognizer import quarantine
from components.recognition.vad.spans import Span
from components.recognition.vad.windows import is_silent, windows_of
from components.records import (
    Checkpoint,
    Hypothesis,
    NBest,
    Outcome,
    Segment,
    Token,
    Utterance,
    Word,
)
from components.text.languages import base_of, is_undetermined, two_letters_of

_PATHS_PER_TEXT = 20
"""Lattice paths looked at per hypothesis asked for: many differ in pauses and pronunciations only."""
MIN_POSTERIOR = 1e-10
"""Posteriors are at least this, so that their logarithms are finite."""
FRAMES_PER_SECOND = 100
"""Of the decoder, whatever the model."""
_SHIFT = 1024.0
"""Path scores are kept divided by 2 ** 10."""


@dataclass(frozen=True)
class SpanResult:
    """The result of one span of audio.

    Attributes:
        words: Words of the best text with their log-posteriors (nats).
        alternatives: Other texts, likeliest first, and by how much less likely each is (nats, at most 0).
        frames: First and last frame (10 ms) of each of the words.
    """

    words: tuple[tuple[str, float], ...]
    alternatives: tuple[tuple[str, float], ...]
    frames: tuple[tuple[int, int], ...] = ()

    @property
    def text(self) -> str:
        """The words, joined."""
        return " ".join(word for word, _ in self.words)


class PocketsphinxDecoder:
    """A pocketsphinx decoder that begins every utterance afresh, so that one does not influence the next.

    Raises:
        ModelError: The model's files cannot be loaded.
    """

    def __init__(self, checkpoint: Checkpoint) -> None:
        import pocketsphinx  # noqa: PLC0415 - optional

        files = find_parts(Path(checkpoint.path))
        settings = {
            "hmm": str(files.acoustic),
            "dict": str(files.dictionary),
            "lm": str(files.language),
            "samprate": float(audio.SAMPLE_RATE),
            "cmn": "batch",
            "loglevel": "FATAL",
        }
        if not checkpoint.lineage:  # not the one that pocketsphinx bundles
            _try_loading(checkpoint.reference, settings)
        self._decoder: Any = pocketsphinx.Decoder(**settings)
        self._scale = _SHIFT / float(self._decoder.config["ascale"])

    def decode(self, samples: audio.Samples, n_best: int) -> SpanResult:
        """Decode mono 16 kHz ``samples`` in [-1, 1] with at most ``n_best`` - 1 alternatives."""
        pcm = (np.clip(samples, -1.0, 1.0) * 32767).astype("<i2").tobytes()
        decoder = self._decoder
        decoder.reinit_feat()  # or its means and noise estimate would be those of the utterance before
        decoder.start_utt()
        decoder.process_raw(pcm, no_search=False, full_utt=True)
        decoder.end_utt()
        if decoder.hyp() is None:
            return SpanResult((), ())
        words, frames = [], []
        for segment in decoder.seg():
            if word := _strip_pronunciation(segment.word):
                words.append((word, min(0.0, math.log(max(segment.prob, MIN_POSTERIOR)))))
                frames.append((segment.start_frame, segment.end_frame))
        text = " ".join(word for word, _ in words)
        alternatives = tuple(self._decode_alternatives(text, n_best - 1))
        return SpanResult(tuple(words), alternatives, tuple(frames))

    def _decode_alternatives(self, text: str, most: int) -> Iterator[tuple[str, float]]:
        """Other texts of the lattice's best paths, likeliest first, each with its log-odds against ``text``.

        These are in nats, at most 0, on the acoustic scale that the posteriors are computed on.
        """
        scores: dict[str, float] = {}
        for path in islice(self._decoder.nbest(), most * _PATHS_PER_TEXT):
            if path is not None and path.score > 0:
                scores[path.hypstr] = max(path.score, scores.get(path.hypstr, 0.0))
        best = scores.pop(text, None) or max(scores.values(), default=1.0)
        for alternative, score in sorted(scores.items(), key=lambda item: -item[1])[:most]:
            yield alternative, min(0.0, self._scale * math.log(score / best))


def _try_loading(reference: str, settings: dict[str, Any]) -> None:
    """Load a model in a process of its own: on damaged files pocketsphinx ends the process it is in."""
    code = "import json, sys, pocketsphinx; pocketsphinx.Decoder(**json.loads(sys.argv[1]))"
    process = subprocess.run(  # noqa: S603 - our own interpreter and code
        [sys.executable, "-c", code, json.dumps(settings)], capture_output=True, check=False
    )
    if process.returncode:
        raise ModelError(f"{reference}: pocketsphinx cannot load these files; are they a complete model?")


def _strip_pronunciation(word: str) -> str:
    """The word without its number of pronunciation; "" for silence and noise."""
    return "" if word[:1] in "<[+" else word.partition("(")[0]


class PocketsphinxRecognizer:
    """A :class:`~components.recognition.recognizer.Recognizer` over a pocketsphinx decoder."""

    def __init__(
        self,
        config: RecognitionConfig,
        decoder: PocketsphinxDecoder,
        checkpoint: Checkpoint,
    ) -> None:
        self.config, self.checkpoint = config, checkpoint
        self._decoder = decoder
        self._language = Path(checkpoint.path).name[:2].lower()
        self.system = f"{checkpoint.reference}/{config.backend}"

    def recognize(self, utterances: Sequence[Utterance]) -> list[Outcome]:
        """One outcome per utterance, in order; quarantined without readable audio in the model's language."""
        return [self._recognize_one(utterance) for utterance in track(utterances)]

    def _recognize_one(self, utterance: Utterance) -> Outcome:
        language = utterance.source_language
        if utterance.audio is None:
            return quarantine(utterance, "no audio", "expected audio to recognise, found text only")
        if two_letters_of(language) != self._language and not is_undetermined(language):
            detail = f"{self.checkpoint.reference} knows {self._language} only, found {base_of(language)!r}"
            return quarantine(utterance, "unknown language", detail)
        try:
            samples = audio.decode(utterance.audio)
        except DataError as error:
            return quarantine(utterance, "unreadable audio", str(error))
        spans, rate = self._find_spans(samples), audio.SAMPLE_RATE
        results = [
            self._decoder.decode(samples[int(s.start * rate) : int(s.end * rate)], n)
            for s in spans
            for n in ([self.config.n_best] if len(spans) == 1 else [1])
        ]
        hypotheses = self._build_hypotheses(spans, results)
        return NBest(utterance_id=utterance.id, hypotheses=hypotheses, language=self._language)

    def _find_spans(self, samples: audio.Samples) -> list[Span]:
        if is_silent(samples):
            return []
        if not self.config.vad:
            return [Span(0.0, len(samples) / audio.SAMPLE_RATE)]
        return [span for span in windows_of(samples) if span.voiced]  # it finds words in any noise

    def _build_segment(self, span: Span, result: SpanResult) -> Segment:
        if not self.config.word_times:
            return Segment(start=span.start, end=span.end, text=result.text)
        words = _time_words(span, result)
        mean = math.fsum(log_prob for _, log_prob in result.words) / len(words)
        return Segment(
            start=words[0].start, end=words[-1].end, text=result.text, words=words, mean_log_prob=mean
        )

    def _build_hypotheses(
        self, spans: Sequence[Span], results: Sequence[SpanResult]
    ) -> tuple[Hypothesis, ...]:
        """The best hypothesis, and the alternatives where there is one span only."""
        words = [word for reading in results for word in reading.words]
        score = math.fsum(log_prob for _, log_prob in words)
        best = Hypothesis(
            text=" ".join(word for word, _ in words),
            score=score,
            n_tokens=len(words),
            system=self.system,
            features={"windows": float(len(spans)), "silence": float(not words)},
            tokens=tuple(Token(piece=f" {word}", log_prob=log_prob) for word, log_prob in words),
            segments=tuple(
                self._build_segment(span, reading)
                for span, reading in zip(spans, results, strict=True)
                if reading.words
            ),
        )
        alternatives = results[0].alternatives if len(results) == 1 else ()
        return (
            best,
            *(
                best.model_copy(
                    update={
                        "text": text,
                        "score": score + below,
                        "n_tokens": len(text.split()),
                        "tokens": (),
                        "segments": (),
                    }
                )
                for text, below in alternatives
            ),
        )


def _time_words(span: Span, result: SpanResult) -> tuple[Word, ...]:
    """The words of a span; the last frame of a word belongs to it."""
    return tuple(
        Word(
            start=min(span.start + first / FRAMES_PER_SECOND, span.end),
            end=min(span.start + (last + 1) / FRAMES_PER_SECOND, span.end),
            text=f" {word}",
            probability=math.exp(log_prob),
        )
        for (word, log_prob), (first, last) in zip(result.words, result.frames, strict=True)
    )
