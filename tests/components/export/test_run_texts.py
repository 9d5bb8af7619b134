"""The texts of a run in every format: what stands in the files, and what they are called."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from components.errors import ConfigError
from components.export.beside_report import MAX_RECORDINGS, write_texts_beside_report
from components.export.export import encode_single, write_run
from components.export.format import ExportSettings
from components.export.format_names import TextFormat
from components.export.run_texts import RunTexts
from components.records import Utterance
from components.run_record import RunRecord
from tests.components.export.example_run import TRANSLATIONS, nbest, new_store, spoken, stretch
from tests.components.export.example_run import write_run as store_run

SETTINGS = ExportSettings()


@pytest.fixture
def run(tmp_path: Path) -> RunRecord:
    return store_run(new_store(tmp_path))


def files(run: RunRecord, folder: Path, *formats: TextFormat, **more: object) -> dict[str, str]:
    texts = RunTexts(run)
    export = write_run(texts, texts.outputs, formats, ExportSettings(**more), folder)  # type: ignore[arg-type]
    return {path.name: path.read_bytes().decode() for path in export.files}


def test_a_file_per_recording_and_stretches_in_order(run: RunRecord, tmp_path: Path) -> None:
    made = files(run, tmp_path / "out", "txt", "srt")
    assert sorted(made) == [
        "bad.de.srt",
        "bad.de.txt",
        "bad.en.srt",
        "bad.en.txt",
        "talk-2.de.srt",
        "talk-2.de.txt",
        "talk-2.en.srt",
        "talk-2.en.txt",
        "talk.de.srt",
        "talk.de.txt",
        "talk.en.srt",
        "talk.en.txt",
    ]
    assert made["talk.en.txt"] == "Good morning.\n\nIt is =1+1 today.\n\nThe end.\n"
    assert made["talk.en.srt"] == (
        "1\n00:00:00,100 --> 00:00:01,900\nGood morning.\n\n"
        "2\n00:00:04,000 --> 00:00:06,900\nIt is =1+1 today.\n\n"
        "3\n00:00:10,500 --> 00:00:12,400\nThe end.\n\n"
    )
    assert made["talk-2.de.txt"] == "=Ja.\n"


def test_a_translation_without_times_has_those_of_its_transcript(run: RunRecord, tmp_path: Path) -> None:
    srt = files(run, tmp_path / "out", "srt")["talk.de.srt"]
    assert srt.startswith("1\n00:00:00,000 --> 00:00:0")
    assert "00:00:10,500 --> 00:00:12,400\nDas Ende." in srt


def test_bilingual(run: RunRecord, tmp_path: Path) -> None:
    made = files(run, tmp_path / "out", "srt", "txt", bilingual=True)
    assert "10,500 --> 00:00:12,400\nThe end.\nDas Ende." in made["talk.en-de.srt"]
    assert made["talk.en-de.txt"].endswith("\n\nThe end.\nDas Ende.\n")
    assert "talk.en.srt" in made


def test_what_another_branch_gave_a_text_is_not_missing(tmp_path: Path) -> None:
    run = store_run(new_store(tmp_path), translations=(*TRANSLATIONS, nbest("bad", "Doch.")))
    texts = RunTexts(run)
    assert write_run(texts, ["mt"], ["txt"], SETTINGS, tmp_path / "mt").quarantined == []
    (missing,) = write_run(texts, ["asr", "mt"], ["txt"], SETTINGS, tmp_path / "both").quarantined
    assert (missing.utterance_id, missing.stage) == ("bad", "asr")


def test_a_table_of_all(run: RunRecord, tmp_path: Path) -> None:
    made = files(run, tmp_path / "out", "tsv")
    assert sorted(made) == ["talks.de.tsv", "talks.en.tsv"]
    assert made["talks.en.tsv"] == (
        "recording\tid\tsegment\tstart\tend\tlanguage\tspeaker\ttext\tsource\tconfidence\tquarantined\n"
        "talk\ttalk@0\t1\t0.000\t1.200\ten\tBob\tGood morning.\t\t0.779\t\n"
        "talk\ttalk@0\t2\t4.000\t6.000\ten\tBob\tIt is =1+1 today.\t\t0.779\t\n"
        "talk\ttalk@10\t1\t10.500\t11.500\ten\tAnn\tThe end.\t\t0.607\t\n"
        "talk-2\tother\t1\t0.000\t4.000\ten\t\tYes.\t\t0.779\t\n"
        "bad\tbad\t\t\t\ten\t\t\t\t\tasr: no sound: expected speech, found none\n"
    )
    german = made["talks.de.tsv"].splitlines()
    assert german[1].split("\t")[7:9] == [
        "Guten Morgen. Heute ist es =1+1.",
        "Good morning. It is =1+1 today.",
    ]
    assert german[3].split("\t")[7] == "'=Ja."  # no formula


def test_json_as_whisper_writes_it(run: RunRecord, tmp_path: Path) -> None:
    made = files(run, tmp_path / "out", "json", "jsonl")
    document = json.loads(made["talk.en.json"])
    assert (document["language"], document["text"]) == ("en", "Good morning. It is =1+1 today. The end.")
    first = document["segments"][0]
    assert (first["id"], first["start"], first["end"], first["text"]) == (0, 0.0, 1.2, "Good morning.")
    assert first["words"][1] == {"word": " morning.", "start": 0.5, "end": 1.0, "probability": 0.3}
    lines = [json.loads(line) for line in made["talks.en.jsonl"].splitlines()]
    assert [line["id"] for line in lines] == ["talk@0", "talk@10", "other", "bad"]
    assert lines[3]["quarantined"]["reason"] == "no sound"


def test_parquet(run: RunRecord, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    texts = RunTexts(run)
    write_run(texts, ["asr"], ["parquet"], SETTINGS, tmp_path)
    table = parquet.read_table(tmp_path / "talks.en.parquet").to_pylist()
    assert [row["start"] for row in table] == [0.0, 4.0, 10.5, 0.0, None]
    assert table[1]["text"] == "It is =1+1 today."


def test_words_of_low_confidence_are_marked(run: RunRecord, tmp_path: Path) -> None:
    made = files(run, tmp_path / "out", "vtt", "txt", low=0.5)
    assert "Good <c.low>morning.</c>" in made["talk.en.vtt"]
    assert made["talk.en.txt"].startswith("Good morning.[?]\n")


def test_a_file_that_a_person_changed_is_not_lost(run: RunRecord, tmp_path: Path) -> None:
    texts = RunTexts(run)
    write_run(texts, ["asr"], ["txt"], SETTINGS, tmp_path)
    write_run(texts, ["asr"], ["txt"], SETTINGS, tmp_path)  # the same bytes
    (tmp_path / "talk.en.txt").write_text("Good Morning!\n")
    with pytest.raises(ConfigError, match=r"talk\.en\.txt: expected no such file"):
        write_run(texts, ["asr"], ["txt"], SETTINGS, tmp_path)
    write_run(texts, ["asr"], ["txt"], SETTINGS, tmp_path, overwrite=True)
    assert (tmp_path / "talk.en.txt").read_text().startswith("Good morning.\n")


def test_texts_that_were_never_spoken(tmp_path: Path) -> None:
    lines = [
        Utterance(id=f"letter.txt:{n}", text=text, source_language="fr", target_language="de")
        for n, text in enumerate(["Bonjour.", "Perdu.", "Au revoir."], 1)
    ]
    german = [nbest("letter.txt:1", "Guten Tag."), nbest("letter.txt:3", "Auf Wiedersehen.")]
    run = store_run(new_store(tmp_path), lines, (), german)
    texts = RunTexts(run)
    with pytest.raises(ConfigError, match="format srt: expected speech"):
        write_run(texts, ["mt"], ["srt"], SETTINGS, tmp_path)
    made = files(run, tmp_path / "out", "txt", "srt", "tsv")
    assert made.pop("talks.de.tsv").splitlines()[1].split("\t")[7:9] == ["Guten Tag.", "Bonjour."]
    assert made == {"talks.de.txt": "Guten Tag.\nAuf Wiedersehen.\n"}


def test_beside_the_report(run: RunRecord, tmp_path: Path) -> None:
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "old.txt").touch()
    names = write_texts_beside_report(run, tmp_path)
    assert names == sorted(path.name for path in (tmp_path / "texts").iterdir())
    assert {"talk.en.srt", "talk.de.vtt", "talks.de.tsv", "subtitle-rules.json"} <= set(names)
    assert "old.txt" not in names
    assert json.loads((tmp_path / "texts" / "subtitle-rules.json").read_text())["too_long"] == 0


def test_of_many_recordings_only_the_table(tmp_path: Path) -> None:
    several = [spoken(f"u{n}", stretch(f"u{n}.wav", 2.0)) for n in range(MAX_RECORDINGS + 1)]
    transcripts = [nbest(utterance.id, "Yes.") for utterance in several]
    run = store_run(new_store(tmp_path), several, transcripts, transcripts)
    assert write_texts_beside_report(run, tmp_path) == ["talks.de.tsv", "talks.en.tsv"]


def test_texts_that_cannot_be_written_are_no_fault_of_the_run(
    run: RunRecord, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    assert write_texts_beside_report(run, tmp_path / "file") == []
    assert "were not written" in caplog.text


def test_a_branch_that_got_no_speech_has_no_subtitles(tmp_path: Path) -> None:
    """Though other utterances of the data are spoken."""
    plain = Utterance(id="plain", text="Hi.", source_language="en", target_language="de")
    utterances = [spoken("talk@0", stretch("talk.mp4", 10.0)), plain]
    run = store_run(new_store(tmp_path), utterances, (), [nbest("plain", "Hallo.")])
    with pytest.raises(ConfigError, match="format srt: expected texts, found none in run run"):
        encode_single(RunTexts(run), ["mt"], "srt", SETTINGS)
    assert b"Hallo." in encode_single(RunTexts(run), ["mt"], "txt", SETTINGS).content
