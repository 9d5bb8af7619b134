"""Degradation and external scores as a reader sees them, in the page and in the terminal."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from components.analysis.figures import save_figures
from components.comparison.comparison import Comparison, compare
from components.comparison.comparison_settings import ComparisonSettings
from components.comparison.strengths.strength_curves import read_conditions
from components.comparison.views import degradation_tables, verdict
from components.comparison.views.tables import build_tables
from components.metrics.scores_file import ExternalScores
from tests.components.analysis.test_comparison import UTTERANCES, system
from tests.reports.printing import printed


@pytest.fixture(scope="module")
def comparison() -> Comparison:
    """Two curves of two strengths each: ``a`` is clean, and worse at 0 dB; ``b`` is as bad at both."""
    of = {
        "a-20": ("good", "a", 20),
        "a-0": ("base", "a", 0),
        "b-20": ("base", "b", 20),
        "b-0": ("base", "b", 0),
    }
    systems = [
        replace(
            system(text, 1),
            name=name,
            conditions=read_conditions(
                {"n": ("perturb", {"snr_db": snr}), "mt": ("translate", {"model": model})}
            ),
        )
        for name, (text, model, snr) in of.items()
    ]
    judged = {name: {u.id: float(n) for n, u in enumerate(UTTERANCES)} for name in of}
    scores = [ExternalScores("esa", True, judged, annotators=2, agreement=0.25)]
    settings = ComparisonSettings(metrics=("bleu",))
    return compare(UTTERANCES, systems, settings, language="de", source_language="en", scores=scores)[0]


def test_sentences_tables_and_plots(comparison: Comparison, tmp_path: Path) -> None:
    (bleu,) = [degradation for degradation in comparison.degradations if degradation.metric == "bleu"]
    first, second = degradation_tables.summarize(bleu)
    lost = (bleu.curves[0].points[1].score.value - bleu.curves[0].points[0].score.value) / 2
    assert first.startswith(f"a: BLEU {lost:+.2f} (")
    assert first.endswith(" per 10 dB more noise")
    assert second.startswith("b: BLEU +0.00")
    assert second.endswith("p <0.001, more robust than a")
    assert f"{first}." in [sentence.text for sentence in verdict.describe_comparison(comparison)]
    sections = {section.title: section for section in build_tables(comparison)}
    robustness = sections["Robustness"]
    assert robustness.rows[1]["verdict"] == "more robust"
    assert list(robustness.rows[0])[2:5] == ["20", "0", "per 10 dB more noise"]
    assert [plot.title for plot in robustness.plots] == [
        "BLEU over ratio of speech to noise (dB)",
        "esa over ratio of speech to noise (dB)",
    ]
    names = {path.name for path in save_figures(robustness.plots, tmp_path)}
    assert "degradation_snr_db_bleu.png" in names
    external = sections["External scores"]
    assert "2 annotators, agreement (Krippendorff's alpha) 0.25" in external.note
    assert [row["metric"] for row in external.rows] == ["chrF2"]


def test_the_terminal_says_the_same(comparison: Comparison) -> None:
    text = printed(build_tables(comparison), 200)
    for words in ("ratio of speech to noise (dB)", "per 10 dB more noise", "more robust", "Kendall's tau"):
        assert words in text
