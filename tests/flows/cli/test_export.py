"""`antiphon export`: what it prints, where it writes, and what it refuses."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from components.export.export import Export
from components.records import Quarantined
from components.storage.store import Store
from flows.cli.files.export import MAX_LISTED, print_files, report
from tests.command import run_command
from tests.components.export.example_run import TRANSCRIPTS, UTTERANCES, new_store, write_run

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = new_store(tmp_path)
    write_run(store)
    return store


@pytest.fixture
def export(
    store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Command:
    """Run the command in an empty folder; gives exit code, standard output and standard error."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return lambda *arguments: run_command(capsys, "export", *arguments, "--store", str(store.root))


def test_the_outputs_into_a_folder_of_the_runs_name(export: Command) -> None:
    code, out, err = export("run", "--format", "vtt,txt")
    assert code == 3
    assert "run/talk.en.txt\n" in out
    assert Path("run/talk.de.vtt").read_text().startswith("WEBVTT\n")
    assert "subtitles, read at" in err
    assert "antiphon: bad: no text: asr: no sound: expected speech, found none" in err


def test_one_node_as_json(export: Command) -> None:
    code, out, _ = export("run", "--node", "mt", "--format", "tsv", "--out", "tables", "--json")
    line = json.loads(out.splitlines()[-1])
    assert (code, line["run"], line["files"]) == (3, "run", ["tables/talks.de.tsv"])
    assert line["quarantined"][0]["utterance_id"] == "bad"


def test_one_recording_on_standard_output(export: Command, store: Store) -> None:
    write_run(store, UTTERANCES[:2], TRANSCRIPTS[:2], (), name="talk")
    code, out, _ = export("talk", "--format", "srt", "--out", "-")
    assert code == 0
    assert out.startswith("1\n00:00:00,100 --> 00:00:01,900\nGood morning.\n")


def test_one_recording_into_a_file_by_its_ending(export: Command, store: Store) -> None:
    write_run(store, UTTERANCES[:2], TRANSCRIPTS[:2], (), name="talk")
    code, out, _ = export("talk", "--out", "talk.vtt", "--max-line-width", "12", "--max-lines", "1")
    assert (code, out) == (0, "talk.vtt\n")
    lines = Path("talk.vtt").read_text().splitlines()
    assert "It is =1+1" in lines
    assert all(len(line) <= 12 for line in lines if "-->" not in line)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["run", "--node", "mtt"], "one of asr, mt, found 'mtt'; did you mean mt?"),
        (["run", "--format", "srt", "--karaoke"], "--karaoke: expected vtt or ass, found srt"),
        (["run", "--format", "doc"], "--format: expected some of txt, docx, srt, vtt"),
        (["run", "--out", "all.srt"], "expected one text for one file, found several"),
        (["run", "--format", "srt,vtt", "--out", "-"], "--format: expected one for -, found srt, vtt"),
        (["run", "--format", "vtt", "--out", "talk.srt"], "--out: expected a file .vtt or a folder"),
        (["run", "--min-seconds", "9"], "min_seconds: expected at most max_seconds 7, found 9"),
        (["run", "--max-lines", "9"], "--max-lines: expected at most 4, found 9"),
    ],
)
def test_wrong_usage_is_one_line(export: Command, arguments: list[str], expected: str) -> None:
    code, out, err = export(*arguments)
    assert (code, out) == (2, "")
    assert expected in err
    assert len(err.splitlines()) == 1


def test_no_such_run(export: Command) -> None:
    code, _, err = export("rum")
    assert code == 2
    assert "rum" in err


def test_a_comparison_names_the_runs_to_export(export: Command, store: Store) -> None:
    run = store.load_run("run")
    store.save_run(run.model_copy(update={"name": "both", "systems": {"small": "run", "large": "other"}}))
    code, _, err = export("both")
    assert code == 2
    assert err == "antiphon: run both compares others: export one of them: other, run\n"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], "--for-edit: expected one --node, such as --node asr, found none"),
        (["--node", "asr", "--node", "mt"], "--for-edit: expected one --node, such as --node asr, found 2"),
        (["--node", "asr", "--format", "vtt"], "--for-edit: expected --format tsv, docx or srt, found 'vtt'"),
        (["--node", "asr", "--out", "a.odt"], "--for-edit: expected --format tsv, docx or srt, found 'odt'"),
    ],
)
def test_wrong_usage_of_files_to_edit_is_one_line(
    export: Command, arguments: list[str], expected: str
) -> None:
    code, out, err = export("run", "--for-edit", *arguments)
    assert (code, out, err) == (2, "", f"antiphon: {expected}\n")


def test_subtitles_to_edit_and_what_to_do_with_them(export: Command) -> None:
    flags = ("--node", "asr", "--format", "srt", "--out", "my subtitles", "--json")
    code, out, err = export("run", "--for-edit", *flags)
    *files, line = out.splitlines()
    assert (code, files) == (0, ["my subtitles/talk.srt", "my subtitles/talk-2.srt"])
    assert json.loads(line) == {"run": "run", "files": files}
    assert "Good morning." in Path("my subtitles/talk.srt").read_text()
    assert err == "correct the texts, then: antiphon edit run asr --from 'my subtitles'\n"


def test_of_many_files_and_records_the_first_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    print_files([Path(f"texts/{n}.txt") for n in range(1234)])
    lines = capsys.readouterr().out.splitlines()
    assert (lines[0], lines[-1], len(lines)) == ("texts/0.txt", "... 1,234 files in texts", MAX_LISTED + 1)
    bad = [Quarantined(utterance_id=f"u{n}", stage="asr", reason="no sound", detail="") for n in range(1234)]
    report(Export(quarantined=bad))
    lines = capsys.readouterr().err.splitlines()
    assert (lines[-1], len(lines)) == ("antiphon: ... 1,234 records have no text", MAX_LISTED + 1)
