"""What is refused of a stacked system's models by the files beside them, before any weights are read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from components.errors import ConfigError
from components.models.architectures import STACKED
from components.records import Checkpoint
from components.stacking import checks
from components.stacking.config import StackConfig

PAIRS = [("de", "en")]


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model is its architecture and, after a colon, its config.json."""

    def resolve(reference: str, store: str | None) -> Checkpoint:
        architecture, _, settings = reference.partition(":")
        (tmp_path / "config.json").write_text(settings or "{}")
        return Checkpoint(reference=reference, path=str(tmp_path), sha256="0" * 64, architecture=architecture)

    monkeypatch.setattr(checks.models, "resolve", resolve)


pytestmark = pytest.mark.usefixtures("models")


def stacked(kind: str) -> str:
    return f"{STACKED}:{json.dumps({'kind': kind})}"


def test_a_stacked_model_is_of_the_methods_kind() -> None:
    config = StackConfig(method="dual_source", model=stacked("dual"))
    checks.validate_model(config, None, PAIRS)
    wrong = config.model_copy(update={"model": stacked("direct")})
    with pytest.raises(
        ConfigError, match=r"a stacked model of kind dual for dual_source, found .* \(direct\)"
    ):
        checks.validate_model(wrong, None, PAIRS)
    marian = config.model_copy(update={"model": "MarianMTModel"})
    with pytest.raises(ConfigError, match=r"found MarianMTModel \(MarianMTModel\)"):
        checks.validate_model(marian, None, PAIRS)


def test_training_starts_from_a_text_model_and_listens_by_a_whisper() -> None:
    checks.validate_start_model("MarianMTModel", None)
    checks.validate_encoder("WhisperForConditionalGeneration", None)
    with pytest.raises(
        ConfigError, match="start: expected a MarianMTModel to start from, found LlamaForCausal"
    ):
        checks.validate_start_model("LlamaForCausalLM", None)
    with pytest.raises(
        ConfigError, match=r"^MarianMTModel: expected a Whisper, for its encoder, found MarianMT"
    ):
        checks.validate_encoder("MarianMTModel", None)


def test_lists_are_fused_with_those_of_a_multilingual_whisper_into_english() -> None:
    multilingual = 'whisper:{"vocab_size": 51865}'
    config = StackConfig(method="pooled", model=multilingual, coefficient=0.5)
    checks.validate_model(config, None, [*PAIRS, ("fr", None)])
    with pytest.raises(
        ConfigError, match=r"expected target language en, .*, found cs, de: set target_language"
    ):
        checks.validate_model(config, None, [("fr", "de-AT"), ("fr", "cs")])
    for other in ("MarianMTModel", 'whisper:{"vocab_size": 51864}'):
        wrong = config.model_copy(update={"model": other})
        with pytest.raises(ConfigError, match="expected a multilingual Whisper for pooled, found "):
            checks.validate_model(wrong, None, PAIRS)
