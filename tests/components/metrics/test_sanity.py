"""What must never go wrong in silence: every metric under shuffled, missing, extra and empty texts."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.errors import DataError
from components.metrics import recognition_scores, translation_scores
from components.metrics.sufficient import recognition_statistics, translation_statistics
from components.records import Score

Texts = dict[str, str]
WORD = st.sampled_from(["ein", "Hund", "läuft", "im", "Park", "und", "lacht", "."])
LINE = st.lists(WORD, min_size=1, max_size=8).map(" ".join)
PAIRS = st.dictionaries(
    st.text("abcdé", min_size=1, max_size=3), st.tuples(LINE, LINE), min_size=1, max_size=6
)


def translated(references: Texts, hypotheses: Mapping[str, str], n_total: int) -> dict[str, Score]:
    listed = {key: (text,) for key, text in references.items()}
    return translation_scores(listed, hypotheses, language="de", n_total=n_total)


def recognised(references: Texts, hypotheses: Mapping[str, str], n_total: int) -> dict[str, Score]:
    return recognition_scores(references, hypotheses, language="de", n_total=n_total)


def tables(references: Texts, hypotheses: Mapping[str, str], n_total: int) -> dict[str, Score]:
    listed = {key: (text,) for key, text in references.items()}
    found = translation_statistics(listed, hypotheses, language="de", n_total=n_total)
    found |= recognition_statistics(references, hypotheses, language="de", n_total=n_total)
    return {name: table.scored() for name, table in found.items()}


Scorer = Callable[[Texts, Mapping[str, str], int], dict[str, Score]]
every = pytest.mark.parametrize("score", [translated, recognised, tables])


def shuffled(texts: Texts, seed: int) -> Texts:
    items = list(texts.items())
    random.Random(seed).shuffle(items)
    return dict(items)


def values(scores: Mapping[str, Score]) -> dict[str, tuple[float, int, int]]:
    return {name: (score.value, score.n, score.n_total) for name, score in scores.items()}


def split(pairs: Mapping[str, Sequence[str]]) -> tuple[Texts, Texts]:
    return {key: pair[0] for key, pair in pairs.items()}, {key: pair[1] for key, pair in pairs.items()}


@every
@settings(max_examples=8, deadline=None)
@given(pairs=PAIRS, seed=st.integers(0, 9))
def test_the_order_of_ids_is_nothing(score: Scorer, pairs: dict[str, tuple[str, str]], seed: int) -> None:
    references, hypotheses = split(pairs)
    expected = score(references, hypotheses, len(pairs))
    assert score(shuffled(references, seed), shuffled(hypotheses, seed + 1), len(pairs)) == expected


@every
@settings(max_examples=8, deadline=None)
@given(pairs=PAIRS, data=st.data())
def test_a_missing_output_is_counted(
    score: Scorer, pairs: dict[str, tuple[str, str]], data: st.DataObject
) -> None:
    """It is the score of the rest, and n of n_total says so."""
    references, hypotheses = split(pairs)
    lost = data.draw(st.sampled_from(sorted(hypotheses)))
    rest = {key: text for key, text in hypotheses.items() if key != lost}
    found = score(references, rest, len(pairs))
    alone = {key: text for key, text in references.items() if key != lost}
    expected = score(alone, rest, len(pairs)) if rest else {}
    assert values(found) == values(expected)
    assert all(one.n <= len(pairs) - 1 and one.n_total == len(pairs) for one in found.values())


@every
@settings(max_examples=8, deadline=None)
@given(pairs=PAIRS)
def test_outputs_of_nobody_are_refused(score: Scorer, pairs: dict[str, tuple[str, str]]) -> None:
    references, hypotheses = split(pairs)
    with pytest.raises(DataError, match="expected the ids of one data set"):
        score(references, hypotheses | {"stranger": "x"}, len(pairs))
    with pytest.raises(DataError, match="none in common"):
        score(references, {f"other {key}": text for key, text in hypotheses.items()}, 2 * len(pairs))


@every
@settings(max_examples=8, deadline=None)
@given(pairs=PAIRS, data=st.data())
def test_an_empty_reference_is_no_reference(
    score: Scorer, pairs: dict[str, tuple[str, str]], data: st.DataObject
) -> None:
    """Nothing to be right about: not scored, counted, and it changes no score of the others."""
    references, hypotheses = split(pairs)
    silent = data.draw(st.sampled_from(sorted(references)))
    found = score(references | {silent: " "}, hypotheses, len(pairs))
    rest = {key: text for key, text in references.items() if key != silent}
    said = {key: text for key, text in hypotheses.items() if key != silent}
    expected = score(rest, said, len(pairs)) if rest else {}
    apart, before = (scores.pop("hallucinations", None) for scores in (found, expected))
    assert values(found) == values(expected)
    assert apart is None or apart.n == 1 + (before.n if before else 0)


@every
@settings(max_examples=8, deadline=None)
@given(pairs=PAIRS, data=st.data())
def test_texts_under_the_wrong_ids_are_another_score(
    score: Scorer, pairs: dict[str, tuple[str, str]], data: st.DataObject
) -> None:
    """Perfect outputs score perfectly; exchanged between two ids they do not, unless the texts are equal."""
    references, _ = split(pairs)
    name, best = ("wer", 0.0) if "wer" in score(references, references, len(pairs)) else ("chrf", 100.0)
    assert score(references, references, len(pairs))[name].value == pytest.approx(best)
    one, other = (
        data.draw(st.sampled_from(sorted(references))),
        data.draw(st.sampled_from(sorted(references))),
    )
    exchanged = references | {one: references[other], other: references[one]}
    if references[one].replace(".", "").split() != references[other].replace(".", "").split():
        assert score(references, exchanged, len(pairs))[name].value != pytest.approx(best)
