"""What must never go wrong in silence: every metric under shuffled, missing, extra and empty texts."""

from __future__ import annotations

import random
import unicodedata
from collections.abc import Callable, Mapping, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.analysis.cost import Cost
from components.comparison.comparison import Comparison, compare
from components.comparison.comparison_settings import ComparisonSettings
from components.comparison.tabulation import System
from components.metrics.error_rates.recognition import recognition_scores
from components.metrics.statistics.corpus_statistics import text_statistics
from components.metrics.translation_quality.translation import translation_scores
from components.records import Utterance
from components.run_record import Score

Texts = dict[str, str]
WORD = st.sampled_from(["ein", "Hund", "läuft", "im", "Park", "und", "lacht", "."])
LINE = st.lists(WORD, min_size=1, max_size=8).map(" ".join)
PAIRS = st.dictionaries(
    st.text("abcdé", min_size=1, max_size=3), st.tuples(LINE, LINE), min_size=1, max_size=6
)

SEVERAL = PAIRS.filter(lambda pairs: len(pairs) > 1)


def translated(references: Texts, hypotheses: Mapping[str, str], n_total: int) -> dict[str, Score]:
    listed = {key: (text,) for key, text in references.items()}
    return translation_scores(listed, hypotheses, language="de", n_total=n_total)


def recognized(references: Texts, hypotheses: Mapping[str, str], n_total: int) -> dict[str, Score]:
    return recognition_scores(references, hypotheses, language="de", n_total=n_total)


def tables(references: Texts, hypotheses: Mapping[str, str], n_total: int) -> dict[str, Score]:
    listed = {key: (text,) for key, text in references.items()}
    result = text_statistics(listed, hypotheses, language="de", n_total=n_total)
    names = ("wer", "cer")
    result |= text_statistics(listed, hypotheses, language="de", n_total=n_total, names=names)
    return {name: table.to_score() for name, table in result.items()}


Scorer = Callable[[Texts, Mapping[str, str], int], dict[str, Score]]
every = pytest.mark.parametrize("score", [translated, recognized, tables])


def shuffled(texts: Texts, seed: int) -> Texts:
    items = list(texts.items())
    random.Random(seed).shuffle(items)
    return dict(items)


def values(scores: Mapping[str, Score]) -> dict[str, tuple[float, int, int]]:
    return {name: (score.value, score.n, score.n_total) for name, score in scores.items()}


def split(pairs: Mapping[str, Sequence[str]]) -> tuple[Texts, Texts]:
    return {key: pair[0] for key, pair in pairs.items()}, {key: pair[1] for key, pair in pairs.items()}


@every
@settings(max_examples=8)
@given(pairs=PAIRS, seed=st.integers(0, 9))
def test_the_order_of_ids_is_nothing(score: Scorer, pairs: dict[str, tuple[str, str]], seed: int) -> None:
    references, hypotheses = split(pairs)
    expected = score(references, hypotheses, len(pairs))
    assert score(shuffled(references, seed), shuffled(hypotheses, seed + 1), len(pairs)) == expected


@every
@settings(max_examples=8)
@given(pairs=PAIRS, data=st.data())
def test_a_missing_output_is_counted(
    score: Scorer, pairs: dict[str, tuple[str, str]], data: st.DataObject
) -> None:
    """It is the score of the rest, and n of n_total says so."""
    references, hypotheses = split(pairs)
    lost = data.draw(st.sampled_from(sorted(hypotheses)))
    rest = {key: text for key, text in hypotheses.items() if key != lost}
    result = score(references, rest, len(pairs))
    alone = {key: text for key, text in references.items() if key != lost}
    expected = score(alone, rest, len(pairs)) if rest else {}
    assert values(result) == values(expected)
    assert all(one.n <= len(pairs) - 1 and one.n_total == len(pairs) for one in result.values())


@every
@settings(max_examples=8)
@given(pairs=PAIRS, data=st.data())
def test_an_empty_reference_is_no_reference(
    score: Scorer, pairs: dict[str, tuple[str, str]], data: st.DataObject
) -> None:
    """Nothing to be right about: not scored, counted, and it changes no score of the others."""
    references, hypotheses = split(pairs)
    silent = data.draw(st.sampled_from(sorted(references)))
    result = score(references | {silent: " "}, hypotheses, len(pairs))
    rest = {key: text for key, text in references.items() if key != silent}
    output = {key: text for key, text in hypotheses.items() if key != silent}
    expected = score(rest, output, len(pairs)) if rest else {}
    apart, before = (scores.pop("hallucinations", None) for scores in (result, expected))
    assert values(result) == values(expected)
    assert apart is None or apart.n == 1 + (before.n if before else 0)


@every
@settings(max_examples=8)
@given(pairs=PAIRS, data=st.data())
def test_texts_under_the_wrong_ids_are_another_score(
    score: Scorer, pairs: dict[str, tuple[str, str]], data: st.DataObject
) -> None:
    """Perfect outputs score perfectly; exchanged between two ids they do not, unless the texts are equal."""
    references = {key: f"Ein {text}" for key, (text, _) in pairs.items()}  # full stops alone have no words
    name, best = ("wer", 0.0) if "wer" in score(references, references, len(pairs)) else ("chrf", 100.0)
    assert score(references, references, len(pairs))[name].value == pytest.approx(best)
    one, other = (
        data.draw(st.sampled_from(sorted(references))),
        data.draw(st.sampled_from(sorted(references))),
    )
    exchanged = references | {one: references[other], other: references[one]}
    if references[one].replace(".", "").split() != references[other].replace(".", "").split():
        assert score(references, exchanged, len(pairs))[name].value != pytest.approx(best)


# The same of whole comparisons: two systems, of which the second is the first with a word more.


def compared(
    pairs: Mapping[str, tuple[str, str]],
    second: Mapping[str, str],
    order: Sequence[str] | None = None,
    **how: object,
) -> Comparison:
    utterances = [
        Utterance(id=key, text=pairs[key][0], source_language="en", references=(pairs[key][0],))
        for key in order or list(pairs)
    ]
    cost = Cost(seconds=1, peak_memory_bytes=1, calls=1)
    first = {key: hypothesis for key, (_, hypothesis) in pairs.items()}
    systems = [System("first", first, {}, cost), System("second", second, {}, cost)]
    chosen = ComparisonSettings.model_validate({"metrics": ["chrf"], **how})
    return compare(utterances, systems, chosen, language="de", source_language="en")[0]


def chrf(comparison: Comparison) -> list[float]:
    return [row.scores["chrf"].value for row in comparison.rows]


def longer(pairs: Mapping[str, tuple[str, str]]) -> Texts:
    return {unicodedata.normalize("NFC", key): f"{pair[1]} Park" for key, pair in pairs.items()}


@settings(max_examples=5)
@given(pairs=SEVERAL, seed=st.integers(0, 9))
def test_a_comparison_does_not_depend_on_the_order_of_ids(
    pairs: dict[str, tuple[str, str]], seed: int
) -> None:
    order = list(shuffled(dict.fromkeys(pairs, ""), seed))
    result = compared(pairs, shuffled(longer(pairs), seed + 1), order)
    assert result == compared(pairs, longer(pairs))


@settings(max_examples=5)
@given(pairs=SEVERAL, data=st.data())
def test_a_comparison_leaves_an_empty_reference_out(
    pairs: dict[str, tuple[str, str]], data: st.DataObject
) -> None:
    """Without a note, for nobody is to blame: n of n_total says it."""
    silent = data.draw(st.sampled_from(sorted(pairs)))
    result = compared(pairs | {silent: (" ", pairs[silent][1])}, longer(pairs))
    assert (result.n, result.n_total) == (len(pairs) - 1, len(pairs))
    rest = {key: pair for key, pair in pairs.items() if key != silent}
    assert chrf(result) == chrf(compared(rest, longer(rest)))
