"""The ``vosk`` backend (extra ``vosk``): Kaldi's recognizers, small and fast, of many languages.

Of the settings it uses ``n_best``, ``vad`` and ``word_times``. With ``n_best: 1`` words have posteriors,
whose logarithms are the tokens' scores; with more, Vosk gives paths instead, and a hypothesis's score is its
log-probability among those of the list.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from components.audio import SAMPLE_RATE
from components.errors import ModelError
from components.recognition.config import RecognitionConfig
from components.recognition.windowed.decoder import Window, WindowHypothesis
from components.recognition.windowed.nbest import NBestDecoder
from components.records import Checkpoint, Token, Word

MIN_POSTERIOR = 1e-10
"""Posteriors are at least this, so that their logarithms are finite."""


class VoskDecoder(NBestDecoder):
    """A :class:`~components.recognition.windowed.decoder.WindowDecoder` over a model of Vosk.

    Args:
        model: A ``vosk.Model``.
        n_best: Texts of a window at most.
        word_times: Whether words get times.
    """

    def __init__(self, model: Any, n_best: int, word_times: bool) -> None:
        self._model, self._n_best, self._word_times = model, n_best, word_times

    def decode(self, windows: Sequence[Window]) -> list[list[WindowHypothesis]]:
        """See :class:`WindowDecoder`."""
        return [self._decode_one(window) for window in windows]

    def _decode_one(self, window: Window) -> list[WindowHypothesis]:
        import vosk  # noqa: PLC0415 - optional

        recognizer = vosk.KaldiRecognizer(self._model, float(SAMPLE_RATE))
        recognizer.SetWords(True)
        recognizer.SetMaxAlternatives(self._n_best if self._n_best > 1 else 0)
        pcm = (np.clip(window.samples, -1.0, 1.0) * 32767).astype("<i2").tobytes()
        has_ended = recognizer.AcceptWaveform(pcm)  # it ended at a pause, and the rest is empty
        answer = json.loads(recognizer.Result() if has_ended else recognizer.FinalResult())
        return self._read_alternatives(answer) if self._n_best > 1 else [self._read_best(answer)]

    def _read_best(self, answer: Mapping[str, Any]) -> WindowHypothesis:
        rows = answer.get("result", [])
        log_probs = [min(0.0, math.log(max(row["conf"], MIN_POSTERIOR))) for row in rows]
        return WindowHypothesis(
            text=answer.get("text", ""),
            score=math.fsum(log_probs),
            rank=0.0,
            tokens=tuple(
                Token(piece=f" {row['word']}", log_prob=log_prob)
                for row, log_prob in zip(rows, log_probs, strict=True)
            ),
            words=self._read_words(rows),
        )

    def _read_alternatives(self, answer: Mapping[str, Any]) -> list[WindowHypothesis]:
        alternatives = answer.get("alternatives") or [{"text": "", "confidence": 0.0}]
        confidences = np.array([float(row["confidence"]) for row in alternatives])
        log_probs = (confidences - np.logaddexp.reduce(confidences)).tolist()
        hypotheses = [
            WindowHypothesis(
                text=row["text"].strip(),
                score=log_prob,
                rank=log_prob,
                words=self._read_words(row.get("result", [])),
            )
            for row, log_prob in zip(alternatives, log_probs, strict=True)
        ]
        return sorted(hypotheses, key=lambda hypothesis: -hypothesis.rank)

    def _read_words(self, rows: Sequence[Mapping[str, Any]]) -> tuple[Word, ...]:
        if not self._word_times:
            return ()
        return tuple(
            Word(
                start=row["start"],
                end=row["end"],
                text=f" {row['word']}",
                probability=min(1.0, row["conf"]) if "conf" in row else None,
            )
            for row in rows
        )


def load(checkpoint: Checkpoint, config: RecognitionConfig, device: torch.device) -> Any:
    """The model of ``checkpoint``, on the CPU, whatever ``device`` says.

    Raises:
        ModelError: Vosk cannot read it.
    """
    del config, device
    import vosk  # noqa: PLC0415 - optional

    vosk.SetLogLevel(-1)
    try:
        return vosk.Model(checkpoint.path)
    except Exception as error:  # Vosk raises no other class
        raise ModelError(
            f"{checkpoint.reference}: Vosk cannot load these files ({error}); are they a complete model?"
        ) from None


def build_decoder(loaded: Any, checkpoint: Checkpoint, config: RecognitionConfig) -> VoskDecoder:
    """The decoder of what :func:`load` loaded."""
    del checkpoint
    return VoskDecoder(loaded, config.n_best, config.word_times)
