"""How good confidences are, as a reader sees it: table, plots, terminal; and which texts are measured."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.analysis.figures import save_figures
from components.confidence.evaluation.analysis import build_rows, build_tables
from components.confidence.evaluation.quality import SignalQuality, measure_quality
from components.confidence.evaluation.scored_texts import is_annotated, read_node_texts
from components.records import Audio, Hypothesis, NBest, Quarantined, ReferenceSegment, Utterance
from components.run_record import NodeRecord, PipelineRecord, RunRecord
from components.storage.store import Store
from tests.components.confidence.evaluation.test_quality import TEXTS
from tests.components.storage.test_store import record
from tests.components.storage.written import lines_at, written
from tests.reports.printing import printed


@pytest.fixture(scope="module")
def signals() -> list[SignalQuality]:
    return measure_quality("a<b>", TEXTS, "transcript", further={"COMET": {"a": 1.0, "b": 2.0}})


def test_a_row_has_what_its_signal_has(signals: list[SignalQuality]) -> None:
    rows = {(row["predicts"], row["signal"]): row for row in build_rows(signals)}
    word = rows["the word is right", "word_confidences"]
    assert (word["of"], word["AUROC"]) == ("8 words, 37.5% wrong", "1.00")
    assert "Kendall" not in word
    assert rows["the transcript has no error", "log-probability"]["of"].startswith("3 of 4 utterances, ")
    expected = rows["WER", "expected_wer"]
    assert (expected["of"], expected["Kendall"], expected["Kendall COMET"]) == (
        "2 utterances, mean WER of utterances 16.7",
        "1.00",
        "1.00",
    )
    assert "ECE" not in expected


def test_the_section_has_plots_and_a_run_without_estimates_has_no_section(
    signals: list[SignalQuality], tmp_path: Path
) -> None:
    section, order = build_tables(signals)
    assert order.columns[3:] == ("AURC", "E-AURC", "Kendall", "Pearson", "Kendall COMET", "Pearson COMET")
    assert len(section.plots) == 5  # two reliability diagrams, three of risk
    assert "no intervals" in section.note
    assert build_tables([]) == []
    of_asr, _ = build_tables([signal.model_copy(update={"node": "asr"}) for signal in signals])
    assert tmp_path / "risk_coverage_asr_wer.png" in save_figures(of_asr.plots, tmp_path)


def test_an_error_of_too_few_bins_is_no_number(signals: list[SignalQuality]) -> None:
    text = " ".join(printed(build_tables(signals[:2]), 240).split())
    nce, auroc = (signals[1].measures[name] for name in ("nce", "auroc"))
    assert f"log-probability 8 words, 37.5% wrong too few {nce.value:.2f} {auroc.value:.2f}" in text
    assert "ECE too few: too few words or texts in different bins to tell; it takes 5 bins" in text
    section = build_tables(signals)[0]
    assert "it takes 5 bins" in section.note
    assert [row["ECE"] for row in section.rows if "ECE" in row] == ["too few"] * 4


def test_a_missing_measure_leaves_its_column_empty(signals: list[SignalQuality]) -> None:
    without_nce = {name: value for name, value in signals[1].measures.items() if name != "nce"}
    tables = build_tables([signals[0], signals[1].model_copy(update={"measures": without_nce})])
    auroc = signals[1].measures["auroc"]
    assert f"8 words, 37.5% wrong too few {auroc.value:.2f}" in " ".join(printed(tables, 240).split())


def make_run(folder: Path, utterances: list[Utterance], estimated: bool) -> RunRecord:
    features = {"expected_chrf": 50.0} if estimated else {'a "expected_chrf": text': 1.0}
    outputs = [
        NBest(
            utterance_id=utterance.id,
            hypotheses=(Hypothesis(text="x", score=-1.0, n_tokens=1, system="s", features=features),),
        )
        for utterance in utterances[1:]
    ]
    bad = Quarantined(utterance_id=utterances[0].id, stage="asr", reason="r", detail="d")
    stages = (
        written(Store(str(folder)), "data", utterances),
        written(Store(str(folder)), "asr", outputs, [bad]),
    )
    node = NodeRecord(name="asr", kind="recognize", output="text", reads={"of0": "data"}, language="source")
    pipeline = PipelineRecord(nodes=(node,), outputs={"transcript": "asr"})
    return record("mine", flow="pipeline", stages=stages, pipeline=pipeline, parameters={})


def test_texts_with_a_reference_are_measured_silence_and_segments_among_them(tmp_path: Path) -> None:
    audio = Audio(path="/x.wav", sha256="0" * 64, seconds=2.0, sample_rate=16000)
    parts = tuple(ReferenceSegment(start=n, end=n + 1, transcript=text) for n, text in enumerate("ab"))
    utterances = [
        Utterance(id="bad", audio=audio, source_language="en", transcript="x"),
        Utterance(id="said", audio=audio, source_language="en", transcript="x"),
        Utterance(id="silence", audio=audio, source_language="en", transcript=""),
        Utterance(id="talk", audio=audio, source_language="en", reference_segments=parts),
        Utterance(id="unknown", audio=audio, source_language="en"),
    ]
    run = make_run(tmp_path, utterances, estimated=True)
    (node,) = read_node_texts(run, str(tmp_path))
    assert {text.id: text.references for text in node.texts} == {
        "said": ("x",),
        "silence": ("",),
        "talk": ("a b",),
    }
    assert (node.output, node.further, node.bad_below) == ("transcript", {}, None)
    assert list(read_node_texts(run, str(tmp_path), ["mt"])) == []


@pytest.mark.parametrize("estimated", [True, False])
def test_annotated_stages_are_known_by_their_bytes(tmp_path: Path, estimated: bool) -> None:
    utterances = [Utterance(id=key, text="x", source_language="en") for key in "ab"]
    run = make_run(tmp_path, utterances, estimated)
    assert is_annotated(run.stages[1]) is estimated
    assert any(b"expected_chrf" in line for line in lines_at(run.stages[1].path))
