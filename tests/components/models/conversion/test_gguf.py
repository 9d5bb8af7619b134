"""GGUF files, written here tensor by tensor, become the model that they were written from."""

from __future__ import annotations

from pathlib import Path

import gguf
import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM

from components import models
from components.errors import ConfigError, ModelError
from components.models.conversion.gguf import convert_gguf
from components.models.formats import FORMATS
from components.models.formats.format import ModelToConvert
from components.models.packages.packaged_models import PACKAGED_MODELS
from components.models.sources import packaged_source

HEADS = 2
NAMES = {
    "model.embed_tokens": "token_embd",
    "model.norm": "output_norm",
    "lm_head": "output",
    "model.layers.0.input_layernorm": "blk.0.attn_norm",
    "model.layers.0.post_attention_layernorm": "blk.0.ffn_norm",
    "model.layers.0.self_attn.q_proj": "blk.0.attn_q",
    "model.layers.0.self_attn.k_proj": "blk.0.attn_k",
    "model.layers.0.self_attn.v_proj": "blk.0.attn_v",
    "model.layers.0.self_attn.o_proj": "blk.0.attn_output",
    "model.layers.0.mlp.gate_proj": "blk.0.ffn_gate",
    "model.layers.0.mlp.up_proj": "blk.0.ffn_up",
    "model.layers.0.mlp.down_proj": "blk.0.ffn_down",
}


def tiny() -> LlamaForCausalLM:
    torch.manual_seed(0)
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=4,
            hidden_size=8,
            intermediate_size=16,
            num_hidden_layers=1,
            num_attention_heads=HEADS,
            num_key_value_heads=HEADS,
            max_position_embeddings=16,
            rms_norm_eps=1e-5,
            initializer_range=0.5,
            tie_word_embeddings=False,
        )
    ).eval()


def write(model: LlamaForCausalLM, path: Path, without: str = "") -> None:
    writer = gguf.GGUFWriter(str(path), "llama")
    writer.add_block_count(1)
    writer.add_context_length(16)
    writer.add_embedding_length(8)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_feed_forward_length(16)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(4)
    writer.add_rope_freq_base(10000.0)
    writer.add_vocab_size(4)
    writer.add_tokenizer_model("llama")
    writer.add_token_list(["<unk>", "<s>", "</s>", "a"])
    writer.add_token_scores([0.0, 0.0, 0.0, 0.0])
    writer.add_token_types([2, 3, 3, 1])
    for name, tensor in model.state_dict().items():
        array = tensor.float().numpy()
        target = NAMES[name.removesuffix(".weight")]
        if target.endswith(("_q", "_k")):  # llama.cpp turns pairs of neighbours, transformers the two halves
            array = array.reshape(HEADS, 2, 2, 8).swapaxes(1, 2).reshape(8, 8)
        if target != without:
            writer.add_tensor(f"{target}.weight", np.ascontiguousarray(array))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


@torch.no_grad()
def test_it_is_the_model_that_was_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = tiny()
    write(model, tmp_path / "m.gguf")
    capsys.readouterr()
    convert_gguf(tmp_path / "m.gguf", tmp_path / "out", (2,))
    assert capsys.readouterr() == ("", "")  # no bar
    loaded = AutoModelForCausalLM.from_pretrained(tmp_path / "out", dtype=torch.float32)
    assert loaded.generation_config.eos_token_id == [2]
    ids = torch.tensor([[1, 3, 2, 0, 3]])
    torch.testing.assert_close(loaded(ids).logits, model(ids).logits, rtol=0.05, atol=0.05)


@pytest.mark.parametrize("place", ["blk.0.ffn_up", "blk.0.attn_q", "output_norm", "token_embd"])
def test_a_missing_tensor_is_named_and_nothing_is_written(tmp_path: Path, place: str) -> None:
    write(tiny(), tmp_path / "m.gguf", without=place)
    name = next(ours for ours, theirs in NAMES.items() if theirs == place)
    with pytest.raises(
        ModelError, match=rf"m\.gguf: expected all .* 1 missing \(the first is {name}\.weight\)"
    ):
        convert_gguf(tmp_path / "m.gguf", tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("damage", ["cut", "other"])
def test_a_damaged_file_is_one_line(tmp_path: Path, damage: str) -> None:
    write(tiny(), tmp_path / "m.gguf")
    content = (tmp_path / "m.gguf").read_bytes()
    (tmp_path / "m.gguf").write_bytes(content[:300] if damage == "cut" else b"PK" + content)
    with pytest.raises(ModelError, match=r"m\.gguf: (transformers cannot read|expected a GGUF file)"):
        convert_gguf(tmp_path / "m.gguf", tmp_path / "out")


def test_without_the_extra_its_install_command_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("components.errors.find_spec", lambda name: None)
    monkeypatch.setattr(packaged_source, "is_fetched", lambda row: False)
    monkeypatch.setattr(packaged_source, "require_consent", lambda row: None)
    packaged = next(row.name for row in PACKAGED_MODELS.values() if row.format == "gguf")
    for call in (
        lambda: FORMATS["gguf"].convert(tmp_path / "m.gguf", ModelToConvert("m", print)),
        lambda: models.check(f"packaged:{packaged}"),
    ):
        with pytest.raises(ConfigError, match=r"expects the extra 'gguf', .* 'antiphon\[gguf\]'"):
            call()
