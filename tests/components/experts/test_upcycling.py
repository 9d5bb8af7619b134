"""Dense models to experts: the same function, the right blocks, folders that load, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from transformers import (
    AutoModelForCausalLM,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    MarianConfig,
    MarianMTModel,
)

from components.errors import ConfigError, ModelError
from components.experts.upcycling import upcycle
from components.networks.moe.moe_block import moe_blocks, record_routing
from components.networks.moe.sparse_marian import SparseMarianMTModel, layer_masks

IDS = torch.tensor([[5, 9, 2, 7, 11], [3, 3, 8, 1, 0]])


def marian(seed: int = 0, inner: int = 12) -> MarianMTModel:
    torch.manual_seed(seed)
    config = MarianConfig(
        vocab_size=40,
        d_model=16,
        encoder_layers=2,
        decoder_layers=2,
        encoder_ffn_dim=inner,
        decoder_ffn_dim=inner,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        activation_function="swish",
        pad_token_id=39,
        eos_token_id=0,
        decoder_start_token_id=39,
        share_encoder_decoder_embeddings=True,
        max_position_embeddings=64,
    )
    return _spread(MarianMTModel(config))


def llama(seed: int = 0, **options: object) -> LlamaForCausalLM:
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=40,
        hidden_size=16,
        intermediate_size=24,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=64,
        **options,
    )
    return _spread(LlamaForCausalLM(config))


def _spread(model):
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.dim() == 2 and "positions" not in name:
                parameter.mul_(8.0)
    return model.eval()


class Words:
    """A tokenizer of numbers."""

    def __call__(self, text: str, return_tensors: str) -> dict[str, torch.Tensor]:
        return {"input_ids": torch.tensor([[int(word) for word in text.split()]])}


@pytest.mark.parametrize(("experts", "k"), [(4, 2), (3, 1), (2, 2)])
def test_identical_experts_are_the_dense_model(experts: int, k: int) -> None:
    with torch.no_grad():
        dense = marian()
        expected = dense(input_ids=IDS, decoder_input_ids=IDS).logits
        sparse = upcycle([dense], experts=experts, top_k=k)
        torch.testing.assert_close(sparse(input_ids=IDS, decoder_input_ids=IDS).logits, expected)
        lm = llama()
        expected = lm(input_ids=IDS).logits
        torch.testing.assert_close(upcycle([lm], experts=experts, top_k=k)(input_ids=IDS).logits, expected)


def test_experts_come_from_the_models_in_turn() -> None:
    models = [marian(seed) for seed in (0, 1)]
    sparse = upcycle(models, experts=3, top_k=2)
    block = moe_blocks(sparse)["model.decoder.layers.1.fc1"]
    for e, source in enumerate((0, 1, 0)):
        layer = models[source].model.decoder.layers[1]
        torch.testing.assert_close(block.experts.up[e], layer.fc1.weight)
        torch.testing.assert_close(block.experts.down_bias[e], layer.fc2.bias)
    mixed = upcycle([llama(0), llama(1)], experts=2, top_k=1)
    up = mixed.model.layers[1].mlp.experts.gate_up_proj[1]
    torch.testing.assert_close(up[24:], llama(1).model.layers[1].mlp.up_proj.weight)


def test_mixtral_folder_loads_in_transformers(tmp_path: Path) -> None:
    model = upcycle([llama(0), llama(1)], experts=4, top_k=2)
    model.save_pretrained(tmp_path)
    again = AutoModelForCausalLM.from_pretrained(tmp_path)
    assert type(again).__name__ == "MixtralForCausalLM"
    torch.testing.assert_close(again(input_ids=IDS).logits, model(input_ids=IDS).logits)


@pytest.mark.parametrize("mode", ["cheap_embed", "hidden"])
@pytest.mark.parametrize("make", [marian, llama])
def test_prompts_find_their_expert(make, mode: str) -> None:
    """Tokens of an expert's prompt are routed to it, where the router sees what the direction is made of."""
    dense = make()
    prompts = [["5 6 7"], ["20 21 22"], ["30 31 32"]]
    sparse = upcycle([dense], mode, experts=3, top_k=1, tokenizer=Words(), prompts=prompts)
    first = "model.layers.0.mlp" if make is llama else "model.encoder.layers.0.fc1"
    block = sparse.get_submodule(first)
    weight = block.gate.weight if make is llama else block.router.weight
    torch.testing.assert_close(weight.norm(dim=-1), torch.ones(3))
    if mode == "cheap_embed":
        rows = dense.get_input_embeddings().weight
        expected = torch.stack([rows[[5, 6, 7]].sum(0), rows[[20, 21, 22]].sum(0), rows[[30, 31, 32]].sum(0)])
        torch.testing.assert_close(weight, expected / expected.norm(dim=-1, keepdim=True))
    elif make is marian:
        ids = torch.tensor([[5, 6, 7], [20, 21, 22], [30, 31, 32]])
        mask = torch.ones(3, 3).bool()
        with torch.no_grad(), record_routing(sparse, layer_masks(mask, mask)) as seen:
            sparse(input_ids=ids, decoder_input_ids=ids)
        mean = seen[0].routing.logits.view(3, 3, 3).mean(1)
        assert mean.argmax(-1).tolist() == [0, 1, 2]


def test_what_cannot_be_upcycled() -> None:
    with pytest.raises(ConfigError, match="top_k: expected 1 to 2"):
        upcycle([marian()], experts=2, top_k=3)
    with pytest.raises(ModelError, match=r"expected a dense model to upcycle, .* found GPT2LMHeadModel"):
        upcycle(
            [GPT2LMHeadModel(GPT2Config(n_layer=1, n_embd=8, n_head=1, vocab_size=9))], experts=2, top_k=1
        )
    with pytest.raises(ModelError, match=r"experts of one shape, found .*fc1.*model 1"):
        upcycle([marian(), marian(inner=20)], experts=2, top_k=1)
    with pytest.raises(ModelError, match="without biases"):
        upcycle([llama(attention_bias=True)], experts=2, top_k=1)
    with pytest.raises(ConfigError, match="prompts for each of the 2 experts"):
        upcycle([marian()], "hidden", experts=2, top_k=1, tokenizer=Words(), prompts=[["1"]])
    with pytest.raises(ModelError, match="found SparseMarianMTModel"):
        upcycle([SparseMarianMTModel(upcycle([marian()], experts=2, top_k=1).config)], experts=2, top_k=1)
