from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from components.attribution import blame as attribution_report
from components.attribution.attribution import Attribution, attribute
from components.attribution.cascade_attribution import AttributionCase, attribute_cascade
from components.attribution.error_costs import measure_correlation
from components.attribution.oracle_repair import ERROR_KINDS, FORM, WORD_ERRORS, correct_errors
from components.errors import DataError
from components.metrics.statistics.corpus_statistics import text_statistics
from components.metrics.translation_quality.translation import translation_scores
from components.records import Audio, ReferenceSegment, Utterance
from components.storage.store import Store
from tests.components.metrics.corpora import table_of
from tests.reports.page.test_report_view import stage

LEXICON = {
    **{"dog": "Hund", "cat": "Katze", "runs": "läuft", "sleeps": "schläft", "big": "großer", "tree": "Baum"},
    **{
        "the": "der",
        "a": "ein",
        "under": "unter",
        "in": "im",
        "park": "Park",
        "red": "roter",
        "ball": "Ball",
    },
}
STAGES = {"asr": ("words", "form")}


def cascade(
    hear: Callable[[str, random.Random], str], translate: Callable[[str], str], n: int = 40
) -> tuple[list[AttributionCase], dict[str, dict[str, str]]]:
    """A toy cascade on made-up sentences, with its outputs on repaired transcripts."""
    draw = random.Random(5)
    cases, repaired = [], {}
    for i in range(n):
        words = draw.choices(list(LEXICON), k=draw.randint(5, 10))
        output = " ".join(words).capitalize() + "."
        transcripts = hear(output, draw)
        spoken = Utterance(
            id=f"u{i:02d}",
            audio=Audio(path="a.wav", sha256="a" * 64, seconds=2, sample_rate=16000),
            source_language="en",
            target_language="de",
            transcript=output,
            references=(" ".join(LEXICON[word] for word in words),),
        )
        cases.append(AttributionCase(spoken, transcripts, translate(transcripts)))
        sets = {"words": WORD_ERRORS, "form": (FORM,), "words+form": ERROR_KINDS}
        for name, kinds in {**sets, **{k.replace(" ", "-"): (k,) for k in ERROR_KINDS}}.items():
            text = correct_errors(transcripts, output, kinds, "en")
            repaired.setdefault(name, {})[spoken.id] = translate(text)
    return cases, repaired


def word_by_word(text: str) -> str:
    """Knows every word whatever its case, and loses those that it does not know."""
    words = [word.strip(".").lower() for word in text.split()]
    return " ".join(LEXICON[word] for word in words if word in LEXICON)


def every_other(text: str) -> str:
    return " ".join(w if n % 2 else "Quatsch" for n, w in enumerate(word_by_word(text).split()))


def faithful(said: str, draw: random.Random) -> str:
    return said


def deaf(said: str, draw: random.Random) -> str:
    return " ".join(word if draw.random() > 0.5 else "noise" for word in said.split())


def blamed(
    hear: Callable[[str, random.Random], str], translate: Callable[[str], str]
) -> Mapping[str, Attribution]:
    cases, repaired = cascade(hear, translate)
    human = {"bleu": 100.0, "chrf": 100.0}
    report, _ = attribute_cascade(cases, repaired, STAGES, "mt", len(cases), human_scores=human)
    return {utterance.metric: utterance for utterance in report.blames}


def test_a_bad_recognizer_is_blamed() -> None:
    for utterance in blamed(deaf, word_by_word).values():
        asr, mt = utterance.stages
        assert utterance.culprit == asr.stage == "asr"
        assert utterance.all_gold.value == pytest.approx(100)
        assert asr.gap.value == pytest.approx(100 - utterance.score.value)
        assert asr.gap.interval[0] > 0
        assert (mt.gap.value, mt.retention.value) == (pytest.approx(0), pytest.approx(100))


def test_a_bad_translator_is_blamed() -> None:
    for utterance in blamed(faithful, every_other).values():
        asr, mt = utterance.stages
        assert utterance.culprit == mt.stage == "mt"
        assert (asr.gap.value, asr.retention.value) == (pytest.approx(0), pytest.approx(100))
        assert mt.gap.value == pytest.approx(100 - utterance.score.value)


def test_without_a_humans_score_nobody_is_the_culprit() -> None:
    """A human translator scores far below 100 against one reference: so does whoever is last."""
    cases, repaired = cascade(deaf, every_other)
    report, _ = attribute_cascade(cases, repaired, STAGES, "mt", len(cases))
    for blame in report.blames:
        assert (blame.culprit, blame.is_human, blame.stages[-1].retention) == (None, False, None)
        assert "most is lost" not in attribution_report.summarize(blame)
        assert "asr costs" in attribution_report.summarize(blame)
        assert re.search("; mt lacks .* not all its fault", attribution_report.summarize(blame))
        both = [stage.model_copy(update={"stage": f"{stage.stage} and b"}) for stage in blame.stages]
        together = blame.model_copy(update={"stages": tuple(both)})
        assert re.search("; mt and b lack .* not all their fault", attribution_report.summarize(together))
    rows = list(attribution_report.build_rows(report))
    assert not any("most" in row for row in rows)
    report, _ = attribute_cascade(cases, repaired, STAGES, "mt", len(cases), human_scores={"bleu": 80.0})
    bleu, chrf = report.blames
    assert bleu.culprit in {"asr", "mt"}
    assert chrf.culprit is None
    assert "of a human's 80.0 most is lost in" in attribution_report.summarize(bleu)
    product = np.prod([stage.retention.value / 100 for stage in bleu.stages if stage.retention])
    assert 80 * product == pytest.approx(bleu.score.value)


def test_when_both_are_bad_the_shares_multiply_and_shapley_adds_up() -> None:
    for utterance in blamed(deaf, every_other).values():
        product = np.prod([stage.retention.value / 100 for stage in utterance.stages])
        assert 100 * product == pytest.approx(utterance.score.value)
        assert sum(part.shapley.value for part in utterance.parts) == pytest.approx(
            utterance.all_gold.value - utterance.score.value
        )
        for estimate in (utterance.score, utterance.all_gold, *(part.gap for part in utterance.parts)):
            assert estimate.interval[0] <= estimate.value <= estimate.interval[1]


def test_the_error_rate_of_an_utterance_is_under_the_normalizer_of_the_run() -> None:
    cases, repaired = cascade(faithful, word_by_word)
    assert any(case.transcript != case.transcript.lower() for case in cases)
    cases = [replace(case, transcript=case.transcript.lower()) for case in cases]
    _, values = attribute_cascade(cases, repaired, STAGES, "mt", len(cases))
    assert not any(row["wer"] for row in values.values())
    _, values = attribute_cascade(cases, repaired, STAGES, "mt", len(cases), normalizer="none")
    assert all(row["wer"] for row in values.values())


def test_the_gap_and_its_interval_by_a_plain_loop() -> None:
    cases, repaired = cascade(deaf, every_other)
    report, values = attribute_cascade(cases, repaired, STAGES, "mt", len(cases))
    references = {case.utterance.id: case.utterance.references for case in cases}
    full = {case.utterance.id: case.output for case in cases}

    def bleu(texts: Mapping[str, str]) -> float:
        return translation_scores(references, texts, language="de", n_total=len(texts))["bleu"].value

    asr = report.blames[0].stages[0]
    assert asr.gap.value == pytest.approx(bleu(repaired["words+form"]) - bleu(full))
    tables = [
        text_statistics(references, texts, language="de", n_total=len(full), names=("bleu",))["bleu"]
        for texts in (full, repaired["words+form"])
    ]
    rng = np.random.default_rng(12345)
    draws = rng.choice(len(full), size=(10_000, len(full)))
    after, before = (table.metric.score(table.rows[draws].sum(1)) for table in tables[::-1])
    gaps = after - before
    assert asr.gap.interval == pytest.approx(tuple(np.percentile(gaps, (2.5, 97.5))))
    for result in values.values():
        assert result["shapley words"] + result["shapley form"] == pytest.approx(result["gap asr"])
        assert result["chrf"] + result["gap asr"] + result["remainder"] == pytest.approx(100)


def test_the_kind_of_error_that_costs_most() -> None:
    """A recognizer that loses content words costs by deletions of content words alone."""

    def forgetful(said: str, draw: random.Random) -> str:
        return " ".join(w for w in said.split() if w.strip(".").lower() not in ("dog", "tree", "cat", "ball"))

    cases, repaired = cascade(forgetful, word_by_word)
    report, _ = attribute_cascade(cases, repaired, STAGES, "mt", len(cases))
    dearest = report.kinds[0]
    assert dearest.kind == "deleted content words"
    assert dearest.gain.interval[0] > 0
    assert dearest.per_hundred == pytest.approx(100 * dearest.gain.value / dearest.errors)
    assert dearest.errors == sum(
        len(c.utterance.transcript.split()) - len(c.transcript.split())
        for c in cases  # type: ignore[union-attr]
    )


def test_what_cannot_be_blamed_is_refused() -> None:
    cases, repaired = cascade(faithful, word_by_word, 3)
    bare = [
        AttributionCase(c.utterance.model_copy(update={"transcript": None}), c.transcript, c.output)
        for c in cases
    ]
    with pytest.raises(DataError, match="expected spoken utterances with a reference transcript"):
        attribute_cascade(bare, repaired, STAGES, "mt", 3)
    table = table_of(np.ones((1, 1)), ids=("a",))
    with pytest.raises(DataError, match="expected the output with words gold, found none"):
        attribute({frozenset(): table}, {"asr": ["words"]}, "mt")
    other = table_of(np.ones((1, 1)), ids=("b",))
    with pytest.raises(DataError, match="same utterances"):
        attribute({frozenset(): table, frozenset(["words"]): other}, {"asr": ["words"]}, "mt")


def test_a_segment_in_which_nothing_is_said_leaves_its_recording_whole() -> None:
    """A transcript of a space ended in a KeyError."""
    cases, repaired = cascade(deaf, word_by_word, n=3)
    segments = (
        ReferenceSegment(start=0, end=1, transcript="The dog.", references=("der Hund",)),
        ReferenceSegment(start=1, end=2, transcript=" ", references=("ein Ball",)),
    )
    cut = [
        replace(c, utterance=c.utterance.model_copy(update={"reference_segments": segments})) for c in cases
    ]
    assert attribute_cascade(cut, repaired, STAGES, "mt", 3) == attribute_cascade(
        cases, repaired, STAGES, "mt", 3
    )


def test_several_languages_are_blamed_each_in_its_own() -> None:
    """The tokenizer is that of each target, the function words are those of each source."""

    def case(
        key: str, languages: tuple[str, str], said: str, heard: str, reference: str, out: str
    ) -> AttributionCase:
        sound = Audio(path="a.wav", sha256="a" * 64, seconds=2, sample_rate=16000)
        utterance = Utterance(
            id=key,
            audio=sound,
            source_language=languages[0],
            target_language=languages[1],
            transcript=said,
            references=(reference,),
        )
        return AttributionCase(utterance, heard, out)

    cases = [
        case("a", ("en", "zh"), "a dog runs", "a dog runs", "一只狗在公园里跑。", "一只猫在公园里跑。"),
        case("b", ("de", "en"), "Hund oder Katze", "Hund Katze", "a dog or a cat", "a dog a cat"),
    ]
    report, _ = attribute_cascade(cases, {"words+form": {"b": "a dog or a cat"}}, STAGES, "mt", 2)
    references = {utterance.utterance.id: utterance.utterance.references for utterance in cases}
    outputs = {one.utterance.id: one.output for one in cases}
    expected = translation_scores(references, outputs, language={"a": "zh", "b": "en"}, n_total=2)["bleu"]
    bleu = report.blames[0]
    assert bleu.score.value == pytest.approx(expected.value)
    assert "zh: nrefs:1|case:mixed|eff:no|tok:zh|" in bleu.signature
    assert [kind.kind for kind in report.kinds] == ["deleted function words"]  # oder, of four letters


def test_correlation() -> None:
    x = [1.0, 2.0, 3.0, 4.0, 9.0, 9.0, 5.0, 7.0, 6.0, 8.0]
    up = measure_correlation(x, [value**3 for value in x])
    assert up.spearman.value == pytest.approx(1)
    assert up.pearson.value == pytest.approx(np.corrcoef(x, [value**3 for value in x])[0, 1])
    assert measure_correlation(x, [1.0] * 10).pearson is None
    assert measure_correlation([], []).pearson is None
    few = measure_correlation(x[:9], x[:9])  # was 1.00 (1.00 to 1.00), of three utterances too
    assert (few.pearson, few.spearman, few.n) == (None, None, 9)


def test_every_resample_is_ranked_for_spearman() -> None:
    draw = np.random.default_rng(2)
    x, y = draw.normal(size=20), draw.normal(size=20).round()
    result = measure_correlation(x.tolist(), y.tolist()).spearman
    rows = np.random.default_rng(12345).choice(20, size=(10_000, 20))
    ranks = lambda v: (v < v[:, None]).sum(1) + (v <= v[:, None]).sum(1)  # noqa: E731 - times two
    drawn = [np.corrcoef(ranks(x[r]), ranks(y[r]))[0, 1] for r in rows]
    assert result.value == pytest.approx(np.corrcoef(ranks(x), ranks(y))[0, 1])
    assert result.interval == pytest.approx(tuple(np.percentile(drawn, (2.5, 97.5))))


def test_the_libraries_of_the_normalizer_are_in_the_key(tmp_path: Path) -> None:
    ref = stage(tmp_path, "data")
    stages = attribution_report.AttributedStages({}, "mt", {}, "open-asr")
    request = attribution_report.BlameRequest(ref, (), ref, {}, stages)
    plan = attribution_report.BLAME.plan(request, Store(str(tmp_path)))
    assert {"kaldialign", "num2words"} <= plan.libraries.keys()
