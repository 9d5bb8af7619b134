"""A new translation model: a Marian-architecture Transformer with random weights."""

from __future__ import annotations

from typing import Any

import torch
from transformers import GenerationConfig, MarianConfig, MarianMTModel

from components.errors import ConfigError
from components.training.config import TrainingConfig
from components.training.examples.vocabulary import EOS


def build_marian(config: TrainingConfig, vocabulary: int) -> Any:
    """Build a Transformer (Vaswani et al., 2017) as Marian configures it, with random weights from ``seed``.

    Post-norm, sinusoidal positions, one embedding for source, target and output.

    Args:
        config: the training's settings.
        vocabulary: number of pieces, of which the last is the pad id.

    Raises:
        ConfigError: where the heads do not divide the width.
    """
    check_heads(config)
    torch.manual_seed(config.seed)
    pad = vocabulary - 1
    model: Any = MarianMTModel(
        MarianConfig(
            vocab_size=vocabulary,
            d_model=config.d_model,
            encoder_layers=config.num_layers,
            decoder_layers=config.decoder_layers or config.num_layers,
            encoder_ffn_dim=config.ffn_dim,
            decoder_ffn_dim=config.ffn_dim,
            encoder_attention_heads=config.num_heads,
            decoder_attention_heads=config.num_heads,
            dropout=config.dropout,
            attention_dropout=0.0,
            activation_dropout=0.0,
            activation_function="swish",
            scale_embedding=True,
            share_encoder_decoder_embeddings=True,
            tie_word_embeddings=True,
            max_position_embeddings=512,
            pad_token_id=pad,
            eos_token_id=EOS,
            bos_token_id=None,
            forced_eos_token_id=EOS,
            decoder_start_token_id=pad,
            architectures=["MarianMTModel"],
        )
    )
    model.generation_config = GenerationConfig(  # type: ignore[no-untyped-call]
        num_beams=5,
        max_length=256,
        bad_words_ids=[[pad]],
        pad_token_id=pad,
        eos_token_id=EOS,
        forced_eos_token_id=EOS,
        decoder_start_token_id=pad,
    )
    return model


def check_heads(config: TrainingConfig) -> None:
    """Refuse a number of heads that does not divide the width: ConfigError."""
    if config.d_model % config.num_heads:
        raise ConfigError(
            f"num_heads: expected a divisor of d_model {config.d_model}, found {config.num_heads}"
        )
