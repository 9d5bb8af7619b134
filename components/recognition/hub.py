"""The ``transformers`` backend: a hub Whisper model through the same windows, search, rules and guards."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from transformers.modeling_outputs import BaseModelOutput
from whisper.tokenizer import Tokenizer

from components.decoding import caches
from components.decoding.config import SearchConfig
from components.decoding.search import search
from components.decoding.seq2seq import Seq2SeqMember, Seq2SeqModel
from components.decoding.whisper_vocabulary import vocabulary_of
from components.errors import ModelError
from components.kernels import Arithmetic
from components.recognition.engine import Heard, Shape
from components.recognition.rules import whisper_rules


class HubEngine:
    """A ``WhisperForConditionalGeneration``; see :class:`components.recognition.engine.Engine`."""

    def __init__(self, model: Any, name: str, arithmetic: Arithmetic | None = None) -> None:
        config = model.config
        if config.model_type != "whisper":
            raise ModelError(
                f"{name}: expected a Whisper model, found {config.model_type}: use another model"
            )
        self.shape = Shape(config.num_mel_bins, config.max_target_positions, config.vocab_size)
        digest = vocabulary_of(self.shape.tokenizer(None, "transcribe"), self.shape.size).digest
        self._ready = Seq2SeqModel(model, digest, name, arithmetic)

    @torch.inference_mode()
    def encode(self, mels: Tensor) -> Tensor:
        """See :class:`Engine`."""
        model = self._ready.model
        encoder = model.get_encoder()
        features: Tensor = encoder(mels.to(model.device, model.dtype)).last_hidden_state
        return features

    @torch.inference_mode()
    def languages(self, features: Tensor) -> list[str]:
        """See :class:`Engine`."""
        tokenizer = self.shape.tokenizer(None, "transcribe")
        prompts = torch.full((len(features), 1), tokenizer.sot, device=features.device)
        scores = _HubMember(self._ready, tokenizer, features, prompts, self.shape.context).begin()
        best = scores[:, list(tokenizer.all_language_tokens)].argmax(-1).tolist()
        return [tokenizer.all_language_codes[i] for i in best]

    @torch.inference_mode()
    def decode(
        self, features: Tensor, prompts: Tensor, config: SearchConfig, timestamps: bool, keys: Sequence[int]
    ) -> list[Heard]:
        """See :class:`Engine`."""
        tokenizer = self.shape.tokenizer(None, "transcribe")
        prompts = prompts.to(features.device)
        member = _HubMember(self._ready, tokenizer, features, prompts, self.shape.context)
        rules = whisper_rules(tokenizer, self.shape.size, timestamps)
        found = search([member], config, rules=rules, keys=keys)
        return [Heard(c, p) for c, p in zip(found, member.no_speech.tolist(), strict=True)]


class _HubMember(Seq2SeqMember):
    """Encoded windows with a prompt each; afterwards ``no_speech`` (N,) as in openai-whisper."""

    def __init__(
        self, ready: Seq2SeqModel, tokenizer: Tokenizer, features: Tensor, prompts: Tensor, context: int
    ) -> None:
        super().__init__(ready, {}, ready.start)
        self.limit = context - prompts.shape[1]
        self.no_speech = torch.zeros(len(prompts))
        self._tokenizer, self._features, self._prompts = tokenizer, features, prompts

    @torch.inference_mode()
    def begin(self) -> Tensor:
        """Scores (N, V) of the first free token."""
        self._encoded = self._features
        self._cache = caches.encoder_decoder_cache()
        self._utterances = torch.arange(len(self._prompts), device=self._features.device)
        self._held = self._utterances
        logits: Tensor = self._ready.model(
            encoder_outputs=BaseModelOutput(last_hidden_state=self._encoded),
            decoder_input_ids=self._prompts,
            use_cache=True,
            **{self._ready.cache_argument: self._cache},
        ).logits
        sot = int((self._prompts[0] == self._tokenizer.sot).nonzero()[0, 0])
        self.no_speech = logits[:, sot].float().softmax(-1)[:, self._tokenizer.no_speech].cpu()
        return logits[:, -1].float()
