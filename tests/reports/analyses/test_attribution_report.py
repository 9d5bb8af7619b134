from __future__ import annotations

import io

from rich.console import Console

from components.analysis.cascade_attribution import attribute_cascade
from reports.analyses import attribution_report
from tests.components.analysis.test_attribution import (
    STAGES,
    cascade,
    deaf,
    every_other,
    faithful,
    word_by_word,
)

HUMAN = {"bleu": 100.0, "chrf": 100.0}


def test_a_blame_as_table_section_and_text() -> None:
    cases, repaired = cascade(deaf, every_other, 12)
    report, _ = attribute_cascade(cases, repaired, STAGES, "mt", len(cases), human_scores=HUMAN)
    rows = list(attribution_report.build_rows(report))
    whats = [row["what"] for row in rows if row["metric"] == "chrF2"]
    assert whats == ["asr", "mt", "transcript: words", "transcript: form"]
    assert sum(row.get("most") == "yes" for row in rows) == 2
    (section,) = attribution_report.build_sections(report)
    assert len(section.rows) == len(rows)
    assert "Spearman" in section.note
    out = Console(file=io.StringIO(), width=240, no_color=True)
    attribution_report.print_blame(report, out)
    text = out.file.getvalue()  # type: ignore[attr-defined]
    assert attribution_report.summarize(report.blames[0]) in text
    assert "oracle-substitution" in text
    dearest = report.kinds[0]
    assert f"{dearest.errors} {dearest.kind} in {dearest.utterances} utterances" in text
    assert report.wer_and_loss.pearson is not None
    assert f"Pearson {report.wer_and_loss.pearson.value:.2f} (" in " ".join(text.split())


def test_of_six_utterances_nobody_is_blamed() -> None:
    cases, repaired = cascade(deaf, every_other, 6)
    report, _ = attribute_cascade(cases, repaired, STAGES, "mt", len(cases))
    assert all(
        attribution_report.summarize(one).endswith("6 utterances: too few to tell") for one in report.blames
    )
    assert not any(row.get("most") or " to " in row["costs"] for row in attribution_report.build_rows(report))
    assert "Pearson" not in attribution_report.build_sections(report)[0].note


def test_where_nothing_is_lost_nobody_is_blamed() -> None:
    cases, repaired = cascade(faithful, word_by_word, 10)
    report, _ = attribute_cascade(cases, repaired, STAGES, "mt", len(cases), human_scores=HUMAN)
    assert all(
        attribution_report.summarize(one).endswith("mt passes on 100%; nothing is lost")
        for one in report.blames
    )
    assert not any(row.get("most") for row in attribution_report.build_rows(report))
