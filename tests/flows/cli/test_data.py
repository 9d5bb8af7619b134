from __future__ import annotations

import json

from typer.testing import CliRunner

from flows.cli.deploy import make_absolute
from flows.cli.storage.data import data_app as app
from tests.malformed import LATE_FAULTS, write_bad_manifest, write_tone


def run(*arguments):
    return CliRunner().invoke(app, ["check", *map(str, arguments)])


def test_the_sample_set_is_fine():
    result = run("sample", "--limit", 3)
    assert result.exit_code == 0
    assert "audio seconds" in result.stdout


def test_bad_records_are_named_and_the_exit_code_says_so(tmp_path):
    path, good, bad = write_bad_manifest(tmp_path)
    result = run(path)
    assert result.exit_code == 3
    assert "bad.jsonl:3:" in result.stdout
    assert all(line.isprintable() for line in result.stdout.splitlines())
    summary = json.loads(run(path, "--json").stdout.splitlines()[-1])
    assert (summary["ok"], summary["quarantined"], len(summary["faults"])) == (good, bad, bad)
    assert sum(summary["reasons"].values()) == bad


def test_kept_requests_are_read_out_of_the_store(tmp_path, monkeypatch):
    kept = tmp_path / "store/kept/talk"
    kept.mkdir(parents=True)
    write_tone(kept / "a.wav")
    (kept / "a.jsonl").write_text('{"audio_filepath": "a.wav"}\n')
    monkeypatch.setenv("ANTIPHON_STORE", str(tmp_path / "store"))
    assert run("store:kept/talk/a.jsonl").exit_code == 0
    assert run("store:../talk").exit_code == 2


def test_a_set_that_cannot_be_read_is_one_line(tmp_path):
    result = run(tmp_path / "absent.jsonl")
    assert result.exit_code == 2
    assert result.stderr.startswith("antiphon: ")
    assert result.stderr.count("\n") == 1
    assert run("talk\u202evaw.exe").stderr.startswith("antiphon: talk⟨U+202E⟩vaw.exe: expected a manifest")


def test_decode_finds_what_headers_hide(tmp_path):
    write_tone(tmp_path / "good.wav")
    LATE_FAULTS["nan.wav"][1](tmp_path / "nan.wav")
    names = ("good.wav", "nan.wav")
    (tmp_path / "a.jsonl").write_text("".join(json.dumps({"audio_filepath": name}) + "\n" for name in names))
    assert run(tmp_path / "a.jsonl").exit_code == 0
    result = run(tmp_path / "a.jsonl", "--decode", "--json")
    assert result.exit_code == 3
    assert "NaN" in json.loads(result.stdout)["faults"][0]["detail"]


def test_recordings_need_no_manifest(tmp_path):
    path = write_tone(tmp_path / "talk.wav")
    wrong = run(path)
    assert wrong.exit_code == 2
    assert "--audio" in wrong.stderr
    assert run("--audio", path, "--decode").exit_code == 0
    LATE_FAULTS["damaged.flac"][1](tmp_path / "damaged.flac")
    result = run("--audio", tmp_path / "*.*", "--decode", "--json")
    assert result.exit_code == 3
    assert json.loads(result.stdout)["reasons"] == {"unreadable audio": 1}


def test_a_manifest_and_recordings_or_neither_are_refused(tmp_path):
    for arguments in ((), ("sample", "--audio", write_tone(tmp_path / "a.wav"))):
        result = run(*arguments)
        assert result.exit_code == 2
        assert "one of the two" in result.stderr


def test_fields_that_are_not_read_are_named(tmp_path):
    (tmp_path / "a.jsonl").write_text(
        json.dumps({"id": "a", "text": "hi", "source_language": "en", "colour": "red"}) + "\n"
    )
    result = run(tmp_path / "a.jsonl")
    assert result.exit_code == 0
    (note,) = [line for line in result.stdout.splitlines() if line.startswith("note: ")]
    assert "colour" in note


def test_paths_are_made_absolute_for_workers_in_other_folders(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a, b.wav").touch()
    for source, divider, absolute in (
        ("new.jsonl", ",", "{0}/new.jsonl"),
        ("a.en,b.de", ",", "{0}/a.en,{0}/b.de"),
        ("part_{a,b}.jsonl,x_{0..3}.tar", ",", "{0}/part_{{a,b}}.jsonl,{0}/x_{{0..3}}.tar"),
        ("a, b.wav", ",", "{0}/a, b.wav"),
        ("a.wav\ns3://b/c.wav", "\n", "{0}/a.wav\ns3://b/c.wav"),
        ("sample", ",", "sample"),
    ):
        assert make_absolute(source, divider) == absolute.format(tmp_path)
