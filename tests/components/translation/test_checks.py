"""What is refused of a translator before its weights are loaded, by the files beside them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from components.errors import ConfigError
from components.records import Checkpoint
from components.translation import checks
from components.translation.backends import BACKENDS, backend_for
from components.translation.config import TranslationConfig

from .tokenizers import characters


def checkpoint(folder: Path, architecture: str) -> Checkpoint:
    return Checkpoint(reference="tiny", path=str(folder), sha256="0" * 64, architecture=architecture)


def test_a_causal_model_translates_anything_into_a_stated_language(tmp_path: Path) -> None:
    model = checkpoint(tmp_path, "LlamaForCausalLM")
    assert checks.explain_unsupported(model, [("de", "fr")]) is None
    fault = checks.explain_unsupported(model, [("de", None)])
    assert "target" in fault


def test_a_model_without_declared_languages_may_translate_any(tmp_path: Path) -> None:
    assert checks.explain_unsupported(checkpoint(tmp_path, "MarianMTModel"), [("de", None)]) is None


def test_a_declared_direction_is_the_only_one(tmp_path: Path) -> None:
    declared = {"source_lang": "en", "target_lang": "de"}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(declared))
    model = checkpoint(tmp_path, "MarianMTModel")
    assert checks.explain_unsupported(model, [("fr", "de"), ("und", "de")]) is None  # one of them is enough
    fault = checks.explain_unsupported(model, [("fr", "de"), ("en", "it")])
    assert "from fr to de" in fault  # the first is named


def test_a_multilingual_model_is_asked_for_the_codes_of_its_tokenizer(tmp_path: Path) -> None:
    tokenizer = characters(["</s>", "<unk>"])
    tokenizer.add_special_tokens({"additional_special_tokens": ["__en__", "__de__"]})
    tokenizer.save_pretrained(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "m2m_100"}))
    model = checkpoint(tmp_path, "M2M100ForConditionalGeneration")
    assert checks.explain_unsupported(model, [("en", "de")]) is None
    assert checks.explain_unsupported(model, [("und", "de")]) is None
    fault = checks.explain_unsupported(model, [("en", "fr")])
    assert "fr" in fault


def test_eight_bit_weights_are_for_the_cpu_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "resolve_device_name", lambda name: "cuda:0")
    with pytest.raises(
        ConfigError, match="expected dtype float32, bfloat16 or float16 on cuda:0, found int8"
    ):
        checks.check(TranslationConfig(dtype="int8"), None)


def test_examples_that_cannot_be_read_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="examples"):
        checks.check(TranslationConfig(examples=str(tmp_path / "none.jsonl")), None)


def test_the_backend_is_that_of_the_architecture() -> None:
    read = {"LlamaForCausalLM": "causal", "served": "served", "MarianMTModel": "encoder-decoder"}
    assert all(backend_for(architecture) is BACKENDS[name] for architecture, name in read.items())
    assert backend_for("MarianMTModel", "ctranslate2") is BACKENDS["ctranslate2"]
    with pytest.raises(ConfigError, match=r"backend causal: expected a model that it reads, found Marian"):
        backend_for("MarianMTModel", "causal")
    with pytest.raises(ValueError, match=r"found 'ctranslate'; did you mean ctranslate2\?"):
        TranslationConfig.model_validate({"backend": "ctranslate"})


@pytest.mark.parametrize(("settings", "n_best"), [({}, 5), ({"beam_size": 4}, 4), ({"beam_size": "4"}, 4)])
def test_a_narrow_beam_brings_an_n_best_of_its_size(settings: dict[str, object], n_best: int) -> None:
    assert TranslationConfig.model_validate(settings).n_best == n_best
