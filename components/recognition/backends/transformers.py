"""The ``transformers`` backend: a Whisper model of the hub behind the same windows, search and checks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from transformers.modeling_outputs import BaseModelOutput
from whisper.tokenizer import Tokenizer

from components.decoding.config import SearchConfig
from components.decoding.models import kv_cache
from components.decoding.models.seq2seq import Seq2SeqModel, Seq2SeqScorer
from components.decoding.models.whisper import vocabulary_of
from components.decoding.search import search
from components.errors import ModelError
from components.kernels import Arithmetic
from components.models.loading import load_transformers
from components.recognition.backends.arithmetic import choose_arithmetic
from components.recognition.config import RecognitionConfig
from components.recognition.whisper.backend import DecodingResult, ModelDimensions
from components.recognition.whisper.logits_processors import whisper_logits_processors
from components.records import Checkpoint


class TransformersWhisperBackend:
    """A :class:`~components.recognition.whisper.backend.WhisperBackend` over transformers' Whisper.

    Args:
        model: A ``WhisperForConditionalGeneration``.
        name: Of the model, for messages.
        arithmetic: In which packed linear layers compute; None packs none.

    Raises:
        ModelError: ``model`` is no Whisper model.
    """

    def __init__(self, model: Any, name: str, arithmetic: Arithmetic | None = None) -> None:
        config = model.config
        if config.model_type != "whisper":
            raise ModelError(
                f"{name}: expected a Whisper model, found {config.model_type}: use another model"
            )
        self.dims = ModelDimensions(config.num_mel_bins, config.max_target_positions, config.vocab_size)
        digest = vocabulary_of(self.dims.get_tokenizer(None, "transcribe"), self.dims.n_vocab).digest
        self._seq2seq = Seq2SeqModel(model, digest, name, arithmetic)

    @torch.inference_mode()
    def encode(self, mels: Tensor) -> Tensor:
        """See :class:`WhisperBackend`."""
        model = self._seq2seq.model
        encoder = model.get_encoder()
        features: Tensor = encoder(mels.to(model.device, model.dtype)).last_hidden_state
        return features

    @torch.inference_mode()
    def detect_languages(self, features: Tensor) -> list[str]:
        """See :class:`WhisperBackend`."""
        tokenizer = self.dims.get_tokenizer(None, "transcribe")
        prompts = torch.full((len(features), 1), tokenizer.sot, device=features.device)
        scores = _TransformersWhisperScorer(
            self._seq2seq, tokenizer, features, prompts, self.dims.n_text_ctx
        ).prefill()
        best = scores[:, list(tokenizer.all_language_tokens)].argmax(-1).tolist()
        return [tokenizer.all_language_codes[i] for i in best]

    @torch.inference_mode()
    def decode(
        self, features: Tensor, prompts: Tensor, config: SearchConfig, timestamps: bool, keys: Sequence[int]
    ) -> list[DecodingResult]:
        """See :class:`WhisperBackend`."""
        tokenizer = self.dims.get_tokenizer(None, "transcribe")
        prompts = prompts.to(features.device)
        scorer = _TransformersWhisperScorer(self._seq2seq, tokenizer, features, prompts, self.dims.n_text_ctx)
        processors = whisper_logits_processors(tokenizer, self.dims.n_vocab, timestamps)
        candidates = search([scorer], config, logits_processors=processors, keys=keys)
        return [DecodingResult(c, p) for c, p in zip(candidates, scorer.no_speech.tolist(), strict=True)]


class _TransformersWhisperScorer(Seq2SeqScorer):
    """Scores tokens over encoded windows with a prompt each.

    After :meth:`prefill`, ``no_speech`` (N,) holds their no-speech probabilities, as in openai-whisper.
    """

    def __init__(
        self, model: Seq2SeqModel, tokenizer: Tokenizer, features: Tensor, prompts: Tensor, context: int
    ) -> None:
        super().__init__(model, {}, model.start)
        self.limit = context - prompts.shape[1]
        self.no_speech = torch.zeros(len(prompts))
        self._tokenizer, self._features, self._prompts = tokenizer, features, prompts

    @torch.inference_mode()
    def prefill(self) -> Tensor:
        """Scores (N, V) of the first free token."""
        self._encoded = self._features
        self._cache = kv_cache.encoder_decoder_cache()
        self._utterances = torch.arange(len(self._prompts), device=self._features.device)
        self._source_utterances = self._utterances
        logits: Tensor = self._ready.model(
            encoder_outputs=BaseModelOutput(last_hidden_state=self._encoded),
            decoder_input_ids=self._prompts,
            use_cache=True,
            **{self._ready.cache_argument: self._cache},
        ).logits
        sot = int((self._prompts[0] == self._tokenizer.sot).nonzero()[0, 0])
        self.no_speech = logits[:, sot].float().softmax(-1)[:, self._tokenizer.no_speech].cpu()
        return logits[:, -1].float()


def load(
    checkpoint: Checkpoint, config: RecognitionConfig, device: torch.device
) -> TransformersWhisperBackend:
    """The model of ``checkpoint`` on ``device``. ConfigError, ModelError."""
    packed, dtype = choose_arithmetic(config, device)
    model, *_ = load_transformers(checkpoint, "speech", device, dtype)
    return TransformersWhisperBackend(model, checkpoint.reference, packed)
