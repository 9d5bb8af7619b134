"""Data sets in tars, Shar folders, Parquet and Arrow files, as their own programs write them, and damaged."""

from __future__ import annotations

import gzip
import json
import os
import tarfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from components import audio
from components.data import check, check_audio, from_audio, load
from components.errors import AntiphonError, DataError
from tests.components.files.locations.test_tar_members import pack, special
from tests.malformed import write_tone
from tests.s3 import BUCKET
from tests.web import WebServer


@pytest.fixture
def tone(tmp_path: Path) -> bytes:
    """A recording of 1.3 s."""
    path = write_tone(tmp_path / "tone.flac", 1.3)
    content = path.read_bytes()
    path.unlink()
    return content


def outcomes(source: str | Path, **options: Any) -> tuple[list[str], dict[str, str]]:
    """The ids of the good records, and what is said of the others."""
    dataset = load(str(source), **{"source_language": "en", **options})
    for bad in dataset.quarantined:
        assert "\n" not in bad.detail
    return [u.id for u in dataset.utterances], {bad.reason: bad.detail for bad in dataset.quarantined}


# WebDataset


def test_a_webdataset(tmp_path: Path, tone: bytes) -> None:
    facts = {
        "text": "not this",
        "language": "en",
        "speaker": "ada",
        "translation": "Hallo.",
        "duration": 9,
        "x": 1,
    }
    members = [
        ("d/a.1.flac", tone),
        ("d/a.1.json", b"{}"),
        ("b.flac", tone),
        ("b.txt", b"Hello.\n"),
        ("b.json", json.dumps(facts).encode()),
        ("b.cls", b"news"),
        ("b.npy", b"?"),
    ]
    (tmp_path / "t-000.tar").write_bytes(pack(members[2:]))
    (tmp_path / "t-001.tar").write_bytes(pack([("d/a.flac", tone), ("d/a.json", b'{"text": "Ah."}')]))
    dataset = load(str(tmp_path / "t-{000..001}.tar"), source_language="en", target_language="de")
    first, second = dataset.utterances
    assert (first.id, first.transcript, first.domain, first.speaker) == ("b", "Hello.", "news", "ada")
    assert first.references == ("Hallo.",)
    assert first.audio.path == f"{tmp_path}/t-000.tar#b.flac"
    assert audio.decode(first.audio).shape == (20_800,)
    assert (second.id, second.transcript) == ("d/a", "Ah.")
    assert "field 'npy' ignored in 1 record" in dataset.notes
    assert outcomes(tmp_path / "t-*.tar")[0] == ["b", "d/a"]
    assert load(str(tmp_path / "t-*.tar"), source_language="en", limit=1).utterances[0].id == "b"


def test_bad_members_quarantine_their_record(tmp_path: Path, tone: bytes) -> None:
    members = {
        "twice": [("x.flac", tone), ("x.flac", tone)],
        "no audio": [("x.flac", b"no audio at all")],
        "nothing to hear": [("x.json", b"{}")],
        "two to hear": [("x.flac", tone), ("x.wav", tone)],
        "bad JSON": [("x.flac", tone), ("x.json", b"{")],
        "bad text": [("x.flac", tone), ("x.txt", b"\xff")],
        "huge JSON": [("x.flac", tone), ("x.json", b" " * (2**20 + 1))],
        "wrong type": [("x.flac", tone), ("x.json", b'{"text": 3}')],
    }
    for name, sample in members.items():
        (tmp_path / "t.tar").write_bytes(pack([*sample, ("good.flac", tone)]))
        good, bad = outcomes(tmp_path / "t.tar")
        assert (good, len(bad)) == (["good"], 1), name
    (tmp_path / "t.tar").write_bytes(pack([("x.flac", tone), ("good.flac", tone), ("x.flac", tone)]))
    assert outcomes(tmp_path / "t.tar")[0] == ["good"]
    for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE):
        (tmp_path / "t.tar").write_bytes(special(kind)[:512] + pack([("good.flac", tone)]))
        good, bad = outcomes(tmp_path / "t.tar")
        assert (good, list(bad)) == (["good"], ["unreadable record"])
    (tmp_path / "t.tar").write_bytes(pack([("../../x.flac", tone), ("good.flac", tone)]))
    assert "leads out of the tar" in outcomes(tmp_path / "t.tar")[1]["unreadable record"]


def test_a_truncated_tar_gives_what_stands_before(tmp_path: Path, tone: bytes) -> None:
    content = pack([("a.flac", tone), ("a.txt", b"Ah."), ("b.flac", tone), ("b.txt", b"Be.")])
    for cut in (len(tone) + 3000, content.index(b"b.txt") + 100, content.index(b"b.txt") - 10):
        (tmp_path / "t.tar").write_bytes(content[:cut])
        good, bad = outcomes(tmp_path / "t.tar")
        assert good == ["a"]
        assert "truncated or damaged; copy it again" in bad["unreadable record"]
    (tmp_path / "t.tar").write_bytes(gzip.compress(content))
    with pytest.raises(DataError, match="expected a tar, not compressed, found a compressed file"):
        load(str(tmp_path / "t.tar"), source_language="en")


# NeMo


def test_nemo_manifests_with_tars(tmp_path: Path, tone: bytes) -> None:
    (tmp_path / "sharded_manifests").mkdir()
    rows = [
        {"audio_filepath": "x_a.flac", "duration": 1.3, "text": "ah", "shard_id": 0, "lang": "en"},
        {
            "audio_filepath": "x_a-sub1.flac",
            "duration": 0.5,
            "offset": 0.5,
            "text": "b",
            "shard_id": 0,
            "id": "2",
        },
        {"audio_filepath": "c.flac", "duration": 1.3, "text": "c", "shard_id": 1},
        {"audio_filepath": "c.flac", "duration": 1.3, "text": "c", "shard_id": 7},
        {"audio_filepath": "c.flac", "duration": 1.3, "text": "c", "shard_id": "x"},
    ]
    for number, content in enumerate(([("x_a.flac", tone)], [("c.flac", tone)])):
        (tmp_path / f"audio_{number}.tar").write_bytes(pack(content))
        shard = [json.dumps(row) + "\n" for row in rows if row["shard_id"] == number]
        (tmp_path / "sharded_manifests" / f"manifest_{number}.json").write_text("".join(shard))
    (tmp_path / "tarred_audio_manifest.json").write_text("".join(json.dumps(row) + "\n" for row in rows))
    good, bad = outcomes(tmp_path / "tarred_audio_manifest.json")
    assert good == ["x_a", "2", "c"]
    assert "expected a tar for shard_id 7, found no audio_7.tar" in bad["missing audio"]
    assert "expected a number in 'shard_id'" in bad["bad field"]
    sharded = tmp_path / "sharded_manifests" / "manifest_{0..1}.json"
    assert outcomes(sharded) == (["x_a", "2", "c"], {})
    assert outcomes(f"{sharded},{tmp_path}/audio_{{0..1}}.tar") == (["x_a", "2", "c"], {})
    assert outcomes(f"{tmp_path}/sharded_manifests/manifest__OP_0..1_CL_.json") == (["x_a", "2", "c"], {})


# Lhotse


def cut(name: str, *texts: str, **more: Any) -> dict[str, Any]:
    return {
        "id": name,
        "start": 0,
        "duration": 1.3,
        "channel": 0,
        "supervisions": [
            {"id": f"{name}-{at}", "recording_id": name, "start": 0.6 * at, "duration": 0.5, "text": text}
            | {"language": "English", "speaker": f"s{at}", "custom": {"translated_text": {"de": f"{text}!"}}}
            for at, text in enumerate(texts)
        ],
        "recording": {
            "id": name,
            "sources": [{"type": "shar", "channels": [0], "source": ""}],
            "sampling_rate": 16000,
            "num_samples": 20800,
            "duration": 1.3,
            "channel_ids": [0],
        },
        "type": "MonoCut",
        **more,
    }


def write_cuts(path: Path, *cuts: dict[str, Any]) -> None:
    path.write_bytes(gzip.compress("".join(json.dumps(each) + "\n" for each in cuts).encode()))


def test_a_shar_folder(tmp_path: Path, tone: bytes) -> None:
    write_cuts(tmp_path / "cuts.000000.jsonl.gz", cut("a/1.x", "Hello."), cut("b", "One.", "Two."))
    write_cuts(
        tmp_path / "cuts.000001.jsonl.gz", cut("c", "See."), cut("d", tracks=[]), cut("e", "not there")
    )
    (tmp_path / "recording.000000.tar").write_bytes(
        pack([("a/1.x.flac", tone), ("a/1.x.json", b"{}"), ("b.flac", tone), ("b.json", b"{}")])
    )
    (tmp_path / "recording.000001.tar").write_bytes(pack([("c.flac", tone), ("c.json", b"{}")]))
    dataset = load(str(tmp_path), target_language="de")
    first, second, third = dataset.utterances
    assert (first.id, first.transcript, first.source_language) == ("a/1.x", "Hello.", "en")
    assert (first.references, first.speaker) == (("Hello.!",), "s0")
    assert [segment.transcript for segment in second.reference_segments] == ["One.", "Two."]
    assert third.audio.path == f"{tmp_path}/recording.000001.tar#c"
    assert {bad.utterance_id: bad.reason for bad in dataset.quarantined} == {
        "cuts.000001.jsonl.gz:2": "bad field",
        "e": "missing audio",
    }
    assert not dataset.notes
    assert outcomes(tmp_path / "cuts.000000.jsonl.gz")[0] == ["a/1.x", "b"]


def test_cuts_of_plain_files(tmp_path: Path, tone: bytes) -> None:
    (tmp_path / "a.flac").write_bytes(tone)
    made = cut("a", "Hello.", start=0.4, duration=0.5)
    made["recording"]["sources"] = [{"type": "file", "channels": [0], "source": "a.flac"}]
    command = cut("b", "Hello.")
    command["recording"]["sources"] = [{"type": "command", "channels": [0], "source": "touch x"}]
    stereo = json.loads(json.dumps(made)) | {"id": "c"}
    stereo["recording"]["channel_ids"] = [0, 1]
    number = json.loads(json.dumps(stereo)) | {"id": "d"}
    number["recording"]["channel_ids"] = 2
    write_cuts(tmp_path / "cuts.jsonl.gz", made, command, stereo, number)
    dataset = load(str(tmp_path / "cuts.jsonl.gz"))
    [only] = dataset.utterances
    assert (only.audio.offset, only.audio.seconds) == (0.4, 0.5)
    assert [bad.reason for bad in dataset.quarantined] == ["bad field"] * 3


def test_packed_manifests_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("components.data.files.parsing.MAX_MANIFEST_BYTES", 100_000)
    path = tmp_path / "cuts.jsonl.gz"
    for bomb in (bytes(5_000_000), b"\n" * 5_000_000):
        path.write_bytes(gzip.compress(bomb))
        with pytest.raises(DataError, match="at most 100000 bytes unpacked, found more"):
            load(str(path))
    write_cuts(path, *(cut(f"{n}", "x" * 99) for n in range(50)))
    path.write_bytes(path.read_bytes()[:-40])
    assert "damaged or truncated" in outcomes(path)[1]["unreadable record"]
    path.write_bytes(b"\x1f\x8bno gzip")
    assert "damaged or truncated" in outcomes(path)[1]["unreadable record"]


# Parquet and Arrow


def write_tables(folder: Path, tone: bytes) -> None:
    """A table of a sound, a text and more, as Parquet in two parts, and as ``save_to_disk`` writes it."""
    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    table = pa.table(
        {
            "audio": [{"bytes": tone, "path": f"{n}.flac"} for n in range(5)],
            "sentence": [f"Text {n}." for n in range(5)],
            "translation": [{"de": f"Satz {n}.", "fr": None} for n in range(5)],
            "speaker_id": [1, 2, 3, 4, 5],
            "gender": [0] * 5,
        }
    )
    for part in range(2):
        target = folder / "hub" / "data" / f"train-0000{part}-of-00002.parquet"
        target.parent.mkdir(parents=True, exist_ok=True)
        parquet.write_table(table.slice(part * 3, 3), target, row_group_size=2)
    saved = folder / "saved"
    saved.mkdir()
    (saved / "dataset_info.json").write_text("{}")
    arrow = saved / "data-00000-of-00001.arrow"
    with pa.OSFile(str(arrow), "wb") as target, pa.ipc.new_stream(target, table.schema) as writer:
        writer.write_table(table, max_chunksize=2)


def test_tables_of_sounds(tmp_path: Path, tone: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTIPHON_CACHE", str(tmp_path / "cache"))
    write_tables(tmp_path, tone)
    for source in (tmp_path / "hub", tmp_path / "saved", tmp_path / "hub" / "data" / "train-*.parquet"):
        dataset = load(str(source), source_language="en", target_language="de")
        assert not dataset.quarantined
        assert [u.transcript for u in dataset.utterances] == [f"Text {n}." for n in range(5)]
        last = dataset.utterances[4]
        assert (last.references, last.speaker) == (("Satz 4.",), "5")
        assert audio.decode(last.audio).shape == (20_800,)
        assert dataset.notes == ("field 'gender' ignored in 5 records",)
    assert last.audio.path == f"{tmp_path}/hub/data/train-00001-of-00002.parquet#audio/1"
    assert last.id == "train-00001-of-00002-1"


def test_tables_of_texts_and_of_paths(tmp_path: Path, tone: bytes) -> None:
    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    (tmp_path / "a.flac").write_bytes(tone)
    parquet.write_table(pa.table({"id": ["x"], "text": ["Hello."]}), tmp_path / "t.parquet")
    [only] = load(str(tmp_path / "t.parquet"), source_language="en").utterances
    assert (only.id, only.text, only.audio) == ("x", "Hello.", None)
    saved = pa.table({"audio": [{"bytes": None, "path": "a.flac"}, {"bytes": tone, "path": "a.flac"}]})
    with (
        pa.OSFile(str(tmp_path / "s.arrow"), "wb") as target,
        pa.ipc.new_stream(target, saved.schema) as writer,
    ):
        writer.write_table(saved)
    both = load(str(tmp_path / "s.arrow"), source_language="en").utterances
    assert [u.audio and u.audio.path for u in both] == [f"{tmp_path}/a.flac", f"{tmp_path}/s.arrow#audio/1"]
    parquet.write_table(pa.table({"path": ["a.flac", "b.flac", None]}), tmp_path / "p.parquet")
    good, bad = outcomes(tmp_path / "p.parquet")
    assert (good, list(bad)) == (["p-0"], ["missing audio", "empty record"])


def test_bad_tables_are_one_line(tmp_path: Path, tone: bytes) -> None:
    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    parquet.write_table(pa.table({"x": [1], "y": ["z"]}), tmp_path / "t.parquet")
    with pytest.raises(DataError, match=r"expected a column of sounds .* or of texts .*, found 'x', 'y'"):
        load(str(tmp_path / "t.parquet"))
    for content in (b"", b"PAR1" + bytes(99), (tmp_path / "t.parquet").read_bytes()[:-9]):
        (tmp_path / "d.parquet").write_bytes(content)
        with pytest.raises(DataError, match="expected a whole Parquet or Arrow file, found") as caught:
            load(str(tmp_path / "d.parquet"))
        assert "\n" not in str(caught.value)
    write_tables(tmp_path, tone)
    other = tmp_path / "hub" / "data" / "test-00000-of-00001.parquet"
    other.write_bytes((tmp_path / "t.parquet").read_bytes())
    with pytest.raises(
        DataError, match=r"expected the files of one data set, found test, train; name '.*test-\*"
    ):
        load(str(tmp_path / "hub"))


# Anywhere


def test_manifests_and_their_audio_behind_a_url(web: WebServer, tone: bytes) -> None:
    rows = [
        {"id": "a", "audio": "a.flac"},
        {"id": "b", "audio": "t.tar#b.flac"},
        {"id": "c", "audio": "/etc/passwd"},
    ]
    web.files["/x/set.jsonl"] = "".join(json.dumps(row) + "\n" for row in rows).encode()
    web.files["/x/a.flac"], web.files["/x/t.tar"] = tone, pack([("b.flac", tone)])
    check(f"{web.url}/x/set.jsonl")
    assert not web.asked
    dataset = load(f"{web.url}/x/set.jsonl", source_language="en")
    assert [u.audio and u.audio.path for u in dataset.utterances] == [
        f"{web.url}/x/a.flac",
        f"{web.url}/x/t.tar#b.flac",
    ]
    assert [bad.reason for bad in dataset.quarantined] == ["refused location"]
    assert dataset.name == "set"
    assert outcomes(f"{web.url}/x/t.tar") == (["b"], {})
    recordings = from_audio([f"{web.url}/x/a.flac", f"{web.url}/x/t.tar#b.flac"], source_language="en")
    assert (recordings.name, [bad.detail for bad in recordings.quarantined]) == ("a", [])
    for refuse in (check, check_audio):
        with pytest.raises(DataError, match="expected a host of ANTIPHON_AUDIO_HOSTS"):
            refuse("https://example.org/set.jsonl")
    with pytest.raises(DataError, match="404"):
        load(f"{web.url}/none.jsonl")


def test_a_bucket_of_tars(s3_url: str, tmp_path: Path, tone: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    import boto3

    monkeypatch.setenv("ANTIPHON_CACHE", str(tmp_path / "cache"))
    client = boto3.client("s3", endpoint_url=os.environ["AWS_ENDPOINT_URL"])
    folder = s3_url.rpartition("/")[2]
    for number in range(2):
        client.put_object(
            Bucket=BUCKET, Key=f"{folder}/t-{number}.tar", Body=pack([(f"{number}.flac", tone)])
        )
    dataset = load(f"{s3_url}/t-{{0..1}}.tar", source_language="en")
    assert [u.id for u in dataset.utterances] == ["0", "1"]
    assert audio.decode(dataset.utterances[1].audio).shape == (20_800,)


def test_where_audio_lies_decides_nothing(web: WebServer, tmp_path: Path, tone: bytes) -> None:
    (tmp_path / "a.flac").write_bytes(tone)
    (tmp_path / "t.tar").write_bytes(pack([("a.flac", tone)]))
    web.files["/a.flac"] = tone
    digests = set()
    for name in ("a.flac", "t.tar#a.flac", f"{web.url}/a.flac"):
        row = {"id": "a", "audio": name, "source_language": "en"}
        (tmp_path / "set.jsonl").write_text(json.dumps(row) + "\n")
        digests.add(load(str(tmp_path / "set.jsonl")).digest)
    assert len(digests) == 1


@given(data=st.data())
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_damaged_table_raises_nothing_else(data: st.DataObject, tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    path = tmp_path / "t.parquet"
    parquet.write_table(pa.table({"text": ["Hello."] * 9, "id": list(range(9))}), path)
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content)
    try:
        load(str(path), source_language="en")
    except AntiphonError as error:
        assert "\n" not in str(error)


def test_a_relative_name_of_an_archive_is_seen_from_here(
    tmp_path: Path, tone: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ANTIPHON_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "x"
    folder.mkdir()
    for name in ("t.tar", "audio_0.tar", "recording.tar"):
        (folder / name).write_bytes(pack([("a.flac", tone)]))
    row = {"audio_filepath": "a.flac", "duration": 1.3, "text": "ah", "shard_id": 0}
    (folder / "manifest.json").write_text(json.dumps(row) + "\n")
    write_cuts(folder / "cuts.jsonl.gz", cut("a", "Ah."))
    write_tables(folder, tone)
    sources = (
        "x/t.tar",
        "x/manifest.json",
        "x/manifest.json,x/audio_{0,0}.tar",
        "x/cuts.jsonl.gz",
        "x/hub",
        "x/saved",
    )
    for source in sources:
        good, bad = outcomes(source)
        assert good, source
        assert not bad, source
