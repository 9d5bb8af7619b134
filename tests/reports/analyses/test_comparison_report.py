from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from components.analysis import formatting
from components.analysis.figures import save_figures
from components.comparison.comparison import Comparison, compare
from components.comparison.comparison_settings import ComparisonSettings
from components.comparison.views import tables as comparison_report
from components.metrics.statistics.bootstrap import Estimate
from tests.components.analysis.test_comparison import UTTERANCES, system
from tests.reports.printing import printed


@pytest.fixture(scope="module")
def comparison() -> Comparison:
    systems = [system("base", 1), system("alike", 9), system("good", 3)]
    return compare(UTTERANCES, systems, ComparisonSettings(), language="de", source_language="en")[0]


def test_rows_sections_and_plots(comparison: Comparison, tmp_path: Path) -> None:
    rows = {(row["system"], row["metric"]): row for row in comparison_report.build_score_rows(comparison)}
    assert list(rows) == [
        (name, metric) for name in ("base", "alike", "good") for metric in ("BLEU", "chrF2")
    ]
    assert rows["good", "BLEU"]["verdict"] == "better"
    assert (
        rows["alike", "BLEU"]["verdict"]
        == "no significant difference; this test could only detect 14 BLEU or more"
    )
    assert rows["good", "chrF2"]["verdict"] == "not tested"
    assert rows["good", "chrF2"]["p"] == ""
    assert rows["base", "BLEU"]["verdict"] == "baseline"
    good = next(one for one in comparison.differences if (one.system, one.metric) == ("good", "bleu"))
    assert "({:+.2f} to {:+.2f})".format(*(good.interval or ())) in rows["good", "BLEU"]["difference"]
    assert [row["system"] for row in comparison_report.build_cost_rows(comparison)] == [
        "base",
        "alike",
        "good",
    ]
    output = comparison_report.build_tables(comparison)[0].note
    assert output.startswith("Differences to base on ")
    protocol = comparison_report.build_tables(comparison)[0].protocol
    assert (
        protocol.count("|paired-ar:10000|two-sided|bs:10000|ci:percentile|seed:12345") == 2
    )  # BLEU's protocol and chrF's
    titles = [section.title for section in comparison_report.build_tables(comparison)]
    assert titles == ["Systems", "Cost", "Groups", "Largest differences"]
    groups, largest = comparison_report.build_tables(comparison)[2:]
    assert groups.note.startswith("BLEU, and its difference")
    assert groups.columns[:3] == ("group", "is", "utterances")
    assert "chrF2 gained" in largest.rows[0]  # BLEU is of all utterances together
    files = save_figures(comparison_report.list_plots(comparison), tmp_path)
    assert {path.name for path in files} == {f"{name}.png" for name in ("quality_cost", "differences")}
    assert all(path.stat().st_size > 1000 for path in files)


def test_the_terminal(comparison: Comparison) -> None:
    text = printed(comparison_report.build_tables(comparison))
    assert text.count("no significant difference; this test could only detect 14 BLEU or more") == 1
    wrapped = " ".join(text.split())
    assert "p (approximate randomization) after Holm's correction over the 2 comparisons stated" in wrapped
    assert "stated before (BLEU); others were not tested" in wrapped
    assert "paired-ar:10000|two-sided|bs:10000|ci:percentile|seed:12345" in text
    for name, gains in (("good", True), ("good", False), ("alike", True)):
        most = next(c for c in comparison.contrasts if c.system == name and (c.gain > 0) == gains)
        assert re.search(rf"{name} +{most.utterance_id} +{re.escape(f'{most.gain:+.1f}')}", text)


def test_a_stated_comparison_with_another_system_has_a_line_of_its_own() -> None:
    systems = [system("base", 1), system("alike", 9), system("good", 3)]
    settings = ComparisonSettings.model_validate({"primary": ["good versus alike in chrf"]})
    result = compare(UTTERANCES, systems, settings, language="de", source_language="en")[0]
    rows = [
        row["verdict"]
        for row in comparison_report.build_score_rows(result)
        if (row["system"], row["metric"]) == ("good", "chrF2")
    ]
    assert rows == ["not tested", "than alike: better"]
    text = printed(comparison_report.build_tables(result))
    assert "than alike: better" in text
    assert "p (approximate randomization) of the one comparison stated before (chrF2)" in text


def test_of_three_utterances_the_verdict_is_that_they_are_too_few(tmp_path: Path) -> None:
    few = UTTERANCES[:3]
    systems = [
        replace(one, translations={u.id: one.translations[u.id] for u in few})
        for one in (system("base", 1), system("good", 3))
    ]
    result = compare(few, systems, ComparisonSettings(), language="de", source_language="en")[0]
    text = printed(comparison_report.build_tables(result))
    assert text.count("3 utterances: too few to tell") == 2
    row = next(row for row in comparison_report.build_score_rows(result) if row["system"] == "good")
    assert (row["p"], row["verdict"]) == ("", "3 utterances: too few to tell")
    assert re.fullmatch(r"[+-][0-9.]+", row["difference"])
    assert save_figures(comparison_report.list_plots(result), tmp_path)


def test_p_values() -> None:
    nothing = Estimate(value=-0.001, interval=(-0.004, 0.0))
    assert formatting.format_estimate(nothing) == "+0.00 (+0.00 to +0.00)"
    assert [formatting.format_p_value(p) for p in (0.0004, 0.0312, 1.0)] == ["<0.001", "0.031", "1.000"]


def test_without_references_nothing_is_tested_nor_drawn() -> None:
    bare = [one.model_copy(update={"references": ()}) for one in UTTERANCES]
    systems = [system("base", 1), system("good", 3)]
    result = compare(bare, systems, ComparisonSettings(), language="de", source_language="en")[0]
    assert (result.ranking, comparison_report.list_plots(result)) == (None, ())
    (note,) = [table.note for table in comparison_report.build_tables(result) if table.title == "Systems"]
    assert note.startswith("No comparison was tested: the systems have no texts with references in common.")
