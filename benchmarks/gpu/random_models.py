"""Models of real sizes with random weights, made on the device: what costs time does not depend on them."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from transformers import (
    GenerationConfig,
    MarianConfig,
    MarianMTModel,
    WhisperConfig,
    WhisperForConditionalGeneration,
)
from whisper.model import ModelDimensions, Whisper

from components.decoding.mixing.gate_features import N_FEATURES
from components.ensembling.token_level.learning.gating_network import SoftmaxGate

WHISPER: dict[str, tuple[int, int, int, int, int]] = {
    "toy": (80, 32, 2, 1, 51865),
    "base": (80, 512, 8, 6, 51865),
    "turbo": (128, 1280, 20, 32, 51866),
    "large-v3": (128, 1280, 20, 32, 51866),
}
"""Mel bands, width, heads, encoder layers and vocabulary. The decoder is as deep, but turbo's: 4 layers."""
TURBO_LAYERS = 4


def dimensions_of(name: str) -> ModelDimensions:
    """The sizes of a Whisper."""
    mels, width, heads, layers, vocabulary = WHISPER[name]
    return ModelDimensions(
        n_mels=mels, n_audio_ctx=1500, n_audio_state=width, n_audio_head=heads, n_audio_layer=layers,
        n_vocab=vocabulary, n_text_ctx=448, n_text_state=width, n_text_head=heads,
        n_text_layer=TURBO_LAYERS if name == "turbo" else layers,
    )  # fmt: skip


def make_whisper(name: str, device: str, dtype: torch.dtype) -> Whisper:
    """openai-whisper's model; layer norms stay in float32, as that code expects."""
    torch.manual_seed(0)
    with torch.device(device):
        model = Whisper(dimensions_of(name)).eval()
    for module in model.modules():
        if not isinstance(module, torch.nn.LayerNorm):
            for tensor in (*module.parameters(recurse=False), *module.buffers(recurse=False)):
                if tensor.is_floating_point():
                    tensor.data = tensor.data.to(device, dtype)
    model.decoder.positional_embedding.data.normal_(0, 0.02)
    return model


def make_hub_whisper(name: str, device: str, dtype: torch.dtype) -> Any:
    """transformers' model of the same sizes, which never ends."""
    dims = dimensions_of(name)
    torch.manual_seed(0)
    config = WhisperConfig(
        vocab_size=dims.n_vocab, num_mel_bins=dims.n_mels, d_model=dims.n_audio_state,
        encoder_layers=dims.n_audio_layer, decoder_layers=dims.n_text_layer,
        encoder_attention_heads=dims.n_audio_head, decoder_attention_heads=dims.n_text_head,
        encoder_ffn_dim=4 * dims.n_audio_state, decoder_ffn_dim=4 * dims.n_text_state,
        max_target_positions=dims.n_text_ctx, attn_implementation="sdpa",
    )  # fmt: skip
    with torch.device(device):
        model: Any = WhisperForConditionalGeneration(config).to(device, dtype).eval()
    model.generation_config = GenerationConfig(
        decoder_start_token_id=50258, eos_token_id=None, pad_token_id=50257, bos_token_id=50257
    )
    return model


def make_marian(
    seed: int,
    device: str = "cpu",
    dtype: torch.dtype = torch.float32,
    *,
    width: int = 512,
    layers: int = 6,
    vocabulary: int = 32000,
) -> Any:
    """A Marian that never ends: every system takes as many steps."""
    torch.manual_seed(seed)
    pad = vocabulary - 1
    special = {"pad_token_id": pad, "eos_token_id": 0, "decoder_start_token_id": pad}
    config = MarianConfig(
        vocab_size=vocabulary, d_model=width, encoder_layers=layers, decoder_layers=layers,
        encoder_attention_heads=8, decoder_attention_heads=8, encoder_ffn_dim=4 * width,
        decoder_ffn_dim=4 * width, max_position_embeddings=512, activation_function="swish", **special,
    )  # fmt: skip
    model: Any = MarianMTModel(config).to(device, dtype).eval()
    model.generation_config = GenerationConfig(bad_words_ids=[[pad]], **special)
    model.final_logits_bias[0, 0] = -1e4
    return model


def count_bytes(module: Any) -> int:
    """Bytes of the parameters of a module, or of several; what is tied counts once."""
    seen = {p.data_ptr(): p.numel() * p.element_size() for p in module.parameters()}
    return sum(seen.values())


def random_gate(members: int, top_k: int | None = None) -> SoftmaxGate:
    """A gating network of members' features; with ``top_k`` it runs so many of them at a token."""
    width = members * N_FEATURES + 1
    matrix = torch.randn(members, width, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    zeros = partial(torch.zeros, dtype=torch.float64)
    return SoftmaxGate(matrix, zeros(members), zeros(width), zeros(width) + 1, top_k)
