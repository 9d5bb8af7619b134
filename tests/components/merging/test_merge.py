"""The engine on whole folders: pieces, shards, ties, integers, layers, real architectures, a crash."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from components.errors import MergeError
from components.merging.io import tensor_task
from components.merging.merge import MergeOptions, merge
from components.merging.recipe.reader import parse_recipe
from components.models import resolve
from components.models.loaders.loading import load_transformers
from tests.components.merging.model_folders import folder, merged, recipe

pytestmark = pytest.mark.core

TEXT = "{weight: 0.7, density: 0.3, gamma: 0.1, epsilon: 0.1}"


def layered(path: Path, seed: int, dtype: torch.dtype = torch.float32, **config: object) -> Path:
    draw = torch.Generator().manual_seed(seed)
    shapes = {"model.embed_tokens.weight": (12, 4), "model.norm.weight": (4,), "conv.weight": (3, 4, 2)}
    shapes |= {"empty": (0, 4)} | {f"model.layers.{n}.mlp.weight": (5, 4) for n in range(3)}
    tensors = {name: torch.randn(shape, generator=draw).to(dtype) for name, shape in shapes.items()}
    tensors["model.position_ids"] = torch.arange(7)
    return folder(path, tensors, num_hidden_layers=3, **config)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(
    "method", ["linear", "slerp", "nuslerp", "task_arithmetic", "ties", "dare_ties", "breadcrumbs", "della"]
)
def test_pieces_do_not_show(
    tmp_path: Path, method: str, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Read in pieces of one row, again in every pass: the same tensors as read whole."""
    models = [layered(tmp_path / name, seed, dtype) for seed, name in enumerate(("base", "a", "b"))]
    models_to_merge = models[1:2] if method == "slerp" else models[1:]
    base = None if method == "linear" else models[0]
    text = recipe(method, base, *((m, TEXT) for m in models_to_merge), parameters="{t: 0.3}")
    read_whole = merged(text, tmp_path / "whole")
    monkeypatch.setattr(tensor_task, "PIECE_ELEMENTS", 4)
    monkeypatch.setattr(tensor_task, "CACHE_BYTES", 0)
    pieces = merged(text, tmp_path / "pieces")
    assert read_whole.keys() == pieces.keys()
    for name, tensor in read_whole.items():
        torch.testing.assert_close(
            pieces[name], tensor, rtol=2e-5 if dtype == torch.float32 else 1e-2, atol=1e-6
        )


def test_shards_and_integers(tmp_path: Path) -> None:
    a, b = layered(tmp_path / "a", 1), layered(tmp_path / "b", 2)
    text = recipe("linear", None, (a, "{weight: 1}"), (b, "{weight: 1}"))
    single_file = merged(text, tmp_path / "one")
    merge(parse_recipe(text), tmp_path / "many", MergeOptions(shard_bytes=150))
    index = json.loads((tmp_path / "many" / "model.safetensors.index.json").read_text())
    files = set(index["weight_map"].values())
    stored = {k: v for name in files for k, v in load_file(tmp_path / "many" / name).items()}
    assert len(files) > 3
    assert stored.keys() == single_file.keys() == index["weight_map"].keys()
    assert all(torch.equal(stored[name], single_file[name]) for name in single_file)
    assert torch.equal(single_file["model.position_ids"], torch.arange(7))
    again = merged(recipe("linear", None, (tmp_path / "many", "{weight: 1}")), tmp_path / "again")
    assert all(torch.equal(again[name], single_file[name]) for name in single_file)


def test_types(tmp_path: Path) -> None:
    a = layered(tmp_path / "a", 1)
    text = recipe("linear", None, (a, "{weight: 1}"))
    out = merged(text + "\ndtype: bfloat16\nout_dtype: float16", tmp_path / "out")
    config = json.loads((tmp_path / "out" / "config.json").read_text())
    kinds = {t.dtype for t in out.values()}
    assert (kinds, config["dtype"]) == ({torch.float16, torch.int64}, "float16")
    expected = load_file(a / "model.safetensors")["model.norm.weight"].bfloat16().half()
    assert torch.equal(out["model.norm.weight"], expected)


def test_tied_weights_are_merged_once(tmp_path: Path) -> None:
    """Stored twice in one model and once in the other, under another of its names."""
    w, v = torch.randn(4, 2), torch.randn(4, 2)
    a = folder(
        tmp_path / "a",
        {"model.embed_tokens.weight": w, "lm_head.weight": w.clone()},
        tie_word_embeddings=True,
    )
    b = folder(tmp_path / "b", {"lm_head.weight": v}, tie_word_embeddings=True)
    out = merged(recipe("linear", None, (a, "{weight: 1}"), (b, "{weight: 1}")), tmp_path / "out")
    assert list(out) == ["model.embed_tokens.weight"]
    torch.testing.assert_close(out["model.embed_tokens.weight"], (w + v) / 2)


def test_slices_renumber_the_layers(tmp_path: Path) -> None:
    a = layered(tmp_path / "a", 1, layer_types=["x", "y", "z"])
    b = layered(tmp_path / "b", 2)
    text = f"""
merge_method: passthrough
slices:
  - sources: [{{model: {a}, layer_range: [0, 2]}}]
  - sources: [{{model: {b}, layer_range: [1, 3], parameters: {{scale: [{{filter: mlp, value: 2}}]}}}}]
"""
    out = merged(text, tmp_path / "out")
    first, second = load_file(a / "model.safetensors"), load_file(b / "model.safetensors")
    for number, (source, layer, scale) in enumerate(
        [(first, 0, 1), (first, 1, 1), (second, 1, 2), (second, 2, 2)]
    ):
        expected = source[f"model.layers.{layer}.mlp.weight"] * scale
        assert torch.equal(out[f"model.layers.{number}.mlp.weight"], expected)
    assert torch.equal(out["model.embed_tokens.weight"], first["model.embed_tokens.weight"])
    assert torch.equal(out["model.norm.weight"], second["model.norm.weight"])
    config = json.loads((tmp_path / "out" / "config.json").read_text())
    assert (config["num_hidden_layers"], config["layer_types"]) == (4, ["x", "y", "y", "z"])


def test_outside_of_the_layers_a_gradient_is_its_first_value(tmp_path: Path) -> None:
    """mergekit 0.1.5 plans what comes after the layers at t = 0 as well."""
    a, b = layered(tmp_path / "a", 1), layered(tmp_path / "b", 2)
    out = merged(recipe("linear", None, (a, "{weight: [1, 7]}"), (b, "{weight: 1}")), tmp_path / "out")
    first, second = load_file(a / "model.safetensors"), load_file(b / "model.safetensors")
    for name, share in (("embed_tokens", 0.5), ("norm", 0.5), ("layers.1.mlp", 0.8), ("layers.2.mlp", 0.875)):
        key = f"model.{name}.weight"
        torch.testing.assert_close(out[key], share * first[key] + (1 - share) * second[key])


def tiny(kind: str) -> Any:
    from transformers import (
        BartConfig,
        BartForConditionalGeneration,
        LlamaConfig,
        LlamaForCausalLM,
        MarianConfig,
        MarianMTModel,
        T5Config,
        T5ForConditionalGeneration,
        WhisperConfig,
        WhisperForConditionalGeneration,
    )

    both = {
        "vocab_size": 32, "d_model": 8, "encoder_layers": 2, "decoder_layers": 2, "encoder_attention_heads": 2,  # noqa: E501
        "decoder_attention_heads": 2, "encoder_ffn_dim": 8, "decoder_ffn_dim": 8, "pad_token_id": 0,
        "bos_token_id": 1, "eos_token_id": 2, "decoder_start_token_id": 1,
    }  # fmt: skip
    if kind == "llama":
        config = LlamaConfig(
            vocab_size=32, hidden_size=8, intermediate_size=8, num_hidden_layers=2, num_attention_heads=2,
            num_key_value_heads=1,
        )  # fmt: skip
        return LlamaForCausalLM(config)
    if kind == "t5":
        config = T5Config(
            vocab_size=32, d_model=8, d_kv=4, d_ff=8, num_layers=2, num_heads=2, decoder_start_token_id=0
        )
        return T5ForConditionalGeneration(config)
    if kind == "whisper":
        config = WhisperConfig(**both, num_mel_bins=4, max_source_positions=8, max_target_positions=16)
        return WhisperForConditionalGeneration(config)
    if kind == "bart":
        return BartForConditionalGeneration(BartConfig(**both, max_position_embeddings=16))
    return MarianMTModel(MarianConfig(**both, max_position_embeddings=16, bad_words_ids=None))


@pytest.mark.parametrize("kind", ["llama", "t5", "whisper", "bart", "marian"])
def test_real_architectures_load_and_generate(tmp_path: Path, kind: str) -> None:
    torch.manual_seed(0)
    models = [tiny(kind) for _ in range(2)]
    for number, model in enumerate(models):
        model.save_pretrained(tmp_path / str(number))
    pairs = [(tmp_path / str(number), "{weight: 0.5}") for number in range(2)]
    merged(recipe("linear", None, *pairs), tmp_path / "out")
    merged_model, report = type(models[0]).from_pretrained(tmp_path / "out", output_loading_info=True)
    assert not report["missing_keys"] and not report["unexpected_keys"]
    for name, tensor in merged_model.state_dict().items():
        mean = (models[0].state_dict()[name] + models[1].state_dict()[name]) / 2
        torch.testing.assert_close(tensor, mean, msg=name)
    if kind == "whisper":
        merged_model.generate(torch.zeros(1, 4, 16), max_new_tokens=2)
    else:
        merged_model.generate(torch.tensor([[1, 5, 2]]), max_new_tokens=2)


@pytest.mark.models
def test_a_packaged_model_with_itself(tmp_path: Path) -> None:
    text = "merge_method: linear\nmodels: [{model: 'packaged:multi30k-en-de'}]\nparameters: {weight: 2}\n"
    merge(parse_recipe(text), tmp_path / "out")
    checkpoint = resolve(str(tmp_path / "out"))
    model, tokenizer = load_transformers(checkpoint, "seq2seq")
    before, _ = load_transformers(resolve("packaged:multi30k-en-de"), "seq2seq")
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), before.parameters(), strict=True))
    ids = model.generate(**tokenizer("A dog runs.", return_tensors="pt"))
    assert "Hund" in tokenizer.decode(ids[0])


def kill_at_third(line: str) -> None:
    if line.startswith("3/"):
        os.kill(os.getpid(), signal.SIGKILL)


def test_after_a_crash_nothing_has_the_final_name(tmp_path: Path) -> None:
    a = layered(tmp_path / "a", 1)
    text = recipe("linear", None, (a, "{weight: 1}"))
    if not (child := os.fork()):
        try:
            merge(parse_recipe(text), tmp_path / "out", on_progress=kill_at_third)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    assert not (tmp_path / "out").exists()
    assert list(tmp_path.glob(".out.partial-*"))
    merged(text, tmp_path / "out")
    assert not list(tmp_path.glob(".out.partial-*"))


def test_a_full_folder_is_not_overwritten(tmp_path: Path) -> None:
    a = layered(tmp_path / "a", 1)
    with pytest.raises(MergeError, match="expected a new folder"):
        merge(parse_recipe(recipe("linear", None, (a, "{weight: 1}"))), a)


def test_missing_and_mismatched_tensors_are_named(tmp_path: Path) -> None:
    a = folder(tmp_path / "a", {"x": torch.ones(2), "y": torch.ones(2)})
    b, c = (
        folder(tmp_path / "b", {"x": torch.ones(2)}),
        folder(tmp_path / "c", {"x": torch.ones(2), "y": torch.ones(3)}),
    )
    with pytest.raises(MergeError, match="expected tensor y"):
        merged(recipe("linear", None, (a, "{weight: 1}"), (b, "{weight: 1}")), tmp_path / "out")
    with pytest.raises(MergeError, match=r"y: expected \[2\] from every model, found \[3\]"):
        merged(recipe("linear", None, (a, "{weight: 1}"), (c, "{weight: 1}")), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_model_without_tensors_is_refused(tmp_path: Path) -> None:
    text = recipe("linear", None, (folder(tmp_path / "a", {}), "{weight: 1}"))
    with pytest.raises(MergeError, match="expected models with tensors, found none in the first model"):
        merged(text, tmp_path / "out")


def test_quantized_weights_are_refused(tmp_path: Path) -> None:
    a = folder(tmp_path / "a", {"x": torch.ones(2)})
    save_file({"x": torch.ones(2).to(torch.float8_e4m3fn)}, a / "model.safetensors")
    with pytest.raises(MergeError, match="merge the unquantized model"):
        merged(recipe("linear", None, (a, "{weight: 1}")), tmp_path / "out")
