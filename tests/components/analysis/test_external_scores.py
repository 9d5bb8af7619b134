"""External scores in a comparison: tested, ranked and grouped as a metric, with what is left out counted."""

from __future__ import annotations

import numpy as np
import pytest

from components.comparison.comparison import Comparison, compare
from components.comparison.comparison_settings import ComparisonSettings
from components.comparison.views.tables import build_tables
from components.comparison.views.verdict import describe_comparison
from components.errors import ConfigError
from components.metrics.scores_file import ExternalScores
from components.metrics.statistics.bootstrap import draw_counts
from tests.components.analysis.test_comparison import UTTERANCES, system
from tests.components.metrics.corpora import N

IDS = [utterance.id for utterance in UTTERANCES]
BASE = {key: 50.0 + n % 7 for n, key in enumerate(IDS)}
GOOD = {key: value + 1 + n % 3 for n, (key, value) in enumerate(BASE.items())}


def run(scores: ExternalScores, **settings: object) -> tuple[Comparison, dict[str, dict[str, float]]]:
    systems = [system("base", 1), system("alike", 9), system("good", 3)]
    comparison_settings = ComparisonSettings.model_validate(settings)
    return compare(
        UTTERANCES, systems, comparison_settings, language="de", source_language="en", scores=[scores]
    )


def judged(higher_is_better: bool = True, **values: dict[str, float]) -> ExternalScores:
    return ExternalScores("esa", higher_is_better, values, annotators=2, agreement=0.5)


def test_the_mean_is_tested_as_a_metric() -> None:
    result, _ = run(judged(base=BASE, good=GOOD, alike=BASE), ranking="esa")
    tests = {one.system: one for one in result.differences if one.metric == "esa"}
    gain = np.array(list(GOOD.values())) - np.array(list(BASE.values()))
    drawn = [counts @ gain / N for part in draw_counts(N) for counts in part]
    assert tests["good"].difference == pytest.approx(gain.mean())
    assert tests["good"].interval == pytest.approx(np.percentile(drawn, (2.5, 97.5)))
    assert (tests["good"].verdict, tests["alike"].verdict) == ("better", "no significant difference")
    assert tests["good"].family == 2  # Holm
    assert {one.verdict for one in result.differences if one.metric == "bleu"} == {"not tested"}
    (judgements,) = result.judgements
    assert (judgements.n, judgements.n_total, judgements.agreement) == (N, N, 0.5)
    worse, _ = run(judged(False, base=BASE, good=GOOD, alike=BASE), ranking="esa")
    assert {one.verdict for one in worse.differences if (one.metric, one.system) == ("esa", "good")} == {
        "worse"
    }


def test_it_may_rank() -> None:
    result, values = run(judged(base=BASE, good=GOOD, alike=BASE), ranking="esa")
    assert result.ranking == "esa"
    assert values[IDS[0]] == {"base": BASE[IDS[0]], "good": GOOD[IDS[0]], "alike": BASE[IDS[0]]}
    assert {one.gain for one in result.contrasts if one.system == "good"} == {3.0}
    assert sum(bucket.n for bucket in result.buckets if bucket.by == "length") == N
    shares = [{key: value / 100 for key, value in of.items()} for of in (BASE, GOOD)]
    result, _ = run(judged(base=shares[0], good=shares[1]), ranking="esa")
    assert "good is better than base: +0.020 esa (95% +0.0" in describe_comparison(result)[-1].text
    assert build_tables(result)[-1].rows[0]["esa gained"] == "+0.030"
    with pytest.raises(ConfigError, match=r"ranking: expected a score .* found 'eza'; did you mean esa"):
        run(judged(base=BASE, good=GOOD, alike=BASE), ranking="eza")


def test_what_is_not_shared_is_left_out_and_counted() -> None:
    part = dict(list(GOOD.items())[5:]) | {"u99": 1.0}
    result, _ = run(judged(base=BASE, good=part, god=GOOD))
    (difference,) = [one for one in result.differences if one.metric == "esa"]
    assert (difference.n, difference.n_total) == (N - 5, N)
    assert result.notes == (
        f"esa: {N} scores of 1 other system left out (first 'god'; did you mean good?)",
        "esa: 1 ids that the data lack left out (first 'u99'; did you mean u39?)",
        "esa: no scores of alike",
        f"esa: {N - 5} of {N} scored items are shared by base, good; the others are left out",
    )


def test_scores_of_nothing_that_is_compared_are_refused() -> None:
    with pytest.raises(ConfigError, match="esa: expected scores of base, alike, good, found none of them"):
        run(judged(best=GOOD))
    with pytest.raises(ConfigError, match="expected items that all systems have, found none"):
        run(judged(base={IDS[0]: 1.0}, good={IDS[1]: 1.0}))


def test_they_are_correlated_with_what_scores_single_utterances() -> None:
    _, chrf = run(judged(base=BASE, good=GOOD, alike=BASE))
    same = {name: {key: of[name] for key, of in chrf.items()} for name in ("base", "good", "alike")}
    result, _ = run(judged(**same))
    (correlation,) = [one for one in result.correlations if one.metric == "chrf"]
    assert (correlation.systems, correlation.n) == (3, N)
    for estimate in (correlation.pearson, correlation.kendall):
        assert estimate.value == pytest.approx(1)
    flipped, _ = run(judged(False, **{n: {k: -v for k, v in of.items()} for n, of in same.items()}))
    assert flipped.correlations[0].pearson == correlation.pearson
