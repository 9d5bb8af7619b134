"""A pruned folder: its zeros, its tokenizer, its sparse products in a search, and what it may lose."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from components.analysis.dev_scores import DevelopmentScorer
from components.data.loading import load
from components.errors import ModelError
from components.models import resolve
from components.models.loaders.loading import load_transformers
from components.pruning import pruned_folder
from components.pruning.config import PruneSettings
from components.pruning.pruned_folder import measure_loss, write_pruned
from components.pruning.sparse_linear import SparseLinear
from components.records import Hypothesis, NBest, Quarantined, Utterance
from components.translation import factory
from components.translation.config import TranslationConfig
from tests.components.training.test_initialization import save_model


@pytest.fixture
def model(tmp_path: Path) -> str:
    return save_model(tmp_path / "dense")


def settings(model: str, **values: Any) -> PruneSettings:
    return PruneSettings.model_validate({"model": model, **values})


def test_the_smallest_half_is_zero_and_the_rest_as_it_was(model: str, tmp_path: Path) -> None:
    table = write_pruned(model, None, settings(model), tmp_path / "out")
    before, after = (load_file(Path(f) / "model.safetensors") for f in (model, str(tmp_path / "out")))
    pruned = {f"{row['layer']}.weight" for row in table.rows}
    assert pruned
    for name, weight in after.items():
        if name not in pruned:
            assert torch.equal(weight, before[name]), name
            continue
        kept = weight != 0
        assert kept.float().mean().item() == pytest.approx(0.5, abs=0.01)
        assert torch.equal(weight[kept], before[name][kept])
    load_transformers(resolve(str(tmp_path / "out")), "seq2seq")  # with its tokenizer


def test_sparse_products_that_were_faster_are_used(
    model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        pruned_folder, "measure_layouts", lambda layers, *_: dict.fromkeys(layers, ("csr", 0.5))
    )
    table = write_pruned(model, None, settings(model, keep=0.1), tmp_path / "sparse")
    plain = tmp_path / "plain"
    write_pruned(model, None, settings(model, keep=0.1, sparse_products=False), plain)
    assert "a sparse product is faster in" in table.title
    config = json.loads((tmp_path / "sparse" / "config.json").read_text())
    assert set(config["sparse_layers"].values()) == {"csr"}
    assert "sparse_layers" not in json.loads((plain / "config.json").read_text())
    texts = []
    for folder in (tmp_path / "sparse", plain):
        build = TranslationConfig(
            model=str(folder), beam_size=1, n_best=1, dtype="float32", device="cpu", max_tokens=8
        )
        utterance = Utterance(id="a", text="ein hund", source_language="en", target_language="de")
        (outcome,) = factory.build(build).translate([utterance])
        texts.append(outcome.best.text)
        _, loaded, _ = factory.load_resident(str(folder), build, None)
        assert any(isinstance(m, SparseLinear) for m in loaded.model.modules()) == (folder != plain)
    assert texts[0] == texts[1]


def test_a_model_that_loses_too_much_is_refused(
    model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def measure(scorer: DevelopmentScorer, name: str, *, is_speech: bool) -> float:
        scorer.name = "bleu"
        return 30.0 if name == model else 24.0

    monkeypatch.setattr(DevelopmentScorer, "_measure", measure)
    write_pruned(model, None, settings(model), tmp_path / "out")
    assert measure_loss(model, settings(model), None, tmp_path / "out", tmp_path / "work") is None
    dev = {"dev": "sample", "dev_limit": 1}
    table = measure_loss(model, settings(model, **dev), None, tmp_path / "out", tmp_path / "work")
    assert table.title == "What pruning costs: bleu 30.00 -> 24.00"
    with pytest.raises(ModelError, match=r"expected to lose at most 2, found 30.000 -> 24.000"):
        measure_loss(model, settings(model, **dev, tolerance=2), None, tmp_path / "out", tmp_path / "work")


def test_texts_that_a_model_cannot_translate_count_as_empty(
    model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a model would gain by failing where it is bad."""

    class Failing:
        def translate(self, utterances: list[Utterance]) -> list[NBest | Quarantined]:
            first, *others = utterances
            text = Hypothesis(text=first.references[0], score=0.0, n_tokens=1, system="m")
            bad = [Quarantined(utterance_id=u.id, stage="mt", reason="r", detail="NaN") for u in others]
            return [NBest(utterance_id=first.id, hypotheses=(text,)), *bad]

    monkeypatch.setattr(factory, "build", lambda *_: Failing())
    dataset = load("sample", limit=3)
    score = DevelopmentScorer(dataset, "chrf", "cpu", None, tmp_path / "scores.json")(model)
    assert 0 < score < 70


def test_a_layout_that_is_none_is_refused(model: str, tmp_path: Path) -> None:
    write_pruned(model, None, settings(model), tmp_path / "out")
    path = tmp_path / "out" / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "sparse_layers": {"encoder": "odd"}}))
    build = TranslationConfig(model=str(tmp_path / "out"), dtype="float32", device="cpu")
    with pytest.raises(ModelError, match=r"expected sparse_layers .* with a layout of dense, bsr, csr"):
        factory.load_resident(str(tmp_path / "out"), build, None)
