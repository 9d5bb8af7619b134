"""What is refused of a refinement by the files of its models: their kind, and the languages they know."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from components.errors import ConfigError, ModelError
from components.models.architectures import DELIBERATION
from components.records import Checkpoint
from components.refining import checks
from components.refining.config import RefineConfig, RoundsConfig

LLAMA, MARIAN = "LlamaForCausalLM", "MarianMTModel"


@pytest.fixture(autouse=True)
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model is called by its architecture; a Marian translates from English into German."""
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"source_lang": "en", "target_lang": "de"}))

    def resolve(reference: str, store: str | None) -> Checkpoint:
        return Checkpoint(reference=reference, path=str(tmp_path), sha256="0" * 64, architecture=reference)

    monkeypatch.setattr(checks.models, "resolve", resolve)
    monkeypatch.setattr(checks, "resolve_text_model", resolve)


@pytest.mark.parametrize(
    ("method", "model", "expected"),
    [
        ("self_refine", MARIAN, "a causal language model for method self_refine"),
        ("deliberation", LLAMA, "one of kind deliberation for method deliberation"),
        ("diffusion", DELIBERATION, "one of kind diffusion for method diffusion"),
    ],
)
def test_a_method_needs_a_model_of_its_kind(method: str, model: str, expected: str) -> None:
    config = RefineConfig.model_validate({"method": method, "model": model, "gate": "off"})
    with pytest.raises(ConfigError, match=rf"^model: expected {expected}, found {model} \({model}\)"):
        checks.validate_models(config, None, [("en", "de")])


def test_a_prompt_needs_examples_in_the_languages() -> None:
    config = RefineConfig(model=LLAMA, gate="off")
    checks.validate_models(config, None, [("en", "de"), ("eng", "deu"), ("und", "de")])
    with pytest.raises(ConfigError, match=r"self_refine: expected one of .*, found cy-de"):
        checks.validate_models(config, None, [("cy", "de")])


@pytest.mark.parametrize(
    ("gate", "model", "fault"),
    [
        ("fluency", MARIAN, "expected a causal language model for fluency, found MarianMTModel"),
        ("forward", LLAMA, "expected a translation model for forward, found LlamaForCausalLM"),
        ("round_trip", MARIAN, "MarianMTModel: .*from de to en"),
    ],
)
def test_a_gate_needs_a_model_that_can_judge(gate: str, model: str, fault: str) -> None:
    config = RoundsConfig.model_validate({"gate": gate, "gate_model": model})
    with pytest.raises(ConfigError, match=f"^gate_model: {fault}"):
        checks.validate_gate_model(config, None, [("en", "de")])


def test_a_gate_that_estimates_quality_needs_a_model_that_does() -> None:
    config = RoundsConfig(gate="quality_estimation", gate_model="/no/such/folder")
    with pytest.raises(ModelError, match="/no/such/folder"):
        checks.validate_gate_model(config, None, [("en", "de")])


@pytest.mark.parametrize(
    ("gate", "model", "pair"),
    [
        ("fluency", LLAMA, ("en", "de")),
        ("forward", MARIAN, ("en", "de")),
        ("round_trip", MARIAN, ("de", "en")),
        ("round_trip", LLAMA, ("en", "de")),
        ("reference_chrf", MARIAN, ("cy", "cy")),
    ],
)
def test_a_gate_that_can_judge_is_accepted(gate: str, model: str, pair: tuple[str, str]) -> None:
    checks.validate_gate_model(RoundsConfig.model_validate({"gate": gate, "gate_model": model}), None, [pair])
