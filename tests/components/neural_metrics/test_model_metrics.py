"""A model's metric is a metric like any other: statistics, utilities, gates, tables, tuning."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from components.ensembling.kinds.combine import Combine, CombineSettings
from components.ensembling.output_level.config import SystemCombinationConfig
from components.ensembling.output_level.mert import mert
from components.ensembling.output_level.risk.mbr_utilities import (
    UtilityMetric,
    agreement_of,
    pairwise_utility,
)
from components.ensembling.output_level.risk.minimum_bayes_risk import rank_by_expected_utility
from components.errors import ConfigError, ModelError
from components.metrics.model_metric import ModelMetric, Sample, SentenceScore
from components.metrics.scoring_units import ScoringUnits
from components.metrics.statistics.corpus_statistics import measure
from components.metrics.table import METRICS, bind_metric, get_model_metric
from components.networks.comet import RegressionNetwork, sparsemax
from components.neural_metrics import factory
from components.neural_metrics.error_spans import find_error_spans, mqm_score
from components.neural_metrics.quality_metric import bind_quality_metric
from components.nodes.node_context import Item, NodeContext
from components.records import Checkpoint, Hypothesis, NBest, Quarantined, Route, Utterance
from components.refining.config import RoundsConfig
from components.refining.judging.gates import GATES
from components.refining.kinds.score_texts import ScoreSettings, ScoreTexts
from tests.components.ensembling.output_level.tiny_nbest import make_hypothesis, make_nbests
from tests.components.neural_metrics.tiny import segments

TEXTS = ["Ein Mann fährt Rad.", "Mann Fahrrad", "Zwei Hunde", "Ein Hund im Schnee."]
SOURCE = "A man is riding a bike."


def bound(name: str, folder: Path) -> ModelMetric:
    metric = bind_metric(f"{name}:{folder}")
    assert isinstance(metric, ModelMetric)
    return metric


def test_the_corpus_score_is_the_mean_and_each_alone_scores_the_same(tiny_models: dict[str, Path]) -> None:
    metric = bound("comet", tiny_models["comet"])
    table = measure(metric, segments(), 6)
    samples = metric.samples(metric.select(segments()))
    alone = [100 * metric.bound_scorer.score([sample])[0].value for sample in samples]
    assert table.rows[:, 0] == pytest.approx(np.array(alone), abs=1e-4)
    assert table.score() == pytest.approx(np.mean(alone), abs=1e-4)
    assert set(table.rows[:, 1]) == {1.0} and table.to_score().interval is None  # of fewer than 10
    assert table.signature.startswith("comet|model:comet@")


def test_two_references_count_as_the_mean_of_both(tiny_models: dict[str, Path]) -> None:
    for name in ("comet", "xcomet"):
        scorer = bound(name, tiny_models[name]).bound_scorer
        both, one, two = (
            scorer.score([Sample(TEXTS[0], SOURCE, references)])[0].value
            for references in ((TEXTS[1], TEXTS[3]), (TEXTS[1],), (TEXTS[3],))
        )
        assert both == pytest.approx((one + two) / 2, abs=1e-6)


def test_minimum_bayes_risk_embeds_each_text_once(
    tiny_models: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    metric = bound("comet", tiny_models["comet"])
    embedded: list[int] = []
    embed = RegressionNetwork.embed

    def counting(self: Any, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        embedded.append(len(ids))
        return embed(self, ids, mask)

    monkeypatch.setattr(RegressionNetwork, "embed", counting)
    utility = pairwise_utility(UtilityMetric(metric, SOURCE), TEXTS, "de")
    assert sum(embedded) == len(TEXTS) + 1  # and the source, instead of 3 times 16
    for row, text in enumerate(TEXTS):
        for column, reference in enumerate(TEXTS):
            pair = metric.bound_scorer.score([Sample(text, SOURCE, (reference,))])[0].value
            assert utility[row, column] == pytest.approx(100 * pair, abs=1e-4)


def test_the_best_expected_utility_wins_and_quality_estimation_is_a_reranking(
    tiny_models: dict[str, Path],
) -> None:
    nbests = make_nbests([make_hypothesis(text, score=-float(n)) for n, text in enumerate(TEXTS)])
    config = SystemCombinationConfig(n_best=4, scale=0.0)
    metric = bound("cometkiwi", tiny_models["cometkiwi"])
    ranked = rank_by_expected_utility(nbests, config, "de", UtilityMetric(metric, SOURCE))
    scores = {t: metric.bound_scorer.score([Sample(t, SOURCE)])[0].value for t in TEXTS}
    assert [hypothesis.text for hypothesis in ranked] == sorted(TEXTS, key=lambda text: -scores[text])


def test_agreement_is_never_negative_and_knows_the_worst_score() -> None:
    row = METRICS["metricx"]
    assert agreement_of(row, np.array([[-3.0, -25.0]])).tolist() == [[22.0, 0.0]]
    assert agreement_of(METRICS["comet"], np.array([[-3.0, 25.0]])).tolist() == [[0.0, 25.0]]
    assert agreement_of(METRICS["wer"], np.array([[-20.0, -120.0]])).tolist() == [[80.0, 0.0]]


class Lengths:
    """Scores by length: a model that a test can foresee."""

    def score(self, samples: list[Sample]) -> list[SentenceScore]:
        return [SentenceScore(len(sample.hypothesis) - len(sample.source)) for sample in samples]


@pytest.mark.parametrize(("name", "best"), [("comet", "aaaa"), ("metricx", "a")])
def test_tuning_reaches_the_best_score_of_a_model(name: str, best: str) -> None:
    metric = get_model_metric(f"{name}:x").bind(Lengths(), "lengths")
    lists = [
        make_nbests([make_hypothesis("a", score=-1.0), make_hypothesis("aaaa", score=-2.0)]) for _ in range(3)
    ]
    config = SystemCombinationConfig(method="reranking", n_best=2)
    tuned = mert(lists, [["b"]] * 3, config, "de", 0, [UtilityMetric(metric, "bb")] * 3)
    value = metric.scale * (len(best) - 2)
    assert tuned.score == pytest.approx(value if metric.higher_is_better else -value)


def test_quality_estimation_scores_what_has_no_reference() -> None:
    row = get_model_metric("cometkiwi:x").bind(Lengths(), "lengths")
    utterances = [Utterance(id=key, text="ab", source_language="en", target_language="de") for key in "xy"]
    units = ScoringUnits(utterances, "translation", "de", with_references=False)
    aligned = units.align({"x": "abcd"}, 2)
    assert aligned is not None
    table = units.measure(row, aligned, 2)
    assert (table.score(), table.ids, table.n_total) == (200.0, ("x",), 2)
    assert ScoringUnits(utterances, "translation", "de").align({"x": "abcd"}, 2) is None


def test_a_gate_estimates_translations(tiny_models: dict[str, Path]) -> None:
    config = RoundsConfig(gate="quality_estimation", gate_model=str(tiny_models["cometkiwi"]), device="cpu")
    estimate = GATES[config.gate](config, None)
    item = Utterance(id="u", text=SOURCE, source_language="en", target_language="de")
    values = estimate([item, item], TEXTS[:2])
    scorer = bound("cometkiwi", tiny_models["cometkiwi"]).bound_scorer
    assert values == pytest.approx(
        [100 * scorer.score([Sample(t, SOURCE)])[0].value for t in TEXTS[:2]], abs=1e-4
    )
    assert bind_quality_metric(str(tiny_models["xcomet"])).name == "xcomet_qe"
    with pytest.raises(ModelError, match=r"cometkiwi: expected a model such as .*regression_metric"):
        bind_quality_metric(str(tiny_models["comet"]))


def nbest(text: str) -> NBest:
    return NBest(utterance_id="u", hypotheses=(Hypothesis(text=text, score=-1.0, n_tokens=2, system="t"),))


def test_a_score_node_gives_numbers_for_routes(tiny_models: dict[str, Path]) -> None:
    settings = ScoreSettings(metric=f"cometkiwi:{tiny_models['cometkiwi']}", device="cpu")
    score = ScoreTexts().build(settings, NodeContext("qe", of=("mt",)))
    source = Utterance(id="u", text=SOURCE, source_language="en", target_language="de")
    none = Utterance(id="v", text=" ", source_language="en", target_language="de")
    with_source, without = score([Item(utterance=u, inputs={"mt": nbest(TEXTS[0])}) for u in (source, none)])
    scorer = bound("cometkiwi", tiny_models["cometkiwi"]).bound_scorer
    value = scorer.score([Sample(TEXTS[0], SOURCE)])[0].value
    assert isinstance(with_source, Route)
    assert with_source.value == pytest.approx(100 * value, abs=1e-4)
    assert without.detail == "expected source for cometkiwi, found less"


def test_a_combination_by_a_model_has_it_in_its_key_and_reads_the_source(
    tiny_models: dict[str, Path],
) -> None:
    kind, folder = Combine(), tiny_models["comet"]
    settings = CombineSettings(method="minimum_bayes_risk", utility=f"comet:{folder}")
    context = NodeContext("mbr", of=("x", "y"), translates=False)
    assert kind.facts(settings).models == {"utility": str(folder)}
    assert kind.parameters(settings, context)["utility"] == "comet"  # the model's digest stands for it
    assert (
        kind.facts(settings).reads_source
        and not kind.facts(CombineSettings(method="minimum_bayes_risk")).reads_source
    )
    assert "neural_metrics" not in kind.parameters(CombineSettings(), context)
    utterance = Utterance(id="u", text=SOURCE, source_language="en", target_language="de")
    inputs = {"x": nbest(TEXTS[0]), "y": nbest(TEXTS[2])}
    (outcome,) = kind.build(settings, context)([Item(utterance=utterance, inputs=inputs)])
    metric = bound("comet", folder)
    utility = pairwise_utility(UtilityMetric(metric, SOURCE), [TEXTS[0], TEXTS[2]], "de")
    expected = outcome.best.features["expected_utility"]
    assert expected == pytest.approx(max(utility.mean(1)), abs=1e-4)
    spoken = utterance.model_copy(update={"text": " "})
    (refused,) = kind.build(settings, context)([Item(utterance=spoken, inputs=inputs)])
    assert isinstance(refused, Quarantined) and refused.reason == "no source"
    with pytest.raises(ConfigError, match="expected one that reads no source for transcripts"):
        kind.check(settings, NodeContext("mbr", of=("x", "y"), transcripts=True))


@given(st.lists(st.floats(-3, 3, width=32), min_size=1, max_size=6))
def test_sparsemax_is_the_nearest_point_of_the_simplex(scores: list[float]) -> None:
    weights = sparsemax(torch.tensor(scores))
    assert weights.min() >= 0 and weights.sum() == pytest.approx(1, abs=1e-5)
    # Optimality: what has weight has the largest of scores less weights, and all of it alike.
    slack = torch.tensor(scores) - weights
    assert slack[weights > 0].min() == pytest.approx(float(slack.max()), abs=1e-5)


def test_spans_join_neighbors_and_one_that_is_open_at_the_end_is_dropped() -> None:
    labels = torch.tensor([[0.9, 0.1, 0], [0.1, 0.7, 0.2], [0.1, 0.3, 0.6], [1, 0, 0], [0.2, 0, 0.8]])
    offsets = [(0, 0), (0, 3), (4, 6), (6, 7), (8, 9)]
    (span,) = find_error_spans(labels, [0, 5, 6, 7, 2], offsets, ("minor", "major"), str)
    assert (span.start, span.end, span.severity, span.text) == (0, 6, "minor", "[5, 6]")
    assert span.confidence == pytest.approx(0.65)
    assert mqm_score([span]) == pytest.approx(24 / 25) and mqm_score([]) == 1.0
    assert mqm_score([span.model_copy(update={"severity": "critical"})] * 3) == 0.0


def test_what_a_similarity_signs_and_which_encoders_it_refuses(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "xlm-roberta", "num_hidden_layers": 2}')
    checkpoint = Checkpoint(
        reference=str(tmp_path), path=str(tmp_path), sha256="0" * 64, architecture="XLMRoberta"
    )
    cosine = factory.describe(get_model_metric("sentence_cosine:x"), checkpoint)
    assert cosine == f"model:{tmp_path.name}@{'0' * 12}|pooling:mean|refs:max"
    assert "|layer:" in factory.describe(get_model_metric("bertscore:x"), checkpoint)
    with pytest.raises(ModelError, match="expected the settings of a COMET model, found none"):
        factory.describe(get_model_metric("comet:x"), checkpoint)
    with pytest.raises(ModelError, match="expected a tokenizer, found none"):
        factory.load_tokenizer(tmp_path)
    (tmp_path / "modules.json").write_text('[{"type": "sentence_transformers.models.Dense"}]')
    with pytest.raises(ModelError, match="Dense; use another encoder"):
        factory.refuse_other_pooling(tmp_path)
    (tmp_path / "1_Pooling").mkdir()
    (tmp_path / "1_Pooling" / "config.json").write_text('{"pooling_mode_cls_token": true}')
    with pytest.raises(ModelError, match="expected pooling_mode_mean_tokens, found another"):
        factory.refuse_other_pooling(tmp_path)
    (tmp_path / "1_Pooling" / "config.json").write_text('{"pooling_mode_mean_tokens": true}')
    for damaged in ("{", "[3]", '[{"name": "0"}]'):
        (tmp_path / "modules.json").write_text(damaged)
        with pytest.raises(ModelError, match=r"modules\.json: expected a list of modules with their types"):
            factory.refuse_other_pooling(tmp_path)


@pytest.mark.parametrize("name", ["bertscore", "sentence_cosine"])
@pytest.mark.parametrize("config", ['{"is_encoder_decoder": true, "num_hidden_layers": 2}', "{}"])
def test_a_similarity_needs_an_encoder(name: str, config: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(config)
    checkpoint = Checkpoint(reference="m", path=str(tmp_path), sha256="0" * 64, architecture="MarianMTModel")
    with pytest.raises(ModelError, match=r"^m: expected an encoder such as packaged:all-minilm-l6-v2, found"):
        factory.validate(get_model_metric(f"{name}:m"), checkpoint)
