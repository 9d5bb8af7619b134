"""Runs in Python: rows with recordings, speakers and times, and what a notebook shows."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

import antiphon
from antiphon._rows import describe_utterance, list_rows_of_node
from components.records import Audio, Segment, Word
from components.run_record import NodeRecord, PipelineRecord
from components.storage.runs.accepted_runs import accept_run
from components.storage.store import Store
from tests.components.storage.test_store import record
from tests.components.storage.upkeep.stores import save_run
from tests.components.storage.written import written

WORDS = (Word(start=0.5, end=0.7, text=" a"), Word(start=0.8, end=1.5, text=" dog", probability=0.5))


@pytest.fixture
def run(tmp_path: Path) -> antiphon.Run:
    """Two utterances, of which the second was quarantined; the name of a node is markup."""
    store, sound = Store(str(tmp_path)), tmp_path / "a.wav"
    sound.write_bytes(b"x")
    audio = Audio(path=str(sound), sha256="0" * 64, seconds=2.0, sample_rate=16_000, offset=1.0)
    common = {"source_language": "en", "speaker": "Ada", "domain": "talks"}
    utterances = [
        antiphon.Utterance(id="a", audio=audio, transcript="A dog.", **common),
        antiphon.Utterance(id="b", text="text", **common),
    ]
    segments = (Segment(start=0.5, end=1.5, text="a dog", words=WORDS, mean_log_prob=-0.1),
                Segment(start=1.6, end=1.9, text="runs"))  # fmt: skip
    best = antiphon.Hypothesis(text="a dog runs", score=-1.0, n_tokens=3, system="x", segments=segments)
    nbest = antiphon.NBest(utterance_id="a", hypotheses=(best,))
    bad = antiphon.Quarantined(utterance_id="b", stage="asr", reason="too long", detail="a detail")
    refs = [written(store, "data", utterances), written(store, "asr", [nbest], [bad])]
    node = NodeRecord(
        name="asr", kind="recognize", output="text", reads={"of0": "data"}, models={"m": "<b>&"}
    )
    store.save_run(record("mine", stages=tuple(refs), pipeline=PipelineRecord(nodes=(node,))))
    return antiphon.load_run("mine", store=str(tmp_path))


def test_every_row_has_its_recording_speaker_and_domain(run: antiphon.Run) -> None:
    source = {"offset": 1.0, "seconds": 2.0, "speaker": "Ada", "domain": "talks"}
    for rows in (run.records(), run.records("asr"), run.records("asr", per="segment")):
        assert {name: rows[0][name] for name in source} == source
        assert str(rows[0]["audio"]).endswith("a.wav")
    assert run.records()[0]["asr"] == "a dog runs"
    first, second = run.records("asr")
    assert (first["start"], first["end"], first["text"]) == (0.5, 1.9, "a dog runs")
    assert (second["reason"], second["audio"], second["speaker"]) == ("too long", None, "Ada")


def test_segments_and_words_have_times(run: antiphon.Run) -> None:
    columns = ("id", "segment", "start", "end", "text")
    segments = [tuple(row[name] for name in columns) for row in run.records("asr", per="segment")]
    assert segments == [("a", 0, 0.5, 1.5, "a dog"), ("a", 1, 1.6, 1.9, "runs")]
    words = [tuple(row[name] for name in columns) for row in run.records("asr", per="word")]
    assert words == [("a", 0, 0.5, 0.7, "a"), ("a", 0, 0.8, 1.5, "dog")]
    with pytest.raises(antiphon.AntiphonError, match="per: expected utterance, or segment or word of a node"):
        run.records(per="word")


def test_frames_have_the_same_columns(run: antiphon.Run) -> None:
    pytest.importorskip("pandas")
    frame = run.frame("asr", per="word")
    assert list(frame["text"]) == ["a", "dog"]
    assert list(frame.index) == ["a", "a"]
    assert list(run.frame().columns)[:5] == ["audio", "offset", "seconds", "speaker", "domain"]


def test_the_path_of_a_recording(run: antiphon.Run) -> None:
    path = run.audio_path("a")
    assert path.read_bytes() == b"x"
    assert run.audio_path("b") is None
    with pytest.raises(
        antiphon.AntiphonError, match=r"id: expected one of 2 utterances, found 'aa'; did you mean a\?"
    ):
        run.audio_path("aa")
    path.unlink()
    with pytest.raises(antiphon.AntiphonError, match=r"a: expected its recording at .*a.wav, found none"):
        run.audio_path("a")


def test_a_notebook_shows_a_table_without_markup_of_others(run: antiphon.Run) -> None:
    page = run._repr_html_()
    assert "&lt;b&gt;&amp;" in page
    assert "<b>&" not in page
    assert "<th>wer</th><td>5.50</td>" in page


def test_runs_are_listed(run: antiphon.Run) -> None:
    store = run.store
    save_run(store, "newer", [], started="2026-05-01T00:00:00+00:00", flow="stack")
    accept_run(store, "mine")
    entries = antiphon.list_runs(store=store.backend.url)
    assert [(entry.name, entry.status, entry.acceptance is not None) for entry in entries] == [
        ("newer", "completed", False),
        ("mine", "completed", True),
    ]
    assert [entry.name for entry in antiphon.list_runs(store=store.backend.url, flow="stack")] == ["newer"]


def test_texts_are_exported_and_wrong_wishes_refused_in_a_line(run: antiphon.Run, tmp_path: Path) -> None:
    table, *_ = run.export(tmp_path / "texts", ["tsv"], nodes=["asr"])
    assert "a dog" in table.read_text(encoding="utf-8")
    wishes = {
        "expected a run that made texts": {},
        "format: expected some of ass, docx": {"formats": ["doc"]},
        "one of asr, found 'nt'": {"nodes": ["nt"]},
        "max_lines: expected at most 4": {"max_lines": 9},
        "did you mean max_line_width": {"max_line_widht": 40},
    }
    for message, wish in wishes.items():
        with pytest.raises(antiphon.AntiphonError, match=message):
            run.export(tmp_path / "texts", **wish)


def test_a_run_says_what_it_is_and_where(run: antiphon.Run, tmp_path: Path) -> None:
    assert repr(run) == "Run('mine', completed, wer 5.5)"
    assert run.path == tmp_path / "runs" / "mine"
    assert [utterance.id for utterance in run.utterances] == ["a", "b"]
    with pytest.raises(antiphon.AntiphonError, match="node: expected one of asr, found 'mt'"):
        run.outcomes("mt")


def test_ways_and_speech_are_columns_too(run: antiphon.Run) -> None:
    spoken = run.utterances[0]
    route = antiphon.Route(utterance_id="a", branch="long", value=2.0)
    (branch,) = list_rows_of_node(route, spoken, "a", "utterance")
    assert (branch["branch"], branch["value"], branch["speaker"]) == ("long", 2.0, "Ada")
    cut = spoken.model_copy(
        update={"audio": spoken.audio.model_copy(update={"path": "/cut.wav", "seconds": 1.0})}
    )
    (speech,) = list_rows_of_node(cut, spoken, "a", "utterance")
    assert (speech["audio"], speech["seconds"], speech["offset"]) == ("/cut.wav", 1.0, 1.0)
    row = describe_utterance(spoken, {"route": route, "cut": cut, "mt": None})
    assert (row["route"], row["cut"], row["mt"]) == ("long", "/cut.wav", None)
    row = describe_utterance(spoken, {"id": route, "transcript": cut})  # names that nodes may have
    assert (row["id"], row["transcript"]) == ("a", spoken.transcript)
    assert (row["node:id"], row["node:transcript"]) == ("long", "/cut.wav")


def test_a_frame_without_pandas_says_what_to_do(run: antiphon.Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(
        antiphon.AntiphonError, match=r"frame: expected pandas, found none; pip install pandas"
    ):
        run.frame()


def test_a_wrong_parameter_is_one_line_and_nothing_runs(tmp_path: Path) -> None:
    store = tmp_path / "store"
    with pytest.raises(
        antiphon.AntiphonError, match=r"^mt.beam_sise: no such parameter; did you mean mt.beam_size\?$"
    ):
        antiphon.run_flow("cascade", store=str(store), mt={"beam_sise": 4})
    graph = tmp_path / "graph.yaml"
    graph.write_text("nodes:\n  mt: {kind: translate, of: dat}\n", encoding="utf-8")
    with pytest.raises(antiphon.AntiphonError, match=r"^mt: there is no node .dat.; did you mean data\?$"):
        antiphon.run_pipeline(graph, store=str(store))
    assert not store.exists()


def test_a_kind_of_anothers_name_is_refused() -> None:
    class Taken(antiphon.Kind):  # type: ignore[type-arg]
        name = "translate"

    with pytest.raises(
        antiphon.AntiphonError, match=r"kind translate: expected a new name, found that of components"
    ):
        antiphon.node_kind(Taken)
