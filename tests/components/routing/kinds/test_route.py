"""Routes: every utterance goes one way, by a label or a number."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.data import load
from components.errors import ConfigError
from components.nodes.measures import measure
from components.nodes.node_context import Item, NodeContext
from components.pipeline.reading.reader import read_pipeline
from components.records import NBest, Route, Utterance
from components.routing.kinds.route import RouteKind
from components.storage.store import Store
from tests.components.nodes.items import compute, item, items, nbest
from tests.components.storage.written import written as finished


def branches(values: dict[str, Any], read: list[Item]) -> list[Any]:
    return [
        one.branch if isinstance(one, Route) else one.detail for one in compute(RouteKind(), values, read)
    ]


def written(text: str, **fields: Any) -> Item:
    return Item(utterance=Utterance(**{"id": "u", "text": text, "source_language": "de", **fields}))


def test_by_language_and_domain() -> None:
    read = [written("a", source_language=code) for code in ("de", "fr", "en")]
    values: dict[str, Any] = {"by": "language", "branches": {"german": ["de"], "romance": ["fr", "es"]}}
    assert branches(values, read) == ["german", "romance", "otherwise"]
    read = [written("a", domain="talks"), written("a")]
    values = {"by": "domain", "branches": {"long": ["talks"]}, "otherwise": "short"}
    assert branches(values, read) == ["long", "short"]


def test_folds_are_those_of_the_data_set(tmp_path: Path) -> None:
    (tmp_path / "a.en").write_text("".join(f"text {n}\n" for n in range(60)))
    source = str(tmp_path / "a.en")
    whole = load(source).utterances
    sent = compute(RouteKind(), {"by": "fold", "folds": 3}, [Item(utterance=u) for u in whole])
    assert RouteKind().facts(RouteKind.settings(by="fold", folds=3)).branches == (
        "fold-1",
        "fold-2",
        "fold-3",
    )
    for number in (1, 2, 3):
        part = [one.utterance_id for one in sent if one.branch == f"fold-{number}"]
        assert 10 < len(part) < 30
        assert [u.id for u in load(f"fold:{number}/3:{source}").utterances] == part
        others = {u.id for u in load(f"fold:-{number}/3:{source}").utterances}
        assert others == {u.id for u in whole} - set(part)


def test_by_length_of_text_and_of_speech() -> None:
    assert branches({"by": "length", "above": 3}, [written("abc"), written("abcd")]) == ["keep", "escalate"]
    (speech,) = branches({"by": "length", "above": 3}, [item("u0")])
    assert "expected a text, found speech" in speech
    assert branches({"by": "seconds", "above": 2}, [item("u0"), written("abc")]) == ["escalate", "keep"]


def test_by_a_number_of_the_n_best_list() -> None:
    sure = item("u0", asr=nbest("u0", "a", "b", features={"no_speech": 0.1}))
    alone = item("u1", asr=nbest("u1", "a", features={"no_speech": 0.9}))
    assert branches({"by": "no_speech", "above": 0.5}, [sure, alone]) == ["keep", "escalate"]
    assert branches({"by": "mean_log_prob", "below": -0.4}, [sure, alone]) == ["escalate", "escalate"]
    assert branches({"by": "margin", "below": 2}, [sure, alone]) == ["escalate", "keep"]
    (fault,) = branches({"by": "no_such", "below": 2}, [sure])
    assert fault.startswith(
        "expected a number no_such, found only length, mean_log_prob, score, n_tokens, n_best, margin, "
        "confidence, no_speech, posterior, "
    )
    # Further numbers are features of the table of features (docs/evaluation/confidence.md).
    assert branches({"by": "n_words", "above": 0}, [sure]) == ["escalate"]
    # A text as it was written passes a recognizer: nothing about it is in doubt.
    assert branches({"by": "mean_log_prob", "below": -0.4}, [written("abc")]) == ["keep"]


def test_the_confidence_is_a_probability_wherever_it_comes_from() -> None:
    sure, unsure = (item("u", asr=nbest("u", "a", features=f)) for f in ({"p_correct": 0.9}, {"p_bad": 0.9}))
    raw = item("u", asr=nbest("u", "a"))  # -0.5 a token
    assert [measure("confidence", one) for one in (sure, unsure, raw)] == pytest.approx(
        [0.9, 0.1, math.exp(-0.5)]
    )
    assert branches({"below": 0.7}, [sure, unsure, raw]) == ["keep", "escalate", "escalate"]
    assert branches({"below": 0.6}, [raw]) == ["keep"]
    best = raw.nbest.best.model_copy(update={"n_tokens": 0, "score": 0.0})  # type: ignore[union-attr]
    unknown = item("u", asr=NBest(utterance_id="u", hypotheses=(best,), language="en"))
    assert (measure("confidence", unknown), branches({"below": 0.7}, [unknown])) == (None, ["keep"])


@pytest.mark.parametrize(
    ("threshold", "message"),
    [
        ({"by": "confidence", "below": 5}, "r.below: expected 0 to 1, as confidence is, found 5"),
        ({"below": -0.37}, "r.below: expected 0 to 1, as confidence is, found -0.37"),
        (
            {"by": "mean_log_prob", "below": 0.7},
            "r.below: expected at most 0, as mean_log_prob is, found 0.7; confidence, exp(mean_log_prob), is "
            "0 to 1",
        ),
        ({"by": "no_speech", "above": 60}, "r.above: expected 0 to 1, as no_speech is, found 60"),
        ({"by": "min_log_prob", "below": 1}, "r.below: expected at most 0, as min_log_prob is, found 1"),
        ({"by": "n_words", "below": -1}, "r.below: expected at least 0, as n_words is, found -1"),
        ({"by": "seconds", "above": -1}, "r.above: expected at least 0, as seconds is, found -1"),
    ],
)
def test_a_threshold_that_no_number_reaches_is_refused(threshold: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as fault:
        route_by(of="asr", **{"by": "confidence", **threshold})
    assert str(fault.value) == message


def test_the_numbers_of_tables_have_any_range() -> None:
    route_by("value", "judged", below=-78)
    route_by("confidence", "judged", above=78)  # the default of a route is the value of what it reads


@pytest.mark.parametrize(
    ("below", "n", "notes"),
    [
        (0.7, 6, ["doubt: 6 of 6 went to escalate (by confidence, below 0.7)"]),
        (0.1, 6, ["doubt: 0 of 6 went to escalate (by confidence, below 0.1)"]),
        (0.7, 4, []),
    ],
)
def test_a_route_that_sends_all_or_none_says_so(
    below: float, n: int, notes: list[str], tmp_path: Path
) -> None:
    read = [item(f"u{number}", asr=nbest(f"u{number}", "a")) for number in range(n)]
    sent = compute(RouteKind(), {"below": below}, read)
    ref = finished(Store(str(tmp_path)), "doubt", sent)
    assert RouteKind().notes(RouteKind.settings(below=below), NodeContext("doubt"), ref, None) == notes


def test_by_the_value_of_a_table() -> None:
    read = [
        item("u0", table=Route(utterance_id="u0", branch="scored", value=value)) for value in (0.5, 1.0, 2.0)
    ]
    assert branches({"by": "value", "below": 0.8, "above": 1.5}, read) == ["escalate", "keep", "escalate"]


@settings(max_examples=20)
@given(st.lists(st.text(max_size=6), min_size=1, max_size=20), st.integers(0, 6))
def test_the_ways_partition_the_data(texts: list[str], limit: int) -> None:
    read = items(*texts)
    outcomes = compute(RouteKind(), {"by": "length", "below": limit}, read)
    assert [one.utterance_id for one in outcomes] == [one.utterance.id for one in read]
    assert {one.branch for one in outcomes} <= set(
        RouteKind().facts(RouteKind.settings(by="length", below=limit)).branches
    )
    assert [one.branch == "escalate" for one in outcomes] == [len(text) < limit for text in texts]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"by": "language"}, "expected some such as {german: [de]} for by: language, found none"),
        ({"by": "score"}, "expected below or above for by: score, found neither"),
        (
            {"by": "score", "branches": {"a": ["b"]}},
            "expected below or above for the number score, found ways",
        ),
        (
            {"by": "language", "branches": {"A b": ["de"]}},
            "expected names of a-z, 0-9, '-' and '_', found 'A b'",
        ),
        (
            {"by": "language", "branches": {"a": ["de"], "b": ["de"]}},
            "expected one way each, found two for 'de'",
        ),
        ({"by": "language", "branches": {"a": ["de"]}, "above": 1}, "found a threshold"),
        ({"by": "fold"}, "expected by: fold together with folds: N, found one of them"),
        ({"by": "score", "below": 1, "folds": 3}, "expected by: fold together with folds: N"),
        ({"by": "fold", "folds": 3, "below": 1}, "expected folds: N alone, found ways, a threshold"),
    ],
)
def test_a_route_to_nowhere_is_refused(values: dict[str, Any], message: str) -> None:
    nodes = {"asr": {"kind": "recognize"}, "r": {"kind": "route", "of": "asr", **values}}
    with pytest.raises(ConfigError) as fault:
        read_pipeline({"nodes": nodes})
    assert message in str(fault.value)


def test_a_route_that_nobody_takes_is_refused() -> None:
    nodes = {"asr": {"kind": "recognize"}, "r": {"kind": "route", "of": "asr", "by": "score", "below": -3}}
    with pytest.raises(ConfigError, match="no node takes this route; add when: "):
        read_pipeline({"nodes": nodes})
    nodes["more"] = {"kind": "recognize", "when": "r.down"}
    with pytest.raises(ConfigError, match="r sends utterances to escalate, keep, none to 'down'"):
        read_pipeline({"nodes": nodes})


TEXTS: dict[str, dict[str, Any]] = {
    "asr": {"kind": "recognize"},
    "sure": {"kind": "estimate", "of": "asr", "model": "packaged:whisper-base"},
    "judged": {"kind": "score_texts", "of": "mt", "metric": "fluency:packaged:multi30k-en-de"},
    "mt": {"kind": "translate", "of": "sure"},
    "rover": {"kind": "combine", "of": ["asr", "sure"]},
    "own": {"kind": "command", "of": "asr", "run": ["cat"], "format": "text"},
    "worse": {"kind": "perturb", "of": "asr", "typos": 0.1},
    "later": {"kind": "select", "of": ["own", "asr"]},
}


def route_by(by: str | list[str], of: str, **values: Any) -> None:
    r = {"kind": "route", "by": by, "of": of, **(values or {"below": 0})}
    more = {"kind": "recognize", "when": "r.escalate"}
    read_pipeline({"nodes": {**TEXTS, "r": r, "more": more}})


@pytest.mark.parametrize(
    ("by", "of", "message"),
    [
        (
            "mean_logprob",
            "asr",
            "r.by: expected a number of asr, found mean_logprob; did you mean mean_log_prob",
        ),
        ("p_corect", "sure", "r.by: expected a number of sure, found p_corect; did you mean p_correct?"),
        ("p_correct", "asr", "r.by: expected a number of asr, found p_correct"),
        ("no_speech", "mt", "found no_speech"),
        ("no_speech", "worse", "r.by: expected a number of worse, found no_speech"),
        ("mean_log_prob", "worse", "found mean_log_prob; known: length, seconds, n_tokens, n_best, "),
        ("confidence", "worse", "r.by: expected a number of worse, found confidence"),
        ("word_ratio", "mt", "found word_ratio"),
        ("vlaue", "judged", "found vlaue; did you mean value?"),
        ("mean_log_prob", "data", "expected a number of data, found mean_log_prob; known: length, seconds"),
    ],
)
def test_a_number_that_cannot_be_there_is_refused(by: str, of: str, message: str) -> None:
    with pytest.raises(ConfigError) as fault:
        route_by(by, of)
    assert message in str(fault.value)
    assert len(str(fault.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("by", "of"),
    [
        *(("no_speech", "asr"), ("n_words", "mt"), ("p_correct", "sure"), ("p_correct", "rover")),
        *(("share:asr", "rover"), ("value", "judged"), ("seconds", "judged"), ("seconds", "data")),
        *(("mine", "own"), ("mine", "later")),
    ],
)
def test_a_number_that_can_be_there_is_taken(by: str, of: str) -> None:
    route_by(by, of)


def test_several_numbers_and_those_of_a_budget_are_checked() -> None:
    with pytest.raises(
        ConfigError, match=r"^r.by: expected a number of asr, found scroe; did you mean score"
    ):
        route_by("scroe", "asr", budget=0.3)
    with pytest.raises(ConfigError, match=r"found no_spech; did you mean no_speech\?"):
        route_by(["margin", "no_spech"], "asr", budget=0.3, tiers=["asr", "rover"], dev="sample")
