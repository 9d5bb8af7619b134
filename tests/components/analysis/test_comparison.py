from __future__ import annotations

import pytest
from pydantic import ValidationError

from components.analysis.buckets import group_utterances
from components.analysis.cost import Cost
from components.comparison.comparison import compare
from components.comparison.comparison_settings import ComparisonSettings
from components.comparison.leaderboard import find_contrasts, pareto_front, score_buckets
from components.comparison.tabulation import System
from components.errors import DataError
from components.metrics.translation_quality.translation import translation_scores
from components.records import Audio, Utterance
from tests.components.metrics.corpora import REFERENCES, SYSTEMS, N, table_of

TEXTS = {name: dict(texts) for name, texts in SYSTEMS.items()}
UTTERANCES = [
    Utterance(
        id=key,
        text=refs[0].replace("Hund", "dog"),
        source_language="en",
        target_language="de",
        references=refs,
        domain="news" if n % 3 else "talk",
    )
    for n, (key, refs) in enumerate(REFERENCES.items())
]


def cost(seconds: float) -> Cost:
    return Cost(seconds=seconds, peak_memory_bytes=10, calls=N)


def system(name: str, seconds: float, **changed: str) -> System:
    return System(name, TEXTS[name] | changed, {}, cost(seconds))


def run(*systems: System, **settings: object):  # type: ignore[no-untyped-def]
    return compare(
        UTTERANCES,
        systems,
        ComparisonSettings.model_validate(settings),
        language="de",
        source_language="en",
    )


def test_the_table() -> None:
    result, values = run(system("base", 1), system("alike", 9), system("good", 3))
    assert (result.baseline, result.ranking, result.n, result.n_total) == ("base", "bleu", N, N)
    rows = {row.system: row for row in result.rows}
    for name, row in rows.items():
        expected = translation_scores(REFERENCES, TEXTS[name], language="de", n_total=N)
        for metric in ("bleu", "chrf"):
            assert row.scores[metric].value == pytest.approx(expected[metric].value)
            assert row.scores[metric].interval == pytest.approx(expected[metric].interval)
    assert {name for name, row in rows.items() if row.pareto} == {"base", "good"}
    assert {(one.metric, one.system): (one.verdict, one.family) for one in result.differences} == {
        ("bleu", "alike"): ("no significant difference", 2),
        ("bleu", "good"): ("better", 2),
        ("chrf", "alike"): ("not tested", 0),
        ("chrf", "good"): ("not tested", 0),
    }
    best = max(values, key=lambda key: values[key]["good"] - values[key]["base"])
    gains = [one for one in result.contrasts if one.system == "good"]
    assert gains[0].utterance_id == best
    assert gains[0].gain == pytest.approx(values[best]["good"] - values[best]["base"])
    assert [one.gain for one in gains[:5]] == sorted((one.gain for one in gains[:5]), reverse=True)
    assert [one.gain for one in gains[5:]] == sorted(one.gain for one in gains[5:])
    assert gains[5].gain == min(one.gain for one in gains) < 0


def test_of_fewer_utterances_than_examples_all_losses_are_listed() -> None:
    values = {"u1": {"base": 50.0, "bad": 40.0}, "u2": {"base": 50.0, "bad": 20.0}, "u3": {"base": 9.0}}
    contrasts = find_contrasts(values, "base", 5, higher_is_better=True)
    assert [one.gain for one in contrasts] == [-30.0, -10.0]
    for higher_is_better in (True, False):
        (largest,) = find_contrasts(values, "base", 1, higher_is_better=higher_is_better)
        assert abs(largest.gain) == 30.0
    (small,) = find_contrasts({"u1": {"base": 0.5, "good": 0.9}}, "base", 5, higher_is_better=True)
    assert small.gain == pytest.approx(0.4)
    assert len(find_contrasts(dict.fromkeys("abcd", values["u1"]), "base", 5, higher_is_better=True)) == 4


def test_what_was_stated_is_the_family() -> None:
    systems = [system(name, 1) for name in ("base", "alike", "good")]
    stated = ["good versus alike in chrf", {"system": "alike"}]
    result, _ = compare(
        UTTERANCES,
        systems,
        ComparisonSettings.model_validate({"primary": stated}),
        language="de",
        source_language="en",
    )
    family = {(one.system, one.baseline, one.metric): one for one in result.differences if one.family}
    assert list(family) == [("alike", "base", "bleu"), ("good", "alike", "chrf")]
    assert {one.family for one in family.values()} == {2}
    apart = family["good", "alike", "chrf"]
    assert (apart.verdict, apart.p_holm) == ("better", pytest.approx(2 * (apart.p or 0)))
    others = [one for one in result.differences if not one.family]
    assert {one.verdict for one in others} == {"not tested"}
    assert all(one.p_holm is None and one.interval and one.detectable for one in others)


@pytest.mark.parametrize(
    ("stated", "message"),
    [
        ("goot", "expected one of base, good, found 'goot'; did you mean good"),
        ("base", "expected two systems to compare, found base and itself"),
        ("good in ter", r"expected a metric that good is scored by \(bleu, chrf\), found 'ter'"),
    ],
)
def test_a_stated_comparison_that_is_none_is_refused(stated: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        run(system("base", 1), system("good", 3), primary=[stated])


@pytest.mark.parametrize("text", ["good versus", "a b c", ""])
def test_a_text_that_states_nothing_is_refused(text: str) -> None:
    with pytest.raises(ValidationError, match=r"expected (SYSTEM, SYSTEM versus|one of)"):
        ComparisonSettings.model_validate({"primary": [text]})


def test_groups_divide_the_data_and_score_their_part() -> None:
    result, _ = run(system("base", 1), system("good", 3))
    by: dict[str, int] = {}
    for bucket in result.buckets:
        by[bucket.by] = by.get(bucket.by, 0) + bucket.n
    assert by["domain"] == by["length"] == N
    talk = next(bucket for bucket in result.buckets if bucket.label == "talk")
    ids = [difference.id for difference in UTTERANCES if difference.domain == "talk"]
    expected = translation_scores(
        {key: REFERENCES[key] for key in ids},
        {key: TEXTS["good"][key] for key in ids},
        language="de",
        n_total=N,
    )
    assert talk.values["good"] == pytest.approx(expected["bleu"].value)
    one = talk.differences["good"]
    assert one.value == pytest.approx(talk.values["good"] - talk.values["base"])
    assert one.interval[0] <= one.value <= one.interval[1]


def test_of_three_utterances_nothing_is_told() -> None:
    """One word of difference on one recording was "better", p = 0.001, interval of width 0."""
    few = UTTERANCES[:3]
    systems = [
        System(name, {difference.id: TEXTS[name][difference.id] for difference in few}, {}, cost(1))
        for name in ("base", "good")
    ]
    result, _ = compare(few, systems, ComparisonSettings(), language="de", source_language="en")
    for one in result.differences:
        assert (one.verdict, one.better, one.n) == ("too few", False, 3)
        assert (one.p, one.p_holm, one.p_sacrebleu, one.interval) == (None,) * 4
    assert all(score.interval is None for row in result.rows for score in row.scores.values())
    assert all(one.differences["good"].interval is None for one in result.buckets)


def test_a_property_of_all_is_no_group() -> None:
    kinds = {group.by for group in group_utterances(UTTERANCES)}
    assert "language" not in kinds
    assert "transcript WER" not in kinds
    rates = {difference.id: 5.0 * n for n, difference in enumerate(UTTERANCES)}
    labels = [group.label for group in group_utterances(UTTERANCES, rates) if group.by == "transcript WER"]
    assert labels == ["0%", "up to 10%", "up to 30%", "over 30%"]


def test_missing_outputs_are_counted_never_dropped_in_silence() -> None:
    lost = sorted(TEXTS["good"])[:4]
    short = System("good", {k: v for k, v in TEXTS["good"].items() if k not in lost}, {}, cost(3))
    result, _ = run(system("base", 1), short)
    assert (result.n, result.n_total) == (N - 4, N)
    assert result.notes == (f"4 of {N} translations left out: not every system has them",)
    assert [row.missing for row in result.rows] == [0, 4]
    counted, _ = run(system("base", 1), short, missing="empty")
    assert counted.n == N
    assert counted.notes == ("4 missing translations count as empty outputs",)
    empty = TEXTS["good"] | dict.fromkeys(lost, "")
    expected = translation_scores(REFERENCES, empty, language="de", n_total=N)["bleu"].value
    assert counted.rows[1].scores["bleu"].value == pytest.approx(expected)
    # What no system has is empty, too: it does not leave the data set.
    base = System("base", {k: v for k, v in TEXTS["base"].items() if k not in lost}, {}, cost(1))
    counted, _ = run(base, short, missing="empty")
    assert counted.n == N
    assert counted.notes == ("8 missing translations count as empty outputs",)
    assert counted.rows[1].scores["bleu"].value == pytest.approx(expected)


def test_what_cannot_be_compared_is_refused() -> None:
    with pytest.raises(DataError, match="different names"):
        run(system("base", 1), system("base", 1))
    with pytest.raises(DataError, match="baseline among base, good"):
        run(system("base", 1), system("good", 1), baseline="other")
    with pytest.raises(DataError, match=r"found 1 more \(first 'stranger'\)"):
        run(system("base", 1), system("good", 1, stranger="x"))
    twice = [*UTTERANCES, UTTERANCES[3]]
    with pytest.raises(DataError, match=f"every utterance once, found {UTTERANCES[3].id!r} again"):
        compare(twice, [system("base", 1)], ComparisonSettings(), language="de", source_language="en")


def test_transcripts_alone_rank_by_word_errors() -> None:
    from components.records import Audio

    sound = Audio(path="a.wav", sha256="a" * 64, seconds=2.0, sample_rate=16000)
    spoken = [
        Utterance(id=difference.id, audio=sound, source_language="de", transcript=difference.references[0])
        for difference in UTTERANCES
    ]
    systems = [System(name, {}, TEXTS[name], cost(1)) for name in ("base", "good")]
    result, values = compare(spoken, systems, ComparisonSettings(), language="und", source_language="de")
    assert result.ranking == "wer"
    best = max(values, key=lambda key: values[key]["base"] - values[key]["good"])
    assert result.contrasts[0].utterance_id == best
    assert result.contrasts[0].gain > 0
    assert next(row for row in result.rows if row.system == "good").pareto
    deaf = [System(name, {}, dict(list(TEXTS[name].items())[1:]), cost(1)) for name in ("base", "good")]
    empty = ComparisonSettings(missing="empty")
    result, _ = compare(spoken, deaf, empty, language="und", source_language="de")
    assert (result.n, result.notes) == (N, ("2 missing transcripts count as empty outputs",))


def test_pareto_by_brute_force() -> None:
    """Twenty systems on a grid of quality and seconds; ties stay together."""
    import random

    import numpy as np

    draw = random.Random(1)
    points = {f"s{n}": (draw.randint(0, 5), draw.randint(0, 5)) for n in range(20)}
    tables = {name: {"m": table_of(np.array([[q, 1.0]]))} for name, (q, _) in points.items()}
    result = pareto_front(tables, {name: cost(s) for name, (_, s) in points.items()}, "m")
    assert result == {
        a
        for a, (q, s) in points.items()
        if not any((x >= q and y <= s and (x, y) != (q, s)) for x, y in points.values())
    }
    unknown = cost(0).model_copy(update={"is_known": False})
    assert pareto_front(tables, dict.fromkeys(tables, unknown), "m") == frozenset()


def test_without_a_ranking_nothing_is_ranked() -> None:
    assert pareto_front({}, {}, None) == frozenset()
    assert score_buckets({}, (), "a", None) == ()


def test_recognizers_of_languages_without_words_are_compared_by_characters() -> None:
    audio = Audio(path="a.wav", sha256="a" * 64, seconds=2.0, sample_rate=16000)
    spoken = [
        Utterance(id=f"u{n}", audio=audio, source_language=code, transcript="今天天气很好")
        for n, code in enumerate(["zh", "jpn"] * 6)
    ]
    right = {utterance.id: str(utterance.transcript) for utterance in spoken}
    systems = [
        System("cut", {}, {key: text[:-1] for key, text in right.items()}, cost(1)),
        System("whole", {}, right, cost(1)),
    ]
    languages = {utterance.id: utterance.source_language for utterance in spoken}
    result, _ = compare(spoken, systems, ComparisonSettings(), language="und", source_language=languages)
    (difference,) = result.differences
    assert (result.ranking, difference.metric, difference.verdict) == ("cer", "cer", "better")
    mixed = [*spoken[1:], spoken[0].model_copy(update={"source_language": "en"})]
    result, _ = compare(
        mixed, systems, ComparisonSettings(), language="und", source_language=languages | {"u0": "en"}
    )
    assert result.ranking == "wer"
