"""Which utterances the page of a large run shows, and what it says of all."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from components.analysis.measuring.overview import GroupOverview, Overview, TextOverview
from components.analysis.table import Column
from components.metrics.statistics.bootstrap import Estimate
from reports.analyses.group_table import build_group_section
from reports.analyses.verdict import suggest_first_look
from reports.analyses.word_errors import WordErrors
from reports.page import sample
from reports.page.sample import sample_view
from reports.plots.run_plots import list_plots
from reports.views.run_view import RunView
from tests.reports.example_runs import cascade

SCORES = {"wer": Estimate(value=12.0, interval=(10.0, 14.0))}


@pytest.fixture
def view(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunView:
    for name, value in {"LARGE": 5, "SHOWN": 3}.items():
        monkeypatch.setattr(sample, name, value)
    return cascade(tmp_path, 8)


def overview(*ids: str) -> Overview:
    spoken = TextOverview(
        output="transcript",
        metric="wer",
        worst=ids,
        histogram=(0, *(2 for _ in range(19))),
        errors=1000,
        half=7,
    )
    written = spoken.model_copy(update={"output": "translation", "metric": "chrf", "worst": ids[::-1]})
    group = GroupOverview(by="speaker", value="ann", n=5, scores=SCORES)
    return Overview(texts=(spoken, written), groups=(group,), n_groups={"speaker": 30})


def test_the_worst_by_each_score_come_first(view: RunView) -> None:
    ids = [utterance.id for utterance in view.utterances]
    shown = sample_view(replace(view, overview=overview(*ids[2:])))
    assert [utterance.id for utterance in shown.utterances] == [ids[2], ids[7], ids[3]]
    assert shown.sample.startswith("3 of 8 utterances: the worst by WER and by chrF2. ")
    assert shown.n_utterances == 8


def test_without_scores_the_first_are_shown_and_with_numbers_of_an_analysis_the_worst_by_these(
    view: RunView,
) -> None:
    ids = [utterance.id for utterance in view.utterances]
    first = sample_view(view)
    assert [utterance.id for utterance in first.utterances] == ids[:3]
    assert first.sample.startswith("3 of 8 utterances: the first; nothing was scored.")
    values = {key: {"gap": float(number)} for number, key in enumerate(ids)}
    ranked = sample_view(replace(view, columns=[Column("gap", "gap, largest first")], values=values))
    assert [utterance.id for utterance in ranked.utterances] == ids[:-4:-1]


def test_a_page_that_shows_all_says_nothing_of_a_sample(tmp_path: Path) -> None:
    view = cascade(tmp_path, 4)
    assert sample_view(view) is view


def test_tables_and_histograms_are_of_all_utterances(view: RunView) -> None:
    shown = sample_view(replace(view, overview=overview(view.utterances[0].id)))
    values, *_ = list_plots(shown)["wer_histogram"].data
    assert len(values) == 38 and values[0] == 7.5  # type: ignore[arg-type, index]
    (sentence,) = suggest_first_look(WordErrors(shown), shown.overview)
    assert sentence.text == "Half of the 1,000 word errors are in 7 utterances."
    table = build_group_section(shown)
    assert table.rows == ({"group": "speaker", "is": "ann", "utterances": "5", "WER": "12.0 (10.0 to 14.0)"},)
    assert table.note.endswith("of 1,000 resamples; the largest 20 of 30 by speaker.")
