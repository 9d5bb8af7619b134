"""Laws of the shares over real scores, each against plain scoring."""

from __future__ import annotations

import random
from collections.abc import Mapping
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.attribution.contribution import measure_contribution, statistics_of_outputs
from components.errors import DataError
from components.metrics.statistics.corpus_statistics import CorpusStatistics
from components.metrics.statistics.shapley import Coalition, all_coalitions
from components.metrics.translation_quality.translation import translation_scores
from tests.components.metrics.corpora import table_of

WORDS = ["ein", "rot", "blau", "hund", "katze", "baum", "haus", "läuft", "sieht", "über"]
PARTS = ("a", "b", "null", "copy of a")


def outputs(seed: int = 0) -> tuple[dict[Coalition, dict[str, str]], dict[str, tuple[str]]]:
    """Each of a and b repairs words of its own; the copy does what a does, and null does nothing."""
    draw = random.Random(seed)
    references, sets = {}, {kept: {} for kept in all_coalitions(PARTS)[1:]}
    for n in range(12):
        output = draw.choices(WORDS, k=draw.randint(4, 9))
        mends = {"a": draw.sample(range(len(output)), 2), "b": draw.sample(range(len(output)), 3), "null": []}
        mends["copy of a"] = mends["a"]
        references[f"u{n}"] = (" ".join(output),)
        for kept, texts in sets.items():
            good = {place for part in kept for place in mends[part]} | {0}
            texts[f"u{n}"] = " ".join(w if i in good else "x" for i, w in enumerate(output))
    everywhere = {f"u{n}": references[f"u{n}"][0].split()[0] for n in range(12)}
    return {frozenset(): everywhere, **sets}, references


def test_efficiency_null_player_and_copies_on_chrf() -> None:
    given_, references = outputs()
    for one in given_.values():  # nobody puts out what null alone does
        assert one.keys() == references.keys()
    given_[frozenset()] = given_[frozenset({"null"})]
    values = statistics_of_outputs(given_, references, "chrf", language="de", n_total=12)
    result = measure_contribution("toy", PARTS, values, empty="null's output")
    shares = {one.part: one.share.value for one in result.shares}  # type: ignore[union-attr]
    lost = {one.part: one.lost.value for one in result.shares}  # type: ignore[union-attr]
    assert sum(shares.values()) == pytest.approx(result.score.value - result.nobody)
    assert shares["null"] == pytest.approx(0)
    assert shares["a"] == pytest.approx(shares["copy of a"])
    assert (lost["a"], lost["copy of a"], lost["null"]) == pytest.approx((0, 0, 0))
    assert lost["b"] > 0
    for one in result.shares:
        assert one.share.interval[0] <= one.share.value <= one.share.interval[1]


def test_the_numbers_are_those_of_plain_scoring_and_resampling() -> None:
    given_, references = outputs(1)
    values = statistics_of_outputs(given_, references, "bleu", language="de", n_total=12)
    result = measure_contribution("toy", PARTS, values, empty="one word")

    def bleu(texts: Mapping[str, str]) -> float:
        return translation_scores(references, texts, language="de", n_total=12)["bleu"].value

    everyone = frozenset(PARTS)
    for one in result.shares:
        assert one.alone.value == pytest.approx(bleu(given_[frozenset({one.part})]))
        assert one.lost.value == pytest.approx(bleu(given_[everyone]) - bleu(given_[everyone - {one.part}]))
    rows = np.random.default_rng(12345).choice(12, size=(10_000, 12))
    whole, less = values[everyone], values[everyone - {"b"}]
    all_of_them, without = (table.metric.score(table.rows[rows].sum(1)) for table in (whole, less))
    drawn = all_of_them - without
    assert result.shares[1].lost.interval == pytest.approx(tuple(np.percentile(drawn, (2.5, 97.5))))  # type: ignore[union-attr]


def table(value: float, better: bool = True) -> CorpusStatistics:
    rows = np.array([[value], [value]])
    return table_of(rows, lambda sums: sums[..., 0] / 2, higher_is_better=better)


@given(st.lists(st.floats(-50, 50), min_size=2, max_size=7), st.booleans())
@settings(max_examples=20)
def test_rounds_share_what_they_add_and_sum_to_the_whole(scores: list[float], better: bool) -> None:
    names = [f"round {n}" for n in range(1, len(scores))]
    values = {frozenset(names[:n]): table(score, better) for n, score in enumerate(scores)}
    result = measure_contribution("rounds", names, values, empty="the draft")
    shares = [one.share.value for one in result.shares if one.share]
    sign = 1 if better else -1
    assert shares == pytest.approx([sign * (b - a) for a, b in pairwise(scores)], abs=1e-6)
    assert sum(shares) == pytest.approx(sign * (scores[-1] - scores[0]), abs=1e-6)
    assert (result.shares[0].lost is None) == (len(names) > 1)


def test_more_than_six_parts_have_no_shapley_values_but_leave_one_out() -> None:
    names = [f"p{n}" for n in range(8)]
    everyone = frozenset(names)
    values = {everyone: table(3.0), frozenset[str](): table(1.0)}
    values |= {everyone - {name}: table(2.5) for name in names}
    result = measure_contribution("many", names, values, empty="nothing")
    assert [one.lost.value for one in result.shares if one.lost] == pytest.approx([0.5] * 8)
    assert all(one.share is None and one.alone is None for one in result.shares)


def test_words_saved_are_positive_and_an_empty_output_is_all_deletions() -> None:
    references = {"u": ("a dog runs home",), "v": ("two cats",)}
    outputs = {frozenset({"x"}): {"u": "a dog runs", "v": "two cats"}}
    values = statistics_of_outputs(outputs, references, "wer", language="en", n_total=3)
    (share,) = measure_contribution("members of asr", ["x"], values, empty="no output").shares
    assert values[frozenset()].score() == pytest.approx(100)
    assert share.share.value == pytest.approx(100 - 100 / 6)


def test_words_are_counted_under_the_normalizer_that_is_set() -> None:
    outputs = {frozenset({"x"}): {"u": "a dog", "v": "Two cats."}}
    references = {"u": ("A dog.",), "v": ("Two cats.",)}
    for normalizer, wer in (("by-language", 0.0), ("none", 50.0)):
        tables = statistics_of_outputs(
            outputs, references, "wer", language="en", n_total=2, normalizer=normalizer
        )
        assert tables[frozenset({"x"})].score() == pytest.approx(wer)


def test_utterances_that_a_set_lacks_are_left_out_for_all() -> None:
    references = dict.fromkeys("uvw", ("ein hund",))
    given_ = {frozenset({"x"}): dict.fromkeys("uv", "ein hund"), frozenset[str](): dict.fromkeys("vw", "x")}
    values = statistics_of_outputs(given_, references, "bleu", language="de", n_total=3)
    assert {one.ids for one in values.values()} == {("v",)}
    assert {one.n_total for one in values.values()} == {3}
    with pytest.raises(DataError, match="expected utterances with a reference for bleu, found none"):
        statistics_of_outputs(given_, {}, "bleu", language="de", n_total=3)
    with pytest.raises(DataError, match="of all parts and of none"):
        measure_contribution("x", ["x"], {frozenset({"x"}): table(1.0)}, empty="")
