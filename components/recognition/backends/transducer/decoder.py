"""The ``transducer`` backend: transformers' RNN-T and TDT models (Parakeet), searched over the alignments.

A recording goes through the encoder alone, without padding. Beam search adds up the alignments of a text, so
that a hypothesis's score is the log-probability of its text over those that the beam holds; greedy search
follows one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor

from components.audio import SAMPLE_RATE
from components.compute.device import pick_dtype
from components.decoding.transducer.model import LogProbs, TransducerHypothesis
from components.decoding.transducer.search import search
from components.errors import DataError, ModelError
from components.models.loaders.loading import load_transformers
from components.recognition.config import RecognitionConfig
from components.recognition.windowed.decoder import Window, WindowHypothesis
from components.recognition.windowed.nbest import NBestDecoder, word_boundaries
from components.recognition.windowed.request import Request
from components.records import Checkpoint, Token, Word

_END = " "
"""The piece of the end of a window, which has a log-probability of its own: the next one begins a word."""
_State = tuple[Tensor, Tensor, Tensor]
"""Output (1, H) of the prediction network, and hidden and cell states (L, H) of its LSTM."""


class EncodedRecording:
    """One recording in a Parakeet transducer: a :class:`~components.decoding.transducer.model.Transducer`.

    Args:
        model: a ``ParakeetForRNNT`` or ``ParakeetForTDT``.
        features: what the feature extractor makes of the recording, as a batch of one.
    """

    def __init__(self, model: Any, features: dict[str, Tensor]) -> None:
        self._model, config = model, model.config
        self.blank, self.max_symbols = int(config.blank_token_id), int(model.max_symbols_per_step)
        self.durations = tuple(int(n) for n in getattr(config, "durations", ()))
        self._n_tokens = int(config.vocab_size)
        output = model.get_audio_features(**features, output_attention_mask=True)
        frames = output.pooler_output[0]
        self.n_frames = len(frames) if output.attention_mask is None else int(output.attention_mask[0].sum())
        self._frames = frames[: self.n_frames]

    def start(self) -> _State:
        """Return the state after the blank, with which the prediction network begins."""
        lstm = self._model.decoder.lstm
        zeros = self._frames.new_zeros((lstm.num_layers, lstm.hidden_size))
        return self.advance([(zeros[:1], zeros, zeros)], [self.blank])[0]

    def advance(self, states: Sequence[_State], tokens: Sequence[int]) -> list[_State]:
        """See :class:`Transducer`: all rows in one step of the LSTM."""
        decoder = self._model.decoder
        hidden, cell = (torch.stack([state[part] for state in states], dim=1) for part in (1, 2))
        rows = torch.tensor(tokens, device=self._frames.device)[:, None]
        output, (hidden, cell) = decoder.lstm(decoder.embedding(rows), (hidden, cell))
        output = decoder.decoder_projector(output)
        return [(output[i], hidden[:, i], cell[:, i]) for i in range(len(tokens))]

    def score(self, frame: int, states: Sequence[_State]) -> tuple[LogProbs, LogProbs]:
        """See :class:`Transducer`."""
        predicted = torch.cat([state[0] for state in states])
        logits = self._model.joint(predicted, self._frames[frame]).double()
        tokens, durations = logits[:, : self._n_tokens], logits[:, self._n_tokens :]
        return _log_softmax(tokens), _log_softmax(durations)


def _log_softmax(logits: Tensor) -> LogProbs:
    log_probs: LogProbs = logits.log_softmax(-1).cpu().numpy()
    return log_probs


class TransducerDecoder(NBestDecoder):
    """A :class:`~components.recognition.windowed.decoder.WindowDecoder` over a Parakeet transducer.

    Args:
        model: a ``ParakeetForRNNT`` or ``ParakeetForTDT``.
        processor: its processor.
        name: of the model, for messages.
        config: the search, and whether words get times.

    Raises:
        ModelError: The model was made for another sample rate.
    """

    def __init__(self, model: Any, processor: Any, name: str, config: RecognitionConfig) -> None:
        self._model, self._name, self._config = model, name, config
        self._tokenizer, self._extractor = processor.tokenizer, processor.feature_extractor
        if self._extractor.sampling_rate != SAMPLE_RATE:
            raise ModelError(
                f"{name}: expected a model for audio of {SAMPLE_RATE} Hz, found "
                f"{self._extractor.sampling_rate} Hz"
            )
        factor = int(model.config.encoder_config.subsampling_factor)
        self._seconds = factor * self._extractor.hop_length / SAMPLE_RATE

    def check(self, request: Request) -> None:
        """See :class:`WindowDecoder`."""
        if request.task != "transcribe":
            raise DataError("expected a model that translates, found a transducer, which transcribes only")

    @torch.inference_mode()
    def decode(self, windows: Sequence[Window]) -> list[list[WindowHypothesis]]:
        """See :class:`WindowDecoder`."""
        return [self._decode_one(window) for window in windows]

    def _decode_one(self, window: Window) -> list[WindowHypothesis]:
        model = self._model
        features = self._extractor(
            window.samples, sampling_rate=SAMPLE_RATE, return_tensors="pt", return_attention_mask=True
        )
        inputs = features.to(model.device, model.dtype)
        hypotheses = search(EncodedRecording(model, inputs), self._config.beam_size, self._config.n_best)
        if not all(math.isfinite(hypothesis.log_prob) for hypothesis in hypotheses):
            raise ModelError(f"expected finite log-probabilities, found others from {self._name}")
        return [self._to_window_hypothesis(hypothesis) for hypothesis in hypotheses]

    def _to_window_hypothesis(self, found: TransducerHypothesis) -> WindowHypothesis:
        names = self._tokenizer.convert_ids_to_tokens(list(found.tokens))
        pieces = [str(name).replace("\u2581", " ") for name in names]
        text = self._tokenizer.decode(list(found.tokens), group_tokens=False, skip_special_tokens=True)
        return WindowHypothesis(
            text=" ".join(text.split()),
            score=found.log_prob,
            rank=found.log_prob,
            tokens=tuple(
                Token(piece=piece, log_prob=log_prob)
                for piece, log_prob in zip([*pieces, _END], found.log_probs, strict=True)
            ),
            words=self._time_words(found, pieces) if self._config.word_times else (),
            finished=found.finished,
        )

    def _time_words(self, found: TransducerHypothesis, pieces: Sequence[str]) -> tuple[Word, ...]:
        """Return a word lasts from its first token to the end of its last one that is no punctuation mark."""
        words = []
        for begin, end in pairwise(word_boundaries(pieces)):
            text = "".join(pieces[begin:end]).strip()
            if not text:
                continue
            spoken = [i for i in range(begin, end) if any(map(str.isalnum, pieces[i]))] or [begin]
            first, last = spoken[0], spoken[-1]
            words.append(
                Word(
                    start=found.frames[first] * self._seconds,
                    end=(found.frames[last] + found.spans[last]) * self._seconds,
                    text=f" {text}",
                    probability=min(1.0, float(np.mean(np.exp(found.log_probs[begin:end])))),
                )
            )
        return tuple(words)


def load(checkpoint: Checkpoint, config: RecognitionConfig, device: torch.device) -> tuple[Any, Any]:
    """Return the model of ``checkpoint`` on ``device``, and its processor. ConfigError, ModelError."""
    return load_transformers(checkpoint, "named", device, pick_dtype(config.dtype, device))


def build_decoder(
    loaded: tuple[Any, Any], checkpoint: Checkpoint, config: RecognitionConfig
) -> TransducerDecoder:
    """Return the decoder of what :func:`load` loaded."""
    return TransducerDecoder(*loaded, checkpoint.reference, config)
