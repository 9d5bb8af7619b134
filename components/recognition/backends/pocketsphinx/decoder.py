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
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import TypeAdapter

from components import audio
from components.errors import ModelError
from components.recognition.backends.pocketsphinx.source import find_parts
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

if TYPE_CHECKING:
    import torch

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
        words: words of the best text with their log-posteriors (nats).
        alternatives: other texts, likeliest first, and by how much less likely each is (nats, at most 0).
        frames: first and last frame (10 ms) of each of the words.
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
    """Return the word without its number of pronunciation; "" for silence and noise."""
    return "" if word[:1] in "<[+" else word.partition("(")[0]


class PocketsphinxWindowDecoder(WindowDecoder[SpanResult]):
    """A :class:`~components.recognition.windowed.decoder.WindowDecoder` over a pocketsphinx decoder."""

    min_seconds = 0.0
    form = TypeAdapter(list[SpanResult])

    def __init__(self, decoder: PocketsphinxDecoder, language: str, config: RecognitionConfig) -> None:
        self._decoder, self.language, self._config = decoder, language, config

    def find_spans(self, samples: audio.Samples, vad: bool) -> list[Span]:
        """See :class:`WindowDecoder`: it reads any length, and finds words in any noise."""
        if not vad:
            return [Span(0.0, len(samples) / audio.SAMPLE_RATE)]
        return super().find_spans(samples, vad)

    def decode(self, windows: Sequence[Window]) -> list[SpanResult]:
        """See :class:`WindowDecoder`."""
        return [self._decoder.decode(window.samples, self._config.n_best) for window in windows]

    def join(
        self, utterance: Utterance, windows: Sequence[tuple[Span, SpanResult]], system: str, n: int
    ) -> NBest:
        """See :class:`WindowDecoder`: the best text, and its alternatives where there is one window."""
        del n  # the decoder has the same
        words = [word for _, result in windows for word in result.words]
        score = math.fsum(log_prob for _, log_prob in words)
        best = Hypothesis(
            text=" ".join(word for word, _ in words),
            score=score,
            n_tokens=len(words),
            system=system,
            features={"windows": float(len(windows)), "silence": float(not words)},
            tokens=tuple(Token(piece=f" {word}", log_prob=log_prob) for word, log_prob in words),
            segments=tuple(self._build_segment(span, result) for span, result in windows if result.words),
        )
        alternatives = windows[0][1].alternatives if len(windows) == 1 else ()
        bare = best.model_copy(update={"tokens": (), "segments": ()})
        others = (
            bare.model_copy(update={"text": text, "score": score + below, "n_tokens": len(text.split())})
            for text, below in alternatives
        )
        return NBest(utterance_id=utterance.id, hypotheses=(best, *others), language=self.language)

    def _build_segment(self, span: Span, result: SpanResult) -> Segment:
        if not self._config.word_times:
            return Segment(start=span.start, end=span.end, text=result.text)
        words = _time_words(span, result)
        mean = math.fsum(log_prob for _, log_prob in result.words) / len(words)
        return Segment(
            start=words[0].start, end=words[-1].end, text=result.text, words=words, mean_log_prob=mean
        )


def _time_words(span: Span, result: SpanResult) -> tuple[Word, ...]:
    """Return the words of a span; the last frame of a word belongs to it."""
    return tuple(
        Word(
            start=min(span.start + first / FRAMES_PER_SECOND, span.end),
            end=min(span.start + (last + 1) / FRAMES_PER_SECOND, span.end),
            text=f" {word}",
            probability=math.exp(log_prob),
        )
        for (word, log_prob), (first, last) in zip(result.words, result.frames, strict=True)
    )


def load(checkpoint: Checkpoint, config: RecognitionConfig, device: torch.device) -> PocketsphinxDecoder:
    """Return the decoder of ``checkpoint``, on the CPU, whatever ``device`` says. ModelError."""
    del config, device
    return PocketsphinxDecoder(checkpoint)


def build_decoder(
    loaded: PocketsphinxDecoder, checkpoint: Checkpoint, config: RecognitionConfig
) -> PocketsphinxWindowDecoder:
    """Return the decoder of what :func:`load` loaded."""
    return PocketsphinxWindowDecoder(loaded, Path(checkpoint.path).name[:2].lower(), config)
