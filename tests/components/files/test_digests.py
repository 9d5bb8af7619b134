from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from components.files import digests
from components.files.digests import combine_digests, sha256_of


@pytest.fixture
def big(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ANTIPHON_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(digests, "REMEMBERED_FROM", 10)
    path = tmp_path / "big"
    path.write_bytes(b"x" * 100)
    return path


def test_an_unchanged_file_is_read_once(big: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = hashlib.sha256(b"x" * 100).hexdigest()
    assert sha256_of(big) == expected

    def read_again(*_: object) -> None:
        raise AssertionError("the file was read again")

    monkeypatch.setattr(hashlib, "file_digest", read_again)
    assert sha256_of(big) == expected
    with pytest.raises(AssertionError, match="read again"):
        sha256_of(big, reread=True)


def test_a_change_is_seen_even_with_its_time_set_back(big: Path) -> None:
    before = big.stat()
    sha256_of(big)
    big.write_bytes(b"y" * 100)
    os.utime(big, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert sha256_of(big) == hashlib.sha256(b"y" * 100).hexdigest()


def test_a_damaged_memory_is_ignored(big: Path, tmp_path: Path) -> None:
    expected = sha256_of(big)
    digests._memory.connection.close()
    for memory in (tmp_path / "cache").iterdir():
        memory.write_bytes(b"no database")
    digests._memory.owner = None
    assert sha256_of(big) == expected


def test_combined_depends_on_names_and_contents_not_on_order() -> None:
    assert combine_digests({"a": "1", "b": "2"}) == combine_digests({"b": "2", "a": "1"})
    assert (
        len(
            {
                combine_digests({"a": "1"}),
                combine_digests({"a": "2"}),
                combine_digests({"b": "1"}),
                combine_digests({}),
            }
        )
        == 4
    )


def test_a_cache_that_cannot_be_written_costs_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cache").write_text("no folder")
    monkeypatch.setenv("ANTIPHON_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(digests, "REMEMBERED_FROM", 1)
    file = tmp_path / "weights"
    file.write_bytes(b"weights")
    assert digests.sha256_of(file) == hashlib.sha256(b"weights").hexdigest()
