"""Equality with unbabel-comet 2.2.7, MetricX-24 and bert-score at tiny made-up weights (make_goldens.py)."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from transformers import BertConfig

from components import models
from components.metrics.model_metric import Sample, SentenceScorer
from components.metrics.table import get_model_metric
from components.neural_metrics import factory
from components.neural_metrics.metricx import MetricXScorer
from components.neural_metrics.similarity import BertScorer
from tests.components.neural_metrics import recipe
from tests.components.neural_metrics.tiny import GOLDENS, HERE, samples, tensors_of, write_comet

CLOSE = {"rel": 1e-4, "abs": 2e-6}

CASES = [
    ("comet", "comet", "src+mt+ref"),
    ("comet", "comet-norm", "src+mt+ref"),
    ("cometkiwi", "comet-qe", "src+mt"),
    ("cometkiwi", "cometkiwi", "src+mt"),
    ("comet", "unite", "src+mt+ref"),
    ("cometkiwi", "unite", "src+mt"),
    ("xcomet", "xcomet", "src+mt+ref"),
    ("xcomet_qe", "xcomet", "src+mt"),
]


@pytest.mark.parametrize(("metric", "name", "fields"), CASES)
def test_comet_equals_unbabels(metric: str, name: str, fields: str, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("ANTIPHON_CACHE", str(tmp_path / "cache"))
    folder = write_comet(name, tmp_path / "model")
    row = get_model_metric(f"{metric}:{folder}")
    checkpoint = models.resolve(str(folder))
    factory.validate(row, checkpoint)
    scorer = factory.load_scorer(row, checkpoint, "cpu")
    golden = GOLDENS[name][fields]
    scores = scorer.score(samples(fields))
    assert [score.value for score in scores] == pytest.approx([entry["score"] for entry in golden], **CLOSE)
    for score, entry in zip(scores, golden, strict=True):
        spans = [span.model_dump() for span in score.spans]
        assert [span.pop("confidence") for span in spans] == pytest.approx(
            [span["confidence"] for span in entry.get("spans", [])], rel=1e-3
        )
        assert spans == [{k: v for k, v in s.items() if k != "confidence"} for s in entry.get("spans", [])]


@pytest.mark.parametrize("fields", ["src+mt+ref", "src+mt"])
def test_metricx_equals_googles(fields: str, metricx: SentenceScorer) -> None:
    golden = [entry["score"] for entry in GOLDENS["metricx"][fields]]
    scores = metricx.score(samples(fields))
    assert [score.value for score in scores] == pytest.approx(golden, **CLOSE)
    assert len(set(golden)) > 4


@pytest.fixture(scope="module")
def metricx(tmp_path_factory: pytest.TempPathFactory) -> SentenceScorer:
    """MetricX as Google publishes it: ``pytorch_model.bin``, and a tokenizer from elsewhere."""
    root = tmp_path_factory.mktemp("metricx")
    folder = root / "model"
    folder.mkdir()
    tensors = tensors_of("metricx")
    tensors["lm_head.weight"] *= 12
    torch.save(
        {**tensors, "encoder.embed_tokens.weight": tensors["shared.weight"]}, folder / "pytorch_model.bin"
    )
    config = {**recipe.MT5, "model_type": "mt5", "architectures": ["MT5ForRegression"]}
    (folder / "config.json").write_text(json.dumps(config))
    shutil.copytree(HERE / "mt5", folder / "encoder")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ANTIPHON_CACHE", str(root / "cache"))
        checkpoint = models.resolve(str(folder))
        factory.validate(get_model_metric("metricx:x"), checkpoint)
        scorer = factory.load_scorer(get_model_metric("metricx:x"), checkpoint, "cpu")
    assert isinstance(scorer, MetricXScorer)
    return MetricXScorer(scorer.model, scorer._tokenizer, max_tokens=64)


def test_bertscore_equals_its_library(tmp_path: Path) -> None:
    shutil.copytree(HERE / "xlmr", tmp_path, dirs_exist_ok=True)
    vocabulary = GOLDENS["bertscore"]["shapes"]["embeddings.word_embeddings.weight"][0]
    config = BertConfig(vocab_size=vocabulary, pad_token_id=1, architectures=["BertModel"], **recipe.ENCODER)
    config.save_pretrained(tmp_path)
    save_file(tensors_of("bertscore"), tmp_path / "model.safetensors", metadata={"format": "pt"})
    scorer = factory.load_scorer(get_model_metric("bertscore:x"), models.resolve(str(tmp_path)), "cpu")
    assert isinstance(scorer, BertScorer)
    second = BertScorer(scorer.model, scorer._tokenizer, layer=2)
    second._max_tokens = 62
    rows = [Sample(mt, "", (reference,)) for _, mt, reference in recipe.SENTENCES]
    values = [score.value for score in second.score(rows)]
    expected = list(GOLDENS["bertscore"]["f1"])
    assert values[4] == 0.0  # an empty text has no token that counts
    assert values[:4] + values[5:] == pytest.approx(expected, **CLOSE)
