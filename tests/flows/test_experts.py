"""The experts flow: one model of several languages, in the store, watched, scored, served by the cascade."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from components import models
from components.attribution.contributions import CONTRIBUTION
from components.errors import ConfigError
from components.experts.routing_analysis import EXPERT_ROUTING
from flows.preset_flow import cascade, experts
from flows.python_flows.contribution import contribution
from tests.components.training.tiny import TINY, draw_lines, write_copies


@pytest.fixture
def settings(tmp_path: Path) -> dict[str, object]:
    write_copies(tmp_path, draw_lines(30, 4), languages=("en", "de", "fr"))
    toy = f"multi30k:{tmp_path}:toy"
    budget = {"max_steps": 2, "eval_every": 2, "eval_sentences": 4, "average_checkpoints": 1, "beam_size": 1}
    return {
        **{**TINY, **budget, "ffn_dim": 8, "num_experts": 4},
        **{"data": toy, "dev": toy, "target_language": "de,fr", "test_limit": 5},
        "store": str(tmp_path / "store"),
    }


@pytest.mark.usefixtures("server")
def test_trained_watched_scored_reused_and_served(settings: dict[str, object], tmp_path: Path) -> None:
    first = experts(**settings, name="first")
    assert [stage.stage for stage in first.stages] == ["training", "routing", "scores"]
    assert {"bleu_de", "bleu_fr", "chrf_de"} <= first.metrics.keys()
    assert first.metrics["bleu_fr"].n_total == 5

    layers = EXPERT_ROUTING.read(first.stages[1]).by_name()
    assert list(layers) == ["model.encoder.layers.0.fc1", "model.decoder.layers.0.fc1"]
    folder = Path(first.stages[1].path)
    rows = [json.loads(line) for line in (folder / "routing.jsonl").read_text().splitlines()]
    assert len(rows) == 2 * 5
    for name, layer in layers.items():
        assert layer.load == tuple(map(sum, zip(*(row["layers"][name] for row in rows), strict=True)))
    assert (folder / "routing.png").stat().st_size > 1000
    page = tmp_path / "store" / "runs" / "first" / "report.html"
    assert 'alt="routing"' in page.read_text(encoding="utf-8")

    again = experts(**settings, name="again")
    assert [stage.reused for stage in again.stages] == [True, True, True]
    assert again.metrics == first.metrics

    parts = contribution(run="first", limit=4, store=settings["store"])
    tables = CONTRIBUTION.read(parts.stages[-1]).systems
    assert [one.title for one in tables] == list(layers)
    for one in tables:
        assert one.n == 2 * 4
        shares = [share.share.value for share in one.shares if share.share]
        assert (len(shares), sum(shares)) == (4, pytest.approx(one.score.value - one.nobody))

    key = first.stages[0].key
    assert models.resolve(f"store:{key}", settings["store"]).architecture == "SparseMarianMTModel"
    served = cascade(
        data=f"multi30k:{tmp_path}:toy",
        limit=3,
        target_language="fr",
        mt={"model": f"store:{key}", "beam_size": 2, "n_best": 2, "max_tokens": 6, "device": "cpu"},
        store=settings["store"],
        name="served",
    )
    assert served.status == "completed"
    assert "bleu" in served.metrics


def test_bad_settings_before_any_work(settings: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match="top_k: expected 1 to 4"):
        experts(**{**settings, "top_k": 9})


def test_test_data_without_references_are_refused_before_the_training(
    settings: dict[str, object], tmp_path: Path
) -> None:
    (tmp_path / "bare.jsonl").write_text('{"id": "a", "text": "A dog."}\n', encoding="utf-8")
    with pytest.raises(ConfigError, match=r"^test: \S+: expected text with references in de, fr to score"):
        experts(**settings, test=str(tmp_path / "bare.jsonl"))
    assert not list((tmp_path / "store").glob("stages/*"))
