from __future__ import annotations

from components.attribution import blame as attribution_report
from components.attribution.blame import BLAME
from components.attribution.cascade_attribution import attribute_cascade
from tests.components.analysis.test_attribution import (
    STAGES,
    cascade,
    deaf,
    every_other,
    faithful,
    word_by_word,
)
from tests.reports.printing import printed

HUMAN = {"bleu": 100.0, "chrf": 100.0}


def test_a_blame_as_table_section_and_text() -> None:
    cases, repaired = cascade(deaf, every_other, 12)
    report, _ = attribute_cascade(cases, repaired, STAGES, "mt", len(cases), human_scores=HUMAN)
    rows = list(attribution_report.build_rows(report))
    whats = [row["what"] for row in rows if row["metric"] == "chrF2"]
    assert whats == ["asr", "mt", "transcript: words", "transcript: form"]
    assert sum(row.get("most") == "yes" for row in rows) == 2
    (table,) = BLAME.tables(report)
    assert len(table.rows) == len(rows)
    assert table.note.startswith("Over 12 of 12 utterances. WER and ")
    text = printed([table], 240)
    assert attribution_report.summarize(report.blames[0]) == BLAME.verdict(report)[0].text.removesuffix(".")
    assert "oracle-substitution" in text
    dearest = report.kinds[0]
    assert f"{dearest.errors} {dearest.kind} in {dearest.utterances} utterances" in text
    assert f"{report.wer_and_loss.pearson.value:.2f} (" in table.note


def test_of_six_utterances_nobody_is_blamed() -> None:
    cases, repaired = cascade(deaf, every_other, 6)
    report, _ = attribute_cascade(cases, repaired, STAGES, "mt", len(cases))
    assert all(
        attribution_report.summarize(one).endswith("6 utterances: too few to tell") for one in report.blames
    )
    assert not any(row.get("most") or " to " in row["costs"] for row in attribution_report.build_rows(report))
    assert BLAME.tables(report)[0].note == "Over 6 of 6 utterances."


def test_where_nothing_is_lost_nobody_is_blamed() -> None:
    cases, repaired = cascade(faithful, word_by_word, 10)
    report, _ = attribute_cascade(cases, repaired, STAGES, "mt", len(cases), human_scores=HUMAN)
    assert all(
        attribution_report.summarize(one).endswith("mt passes on 100%; nothing is lost")
        for one in report.blames
    )
    assert not any(row.get("most") for row in attribution_report.build_rows(report))


def test_what_no_human_reaches_is_said_of_the_last_translator_that_loses_anything() -> None:
    cases, repaired = cascade(deaf, every_other, 12)
    stages = {**STAGES, "mt": ()}
    references = {case.utterance.id: case.utterance.references[0] for case in cases}
    gold = repaired | {"mt": references, "words+form+mt": references}
    report, _ = attribute_cascade(cases, gold, stages, "final", len(cases))
    text = attribution_report.summarize(report.blames[0])
    lost = report.blames[0].stages[1].gap.value
    assert lost > 1
    assert f"; mt costs {lost:.1f} (" in text
    assert text.endswith(
        f"; final costs 0.0 (0.0 to 0.0); mt lacks {lost:.1f} to 100, which is not all its fault: "
        "human translators do not reach it either"
    )
    spoiled = {key: f"{output} Quatsch" for key, output in references.items()}
    gold = repaired | {"mt": spoiled, "words+form+mt": spoiled}
    report, _ = attribute_cascade(cases, gold, stages, "final", len(cases))
    text = attribution_report.summarize(report.blames[0])
    lost = report.blames[0].stages[2].gap.value
    assert text.endswith(
        f"; final lacks {lost:.1f} to 100, which is not all its fault: "
        "human translators do not reach it either"
    )
    assert "final costs" not in text
