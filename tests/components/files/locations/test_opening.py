"""Members of tars and rows of tables as files; copies within a bound."""

from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path

import pytest

from components.errors import ConfigError
from components.files.locations import fetched_files
from components.files.locations.fetched_files import fetched_folder, fill, find, read_limit
from components.files.locations.location import LocationError
from components.files.locations.opening import facts, facts_of_all, identity_of, open_local, open_location
from tests.components.files.locations.test_tar_members import pack
from tests.web import WebServer

CONTENT = bytes(range(256)) * 10


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTIPHON_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(fetched_files, "_written", 0)


def test_a_member_of_a_local_tar_is_read_where_it_lies(tmp_path: Path) -> None:
    tar = tmp_path / "t.tar"
    tar.write_bytes(pack([("a.wav", b"first"), ("x/b.wav", CONTENT)]))
    with open_location(f"{tar}#x/b.wav") as file:
        assert (file.seek(0, os.SEEK_END), file.seek(1000), file.read(5)) == (2560, 1000, CONTENT[1000:1005])
        file.seek(0)
        assert file.read() == CONTENT
        assert file.read(1) == b""
    with open_location(f"{tar}#x/b.wav") as file:
        assert hashlib.file_digest(file, "sha256").hexdigest() == hashlib.sha256(CONTENT).hexdigest()
    assert not fetched_folder().exists()
    copy = open_local(f"{tar}#x/b.wav")
    assert (copy.read_bytes(), copy.suffix) == (CONTENT, ".wav")
    assert open_local(f"{tar}#x/b.wav") == copy
    before = identity_of(f"{tar}#a.wav")
    tar.write_bytes(pack([("a.wav", b"other")]))
    assert identity_of(f"{tar}#a.wav") != before
    with open_location(f"{tar}#a.wav") as file:
        assert file.read() == b"other"
    with pytest.raises(LocationError, match="found none"):
        open_location(f"{tar}#x/b.wav")


def test_a_member_of_a_tar_behind_a_url(web: WebServer) -> None:
    web.files["/t.tar"] = pack([("a.wav", b"first"), ("b.wav", b"second")])
    for name, content in (("a.wav", b"first"), ("b", b"second")):
        with open_location(f"{web.url}/t.tar#{name}") as file:
            assert file.read() == content
    assert web.asked == ["HEAD /t.tar", "GET /t.tar"]
    assert open_local(f"{web.url}/t.tar#a.wav").read_bytes() == b"first"
    fetched = next(path for path in fetched_folder().glob("*/*.tar"))
    fetched.unlink()  # to make room
    with open_location(f"{web.url}/t.tar#b.wav") as file:
        assert file.read() == b"second"


def test_facts_of_many_ask_for_each_file_once(web: WebServer, tmp_path: Path) -> None:
    web.files["/t.tar"] = pack([("a.wav", b"first")])
    (tmp_path / "a.wav").write_bytes(b"12345")
    names = [f"{web.url}/t.tar#{number}" for number in range(5)]
    local, missing = str(tmp_path / "a.wav"), str(tmp_path / "b.wav")
    found = facts_of_all([*names, local, missing, f"{web.url}/none"])
    assert sorted(web.asked) == ["GET /none", "HEAD /none", "HEAD /t.tar"]
    assert len({found[name] for name in names}) == 1
    assert found[local] == facts(local)
    assert isinstance(found[missing], LocationError)
    assert isinstance(found[f"{web.url}/none"], LocationError)


def test_rows_of_tables_are_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    from components.files.locations import table_sounds

    monkeypatch.setattr(table_sounds, "EXTRACT_BYTES", 40)
    sounds = [{"bytes": b"sound %d" % n, "path": f"{n}.wav"} for n in range(50)]
    sounds[7]["bytes"] = None  # type: ignore[assignment]
    table = pa.table({"audio": sounds, "raw": [b"raw %d" % n for n in range(50)]})
    parquet.write_table(table, tmp_path / "p.parquet", row_group_size=20)
    with (
        pa.OSFile(str(tmp_path / "p.arrow"), "wb") as target,
        pa.ipc.new_stream(target, table.schema) as writer,
    ):
        writer.write_table(table, max_chunksize=15)
    for name in ("p.parquet", "p.arrow"):
        for row in (0, 6, 8, 19, 20, 49):
            with open_location(f"{tmp_path / name}#audio/{row}") as file:
                assert file.read() == b"sound %d" % row
        assert open_local(f"{tmp_path / name}#raw/3").read_bytes() == b"raw 3"
        for member in ("audio/7", "audio/50", "audio", "audio/x", "none/1"):
            with pytest.raises(LocationError) as caught:
                open_location(f"{tmp_path / name}#{member}")
            assert "\n" not in str(caught.value)
    content = (tmp_path / "p.parquet").read_bytes()
    for damaged in (content[: len(content) // 2], b"", b"PAR1" + bytes(50)):
        (tmp_path / "d.parquet").write_bytes(damaged)
        with pytest.raises(LocationError, match="expected"):
            open_location(f"{tmp_path}/d.parquet#audio/30")


def test_copies_stay_within_their_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTIPHON_FETCHED_BYTES", "10KiB")
    monkeypatch.setattr(fetched_files, "TOUCHED_EVERY_SECONDS", -1.0)
    names = [f"{number:040d}" for number in range(30)]
    for name in names:
        path = fill(name, ".wav", lambda file: file.write(bytes(1000)))
        os.utime(path, (time.time() - 3600 + int(name),) * 2)
        if name == names[0]:
            first = path
        os.utime(first, (time.time() - 100,) * 2)  # used again and again
    fill("f" * 40, ".wav", lambda file: file.write(bytes(1000)))
    left = sorted(path.stem for path in fetched_folder().glob("*/*"))
    assert left == [names[0], *names[-8:], "f" * 40]
    assert find("f" * 40, ".wav") is not None
    assert find(names[5], ".wav") is None


@pytest.mark.parametrize(("text", "size"), [("", 50 << 30), ("5", 5), ("2 GiB", 2 << 30), ("3kb", 3000)])
def test_the_bound_is_a_size(text: str, size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTIPHON_FETCHED_BYTES", text)
    assert read_limit() == size


def test_a_bound_that_is_no_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTIPHON_FETCHED_BYTES", "many")
    with pytest.raises(ConfigError, match="expected a size such as 4GiB or 500MB, found 'many'"):
        read_limit()
