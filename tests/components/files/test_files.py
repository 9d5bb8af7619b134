from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Never

import pytest

from components.errors import StoreError
from components.files.files import (
    open_atomically,
    read_json,
    read_lines,
    rename_durably,
    staging_folder,
    write_atomically,
    write_bytes,
    write_json,
)


def no_space(*_: object) -> Never:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_failed_write_leaves_the_old_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_atomically(tmp_path / "f", b"old")
    monkeypatch.setattr(os, "fsync", no_space)
    with pytest.raises(OSError, match="No space"):
        write_atomically(tmp_path / "f", b"new")
    with pytest.raises(StoreError, match=r"no space left to write f at .* run the same command again"):
        write_bytes(tmp_path / "f", b"new")
    assert (tmp_path / "f").read_bytes() == b"old" and [p.name for p in tmp_path.iterdir()] == ["f"]


def test_a_block_that_fails_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="wrong"), open_atomically(tmp_path / "f") as file:
        file.write(b"half")
        raise ValueError("wrong")
    assert list(tmp_path.iterdir()) == []


def test_a_reader_sees_the_old_file_until_the_new_one_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "f"
    write_bytes(path, b"old")
    with open_atomically(path) as file:
        file.write(b"new")
        file.flush()
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"


def test_a_link_is_replaced_and_not_followed(tmp_path: Path) -> None:
    write_bytes(tmp_path / "elsewhere", b"theirs")
    (tmp_path / "f").symlink_to(tmp_path / "elsewhere")
    write_bytes(tmp_path / "f", b"ours")
    assert (tmp_path / "elsewhere").read_bytes() == b"theirs" and not (tmp_path / "f").is_symlink()


def test_files_are_readable_by_whom_the_umask_allows(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        write_bytes(tmp_path / "f", b"")
    finally:
        os.umask(before)
    assert (tmp_path / "f").stat().st_mode & 0o777 == 0o644


def test_a_missing_folder_is_made_and_json_read_back(tmp_path: Path) -> None:
    write_json(tmp_path / "a" / "b.json", {"text": "ä", "number": 1})
    assert read_json(tmp_path / "a" / "b.json") == {"text": "ä", "number": 1}
    write_bytes(tmp_path / "list.json", b"[1]")
    with pytest.raises(StoreError, match=r"expected a JSON object in .*found list"):
        read_json(tmp_path / "list.json")


def test_only_a_line_feed_ends_a_line(tmp_path: Path) -> None:
    write_bytes(tmp_path / "f", "one\u2028still one\ntwo\n".encode())
    assert [line.decode() for line in read_lines(tmp_path / "f")] == ["one\u2028still one", "two"]


def test_a_staging_folder_goes_unless_it_is_renamed_with_what_the_dead_left(tmp_path: Path) -> None:
    (tmp_path / ".model.partial-dead").mkdir()
    with staging_folder(tmp_path / "model") as staging:
        assert [p.name for p in tmp_path.iterdir()] == [staging.name]
    assert list(tmp_path.iterdir()) == []
    with staging_folder(tmp_path / "model") as staging:
        staging.rename(tmp_path / "model")
    assert [p.name for p in tmp_path.iterdir()] == ["model"]


def test_a_folder_takes_the_place_of_an_empty_one_only(tmp_path: Path) -> None:
    for name in ("new", "empty", "full"):
        (tmp_path / name).mkdir()
    (tmp_path / "new" / "weights").touch()
    (tmp_path / "full" / "weights").touch()
    with pytest.raises(OSError, match="not empty"):
        rename_durably(tmp_path / "new", tmp_path / "full")
    rename_durably(tmp_path / "new", tmp_path / "empty")
    assert (tmp_path / "empty" / "weights").exists()
