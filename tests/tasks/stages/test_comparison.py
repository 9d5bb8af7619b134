from __future__ import annotations

import logging
from dataclasses import replace

import pytest

from components.analysis.comparing.comparison import compare
from components.analysis.comparing.comparison_settings import ComparisonSettings
from tasks.stages import comparison
from tests.components.analysis.test_comparison import UTTERANCES, system
from tests.reports.example_runs import stage


def test_what_a_comparison_left_out_is_a_warning_of_its_run(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    settings = ComparisonSettings()
    good = system("good", 3)
    fewer = dict(list(good.translations.items())[1:])
    systems = [system("base", 1), replace(good, translations=fewer)]
    result = compare(UTTERANCES, systems, settings, language="de", source_language="en")[0]
    tables: list[str] = []
    monkeypatch.setattr(comparison, "compute_comparison", lambda *given: stage("comparison", 1, 0, 1.0))
    monkeypatch.setattr(comparison, "read_comparison", lambda ref: result)
    monkeypatch.setattr(comparison, "publish_table", lambda rows, key, what: tables.append(f"{key}: {what}"))
    monkeypatch.setattr(comparison, "emit_event", pytest.fail)  # none is worse
    monkeypatch.setattr(comparison, "get_run_logger", lambda: logging.getLogger("run"))
    with caplog.at_level("WARNING", "run"):
        comparison.compare_runs.fn({"base": None, "good": None}, settings, None)  # type: ignore[dict-item]
    n = len(UTTERANCES)
    assert [line.getMessage() for line in caplog.records] == [f"comparison: {note}" for note in result.notes]
    assert f"1 of {n} translations left out" in caplog.text
    assert tables[0] == f"comparison: 2 systems, {n - 1} utterances"
