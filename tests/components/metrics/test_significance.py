from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF
from sacrebleu.significance import PairedTest

from components.errors import DataError
from components.metrics.choices import Test
from components.metrics.error_rates.recognition import recognition_scores
from components.metrics.statistics.corpus_statistics import CorpusStatistics, text_statistics
from components.metrics.statistics.null_distributions import correct_holm
from components.metrics.statistics.significance import compare_texts, compare_to_baseline, paired_test
from components.metrics.translation_quality.translation import translation_scores
from tests.components.metrics.corpora import REFERENCES, SYSTEMS, N, table_of


@pytest.mark.parametrize(
    ("test", "theirs", "name", "scorer"),
    [("bootstrap", "bs", "bleu", BLEU()), ("randomization", "ar", "chrf", CHRF())],
)
def test_the_p_values_of_sacrebleu(test: Test, theirs: str, name: str, scorer: BLEU | CHRF) -> None:
    """Of its own function on the lines of the file, which ids do not sort."""
    ids = list(REFERENCES)
    assert ids != sorted(ids)
    two = {system: SYSTEMS[system] for system in ("base", "alike")}
    named = [(system, [texts[key] for key in ids]) for system, texts in two.items()]
    lines = [[REFERENCES[key][0] for key in ids]]
    _, results = PairedTest(named, {name: scorer}, lines, test_type=theirs, n_samples=10_000)()
    (one,) = compare_texts(REFERENCES, two, "base", language="de", names=(name,), test=test)
    (base, result) = next(scores for system, scores in results.items() if system != "System")
    assert one.value == pytest.approx(result.score, abs=1e-9)
    assert one.p_sacrebleu == pytest.approx(result.p_value, abs=1e-12)
    assert one.p >= result.p_value
    assert one.baseline_value == pytest.approx(base.score, abs=1e-9)


def test_a_plain_loop_gives_the_same_word_error_test() -> None:
    """The bootstrap written out over utterances and words, nothing shared but the seed."""
    import jiwer

    references = {key: refs[0] for key, refs in REFERENCES.items()}
    result = compare_texts(REFERENCES, SYSTEMS, "base", language="de", names=("wer", "cer"))
    ids = list(references)

    def counts(system: str) -> list[tuple[int, int]]:
        rows = []
        for key in ids:
            clean = [
                " ".join(t.lower().replace(".", " ").split()) for t in (references[key], SYSTEMS[system][key])
            ]
            out = jiwer.process_words(*clean)
            rows.append((out.substitutions + out.deletions + out.insertions, len(clean[0].split())))
        return rows

    base, good = counts("base"), counts("good")
    rng = np.random.default_rng(12345)
    sample = rng.choice(N, size=(10_000, N), replace=True)
    rate = lambda rows, picked: 100 * sum(rows[i][0] for i in picked) / sum(rows[i][1] for i in picked)  # noqa: E731
    drawn = [rate(good, picked) - rate(base, picked) for picked in sample]
    real = rate(good, range(N)) - rate(base, range(N))
    p = (sum(abs(d - real) >= abs(real) for d in drawn) + 1) / 10_001
    difference = next(one for one in result if (one.metric, one.system) == ("wer", "good"))
    assert difference.difference == pytest.approx(real)
    assert difference.p == pytest.approx(p)
    assert difference.interval == pytest.approx(tuple(np.percentile(drawn, (2.5, 97.5))))
    assert difference.better
    assert not difference.higher_is_better


def test_what_is_reported() -> None:
    result = compare_texts(REFERENCES, SYSTEMS, "base", language="de", names=("bleu", "chrf", "ter"))
    assert [(difference.metric, difference.system) for difference in result] == [
        (metric, system) for metric in ("bleu", "chrf", "ter") for system in ("alike", "good")
    ]
    good = {one.metric: one for one in result if one.system == "good"}
    assert all(one.better for one in good.values())
    assert good["ter"].difference < 0 < good["bleu"].difference
    assert good["bleu"].family == 2
    assert good["bleu"].p_holm == pytest.approx(min(1.0, 2 * good["bleu"].p))
    assert good["bleu"].signature.startswith("nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:")
    assert good["bleu"].signature.endswith("|paired-ar:10000|two-sided|bs:10000|ci:percentile|seed:12345")
    for one in result:
        assert one.interval[0] <= one.difference <= one.interval[1]
    (turned,) = compare_texts(
        REFERENCES, {n: SYSTEMS[n] for n in ("good", "base")}, "good", language="de", names=("ter",)
    )
    assert (turned.verdict, turned.better) == ("worse", False)
    assert {one.verdict for one in result if one.system == "alike"} == {"no significant difference"}


@pytest.mark.parametrize("test", ["bootstrap", "randomization"])
def test_equal_outputs_are_no_difference(test: Test) -> None:
    twins = {"base": SYSTEMS["base"], "twin": dict(SYSTEMS["base"])}
    for difference in compare_texts(REFERENCES, twins, "base", language="de", test=test):
        assert (difference.difference, difference.interval, difference.p, difference.better) == (
            0.0,
            (0.0, 0.0),
            1.0,
            False,
        )
        assert difference.p_sacrebleu < 0.01  # its inequality is strict


Counts = np.ndarray[Any, np.dtype[np.float64]]
Score = Callable[[Counts], Counts]


def error_rate(sums: Counts) -> Counts:
    return np.asarray(100 * sums[..., 0] / sums[..., 1])


def statistics(score: Score, rows: Counts) -> CorpusStatistics:
    return table_of(rows, score)


def test_one_sentence_that_differs_of_a_thousand_is_nothing() -> None:
    """Its exact p is 1; a strict inequality made it 0.0001."""
    rows = np.stack([np.arange(1000) % 4, np.full(1000, 12)], -1).astype(float)
    changed = rows.copy()
    changed[17, 0] += 3
    difference = paired_test(
        statistics(error_rate, changed), statistics(error_rate, rows), ("a", "b"), "randomization"
    )
    assert (difference.p, difference.verdict) == (1.0, "no significant difference")
    assert difference.p_sacrebleu == pytest.approx(1 / 10001)
    by_bootstrap = paired_test(statistics(error_rate, changed), statistics(error_rate, rows), ("a", "b"))
    assert by_bootstrap.p > 0.25


@pytest.mark.parametrize("test", ["bootstrap", "randomization"])
def test_a_difference_near_zero_has_a_p_near_one(test: Test) -> None:
    """It was 0.43 at most."""
    draw = np.random.default_rng(3)
    rows = np.stack([draw.integers(0, 5, 200), np.full(200, 10)], -1).astype(float)
    other = rows.copy()
    other[:, 0] = draw.permutation(rows[:, 0])
    other[0, 0] += 1
    result = paired_test(statistics(error_rate, other), statistics(error_rate, rows), ("a", "b"), test)
    assert result.difference == pytest.approx(100 / 2000)
    assert result.p > 0.9


@pytest.mark.parametrize("test", ["bootstrap", "randomization"])
def test_below_ten_utterances_there_is_no_p_and_no_interval(test: Test) -> None:
    worse, rows = np.tile([2.0, 10.0], (10, 1)), np.tile([1.0, 10.0], (10, 1))
    nine, ten = (
        paired_test(statistics(error_rate, worse[:n]), statistics(error_rate, rows[:n]), ("a", "b"), test)
        for n in (9, 10)
    )
    assert (nine.interval, nine.p, nine.p_holm, nine.p_sacrebleu) == (None,) * 4
    assert (nine.verdict, nine.better, nine.difference) == ("too few", False, pytest.approx(10))
    assert ten.p is not None
    assert ten.interval == pytest.approx((10, 10))
    assert ten.verdict == "better"


def test_the_order_of_outputs_is_nothing_and_ids_are_joined() -> None:
    shuffled = {name: dict(sorted(texts.items(), reverse=True)) for name, texts in SYSTEMS.items()}
    result = compare_texts(REFERENCES, SYSTEMS, "base", language="de", names=("bleu",))
    assert compare_texts(REFERENCES, shuffled, "base", language="de", names=("bleu",)) == result
    tables = text_statistics(REFERENCES, SYSTEMS["good"], language="de", n_total=N, names=("bleu",))
    base = text_statistics(REFERENCES, SYSTEMS["base"], language="de", n_total=N, names=("bleu",))
    turned = tables["bleu"].subset(sorted(REFERENCES))
    assert turned.ids != base["bleu"].ids
    assert paired_test(turned, base["bleu"], ("good", "base")).interval == result[1].interval


def test_different_utterances_are_refused() -> None:
    short = dict(list(SYSTEMS["good"].items())[1:])
    lost = next(iter(SYSTEMS["good"]))
    with pytest.raises(
        DataError, match=rf"short to have the utterances of base, found 1 missing \(first '{lost}'"
    ):
        compare_texts(REFERENCES, {"base": SYSTEMS["base"], "short": short}, "base", language="de")
    with pytest.raises(DataError, match=r"1 extra .first 'new'"):
        compare_texts(
            REFERENCES | {"new": ("x",)},
            {"base": SYSTEMS["base"], "long": SYSTEMS["good"] | {"new": "x"}},
            "base",
            language="de",
        )
    with pytest.raises(DataError, match="expected the baseline among the systems base, alike, good"):
        compare_texts(REFERENCES, SYSTEMS, "bse", language="de")


def test_statistics_give_the_reported_scores() -> None:
    references = REFERENCES | {"u00": ("",)}  # an empty reference is no reference
    tables = text_statistics(references, SYSTEMS["good"], language="de", n_total=N)
    scores = translation_scores(references, SYSTEMS["good"], language="de", n_total=N)
    assert {name: (table.score(), len(table.ids)) for name, table in tables.items()} == {
        name: (pytest.approx(score.value), score.n) for name, score in scores.items()
    }
    spoken = {key: refs[0] for key, refs in references.items()}
    names = ("wer", "cer")
    rates = text_statistics(references, SYSTEMS["good"], language="de", n_total=N, names=names)
    result = recognition_scores(spoken, SYSTEMS["good"], language="de", n_total=N)
    for name in ("wer", "cer"):
        assert rates[name].score() == pytest.approx(result[name].value)
        assert len(rates[name].ids) == result[name].n == N - 1
    part = tables["bleu"].subset(["u01", "u02", "absent"])
    assert part.ids == ("u01", "u02")
    alone = {key: SYSTEMS["good"][key] for key in part.ids}
    known = {key: references[key] for key in part.ids}
    assert part.score() == pytest.approx(
        translation_scores(known, alone, language="de", n_total=N)["bleu"].value
    )


@settings(max_examples=50)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_by_its_definition(p_values: list[float]) -> None:
    """A corrected p is the smallest level at which Holm's step-down procedure rejects."""
    corrected = correct_holm(p_values)
    assert correct_holm([None, *p_values, None]) == [
        None,
        *corrected,
        None,
    ]  # what was not tested does not count
    m = len(p_values)
    for level in (0.01, 0.05, 0.2, 0.7):
        order = sorted(range(m), key=lambda i: p_values[i])
        rejected = set()
        for k, i in enumerate(order):
            if (m - k) * p_values[i] > level:
                break
            rejected.add(i)
        assert rejected == {i for i, p in enumerate(corrected) if p is not None and p <= level}


def test_what_cannot_be_compared_is_said() -> None:
    table = table_of(np.ones((20, 1)))
    with pytest.raises(DataError, match="expected the baseline among the systems a, found 'b'"):
        compare_to_baseline({"a": {"bleu": table}}, "b")
    with pytest.raises(DataError, match="expected a and b scored alike"):
        paired_test(table, replace(table, signature="tok:char"), ("a", "b"))
    empty = table.subset(())
    with pytest.raises(DataError, match="expected utterances that a and b share, found none"):
        paired_test(empty, empty, ("a", "b"))
