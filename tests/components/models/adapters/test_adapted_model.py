"""Merged adapters are PEFT's ``merge_and_unload`` to the last bit; what is not computed is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from components import models
from components.errors import ConfigError, ModelError
from components.models.summary import summarize_checkpoint
from tests.components.models.adapters import peft_folders

peft = pytest.importorskip("peft", reason="needs the extra adapters")
ATTENTION = ["q_proj", "v_proj"]
KINDS: dict[str, dict[str, Any]] = {
    "plain": {"target_modules": ATTENTION},
    "regex": {"target_modules": r".*\.1\.mlp\.(up|down)_proj"},
    "rank-stabilized": {"target_modules": ATTENTION, "use_rslora": True},
    "patterns": {
        "target_modules": [*ATTENTION, "up_proj"],
        "rank_pattern": {"layers.0.self_attn.q_proj": 2, "up_proj": 3},
        "alpha_pattern": {"v_proj": 9},
    },
    "dora": {"target_modules": ATTENTION, "use_dora": True},
    "embedding": {"target_modules": ["embed_tokens", "q_proj"]},
    "modules_to_save": {"target_modules": ATTENTION, "modules_to_save": ["lm_head", "norm"]},
}
TRANSPOSED = {"target_modules": ["c_attn"], "fan_in_fan_out": True}
OTHER_BASES: dict[str, dict[str, Any]] = {
    "transposed": TRANSPOSED | {"lora_bias": True},
    "trained biases": TRANSPOSED | {"bias": "lora_only"},
    "half precision": {"target_modules": ATTENTION},
}


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTIPHON_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return peft_folders.llama(tmp_path_factory.mktemp("models") / "base")


@pytest.fixture(scope="module")
def gpt2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return peft_folders.gpt2(tmp_path_factory.mktemp("models") / "other")


@pytest.fixture(scope="module")
def lora(llama: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return peft_folders.adapter(llama, tmp_path_factory.mktemp("adapters") / "lora", **KINDS["plain"])


def _merged_by_peft(base: Path, *adapters: tuple[Path, float], dtype: torch.dtype = torch.float32) -> Any:
    (first, _), *others = adapters
    model = peft.PeftModel.from_pretrained(peft_folders.load(base, dtype), first, adapter_name="0")
    for number, (path, _) in enumerate(others, 1):
        model.load_adapter(path, adapter_name=str(number))
    for module in model.modules():
        if isinstance(module, peft.tuners.lora.LoraLayer):
            for number, (_, weight) in enumerate(adapters):
                if str(number) in module.scaling:
                    module.scaling[str(number)] *= weight
    names = [str(number) for number in range(len(adapters))]
    return model.merge_and_unload(adapter_names=names).state_dict()


def _assert_same(reference: str, expected: dict[str, torch.Tensor]) -> None:
    actual = load_file(Path(models.resolve(reference).path) / "model.safetensors")
    assert actual
    for name, tensor in actual.items():
        assert tensor.dtype == expected[name].dtype
        assert torch.equal(tensor, expected[name]), name


@pytest.mark.parametrize("kind", [*KINDS, *OTHER_BASES])
def test_an_adapter_is_merged_as_peft_merges_it(llama: Path, gpt2: Path, tmp_path: Path, kind: str) -> None:
    """In half precision it is rounded once."""
    base, dtype = gpt2 if kind in OTHER_BASES else llama, torch.float32
    if kind == "half precision":
        base, dtype = peft_folders.llama(tmp_path / "base", torch.bfloat16), torch.bfloat16
    adapter = peft_folders.adapter(base, tmp_path / "lora", **(KINDS | OTHER_BASES)[kind])
    _assert_same(f"{base}+{adapter}", _merged_by_peft(base, (adapter, 1.0), dtype=dtype))


@pytest.mark.parametrize("name", ["embed_tokens", "lm_head"])
@pytest.mark.parametrize("setting", ["target_modules", "modules_to_save"])
def test_an_embedding_that_is_the_output_layer_too_is_not_changed(
    tmp_path: Path, setting: str, name: str
) -> None:
    base = peft_folders.llama(tmp_path / "base", tied=True)
    adapter = peft_folders.adapter(base, tmp_path / "lora", **{"target_modules": ["q_proj"], setting: [name]})
    with pytest.raises(
        ModelError, match=rf"as it changes (model\.)?{name}\.weight, .*which ties it to the embedding; save"
    ):
        models.resolve(f"{base}+{adapter}")


def test_several_adapters_are_added_with_their_weights(llama: Path, lora: Path, tmp_path: Path) -> None:
    second = peft_folders.adapter(llama, tmp_path / "two", seed=2, target_modules=["v_proj", "up_proj"])
    expected = _merged_by_peft(llama, (lora, 0.7), (second, -0.25))
    _assert_same(f"{llama}+0.7*{lora}+-0.25*{second}", expected)


def test_an_adapter_alone_stands_for_its_base_with_it(llama: Path, lora: Path) -> None:
    both, alone = models.resolve(f"{llama}+{lora}"), models.resolve(str(lora))
    assert both.identity == alone.identity
    assert both.path == alone.path  # merged once


def test_weights_and_adapters_decide_the_digest_and_the_summary_names_them(llama: Path, lora: Path) -> None:
    whole, half = models.resolve(f"{llama}+{lora}"), models.resolve(f"{llama}+0.5*{lora}")
    assert len({whole.sha256, half.sha256, models.resolve(str(llama)).sha256}) == 3
    assert whole.lineage == (str(llama), str(lora))
    facts = summarize_checkpoint(half)
    assert facts["adapters"].startswith("0.5 x sha256 ")
    assert "rank 4, 4 modules" in facts["adapters"]


def test_an_adapter_of_another_base_is_refused(llama: Path, gpt2: Path, lora: Path, tmp_path: Path) -> None:
    adapter = Path(shutil.copytree(lora, tmp_path / "lora"))
    with pytest.raises(ModelError, match=r"of another base.*q_proj.weight \[16, 16\], found none in .*other"):
        models.resolve(f"{gpt2}+{adapter}")
    _edit(adapter, base_model_name_or_path="some-org/llama-7b")
    with pytest.raises(ModelError, match=r"its adapter_config\.json says some-org/llama-7b, found .*base"):
        models.resolve(f"{llama}+{adapter}")
    _edit(adapter, base_model_name_or_path="some-org/Base")  # another owner's copy of it
    models.resolve(f"{llama}+{adapter}")


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"peft_type": "IA3"}, "expected peft_type LORA"),
        ({"target_parameters": ["experts.weight"]}, "target_parameters .* is not read here"),
        ({"layer_replication": [[0, 1]]}, "layer_replication .* is not read here"),
        ({"init_lora_weights": "pissa"}, "init_lora_weights 'pissa' .* changes the base"),
        ({"r": 5}, r"expected rank 5, found A \(4, 16\)"),
        ({"use_dora": True}, "expected A, B, magnitude, found A, B"),
        ({"r": "four"}, "expected a LoRA's settings"),
    ],
)
def test_what_is_not_computed_is_refused_by_name(
    llama: Path, lora: Path, tmp_path: Path, values: dict[str, Any], problem: str
) -> None:
    adapter = Path(shutil.copytree(lora, tmp_path / "lora"))
    _edit(adapter, **values)
    with pytest.raises(ModelError, match=problem):
        models.resolve(f"{llama}+{adapter}")


def test_parts_that_replace_tensors_are_not_mixed(llama: Path, lora: Path, tmp_path: Path) -> None:
    dora = peft_folders.adapter(llama, tmp_path / "dora", **KINDS["dora"])
    for reference in (f"{llama}+{dora}+{lora}", f"{llama}+0.5*{dora}"):
        with pytest.raises(ModelError, match="expected this adapter alone with weight 1, as its DoRA"):
            models.resolve(reference)


def test_foreign_tensors_and_missing_files_are_refused(llama: Path, lora: Path, tmp_path: Path) -> None:
    base, adapter = llama, Path(shutil.copytree(lora, tmp_path / "lora"))
    weights = adapter / "adapter_model.safetensors"
    save_file({"model.q_proj.lora_A": torch.zeros(1)}, weights)
    with pytest.raises(ModelError, match="expected tensors named base_model"):
        models.resolve(f"{base}+{adapter}")
    weights.unlink()
    (adapter / "adapter_model.bin").write_bytes(b"")
    with pytest.raises(ModelError, match=r"found adapter_model\.bin, a pickle"):
        models.resolve(f"{base}+{adapter}")
    with pytest.raises(ModelError, match=r"expected an adapter's folder with adapter_config\.json"):
        models.check(f"{base}+{tmp_path / 'nowhere'}")
    with pytest.raises(ConfigError, match="expected hub:ORG/NAME, store:KEY"):
        models.check(f"{base}+packaged:whisper-base")


def test_a_quantized_base_is_refused(llama: Path, lora: Path, tmp_path: Path) -> None:
    base = Path(shutil.copytree(llama, tmp_path / "base"))
    config = json.loads((base / "config.json").read_text())
    (base / "config.json").write_text(json.dumps({**config, "quantization_config": {"bits": 4}}))
    with pytest.raises(ModelError, match="expected a base with plain weights"):
        models.resolve(f"{base}+{lora}")


def _edit(adapter: Path, **values: Any) -> None:
    path = adapter / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))
