from __future__ import annotations

import logging
from dataclasses import replace

import pytest

from components.comparison.analysis import COMPARISON
from components.comparison.comparison import Comparison, compare
from components.comparison.comparison_settings import ComparisonSettings
from components.run_record import StageRef
from tasks.stages import analysis
from tests.components.analysis.test_comparison import UTTERANCES, system
from tests.reports.example_runs import stage


def test_what_an_analysis_left_out_is_a_warning_and_its_tables_are_published(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    settings = ComparisonSettings()
    good = system("good", 3)
    fewer = dict(list(good.translations.items())[1:])
    systems = [system("base", 1), replace(good, translations=fewer)]
    result = compare(UTTERANCES, systems, settings, language="de", source_language="en")[0]
    titles: list[str] = []

    def read(ref: StageRef) -> Comparison:
        return result

    monkeypatch.setattr(COMPARISON, "read", read)
    monkeypatch.setattr(
        analysis,
        "publish_result",
        lambda ref, tables, verdict: titles.extend([t.title for t in tables] + verdict),
    )
    monkeypatch.setattr(analysis, "emit_event", pytest.fail)  # none is worse
    monkeypatch.setattr(analysis, "get_run_logger", lambda: logging.getLogger("run"))
    with caplog.at_level("WARNING", "run"):
        analysis.publish_analysis(COMPARISON, stage("comparison", 1, 0, 1.0))
    assert [line.getMessage() for line in caplog.records] == [f"comparison: {note}" for note in result.notes]
    assert f"1 of {len(UTTERANCES)} translations left out" in caplog.text
    assert titles[:2] == ["Systems", "Cost"]
    assert titles[-1].startswith("good is better than base: ")
