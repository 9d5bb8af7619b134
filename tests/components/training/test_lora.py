"""Trainings of adapters: the matrices alone are trained, PEFT loads them, and both compute the same."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from components import models
from components.errors import ConfigError, ModelError
from components.models.loaders.loading import load_transformers
from components.training import checks
from components.training.fine_tuning_config import FineTuningConfig
from components.training.kinds.train import LEARNERS
from components.training.loop.trainer import train
from tests.components.training.tiny import TINY, WORDS, draw_lines, write_copies, write_few

peft = pytest.importorskip("peft", reason="needs the extra adapters")
BUDGET = {"max_steps": 4, "eval_every": 2, "average_checkpoints": 1, "warmup_steps": 1, "eval_sentences": 4}


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTIPHON_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder, lines = tmp_path_factory.mktemp("toy"), draw_lines(40, 4, WORDS[:8])
    toy = {"data": write_copies(folder, lines), "dev": write_few(folder, lines)}
    return {**toy, **TINY, **BUDGET, "ffn_dim": 32}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory, settings: dict[str, Any]) -> Path:
    return _train(tmp_path_factory.mktemp("base"), settings)


def _train(out: Path, values: dict[str, Any], **more: Any) -> Path:
    config = FineTuningConfig.model_validate({**values, **more})
    checks.check(config, None)
    train(config, out, make_learner=LEARNERS[config.kind])
    return out / "model"


@pytest.mark.parametrize("kind", ["translation", "language_model"])
def test_an_adapter_is_trained_and_peft_reads_it(
    tmp_path: Path, settings: dict[str, Any], base: Path, kind: str
) -> None:
    base = base if kind == "translation" else _train(tmp_path / "base", settings, kind=kind)
    lora = {"rank": 3, "alpha": 9, "dropout": 0.1, "target_modules": ["q_proj", "fc1", "up_proj"]}
    adapter = _train(tmp_path / "lora", settings, kind=kind, init_from=str(base), lora=lora)
    assert not (adapter / "model.safetensors").exists()
    values = json.loads((adapter / "adapter_config.json").read_text())
    assert (values["base_model_name_or_path"], values["r"], values["lora_alpha"]) == (str(base), 3, 9)
    tensors = load_file(adapter / "adapter_model.safetensors")
    assert all("lora_" in name for name in tensors)
    assert any(tensor.any() for name, tensor in tensors.items() if "lora_B" in name)  # something was learned
    trained = load_file(sorted((tmp_path / "lora/checkpoints").iterdir())[-1] / "model.safetensors")
    assert trained.keys()
    assert all("lora_" in name for name in trained)

    model_kind = "causal" if kind == "language_model" else "seq2seq"
    plain, _ = load_transformers(models.resolve(str(base)), model_kind)  # type: ignore[arg-type]
    expected = peft.PeftModel.from_pretrained(plain, adapter).merge_and_unload().state_dict()
    ours, _ = load_transformers(models.resolve(str(adapter)), model_kind)  # type: ignore[arg-type]
    for name, tensor in ours.state_dict().items():
        assert torch.equal(tensor, expected[name]), name


@pytest.mark.parametrize("kind", ["translation", "language_model"])
def test_an_output_layer_that_is_the_embedding_too_gets_no_adapter(
    tmp_path: Path, settings: dict[str, Any], base: Path, kind: str
) -> None:
    """No model could be made of it: base and adapter would differ in what they share."""
    base = base if kind == "translation" else _train(tmp_path / "base", settings, kind=kind)
    for name in ("lm_head", "embed_tokens"):
        lora = {"target_modules": ["q_proj", name]}
        with pytest.raises(
            ConfigError, match=rf"lora.target_modules: expected .* found .*{name}.*leave it out"
        ):
            _train(tmp_path / name, settings, kind=kind, init_from=str(base), lora=lora)


def test_an_interrupted_training_of_an_adapter_ends_with_the_same_bits(
    tmp_path: Path, settings: dict[str, Any], base: Path
) -> None:
    values = {**settings, "init_from": str(base), "lora": {"rank": 2, "dropout": 0.2}}
    whole = _train(tmp_path / "whole", values)
    _train(tmp_path / "parts", values, max_steps=2)
    assert _tensors_differ(whole, tmp_path / "parts/model")
    parts = _train(tmp_path / "parts", values)
    assert not _tensors_differ(whole, parts)


def _tensors_differ(first: Path, second: Path) -> list[str]:
    one, two = (load_file(folder / "adapter_model.safetensors") for folder in (first, second))
    return [name for name in one if not torch.equal(one[name], two[name])]


def test_an_adapter_of_ours_knows_its_base_by_digest(
    tmp_path: Path, settings: dict[str, Any], base: Path
) -> None:
    other = _train(tmp_path / "other", settings, seed=2)
    adapter = _train(tmp_path / "lora", settings, init_from=str(base), lora={})
    assert json.loads((adapter / "adapter_config.json").read_text())["lora_alpha"] == 16
    models.resolve(f"{base}+{adapter}")
    with pytest.raises(ModelError, match=r"of another base: it was trained on .*sha256"):
        models.resolve(f"{other}+{adapter}")


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"lora": {}}, "expected a model in init_from"),
        ({"lora": {}, "kind": "deliberation", "init_from": "packaged:multi30k-en-de"}, "and deliberation"),
        ({"kind": "recognition"}, "expected a Whisper model that recognition starts from"),
    ],
)
def test_impossible_settings_are_refused(
    settings: dict[str, Any], values: dict[str, Any], problem: str
) -> None:
    with pytest.raises(ConfigError, match=problem):
        checks.check(FineTuningConfig.model_validate({**settings, **values}), None)


def test_layers_that_the_model_does_not_have_are_refused(
    tmp_path: Path, settings: dict[str, Any], base: Path
) -> None:
    with pytest.raises(ConfigError, match=r"target_modules: expected names of linear layers of .*'query'"):
        _train(tmp_path / "lora", settings, init_from=str(base), lora={"target_modules": ["query"]})
