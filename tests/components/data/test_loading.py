from __future__ import annotations

import json
import shutil

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.data import check, from_audio, load
from components.errors import ConfigError, DataError
from tests.malformed import BAD_LINES, GOOD_LINE, write_bad_manifest, write_tone


def manifest(folder, *records, name="set.jsonl"):
    path = folder / name
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return str(path)


def test_bad_records_are_quarantined_and_the_rest_goes_on(tmp_path):
    path, good, bad = write_bad_manifest(tmp_path)
    dataset = load(str(path))
    assert (len(dataset.utterances), len(dataset.quarantined)) == (good, bad)
    for fault in dataset.quarantined:
        assert fault.detail.startswith("bad.jsonl:")
        assert "\n" not in fault.detail
        assert len(fault.detail) < 600
    assert dataset.quarantined[-1].reason == "duplicate id"
    ids = [item.id for item in dataset.utterances] + [item.utterance_id for item in dataset.quarantined]
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("name", BAD_LINES)
def test_each_bad_line_alone_is_one_quarantined_record(name, tmp_path):
    path = tmp_path / "set.jsonl"
    path.write_bytes(BAD_LINES[name] + b"\n" + GOOD_LINE % b"ok")
    write_tone(tmp_path / "tone.wav")
    dataset = load(str(path))
    assert [utterance.id for utterance in dataset.utterances] == ["ok"]
    assert len(dataset.quarantined) == 1
    assert ":1: " in dataset.quarantined[0].detail


@pytest.mark.parametrize("content", [b"", b"\n\n  \n", b"\xef\xbb\xbf", b"\xff\xfe{\0"])
def test_files_without_a_record_are_one_error(content, tmp_path):
    (tmp_path / "a.jsonl").write_bytes(content)
    with pytest.raises(DataError):
        load(str(tmp_path / "a.jsonl"))


def test_what_cannot_be_read_at_all_is_one_error(tmp_path):
    (tmp_path / "folder.jsonl").mkdir()
    (tmp_path / "notes.txt").write_text("just words\n")
    (tmp_path / "array.json").write_text('[{"text": "x"}]')
    (tmp_path / "other.tsv").write_text("a\tb\n1\t2\n")
    for name in (
        "folder.jsonl",
        "notes.txt",
        "array.json",
        "other.tsv",
        "absent.jsonl",
        "a.en,a.de",
        "a\0b",
        "notes.txt/set.jsonl",
        "",
    ):
        with pytest.raises(DataError) as caught:
            load(str(tmp_path / name) if name else "")
        assert "\n" not in str(caught.value)
    with pytest.raises(DataError, match="give it as audio"):
        load(str(write_tone(tmp_path / "a.wav")))


def test_a_check_sees_a_folder_and_not_one_that_has_the_name_of_a_set(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sample").mkdir()
    check("sample")
    (tmp_path / "my talks").mkdir()
    for read in (check, load):
        with pytest.raises(DataError, match=r"found a folder; recordings in it are --audio 'my talks'$"):
            read("paragraphs:my talks")
    with pytest.raises(DataError, match="found no such file"):
        check("x" * 5000)


@pytest.mark.parametrize("options", [{"format": "xml"}, {"limit": 0}])
def test_wrong_arguments(options):
    with pytest.raises(ConfigError):
        load("sample", **options)


def test_formats_are_detected_by_content(tmp_path):
    write_tone(tmp_path / "a.wav")
    (tmp_path / "clips").mkdir()
    write_tone(tmp_path / "clips" / "b.wav")
    nemo = load(manifest(tmp_path, {"audio_filepath": "a.wav", "duration": 1.0, "text": "hi"}, name="n.json"))
    assert nemo.utterances[0].transcript == "hi"
    assert nemo.utterances[0].source_language == "und"
    files = load(
        manifest(tmp_path, {"file": "a.wav", "language": "en", "translation": {"de": "ho"}}, name="f")
    )
    assert (files.utterances[0].target_language, files.utterances[0].references) == ("de", ("ho",))
    (tmp_path / "cv.tsv").write_text("client_id\tpath\tsentence\tlocale\nc\tb.wav\thi\ten\n")
    voice = load(str(tmp_path / "cv.tsv"))
    assert voice.utterances[0].id == "b"
    assert voice.utterances[0].audio.seconds == 1.0
    (tmp_path / "covost_v2.fr_en.dev.tsv").write_text(
        "path\tsentence\ttranslation\tclient_id\nb.wav\tbon\tgood\tc\n"
    )
    covost = load(str(tmp_path / "covost_v2.fr_en.dev.tsv")).utterances[0]
    assert (covost.source_language, covost.target_language, covost.references) == ("fr", "en", ("good",))


def test_source_language_fills_and_selects(tmp_path):
    path = manifest(
        tmp_path,
        {"id": "a", "text": "x", "source_language": "en-GB"},
        {"id": "b", "text": "x"},
        {"id": "c", "text": "x", "source_language": "fr"},
        {"id": "d", "text": "x", "source_language": "und"},  # as kept requests have
    )
    dataset = load(path, source_language="en")
    languages = [(item.id, item.source_language) for item in dataset.utterances]
    assert languages == [("a", "en-GB"), ("b", "en"), ("d", "en")]
    assert dataset.notes == ("1 record in fr left out",)


def test_target_language_chooses_references(tmp_path):
    path = manifest(
        tmp_path,
        {"id": "a", "text": "x", "source_language": "en", "references": {"de": "y", "fr": ["z", "zz"]}},
        {"id": "b", "text": "x", "source_language": "en", "target_language": "de", "references": ["y"]},
    )
    assert [item.references for item in load(path).utterances] == [(), ("y",)]
    assert [item.references for item in load(path, target_language="fr").utterances] == [("z", "zz"), ()]
    assert [item.references for item in load(path, target_language="de").utterances] == [("y",), ("y",)]


def test_ids_are_derived_where_there_are_none(tmp_path):
    write_tone(tmp_path / "a.wav", 3.0)
    stretch = {"audio_filepath": "a.wav", "duration": 1.0, "lang": "en"}
    path = manifest(tmp_path, stretch, {**stretch, "offset": 1.5}, stretch)
    assert [item.id for item in load(path).utterances] == ["a", "a@1.5", "set.jsonl:3"]


def test_unknown_fields_are_noted_with_a_guess(tmp_path):
    fields = {"transcipt": "x", "translation": "y", "lang": "en", "mood": "good"}
    path = manifest(tmp_path, {"id": "a", "text": "x", "source_language": "en", **fields})
    assert load(path).notes == (
        "field 'lang' ignored in 1 record; meant 'source_language'?",
        "field 'mood' ignored in 1 record",
        "field 'transcipt' ignored in 1 record; meant 'transcript'?",
        "field 'translation' ignored in 1 record; meant 'references'?",
    )


def test_a_digest_in_the_manifest_is_checked(tmp_path):
    write_tone(tmp_path / "a.wav")
    path = manifest(tmp_path, {"id": "a", "audio": "a.wav", "source_language": "en", "sha256": "0" * 64})
    assert load(path).quarantined[0].reason == "changed audio"


def test_the_data_set_digest_follows_content_and_not_place(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        write_tone(tmp_path / name / "a.wav")
    record = {"id": "a", "audio": "a.wav", "source_language": "en", "transcript": "x"}
    first, second = (load(manifest(tmp_path / name, record)) for name in ("one", "two"))
    assert first.digest == second.digest
    assert first.digest != load(manifest(tmp_path / "one", {**record, "transcript": "y"})).digest
    write_tone(tmp_path / "two" / "a.wav", 1.1)
    assert first.digest != load(manifest(tmp_path / "two", record)).digest


def test_our_own_records_are_read_back(tmp_path):
    dataset = load("sample", limit=3)
    path = tmp_path / "again.jsonl"
    path.write_text("".join(item.model_dump_json() + "\n" for item in dataset.utterances), encoding="utf-8")
    assert load(str(path)).utterances == dataset.utterances


def test_limit_takes_the_first_records(tmp_path):
    path, _, _ = write_bad_manifest(tmp_path)
    dataset = load(str(path), limit=5)
    assert len(dataset.utterances) + len(dataset.quarantined) == 5


def test_from_audio(tmp_path):
    write_tone(tmp_path / "b.wav")
    write_tone(tmp_path / "a.flac")
    (tmp_path / "c.wav").write_bytes(b"")
    shutil.copy(tmp_path / "b.wav", tmp_path / "[b].wav")
    dataset = from_audio(
        [str(tmp_path / "b.wav"), str(tmp_path / "*.flac")], source_language="en", target_language="de"
    )
    assert [(item.id, item.source_language, item.target_language) for item in dataset.utterances] == [
        ("b", "en", "de"),
        ("a", "en", "de"),
    ]
    assert dataset.name == "b"
    assert from_audio([str(tmp_path)]).name == tmp_path.name
    assert [item.id for item in from_audio(str(tmp_path / "[b].wav")).utterances] == ["[b]"]
    assert from_audio(str(tmp_path / "c.wav")).quarantined[0].reason == "unreadable audio"
    with pytest.raises(DataError, match="found none"):
        from_audio(str(tmp_path / "*.mp3"))
    with pytest.raises(DataError):
        from_audio([])


def test_limit_takes_the_first_recordings(tmp_path):
    for name in "abc":
        write_tone(tmp_path / f"{name}.wav", 0.1)
    dataset = from_audio([str(tmp_path / "b.wav"), str(tmp_path / "*.wav")], limit=2)
    assert [item.id for item in dataset.utterances] == ["b", "a"]
    with pytest.raises(ConfigError):
        from_audio(str(tmp_path / "b.wav"), limit=0)


def test_a_recording_whose_name_is_no_utf8_is_quarantined(tmp_path):
    write_tone(tmp_path / "good.wav", 0.1)
    try:
        write_tone(tmp_path / "good.wav", 0.1).rename(tmp_path / "caf\udce9.wav")
    except OSError:
        pytest.skip("the file system takes UTF-8 only")
    write_tone(tmp_path / "good.wav", 0.1)
    dataset = from_audio(str(tmp_path / "*.wav"))
    assert dataset.name == "caf\\xe9"
    assert [item.id for item in dataset.utterances] == ["good"]
    assert "expected a path in UTF-8" in dataset.quarantined[0].detail
    assert dataset.quarantined[0].model_dump_json()


@pytest.mark.parametrize(("name", "language"), [("talk.it", None), ("talk.txt", "it"), ("talk.de", "it")])
def test_plain_text_needs_no_references(name, language, tmp_path):
    (tmp_path / name).write_text("Un cane corre.\n\n{Due} gatti\tdormono.\n", encoding="utf-8")
    dataset = load(str(tmp_path / name), source_language=language, target_language="de")
    assert [
        (item.text, item.source_language, item.target_language, item.references)
        for item in dataset.utterances
    ] == [("Un cane corre.", "it", "de", ()), ("{Due} gatti\tdormono.", "it", "de", ())]
    assert len(load(str(tmp_path / name), source_language="it", limit=1).utterances) == 1


@settings(max_examples=100)
@given(
    st.lists(
        st.one_of(st.sampled_from(list(BAD_LINES.values())), st.integers(0, 3), st.none()),
        min_size=1,
        max_size=12,
    )
)
def test_every_line_ends_as_exactly_one_outcome(tmp_path_factory, items):
    """Integers are good lines whose id may repeat, None is a blank line."""
    path = tmp_path_factory.getbasetemp() / "partition.jsonl"
    rows = [
        b"" if item is None else GOOD_LINE % str(item).encode() if isinstance(item, int) else item
        for item in items
    ]
    path.write_bytes(b"\n".join(rows))
    good = {item for item in items if isinstance(item, int)}
    records = sum(item is not None for item in items)
    if not records:
        with pytest.raises(DataError):
            load(str(path))
        return
    dataset = load(str(path))
    assert {item.id for item in dataset.utterances} == {str(item) for item in good}
    assert len(dataset.utterances) + len(dataset.quarantined) == records
    lines_named = [int(fault.detail.split(":")[1]) for fault in dataset.quarantined]
    assert lines_named == sorted(set(lines_named))


def test_the_file_that_parallel_text_lacks_is_named(tmp_path):
    (tmp_path / "a.en").write_text("A\n")
    with pytest.raises(DataError, match=r"expected the file .*a\.de, found none; check the path"):
        check(f"{tmp_path}/a.en,{tmp_path}/a.de")


@pytest.mark.parametrize("name", ["fold:0/3:sample", "fold:4/3:sample", "fold:1/1:sample", "fold:sample"])
def test_a_fold_that_is_none_is_refused(name):
    for refuse in (load, check):
        with pytest.raises(ConfigError, match=r"expected fold:K/N:SOURCE .* with N from 2 to 20"):
            refuse(name)


def test_a_line_that_is_no_utf8_is_named_in_its_own_file(tmp_path):
    (tmp_path / "a.en").write_text("One.\nTwo.\n")
    (tmp_path / "a.de").write_bytes("Eins.\nZwölf.\n".encode("latin-1"))
    loaded = load(f"{tmp_path}/a.en,{tmp_path}/a.de")
    (bad,) = loaded.quarantined
    assert ([each.id for each in loaded.utterances], bad.utterance_id) == (["a-000001"], "a-000002")
    assert f"{tmp_path}/a.de:2: expected UTF-8, found byte 0xf6 at column 3" in bad.detail


def test_a_csv_of_a_spreadsheet_has_semicolons_and_a_wrong_header_is_told_the_columns(tmp_path):
    path, wrong = tmp_path / "a.csv", tmp_path / "b.csv"
    path.write_text('text;references\n"a; b";c, d\n', "utf-8-sig")
    (utterance,) = load(str(path), source_language="en", target_language="de").utterances
    assert (utterance.text, utterance.references) == ("a; b", ("c, d",))
    wrong.write_text("source;Übersetzung;Transcript\n")
    with pytest.raises(
        DataError, match="expected a column audio, text, file, path or sentence, found"
    ) as caught:
        load(str(wrong))
    assert str(caught.value).endswith(
        "'Übersetzung', 'Transcript']; rename 'source' to 'text', 'Transcript' to 'transcript'"
    )
