"""Architectures whose caches, encoders or layers are unlike most: as ``generate``, or refused by name."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForSeq2SeqLM, GenerationConfig

from components.decoding.config import SearchConfig
from components.decoding.models.causal import CausalModel
from components.decoding.models.generation_settings import logits_processors_of
from components.decoding.models.seq2seq import Seq2SeqModel
from components.decoding.searches.search import search
from components.errors import ModelError
from components.translation.backends.encoder_decoder.model import Seq2SeqBackend
from tests.components.decoding.models.test_causal import padded, prompts
from tests.components.decoding.tiny_models import BART, generated, ready_to_end, sources
from tests.components.translation.tokenizers import characters

LENGTH = 8
SPECIAL = {"vocab_size": 60, "pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2}
STARTED = {**SPECIAL, "decoder_start_token_id": 2}
FEW = {"num_experts": 4, "expert_capacity": 64}
T5 = {"d_model": 32, "d_kv": 8, "d_ff": 48, "num_layers": 2, "num_decoder_layers": 2, "num_heads": 4}
LONG = {name: value for name, value in BART.items() if name != "max_position_embeddings"}
SEAMLESS = {
    **{"hidden_size": 32, "encoder_layers": 2, "decoder_layers": 2, "max_position_embeddings": 64},
    **{"encoder_ffn_dim": 48, "decoder_ffn_dim": 48, "encoder_attention_heads": 2},
    **{"decoder_attention_heads": 2, "speech_encoder_layers": 1, "speech_encoder_attention_heads": 2},
    "speech_encoder_intermediate_size": 32,
}
SEQ2SEQ: dict[str, dict[str, Any]] = {
    "seamless_m4t": {**STARTED, **SEAMLESS},
    "seamless_m4t_v2": {**STARTED, **SEAMLESS},
    "t5": {  # MADLAD-400
        **STARTED,
        **T5,
        "feed_forward_proj": "gated-gelu",
        "tie_word_embeddings": False,
        "initializer_factor": 3.0,
    },
    "umt5": {**STARTED, **T5, "initializer_factor": 3.0},
    "nllb-moe": {**STARTED, **BART, **FEW, "encoder_sparse_step": 2, "decoder_sparse_step": 2},
    "switch_transformers": {
        **STARTED,
        **T5,
        **FEW,
        "num_sparse_encoder_layers": 1,
        "num_sparse_decoder_layers": 1,
    },
    "led": {
        **STARTED,
        **LONG,
        "max_encoder_position_embeddings": 64,
        "max_decoder_position_embeddings": 64,
        "attention_window": [4, 4],
    },
}
LLAMA = {
    **SPECIAL,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 64,
}
CAUSAL: dict[str, dict[str, Any]] = {
    "deepseek_v3": {  # what it keeps for keys is wider than what it keeps for values
        **LLAMA,
        "num_key_value_heads": 4,
        "n_routed_experts": 4,
        "num_experts_per_tok": 2,
        "n_group": 2,
        "topk_group": 1,
        "moe_intermediate_size": 16,
        "first_k_dense_replace": 1,
        "kv_lora_rank": 16,
        "q_lora_rank": 8,
        "qk_rope_head_dim": 8,
        "qk_nope_head_dim": 8,
        "v_head_dim": 12,
    },
    "mistral": {**LLAMA, "sliding_window": 6},  # without a word of it in layer_types
    "llama4_text": {
        **LLAMA,
        "head_dim": 8,
        "num_local_experts": 2,
        "attention_chunk_size": 6,
        "intermediate_size_mlp": 48,
    },
}
MAMBA = {**SPECIAL, "hidden_size": 32, "num_hidden_layers": 2, "state_size": 8}
HEADS = {"mamba_n_heads": 4, "mamba_d_head": 16, "mamba_d_state": 8, "num_local_experts": 2}
REFUSED: dict[str, dict[str, Any]] = {
    "mamba": MAMBA,
    "mamba2": {**MAMBA, "num_heads": 4, "head_dim": 16, "n_groups": 1},
    "recurrent_gemma": {**SPECIAL, "hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4},
    "jamba": {**LLAMA, "num_experts": 2, "attn_layer_period": 2, "attn_layer_offset": 1},
    "lfm2": {**LLAMA, "layer_types": ["conv", "full_attention"]},
    "qwen3_next": {**LLAMA, "layer_types": ["linear_attention", "full_attention"], "num_experts": 2},
    "granitemoehybrid": {**LLAMA, **HEADS, "layer_types": ["mamba", "attention"]},
    "minimax": {**LLAMA, "layer_types": ["linear_attention", "full_attention"], "num_local_experts": 2},
    "rwkv": {**SPECIAL, "hidden_size": 32, "num_hidden_layers": 2},
    "openai-gpt": {**SPECIAL, "n_embd": 32, "n_layer": 2, "n_head": 2},
}


WAYS = [(1, None), (3, None), (3, "float32")]
"""Beam and arithmetic: transformers' own layers, which a hook makes eager to end, and packed ones."""


def tiny(auto: Any, kind: str, settings: dict[str, Any], ends: bool = False) -> Any:
    torch.manual_seed(0)
    config = AutoConfig.for_model(kind, **settings)
    if hasattr(config, "initializer_range"):
        config.initializer_range = 0.3
    model = auto.from_config(config)
    start = settings.get("decoder_start_token_id")
    model.generation_config = GenerationConfig(pad_token_id=1, eos_token_id=2, decoder_start_token_id=start)
    return ready_to_end(model) if ends else model.eval()


@pytest.mark.parametrize("kind", SEQ2SEQ)
@pytest.mark.parametrize(("beam", "arithmetic"), WAYS)
def test_an_encoder_decoder_is_its_generate(kind: str, beam: int, arithmetic: Any) -> None:
    model = tiny(AutoModelForSeq2SeqLM, kind, SEQ2SEQ[kind], ends=arithmetic is None)
    inputs = sources(model)
    reference = generated(model, inputs, num_beams=beam, num_return_sequences=beam, max_new_tokens=LENGTH)
    config = SearchConfig(beam_size=beam, n_best=beam, max_new_tokens=LENGTH)
    member = Seq2SeqModel(model, "digest", kind, arithmetic).build_scorer(**inputs)
    results = search([member], config, logits_processors=logits_processors_of(model))
    assert [[c.tokens for c in u] for u in results] == [[tokens for tokens, _ in u] for u in reference]


def test_a_model_with_limits_of_its_own_for_source_and_output() -> None:
    settings = {**SEQ2SEQ["led"], "max_decoder_position_embeddings": 6}
    model = tiny(AutoModelForSeq2SeqLM, "led", settings)
    ready = Seq2SeqModel(model, "digest", "led")
    (results,) = search(
        [ready.build_scorer(**sources(model, 1))], SearchConfig(beam_size=1, max_new_tokens=20)
    )
    assert len(results[0].tokens) == 6  # where there are no more positions
    tokenizer = characters(["</s>", "<unk>"])
    tokenizer.model_max_length = 1000
    assert Seq2SeqBackend(ready, tokenizer, SearchConfig()).max_source == 64


def test_a_decoder_that_predicts_several_tokens_at_once_is_refused() -> None:
    model = SimpleNamespace(config=SimpleNamespace(model_type="prophetnet"))
    with pytest.raises(ModelError, match=r"big: expected an encoder-decoder model .* found a prophetnet"):
        Seq2SeqModel(model, "digest", "big")


@pytest.mark.parametrize("kind", CAUSAL)
@pytest.mark.parametrize(("beam", "arithmetic"), WAYS)
def test_a_decoder_is_its_generate(kind: str, beam: int, arithmetic: Any) -> None:
    model, rows = tiny(AutoModelForCausalLM, kind, CAUSAL[kind], ends=arithmetic is None), prompts(shared=12)
    several = {"num_beams": beam, "num_return_sequences": beam, "max_new_tokens": LENGTH}
    reference = [generated(model, padded([row]), prompt=len(row), **several)[0] for row in rows]
    config = SearchConfig(beam_size=beam, n_best=beam, max_new_tokens=LENGTH)
    results = search([CausalModel(model, "digest", kind, arithmetic).build_scorer(rows)], config)
    assert [[c.tokens for c in u] for u in results] == [[tokens for tokens, _ in u] for u in reference]


@pytest.mark.parametrize("kind", REFUSED)
def test_states_that_cannot_follow_a_search_are_refused(kind: str) -> None:
    with torch.device("meta"):
        model = tiny(AutoModelForCausalLM, kind, REFUSED[kind])
    with pytest.raises(
        ModelError, match=rf"^a model: expected .* found {type(model).__name__}, one that .*: use"
    ):
        CausalModel(model, "digest", "a model")
