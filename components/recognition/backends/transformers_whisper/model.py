"""The ``transformers`` backend: a Whisper model of the hub behind the same windows, search and checks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor

from components.compute.layers.kernels import Arithmetic
from components.compute.openai_whisper import Tokenizer
from components.decoding.models.seq2seq import Seq2SeqModel
from components.decoding.models.seq2seq_scorer import Seq2SeqScorer
from components.decoding.models.whisper import vocabulary_of
from components.errors import ModelError
from components.models.loaders.loading import load_transformers
from components.recognition.backends.arithmetic import choose_arithmetic
from components.recognition.config import RecognitionConfig
from components.recognition.whisper.backend import (
    DecodingRequest,
    DecodingResult,
    DetectedLanguage,
    ModelDimensions,
    TokenAlignment,
    likeliest_languages,
)
from components.recognition.whisper.words.alignment import align
from components.records import Checkpoint


class TransformersWhisperBackend:
    """A :class:`~components.recognition.whisper.backend.WhisperBackend` over transformers' Whisper.

    Args:
        model: a ``WhisperForConditionalGeneration``.
        name: of the model, for messages.
        arithmetic: in which packed linear layers compute; None packs none.

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
        self._alignment_heads = _group_heads(model, name)
        self._seq2seq = Seq2SeqModel(model, digest, name, arithmetic)

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        return torch.device(self._seq2seq.model.device)

    @torch.inference_mode()
    def encode(self, mels: Tensor) -> Tensor:
        """See :class:`WhisperBackend`."""
        model = self._seq2seq.model
        encoder = model.get_encoder()
        features: Tensor = encoder(mels.to(model.device, model.dtype)).last_hidden_state
        return features

    @torch.inference_mode()
    def detect_languages(self, features: Tensor) -> list[DetectedLanguage]:
        """See :class:`WhisperBackend`."""
        tokenizer = self.dims.get_tokenizer(None, "transcribe")
        prompts = torch.full((len(features), 1), tokenizer.sot, device=features.device)
        scores = _TransformersWhisperScorer(
            self._seq2seq, tokenizer, features, prompts, self.dims.n_text_ctx
        ).prefill()
        return likeliest_languages(
            scores[:, list(tokenizer.all_language_tokens)], tokenizer.all_language_codes
        )

    @torch.inference_mode()
    def decode(self, features: Tensor, request: DecodingRequest) -> list[DecodingResult]:
        """See :class:`WhisperBackend`."""
        tokenizer = self.dims.get_tokenizer(None, "transcribe")
        prompts = request.prompts.to(features.device)
        scorer = _TransformersWhisperScorer(self._seq2seq, tokenizer, features, prompts, self.dims.n_text_ctx)
        nbests = request.search([scorer], self.dims)
        alignments: Sequence[TokenAlignment | None] = [None] * len(nbests)
        if request.frames is not None:

            def read(texts: Tensor) -> Iterator[Tensor]:
                return _score_attention(self._seq2seq.model, features, texts, self._alignment_heads)

            best = [candidates[0] for candidates in nbests]
            alignments = align(read, best, prompts, request.frames, tokenizer, self.dims.n_text_ctx)
        return list(map(DecodingResult, nbests, scorer.no_speech.tolist(), alignments))


def _group_heads(model: Any, name: str) -> dict[int, list[int]]:
    """Decoder layer -> its heads whose attention follows the audio; by default all of the upper half.

    Raises:
        ModelError: The generation settings name a head that the model does not have.
    """
    n_layers, n_heads = model.config.decoder_layers, model.config.decoder_attention_heads
    pairs = getattr(model.generation_config, "alignment_heads", None)
    heads: dict[int, list[int]] = {}
    for layer, head in pairs or [(i, j) for i in range(n_layers // 2, n_layers) for j in range(n_heads)]:
        if not (0 <= layer < n_layers and 0 <= head < n_heads):
            raise ModelError(
                f"{name}: expected alignment_heads of {n_layers} layers with {n_heads} heads, found "
                f"[{layer}, {head}]: correct generation_config.json"
            )
        heads.setdefault(layer, []).append(head)
    return heads


def _score_attention(
    model: Any, features: Tensor, texts: Tensor, heads: dict[int, list[int]]
) -> Iterator[Tensor]:
    """Read ``texts`` (N, t); by layer the attention scores (N, h, t, T) of ``heads`` before the softmax."""
    projected: dict[tuple[int, str], Tensor] = {}

    def record(key: tuple[int, str]) -> Any:
        def hook(module: Any, inputs: Any, output: Tensor) -> None:
            heads = model.config.decoder_attention_heads
            projected[key] = output.reshape(*output.shape[:-1], heads, -1).transpose(1, 2)

        return hook

    decoder = model.get_decoder()
    with ExitStack() as hooks:
        for layer in heads:
            for name in ("q_proj", "k_proj"):
                projection = getattr(decoder.layers[layer].encoder_attn, name)
                hooks.enter_context(projection.register_forward_hook(record((layer, name))))
        decoder(input_ids=texts.to(features.device), encoder_hidden_states=features, use_cache=False)
    for layer, numbers in heads.items():
        queries, keys = (projected[layer, name][:, numbers] for name in ("q_proj", "k_proj"))
        yield queries * queries.shape[-1] ** -0.5 @ keys.mT


class _TransformersWhisperScorer(Seq2SeqScorer):
    """Scores tokens over encoded windows with a prompt each.

    After :meth:`prefill`, ``no_speech`` (N,) holds their no-speech probabilities, as in openai-whisper.
    """

    def __init__(
        self, model: Seq2SeqModel, tokenizer: Tokenizer, features: Tensor, prompts: Tensor, context: int
    ) -> None:
        super().__init__(model, {}, torch.tensor(model.start))
        self.limit = context - prompts.shape[1]
        self.no_speech = torch.zeros(len(prompts))
        self._tokenizer, self._features, self._prompts = tokenizer, features, prompts

    @torch.inference_mode()
    def prefill(self) -> Tensor:
        """Return scores (N, V) of the first free token."""
        self._encoded = self._features
        self._start_rows()
        logits = self._run_decoder(self._prompts, 0)
        sot = int((self._prompts[0] == self._tokenizer.sot).nonzero()[0, 0])
        self.no_speech = logits[:, sot].softmax(-1)[:, self._tokenizer.no_speech].cpu()
        return logits[:, -1]


def load(
    checkpoint: Checkpoint, config: RecognitionConfig, device: torch.device
) -> TransformersWhisperBackend:
    """Return the model of ``checkpoint`` on ``device``. ConfigError, ModelError."""
    packed, dtype = choose_arithmetic(config, device)
    model, *_ = load_transformers(checkpoint, "speech", device, dtype)
    return TransformersWhisperBackend(model, checkpoint.reference, packed)
