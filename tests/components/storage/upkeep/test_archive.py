"""Runs as archives: there and back with every byte, and archives that somebody made to do harm."""

from __future__ import annotations

import gzip
import hashlib
import io
import itertools
import json
import shutil
import sys
import tarfile
import threading
import time
import tracemalloc
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from components.errors import AntiphonError, ConfigError, DataError, StoreError
from components.files.canonical_json import add_digest, verify_digest
from components.files.digests import sha256_of
from components.records import Audio
from components.storage.objects import lease
from components.storage.runs.accepted_runs import accept_run, list_accepted
from components.storage.shards.shard import shard_name
from components.storage.stages.reader import read_shards, read_utterances
from components.storage.stages.seal import SEAL
from components.storage.store import Store
from components.storage.upkeep import archive_reader
from components.storage.upkeep.archive import MANIFEST, export_run
from components.storage.upkeep.archive_import import import_run
from components.storage.upkeep.verification import verify_store
from tests.components.storage.test_store import refusal
from tests.components.storage.upkeep.stores import (
    forget_own_uses,
    keys_of,
    save_run,
    save_small_run,
    write_data,
    write_stage,
)
from tests.components.storage.written import written


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A run with a stage that reads the model of a deleted run, and a stage that belongs to nobody."""
    store = Store(str(tmp_path / "store"))
    model = write_stage(store, "train", kind="train")
    save_small_run(store, models={"model": f"store:{model.key}"})
    (store.run_folder("mine") / "report.html").write_text("<p>")
    write_stage(store, "mt", seed=9)
    return store


@pytest.fixture
def other(tmp_path: Path) -> Store:
    return Store(str(tmp_path / "other"))


@pytest.mark.parametrize("out", ["folder", "mine.tar", "mine.tar.gz"])
def test_there_and_back(store: Store, other: Store, tmp_path: Path, out: str) -> None:
    manifest = export_run(store, "mine", tmp_path / out)
    imported = import_run(other, tmp_path / out)
    assert (imported.run, imported.new, imported.present, imported.bytes) == (
        "mine",
        3,
        0,
        manifest.total_bytes,
    )
    run = store.load_run("mine")
    assert [ref.key for ref in other.load_run("mine").stages] == [ref.key for ref in run.stages]
    assert other.load_run("mine").metrics == run.metrics
    for ref in run.stages:
        names = [f"stages/{ref.key}/{SEAL}", *(shard_name(shard.key) for shard in read_shards(ref))]
        for name in names:
            assert (other.root / name).read_bytes() == (store.root / name).read_bytes()
    assert not (other.run_folder("mine") / "report.html").exists()
    assert imported.reports == ("mine",)
    assert not (other.run_folder("mine") / "working").exists()
    assert verify_store(other).faults == ()
    assert write_stage(other, "mt", run.stages[0], models={"model": f"store:{'0' * 64}"}).reused
    assert list((other.root / "imports").iterdir()) == []
    assert import_run(other, tmp_path / out).was_here


@pytest.mark.parametrize("suffix", [".tar", ".tar.gz"])
def test_an_archive_is_the_same_bytes_each_time(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    contents = []
    for seconds in (1.0, 2e9):
        monkeypatch.setattr(time, "time", lambda: seconds)  # noqa: B023 - called now
        export_run(store, "mine", tmp_path / f"{seconds}{suffix}")
        contents.append((tmp_path / f"{seconds}{suffix}").read_bytes())
    assert contents[0] == contents[1]


def test_a_folder_is_a_store(store: Store, tmp_path: Path) -> None:
    export_run(store, "mine", tmp_path / "folder")
    assert len(Store(str(tmp_path / "folder")).load_run("mine").stages) == 2


def test_to_and_from_an_object_store(
    store: Store, other: Store, tmp_path: Path, s3_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(lease.VARIABLE, "30")
    for machine in ("one", "two"):
        monkeypatch.setenv("ANTIPHON_CACHE", str(tmp_path / machine))
        remote = Store(s3_url)
        if machine == "one":
            export_run(store, "mine", tmp_path / "mine.tar")
            assert import_run(remote, tmp_path / "mine.tar").new == 3
            assert verify_store(remote).faults == ()
    export_run(remote, "mine", tmp_path / "back.tar")
    import_run(other, tmp_path / "back.tar")
    assert other.load_run("mine").metrics == store.load_run("mine").metrics


def save_spoken_run(folder: Path) -> tuple[Store, Path]:
    """A store with the run ``mine`` over one recording, and its file."""
    store, sound = Store(str(folder / "store")), folder / "sound.wav"
    sound.write_bytes(b"sound")
    audio = Audio(path=str(sound), sha256=sha256_of(sound), seconds=1.0, sample_rate=16_000)
    save_run(store, "mine", [write_data(store, audio, None)])
    return store, sound


def test_recordings_go_along_if_asked_for(tmp_path: Path, other: Store) -> None:
    store, sound = save_spoken_run(tmp_path)
    export_run(store, "mine", tmp_path / "small.tar")
    export_run(store, "mine", tmp_path / "large.tar", with_audio=True)
    sound.write_bytes(b"other")
    with pytest.raises(DataError, match=r"sound.wav: expected sha256 .* of a, found"):
        export_run(store, "mine", tmp_path / "late.tar", with_audio=True)
    sound.unlink()
    with pytest.raises(DataError, match=r"sound.wav: expected the recording of a, found: No such file"):
        export_run(store, "mine", tmp_path / "late.tar", with_audio=True)
    import_run(other, tmp_path / "small.tar")
    (data,) = other.load_run("mine").stages
    assert [utterance.audio and utterance.audio.path for utterance in read_utterances(data)] == [str(sound)]
    third = Store(str(tmp_path / "third"))
    import_run(third, tmp_path / "large.tar")
    (data,) = third.load_run("mine").stages
    (utterance,) = read_utterances(data)
    assert Path(utterance.audio.path).read_bytes() == b"sound"
    assert Path(utterance.audio.path).is_relative_to(third.root)


def test_recordings_of_an_object_store_come_where_they_are_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, sound = save_spoken_run(tmp_path)
    export_run(store, "mine", tmp_path / "a.tar", with_audio=True)
    sound.unlink()
    url = f"memory://{uuid.uuid4().hex}/store"
    monkeypatch.setenv("ANTIPHON_CACHE", str(tmp_path / "one"))
    import_run(Store(url), tmp_path / "a.tar")
    monkeypatch.setenv("ANTIPHON_CACHE", str(tmp_path / "two"))
    remote = Store(url)
    assert verify_store(remote).faults == ()
    (data,) = remote.load_run("mine").stages
    (utterance,) = read_utterances(remote.backend.localize(data))
    assert Path(utterance.audio.path).is_relative_to(remote.root)
    assert Path(utterance.audio.path).read_bytes() == b"sound"


def test_a_recording_has_the_name_of_its_content(tmp_path: Path, other: Store) -> None:
    store, sound = save_spoken_run(tmp_path)
    export_run(store, "mine", tmp_path / "a.tar", with_audio=True)
    entries = entries_of(tmp_path / "a.tar")
    name = f"audio/{sha256_of(sound)}.wav"
    path = write_tar(tmp_path / "b.tar", with_files(entries, {name: b"other"}))
    refused(other, path, f"{name} is not named by the sha256 of its recording")


def test_a_data_set_of_texts_has_no_recordings(store: Store, tmp_path: Path) -> None:
    manifest = export_run(store, "mine", tmp_path / "a.tar", with_audio=True)
    assert not any(name.startswith("audio/") for name in manifest.files)


def test_an_imported_run_is_not_accepted(store: Store, other: Store, tmp_path: Path) -> None:
    """The other store may have an accepted run of the same data; also of an archive that says otherwise."""
    accept_run(store, "mine")
    export_run(store, "mine", tmp_path / "a.tar")
    entries, name = entries_of(tmp_path / "a.tar"), "runs/mine/accepted.json"
    assert name not in entries
    changed = with_files(entries, {name: (store.root / name).read_bytes()})
    import_run(other, write_tar(tmp_path / "b.tar", changed))
    assert other.load_run("mine").completed
    assert list_accepted(other) == []


def test_the_systems_of_a_comparison_go_along(store: Store, other: Store, tmp_path: Path) -> None:
    save_run(store, "versus", [], systems={"x": "mine"})
    assert export_run(store, "versus", tmp_path / "v.tar").runs == ("mine", "versus")
    assert import_run(other, tmp_path / "v.tar").run == "versus"
    assert other.backend.list_run_names() == ["mine", "versus"]


def test_a_run_that_has_not_finished_is_not_exported(store: Store, tmp_path: Path) -> None:
    with (
        store.claim_run("cascade", "begun"),
        pytest.raises(StoreError, match="begun has not finished: process"),
    ):
        export_run(store, "begun", tmp_path / "x.tar")
    assert not (tmp_path / "x.tar").exists()
    with pytest.raises(ConfigError, match="store: expected a new file or folder, found one"):
        export_run(store, "mine", store.root)
    with pytest.raises(ConfigError, match="expected a folder to write into"):
        export_run(store, "mine", tmp_path / "none" / "x.tar")


def test_a_name_that_is_taken_wants_another(store: Store, other: Store, tmp_path: Path) -> None:
    export_run(store, "mine", tmp_path / "a.tar")
    save_run(other, "mine", [])
    with pytest.raises(ConfigError, match=r"run mine: expected a name that no run has here, .* --name"):
        import_run(other, tmp_path / "a.tar")
    assert keys_of(other) == set()
    assert import_run(other, tmp_path / "a.tar", "theirs").run == "theirs"
    assert other.load_run("theirs").name == "theirs"
    assert other.load_run("mine").stages == ()


def test_stages_that_are_here_are_kept_or_repaired(store: Store, other: Store, tmp_path: Path) -> None:
    """A finished one stays, a damaged or unfinished one is replaced, one of other outputs refuses."""
    data, mt = store.load_run("mine").stages
    export_run(store, "mine", tmp_path / "a.tar")
    shutil.copytree(store.stage_folder(mt.key), other.stage_folder(mt.key))
    for number, ref in enumerate((data, mt)):
        (shard,) = read_shards(ref)
        path = other.root / shard_name(shard.key)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x") if number else shutil.copy(store.root / shard_name(shard.key), path)
    shutil.copytree(store.stage_folder(data.key), other.stage_folder(data.key))
    (other.stage_folder(data.key) / SEAL).unlink()
    assert import_run(other, tmp_path / "a.tar").new == 3
    assert len(other.load_run("mine").stages) == 2

    third = Store(str(tmp_path / "third"))
    plan, (shard,) = store.load_plan(mt.key), read_shards(mt)
    written(third, plan, [], [refusal("a")], keys=[shard.key])
    with pytest.raises(
        StoreError, match=r"stage mt .*: expected the outputs of the archive, found others in"
    ):
        import_run(third, tmp_path / "a.tar")
    assert third.backend.list_run_names() in ([], ["mine"])
    with pytest.raises(StoreError, match="mine has not finished"):
        third.load_run("mine")


def test_a_finished_stage_of_these_outputs_is_not_written_again(
    store: Store, other: Store, tmp_path: Path
) -> None:
    export_run(store, "mine", tmp_path / "a.tar")
    (shard,) = read_shards(write_data(other))
    path = other.root / shard_name(shard.key)
    before = path.stat()
    imported = import_run(other, tmp_path / "a.tar")
    assert (imported.new, imported.present) == (2, 1)
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_a_stage_that_another_process_writes_is_waited_for(
    store: Store, other: Store, tmp_path: Path
) -> None:
    export_run(store, "mine", tmp_path / "a.tar")
    data = store.load_run("mine").stages[0]
    results: list[object] = []
    with other.backend.hold_local_lock(data.key, "x"):
        thread = threading.Thread(target=lambda: results.append(import_run(other, tmp_path / "a.tar")))
        thread.start()
        thread.join(0.5)
        assert thread.is_alive()
    thread.join(30)
    assert len(results) == 1


# Archives that somebody made to do harm


def entries_of(path: Path) -> dict[str, bytes]:
    with tarfile.open(path) as tar:
        return {member.name: tar.extractfile(member).read() for member in tar}  # type: ignore[union-attr]


def write_tar(path: Path, entries: dict[str, bytes], *more: tarfile.TarInfo) -> Path:
    with tarfile.open(path, "w") as tar:
        for name, content in entries.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
        for entry in more:
            tar.addfile(entry)
    return path


def with_manifest(
    entries: dict[str, bytes], change: Callable[[dict[str, object]], object]
) -> dict[str, bytes]:
    """The entries with another, correctly signed manifest."""
    manifest = verify_digest(entries[MANIFEST])
    change(manifest)
    return {**entries, MANIFEST: json.dumps(add_digest(manifest)).encode()}


def with_files(entries: dict[str, bytes], more: dict[str, bytes]) -> dict[str, bytes]:
    """The entries with other files, which their manifest names."""
    files = {name: describe(content) for name, content in more.items()}
    return {**with_manifest(entries, lambda m: m["files"].update(files)), **more}  # type: ignore[attr-defined]


def describe(content: bytes) -> dict[str, object]:
    return {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}


@pytest.fixture
def entries(store: Store, tmp_path: Path) -> dict[str, bytes]:
    export_run(store, "mine", tmp_path / "good.tar")
    return entries_of(tmp_path / "good.tar")


def refused(other: Store, path: Path, match: str) -> None:
    """The archive is refused in one line; nothing of it is in the store or anywhere else."""
    before = sorted(path.parent.iterdir())
    with pytest.raises(AntiphonError, match=match) as caught:
        import_run(other, path)
    assert "\n" not in str(caught.value)
    assert keys_of(other) == set()
    assert other.backend.list_run_names() == []
    assert sorted(path.parent.iterdir()) in (before, sorted({*before, other.root}))


@pytest.mark.parametrize(
    "name",
    ["../out", "/tmp/out", "stages/../../out", "runs/mine/../../../out", "evil", "runs/a b/x", "audio/x.wav",
     "stages/abc/model", "shards/abc.jsonl", f"shards/zz/{'a' * 64}.jsonl",
     f"shards/aa/{'a' * 64}.jsonl/../x",
     "runs/mine/a\\b", "runs/mine/\n", "runs/mine//x", "runs/mine/report.html",
     "runs/mine/plots/a.svg", "runs/mine/texts/a.txt"],
)  # fmt: skip
def test_paths_that_lead_elsewhere(
    other: Store, entries: dict[str, bytes], tmp_path: Path, name: str
) -> None:
    changed = with_files(entries, {name: b"x"})
    refused(other, write_tar(tmp_path / "x.tar", changed), "is no name of a file of a run")


@pytest.mark.parametrize("target", ["/etc/passwd", "run.json"])
@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_links_and_devices(
    other: Store, entries: dict[str, bytes], tmp_path: Path, kind: bytes, target: str
) -> None:
    entry = tarfile.TarInfo("runs/mine/link.json")
    entry.type, entry.linkname = kind, target
    changed = with_manifest(entries, lambda m: m["files"].update({entry.name: describe(b"")}))  # type: ignore[attr-defined]
    refused(other, write_tar(tmp_path / "x.tar", changed, entry), "link|device|special|outside")


def test_a_folder_with_a_link(store: Store, other: Store, tmp_path: Path) -> None:
    export_run(store, "mine", tmp_path / "f")
    (tmp_path / "secret").write_bytes((tmp_path / "f" / "layout.json").read_bytes())
    (tmp_path / "f" / "layout.json").unlink()
    (tmp_path / "f" / "layout.json").symlink_to(tmp_path / "secret")
    refused(other, tmp_path / "f", "expected a file layout.json, found a link")


def test_what_is_not_in_the_manifest_or_missing_or_changed(
    other: Store, entries: dict[str, bytes], tmp_path: Path
) -> None:
    record = "runs/mine/run.json"
    same_length = entries[record].replace(b'"completed"', b'"suspended"')
    cases = {
        "found 'runs/mine/x'": {**entries, "runs/mine/x": b""},
        f"expected {record}": {name: content for name, content in entries.items() if name != record},
        "expected the files that archive.json names": {**entries, record: entries[record] + b" "},
        "run.json: expected sha256 .* damaged": {**entries, record: same_length},
        "begins with archive.json": {record: entries[record], **entries},
        "archive.json: it does not match": {**entries, MANIFEST: entries[MANIFEST].replace(b"mine", b"fine")},
    }
    for number, (match, changed) in enumerate(cases.items()):
        refused(other, write_tar(tmp_path / f"{number}.tar", changed), match)


def test_a_stage_that_is_not_what_its_key_says(
    other: Store, entries: dict[str, bytes], tmp_path: Path
) -> None:
    """A manifest that fits does not make up for a seal, a plan or a record that does not."""
    shard = next(name for name in entries if name.startswith("shards/"))
    seal = next(name for name in entries if name.endswith(SEAL))
    for number, (name, match) in enumerate(
        ((shard, "its outcomes are not those"), (seal, "digest"), ("runs/mine/run.json", "digest"))
    ):
        before, _, after = entries[name].rpartition(b"a")
        content = before + b"b" + after
        refused(other, write_tar(tmp_path / f"{number}.tar", with_files(entries, {name: content})), match)


def test_a_plan_or_a_later_record_that_is_none(
    other: Store, entries: dict[str, bytes], tmp_path: Path
) -> None:
    """Also where seal and manifest fit it."""
    seal = next(name for name in entries if name.endswith(SEAL))
    values = verify_digest(entries[seal])
    for number, plan in enumerate(([], {}, {**values["plan"], "seed": 1})):
        changed = json.dumps(add_digest({**values, "plan": plan})).encode()
        path = write_tar(tmp_path / f"{number}.tar", with_files(entries, {seal: changed}))
        refused(other, path, "plan: Input should be|expected the seal of")
    path = write_tar(tmp_path / "failed.tar", with_files(entries, {"runs/mine/failed.json": b"{"}))
    refused(other, path, "failed.json: expected the record of a run")


def test_an_archive_that_was_packed_again_with_its_folders(
    other: Store, entries: dict[str, bytes], tmp_path: Path
) -> None:
    """As ``tar -c archive.json runs stages`` does."""
    folder = tarfile.TarInfo("runs/empty")
    folder.type = tarfile.DIRTYPE
    assert import_run(other, write_tar(tmp_path / "x.tar", entries, folder)).run == "mine"
    assert other.backend.list_run_names() == ["mine"]


def test_a_folder_without_a_manifest(other: Store, tmp_path: Path) -> None:
    (tmp_path / "f").mkdir()
    refused(other, tmp_path / "f", "expected an archive of a run that begins with archive.json, found none")


def test_a_manifest_that_is_none(
    other: Store, entries: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where its digest fits it."""
    for number, (values, match) in enumerate(
        (({"format": 7}, "archive.json: .*format"), ({"runs": ["other"]}, "expected its run among its runs"))
    ):
        changed = with_manifest(entries, lambda m: m.update(values))  # noqa: B023 - called now
        refused(other, write_tar(tmp_path / f"{number}.tar", changed), match)
    monkeypatch.setattr(archive_reader, "MAX_JSON", 100)
    refused(
        other, write_tar(tmp_path / "x.tar", entries), "expected archive.json of at most 100 bytes, found"
    )


def test_stages_that_are_lacking_unfinished_or_have_more_files(
    store: Store, other: Store, entries: dict[str, bytes], tmp_path: Path
) -> None:
    stage = f"stages/{store.load_run('mine').stages[-1].key}/"
    (shard,) = (name for name in entries if name.startswith("shards/") and b'"content"' in entries[name])
    more = with_files(entries, {f"{stage}x": b"x"})
    cases = {
        "expected a finished stage, found one without stage.json": (more, f"{stage}{SEAL}"),
        "run mine: expected stage .* as its record states it, found none": (entries, f"{stage}{SEAL}"),
        f"{shard}: expected a shard of a finished stage, found none": (entries, shard),
    }
    for number, (match, (whole, gone)) in enumerate(cases.items()):
        left = {name: content for name, content in whole.items() if name != gone}
        changed = with_manifest(left, lambda m: m["files"].pop(gone))  # type: ignore[attr-defined]  # noqa: B023
        refused(other, write_tar(tmp_path / f"{number}.tar", changed), match)
    path = write_tar(tmp_path / "x.tar", more)
    refused(other, path, f"{stage}x: expected the files that stage.json names, found another")


def test_a_bomb(
    other: Store, entries: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it would unpack to is known, and refused, before anything is written; a lie is found in time."""
    zeros, large = b"\0" * 5_000_000, f"stages/{'a' * 64}/x"
    with tarfile.open(tmp_path / "bomb.tar.gz", "w:gz") as tar:
        for name, content in with_files(entries, {large: zeros}).items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    monkeypatch.setattr(archive_reader, "FREE_BYTES", 1000)
    refused(other, tmp_path / "bomb.tar.gz", "at most 200 times its size, found 5")
    huge = with_manifest(entries, lambda m: m["files"].update({large: {"bytes": 10**18, "sha256": "0" * 64}}))  # type: ignore[attr-defined]
    monkeypatch.setattr(archive_reader, "FREE_BYTES", 10**20)
    refused(other, write_tar(tmp_path / "huge.tar", huge), "of free space")


def long_name() -> Iterator[bytes]:
    """The blocks of a GNU header whose file's name has 3 GB."""
    entry = tarfile.TarInfo("././@LongLink")
    entry.type, entry.size = tarfile.GNUTYPE_LONGNAME, 3 << 30
    yield entry.tobuf(tarfile.GNU_FORMAT)
    yield from itertools.repeat(b"a" * (1 << 20), 3 << 10)


def folders() -> Iterator[bytes]:
    """Two million folders."""
    entry = tarfile.TarInfo("runs")
    entry.type = tarfile.DIRTYPE
    yield from itertools.repeat(entry.tobuf() * 100, 20_000)


def short_names() -> Iterator[bytes]:
    """A thousand names for one file, of which tarfile reads each inside the one before."""
    entry = tarfile.TarInfo("././@LongLink")
    entry.type, entry.size = tarfile.GNUTYPE_LONGNAME, 2
    yield (entry.tobuf(tarfile.GNU_FORMAT) + b"a".ljust(512, b"\0")) * 1000


def nested_json() -> Iterator[bytes]:
    """A manifest of which every byte makes a list, of 250 MB."""
    entry = tarfile.TarInfo(MANIFEST)
    entry.size = 250 << 20
    yield entry.tobuf()
    yield from itertools.repeat(b"[],[" * (1 << 18), 250)


def file_before_its_header() -> Iterator[bytes]:
    """A size below zero, which leads back to the same header."""
    entry = tarfile.TarInfo("runs")
    entry.type, entry.size = tarfile.GNUTYPE_LONGNAME, -1024
    yield entry.tobuf(tarfile.GNU_FORMAT)
    yield entry.tobuf(tarfile.GNU_FORMAT)


@pytest.mark.parametrize("is_late", [False, True])
@pytest.mark.parametrize("bomb", [long_name, folders, short_names, nested_json, file_before_its_header])
def test_what_is_larger_than_any_file_that_it_names(
    other: Store,
    entries: dict[str, bytes],
    tmp_path: Path,
    bomb: Callable[[], Iterator[bytes]],
    is_late: bool,
) -> None:
    """In headers, names and folders, which no manifest states: memory and time stay bounded."""
    if is_late and bomb is file_before_its_header and sys.version_info < (3, 11, 4):
        pytest.skip("tarfile takes it for the end, after which nothing is read")
    path, before = tmp_path / "bomb.tar.gz", write_tar(tmp_path / "good.tar", entries).read_bytes()
    end = before.rstrip(b"\0")
    with gzip.open(path, "wb", compresslevel=1) as file:
        if is_late:
            file.write(before[: -(-len(end) // 512) * 512])
        for number, block in enumerate(bomb()):
            if number > 250:  # what would come is not looked at
                break
            file.write(block)
    tracemalloc.start()
    refused(other, path, "bomb.tar.gz: expected ")
    assert tracemalloc.get_traced_memory()[1] < 64 << 20
    tracemalloc.stop()


@pytest.mark.parametrize("content", [b"", b"text", b"\x1f\x8b\x08\x00broken", bytes(range(256)) * 8])
def test_what_is_no_archive(other: Store, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.tar").write_bytes(content)
    refused(other, tmp_path / "x.tar", "expected a")
    with pytest.raises(ConfigError, match="expected an archive of a run, found no such"):
        import_run(other, tmp_path / "none.tar")


def test_an_archive_that_is_cut_off(other: Store, store: Store, tmp_path: Path) -> None:
    export_run(store, "mine", tmp_path / "a.tar.gz")
    whole = (tmp_path / "a.tar.gz").read_bytes()
    (tmp_path / "cut.tar.gz").write_bytes(whole[: len(whole) // 2])
    refused(other, tmp_path / "cut.tar.gz", "expected")
    forget_own_uses()
