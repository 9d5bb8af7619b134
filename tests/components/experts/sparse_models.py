"""Tiny random models with experts, of transformers' architectures."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForSeq2SeqLM

TINY: dict[str, Any] = {
    **{"vocab_size": 64, "hidden_size": 32, "intermediate_size": 24, "moe_intermediate_size": 16},
    **{"num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 4, "head_dim": 8},
    **{"num_experts": 6, "num_local_experts": 6, "n_routed_experts": 6, "moe_num_experts": 6, "moe_topk": 2},
    **{"num_experts_per_tok": 2, "moe_k": 2, "n_group": 2, "topk_group": 1, "first_k_dense_replace": 0},
    **{"q_lora_rank": 16, "kv_lora_rank": 16, "qk_rope_head_dim": 8, "qk_nope_head_dim": 8, "v_head_dim": 8},
    **{"max_position_embeddings": 128, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2},
    **{
        "shared_expert_intermediate_size": 16,
        "n_shared_experts": 1,
        "mlp_only_layers": [],
        "num_dense_layers": 0,
    },
    **{
        "is_moe": True,
        "d_model": 32,
        "d_ff": 24,
        "d_kv": 8,
        "num_heads": 4,
        "num_layers": 2,
        "num_decoder_layers": 2,
    },
    **{"num_sparse_encoder_layers": 1, "num_sparse_decoder_layers": 1, "decoder_start_token_id": 0},
}
IDS = torch.tensor([[5, 9, 33, 7, 21], [8, 3, 30, 2, 11]])


def tiny(kind: str) -> Any:
    config = AutoConfig.for_model(kind)
    fields = {name: value for name, value in TINY.items() if hasattr(config, name)}
    config = type(config)(**fields)
    torch.manual_seed(0)
    auto = AutoModelForSeq2SeqLM if config.is_encoder_decoder else AutoModelForCausalLM
    model = auto.from_config(config).eval()
    for name, weight in model.named_parameters():  # routers that start at zero would not choose
        if "gate.weight" in name or "router" in name:
            torch.nn.init.normal_(weight)
    return model


def forward(model: Any, **more: Any) -> Any:
    inputs = {"decoder_input_ids": IDS} if model.config.is_encoder_decoder else {}
    with torch.no_grad():
        return model(input_ids=IDS, use_cache=False, **inputs, **more)


class WordTokenizer:
    """Words are numbers; 2 ends a text."""

    pad_token_id, bos_token_id, eos_token_id, unk_token_id = 0, 1, 2, 3
    all_special_ids = (0, 1, 2, 3)

    def __call__(self, text: str) -> SimpleNamespace:
        return SimpleNamespace(input_ids=[*map(int, text.split()), 2])

    def __len__(self) -> int:
        return 64

    def get_vocab(self) -> dict[str, int]:
        return {}

    def convert_ids_to_tokens(self, ids: list[int]) -> list[str]:
        return [{0: "<pad>", 1: "<s>", 2: "</s>", 3: "<unk>"}.get(i, f"\u0120{i}") for i in ids]
