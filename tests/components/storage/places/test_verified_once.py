"""Shards of a finished stage are verified once, and again when their files are touched."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from components.errors import StoreError
from components.files import digests
from components.records import Utterance
from components.storage.shards import verified
from components.storage.shards.shard import ShardEntry, ShardHeader
from components.storage.stages.reader import read_shards
from components.storage.store import Store
from tests.components.storage.written import shard_paths, written


def test_a_shard_is_read_once_and_again_when_its_file_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(digests, "RECENT_NANOSECONDS", 0)
    monkeypatch.setenv("ANTIPHON_CACHE", str(tmp_path / "cache"))
    read, decode = list[str](), verified.decode_shard

    def counted(content: bytes, where: str, key: str) -> tuple[ShardHeader, bytes]:
        read.append(key)
        return decode(content, where, key)

    monkeypatch.setattr(verified, "decode_shard", counted)
    store = Store(str(tmp_path / "store"))
    rows = [Utterance(id=f"u{n}", text="a dog", source_language="en") for n in range(8)]
    ref = written(store, "data", rows, size=2)
    keys = [shard.key for shard in read_shards(ref)]
    whole = {key: store.find_shard(key) for key in keys}
    for _ in range(3):
        assert store.find_shards([*keys, "0" * 64]) == whole
    assert sorted(read) == sorted(keys)
    changed, cut, gone, _ = shard_paths(ref.path)
    changed.write_bytes(changed.read_bytes().replace(b"a dog", b"a cat"))
    cut.write_bytes(cut.read_bytes()[:40])
    gone.unlink()
    assert store.find_shards(keys) == {keys[3]: whole[keys[3]]}


def test_what_is_not_touched_is_verified_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(digests, "RECENT_NANOSECONDS", 0)
    monkeypatch.setenv("ANTIPHON_CACHE", str(tmp_path / "cache"))
    checked, check = list[str](), verified.check_shard

    def counted(entry: ShardEntry, content: bytes | None, where: str) -> None:
        checked.append(entry.key)
        check(entry, content, where)

    monkeypatch.setattr(verified, "check_shard", counted)
    store = Store(str(tmp_path / "store"))
    rows = [Utterance(id=f"u{n}", text="a dog", source_language="en") for n in range(6)]
    ref = written(store, "data", rows, size=2)
    for _ in range(3):
        store.load_seal(ref.key)
    assert len(checked) == 3
    path = shard_paths(ref.path)[1]
    status, content = path.stat(), path.read_bytes()
    path.write_bytes(content.replace(b"a dog", b"a cat"))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))  # its time of change stays new
    with pytest.raises(StoreError, match="not those that were sealed"):
        store.load_seal(ref.key)
    path.unlink()
    with pytest.raises(StoreError, match="found none"):
        store.load_seal(ref.key)
