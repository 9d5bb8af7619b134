"""One interface for all metrics: what holds of each row of the table, and a new row that works everywhere."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from components.attribution.blame import summarize
from components.attribution.cascade_attribution import attribute_cascade
from components.attribution.contribution import measure_contribution, statistics_of_outputs
from components.comparison.comparison import compare
from components.comparison.comparison_settings import ComparisonSettings
from components.comparison.views.tables import build_score_rows, list_plots
from components.ensembling.output_level.config import SystemCombinationConfig
from components.ensembling.output_level.mert import mert
from components.errors import ComponentError, ConfigError
from components.metrics.choices import MetricChoice
from components.metrics.error_rates.error_rate import count_character_errors, count_word_errors
from components.metrics.metric import Metric, Segments, align_segments
from components.metrics.model_metric import ModelMetric
from components.metrics.statistics.bootstrap import FloatArray
from components.metrics.statistics.significance import compare_texts
from components.metrics.table import METRICS, get_metric, get_model_metric
from components.metrics.translation_quality.sacrebleu_metric import SacreBleuMetric
from components.metrics.translation_quality.translation import translation_scores
from tests.components.analysis import test_attribution
from tests.components.analysis.test_comparison import UTTERANCES, system
from tests.components.ensembling.output_level.tiny_nbest import make_hypothesis, make_nbests
from tests.components.metrics.corpora import REFERENCES, SYSTEMS, N

COUNTED = sorted(
    name
    for name, row in METRICS.items()
    if row.needs == {"reference"} and not row.needs_model and not row.needs_terms
)
"""Metrics that need nothing but texts."""
sentences = st.lists(st.sampled_from(["ein", "Hund", "läuft", "zwei", ".", "你好"]), max_size=6).map(" ".join)
rows = st.tuples(sentences, st.lists(sentences.filter(str.strip), min_size=1, max_size=2))

OWN = [name for name, metric in METRICS.items() if not metric.needs_model and not metric.needs_terms]
"""Metrics that no model computes."""


def segments_of(corpus: list[tuple[str, list[str]]], language: str = "de") -> Segments:
    ids = [str(n) for n in range(len(corpus))]
    references = {key: texts for key, (_, texts) in zip(ids, corpus, strict=True)}
    return align_segments(references, dict(zip(ids, (t for t, _ in corpus), strict=True)), language, len(ids))


@settings(max_examples=25)
@given(st.lists(rows, min_size=1, max_size=5), st.sampled_from(["bleu", "chrf", "ter"]))
def test_scores_of_sums_are_those_of_sacrebleu(corpus: list[tuple[str, list[str]]], name: str) -> None:
    metric = METRICS[name]
    assert isinstance(metric, SacreBleuMetric)
    table = metric.statistics(segments_of(corpus))
    sums = np.concatenate([table, table.sum(0, keepdims=True), np.cumsum(table, 0)])
    theirs = [metric.make("de")._compute_score_from_stats(row).score for row in sums.tolist()]
    assert metric.raw_score(sums) == pytest.approx(theirs, rel=1e-12)


@settings(max_examples=25)
@given(st.lists(rows, min_size=1, max_size=4), st.sampled_from(COUNTED))
def test_many_sums_at_once_and_none_beats_the_ceiling(corpus: list[tuple[str, list[str]]], name: str) -> None:
    metric = METRICS[name]
    segments = segments_of(corpus)
    table = metric.statistics(segments)
    assert table.shape[0] == len(segments)
    sums = np.stack([table, table[::-1]])
    scores = metric.score(sums)
    assert scores.tolist() == [[float(metric.score(row)) for row in rows_] for rows_ in sums]
    worst = scores.max() if metric.higher_is_better else -scores.min()
    assert worst <= (metric.ceiling if metric.higher_is_better else -metric.ceiling)


@pytest.mark.parametrize("name", COUNTED)
def test_a_perfect_output_reaches_the_ceiling(name: str) -> None:
    segments = segments_of([(refs[0], [refs[0]]) for refs in REFERENCES.values()])
    expected = {"hallucinations": 100.0}.get(name, METRICS[name].ceiling)  # every output has words
    assert METRICS[name].score(METRICS[name].statistics(segments).sum(0)) == pytest.approx(expected)


def test_a_metric_without_what_it_needs_is_left_out() -> None:
    segments = align_segments({"a": [""], "b": ["x"]}, {"a": "x", "b": "y"}, "de", 2)
    assert METRICS["bleu"].select(segments).ids == ("b",)

    class Aware(Share):
        needs = frozenset({"source"})

    assert Aware().select(segments).ids == ()
    with_source = align_segments({"a": [""], "b": []}, {"a": "x", "b": "y"}, "de", 2, sources={"b": "z"})
    assert Aware().select(with_source).ids == ("b",)


def test_a_name_that_is_no_metric() -> None:
    with pytest.raises(ConfigError, match=r"metric: expected one of wer, cer, .*, found 'blue'"):
        get_metric("blue")
    with pytest.raises(ValidationError, match=r"expected one of wer, cer, .*, found 'blue'"):
        ComparisonSettings.model_validate({"metrics": ["blue"]})
    assert sorted(MetricChoice().names) == sorted(OWN)
    assert ComparisonSettings.model_validate({"metrics": ["comet:hub:a/b"]}).metrics == ("comet:hub:a/b",)
    with pytest.raises(ValidationError, match="comet: expected the model that computes it, found none"):
        ComparisonSettings.model_validate({"metrics": ["comet"]})
    with pytest.raises(
        ConfigError, match=r"expected NAME:MODEL with one of comet, .*'comett:x'; did you mean"
    ):
        get_model_metric("comett:x")


@dataclass(frozen=True)
class Share(Metric):
    """Which share of an output's words the first reference has, in percent."""

    name = "share"
    label = "Shared words"
    output = "translation"
    needs = frozenset({"reference"})
    higher_is_better = True
    ceiling = 100.0

    def statistics(self, segments: Segments) -> FloatArray:
        table = []
        for text, references in zip(segments.hypotheses, segments.references, strict=True):
            words = text.split()
            table.append((sum(word in references[0].split() for word in words), len(words)))
        return np.asarray(table, np.float64)

    def score(self, sums: FloatArray) -> FloatArray:
        return 100.0 * sums[..., 0] / np.maximum(sums[..., 1], 1)

    def signature(self, segments: Segments) -> str:
        return "share of words"


@pytest.fixture
def share(monkeypatch: pytest.MonkeyPatch) -> str:
    """A new metric: one class and one row."""
    monkeypatch.setitem(METRICS, "share", Share())
    return "share"


def test_a_new_metric_is_scored_and_tested(share: str) -> None:
    score = translation_scores(REFERENCES, SYSTEMS["good"], language="de", n_total=N)[share]
    assert (score.name, score.higher_is_better, score.n) == (share, True, N)
    assert score.interval[0] <= score.value <= score.interval[1]
    assert score.signature == "share of words|bs:10000|ci:percentile|seed:12345"
    result = compare_texts(REFERENCES, SYSTEMS, "base", language="de", names=(share,))
    assert {one.system: one.verdict for one in result} == {
        "alike": "no significant difference",
        "good": "better",
    }


@pytest.mark.parametrize(
    ("counts", "found"), [(np.full((N, 2), np.nan), "NaN or infinity"), (np.ones(3), r"\(3,\)")]
)
def test_counts_that_are_none_are_refused_by_the_name_of_the_metric(
    share: str, monkeypatch: pytest.MonkeyPatch, counts: FloatArray, found: str
) -> None:
    monkeypatch.setattr(Share, "statistics", lambda self, segments: counts)
    with pytest.raises(
        ComponentError, match=rf"metric share: expected finite counts \({N}, k\).* found {found}"
    ):
        translation_scores(REFERENCES, SYSTEMS["good"], language="de", n_total=N)


def test_a_new_metric_ranks_a_comparison_and_is_drawn(share: str) -> None:
    systems = [system("base", 1), system("good", 3)]
    comparison, values = compare(
        UTTERANCES,
        systems,
        ComparisonSettings.model_validate({"metrics": [share, "bleu"]}),
        language="de",
        source_language="en",
    )
    assert comparison.ranking == share
    assert next(iter(values.values()))["good"] <= 100
    assert {bucket.by for bucket in comparison.buckets} == {"length", "domain"}
    assert "Shared words" in {row["metric"] for row in build_score_rows(comparison)}
    figures = {plot.name: plot.figure for plot in list_plots(comparison)}
    assert figures["quality_cost"].axes[0].get_ylabel() == "Shared words"
    assert "Shared words" in figures["differences"].axes[0].get_xlabel()


def test_a_new_metric_says_which_stage_loses_and_which_part_adds(share: str) -> None:
    cases, repaired = test_attribution.cascade(test_attribution.deaf, test_attribution.word_by_word)
    report, _ = attribute_cascade(
        cases, repaired, test_attribution.STAGES, "mt", len(cases), metrics=("chrf", share)
    )
    assert report.blames[1].ceiling == 100
    assert summarize(report.blames[1]).startswith("Shared words ")
    parts = {frozenset(("a",)): SYSTEMS["base"], frozenset(("a", "b")): SYSTEMS["good"]}
    tables = statistics_of_outputs(parts, REFERENCES, share, language="de", n_total=N)
    added = measure_contribution("t", ("a", "b"), tables, empty="nothing").shares[1].share
    assert added.value > 0


def test_a_new_metric_is_tuned_for(share: str) -> None:
    """The score of the systems prefers the worse text, the language model the better one."""
    references = [["ein Hund läuft"], ["zwei Männer spielen"]]
    nbests = []
    for (text,) in references:
        scored = (
            (make_hypothesis("nichts davon", score=-1.0), -5.0),
            (make_hypothesis(text, score=-9.0), -1.0),
        )
        nbests.append(make_nbests([one.model_copy(update={"features": {"lm": lm}}) for one, lm in scored]))
    config = SystemCombinationConfig.model_validate({"method": "reranking", "utility": share})
    assert mert(nbests, references, config, "de").score == 100.0


def test_nothing_to_score_has_no_sentence_scores_and_no_errors() -> None:
    nothing = Segments((), (), (), ())
    assert METRICS["chrf"].sentence_scores(nothing) == {}
    assert count_word_errors([], []) == count_character_errors([], []) == []


def test_a_metric_of_a_model_without_one_names_what_is_missing() -> None:
    row = METRICS["comet"]
    assert isinstance(row, ModelMetric)
    with pytest.raises(ConfigError, match="metric comet: expected the model that computes it"):
        _ = row.bound_scorer
