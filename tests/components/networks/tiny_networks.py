"""Tiny networks of this room, in float64 where gradients are compared."""

from __future__ import annotations

from typing import Any

import torch
from transformers import GenerationConfig, MarianConfig, MarianMTModel

from components.networks.deliberation import DeliberationNetwork
from components.networks.edit_diffusion import EditDiffusionNetwork


def base(
    vocabulary: int = 12, seed: int = 0, layers: int = 2, std: float = 0.3, activation_function: str = "swish"
) -> Any:
    torch.manual_seed(seed)
    pad = vocabulary - 1
    special = {"pad_token_id": pad, "eos_token_id": 0, "decoder_start_token_id": pad}
    shape = {
        "d_model": 8,
        "encoder_layers": layers,
        "decoder_layers": layers,
        "encoder_attention_heads": 2,
        "decoder_attention_heads": 2,
        "encoder_ffn_dim": 8,
        "decoder_ffn_dim": 8,
        "max_position_embeddings": 64,
        "dropout": 0.0,
        "init_std": std,
        "activation_function": activation_function,
    }
    model = MarianMTModel(MarianConfig(vocab_size=vocabulary, **special, **shape))
    model.generation_config = GenerationConfig(bad_words_ids=[[pad]], forced_eos_token_id=0, **special)
    model.set_attn_implementation("eager")
    for name, weight in model.named_parameters():
        weight.requires_grad_("embed_positions" not in name)
    return model.eval()


def deliberation(seed: int = 0, *, stirred: bool = True, **shape: Any) -> DeliberationNetwork:
    """``stirred`` gives the attention to the draft an influence."""
    network = DeliberationNetwork.from_base(base(seed=seed, **shape))
    if stirred:
        stir(network)
    return network.eval()


def diffusion(seed: int = 0, *, steps: int = 3, stirred: bool = True, **shape: Any) -> EditDiffusionNetwork:
    network = EditDiffusionNetwork.from_base(base(seed=seed, **shape), steps)
    if stirred:
        stir(network)
    return network.eval()


def stir(network: torch.nn.Module) -> None:
    """Random values in place of the zeros that new parts begin with."""
    with torch.no_grad():
        for weight in network.parameters():
            if weight.requires_grad and not weight.any():
                weight.normal_(std=0.5)
