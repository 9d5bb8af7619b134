from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from components.recognition.backends import BACKENDS
from components.training.config import TrainingConfig
from components.translation.config import TranslationConfig
from tasks.stages import model_scores


@pytest.mark.parametrize(
    ("kind", "scorer"),
    [
        ("deliberation", "refiner"),
        ("edit_diffusion", "refiner"),
        ("language_model", "perplexity"),
        ("translation", "translations"),
    ],
)
def test_a_network_is_scored_as_it_is_used(kind: str, scorer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that revises drafts is not asked to translate, nor a language model."""

    def note(name: str) -> Any:
        return lambda *given, device: (name, *given, device)

    def note_refiner(mt: TranslationConfig, dataset: str, language: str) -> Any:
        return ("refiner", Path(mt.model), dataset, ("en", language), mt.beam_size, mt.device)

    monkeypatch.setattr(model_scores.factory, "build", lambda mt: mt)
    monkeypatch.setattr(model_scores.data, "load", lambda source, **languages: source)
    monkeypatch.setattr(model_scores.scoring, "score_translator", note_refiner)
    monkeypatch.setattr(model_scores.scoring, "score_perplexity", note("perplexity"))
    monkeypatch.setattr(model_scores.scoring, "score_translations", note("translations"))
    settings = {"kind": kind, "source_language": "en", "target_language": "de", "device": "cpu"}
    config = TrainingConfig.model_construct(**settings)
    beam = () if scorer == "perplexity" else (5,)
    scored = model_scores._score_set(config, Path("model"), "dev.tsv", 5)
    assert scored == (scorer, Path("model"), "dev.tsv", ("en", "de"), *beam, "cpu")


@pytest.mark.parametrize("kind", ["recognition", "edit_diffusion"])
def test_scores_are_computed_anew_where_what_decodes_has_changed(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_scores, "compute_once", lambda store, plan, work: plan)
    monkeypatch.setattr(model_scores, "as_prefect_state", lambda plan: plan)
    monkeypatch.setattr(model_scores, "_data_digest", lambda *given: "digest")
    settings = {"kind": kind, "source_language": "en", "target_language": "de", "device": "cpu"}
    config: Any = TrainingConfig.model_construct(**settings)

    def key() -> str:
        store: Any = None
        plan: Any = model_scores._score_on_sets(config, "x", {"": "y"}, 5, store, {"stage": "scores"})
        return str(plan.key)

    before = key()
    decodes = {"recognition": type(BACKENDS["whisper"]), "edit_diffusion": model_scores.Translator}[kind]
    monkeypatch.setattr(decodes, "version", 99)
    assert key() != before
