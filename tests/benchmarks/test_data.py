"""The data of the benchmarks: what is fetched is what is pinned, and becomes a manifest."""

from __future__ import annotations

import doctest
import gzip
import subprocess
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest

from benchmarks.data import asterisk, fillets, manuals
from benchmarks.data.fetching import fetch_git_files, fetch_packages, unpack
from benchmarks.data.pins import CAPTIONS, SETS, GitFile, Package
from components.errors import DataError


@pytest.mark.parametrize("module", [asterisk, fillets, manuals], ids=lambda module: module.__name__)
def test_readers_do_what_their_examples_say(module: object) -> None:
    done = doctest.testmod(module)  # type: ignore[arg-type]
    assert (done.attempted > 0, done.failed) == (True, 0)


def test_every_set_has_a_licence_and_every_file_a_digest() -> None:
    for data in SETS.values():
        digests = [
            d for s in data.sources for d in (s.sha256.values() if isinstance(s, Package) else [s.sha256])
        ]
        assert data.licence
        assert all(len(digest) == 64 for digest in digests), data.name


def test_files_of_a_repository_are_fetched_once_and_checked(tmp_path: Path) -> None:
    origin = tmp_path / "git" / "owner" / "name"
    origin.mkdir(parents=True)
    (origin / "a.en.gz").write_bytes(gzip.compress(b"one\n"))
    for arguments in (
        ["init", "-q"],
        ["config", "uploadpack.allowAnySHA1InWant", "true"],
        ["add", "."],
        ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "m"],
    ):
        subprocess.run(["git", "-C", str(origin), *arguments], check=True)
    command = ["git", "-C", str(origin), "rev-parse", "HEAD"]
    head = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    right = GitFile(f"owner/name@{head}", "a.en.gz", sha256(b"one\n").hexdigest())
    base, out = f"file://{tmp_path / 'git'}", tmp_path / "out"
    fetch_git_files(replace(CAPTIONS, sources=(right,)), out, tmp_path / "work", base)
    assert (out / "a.en").read_bytes() == b"one\n"
    fetch_git_files(replace(CAPTIONS, sources=(right,)), out, tmp_path / "other", "file:///nowhere")
    wrong = replace(right, sha256="0" * 64)
    with pytest.raises(DataError, match=r"expected SHA-256 0000.*found another file"):
        fetch_git_files(replace(CAPTIONS, sources=(wrong,)), tmp_path / "none", tmp_path / "work", base)
    assert not (tmp_path / "none").exists()


def test_a_package_that_is_another_one_is_refused(tmp_path: Path) -> None:
    (tmp_path / "none-such-antiphon_1_all.deb").write_bytes(b"x")
    with pytest.raises(DataError, match="expected version 1 with its pinned SHA-256, found none"):
        fetch_packages([Package("none-such-antiphon", {"1": "0" * 64})], tmp_path)


def test_members_of_a_package_are_written_where_they_are_wanted(tmp_path: Path) -> None:
    (tmp_path / "p" / "DEBIAN").mkdir(parents=True)
    (tmp_path / "p" / "usr").mkdir()
    (tmp_path / "p" / "usr" / "a.txt").write_text("a")
    (tmp_path / "p" / "usr" / "b.txt").write_text("b")
    control = "Package: p\nVersion: 1\nArchitecture: all\nMaintainer: a <a@b>\nDescription: d\n"
    (tmp_path / "p" / "DEBIAN" / "control").write_text(control)
    subprocess.run(
        ["dpkg-deb", "-b", str(tmp_path / "p"), str(tmp_path / "p.deb")], check=True, capture_output=True
    )
    unpack(tmp_path / "p.deb", lambda path: tmp_path / "out" / path.name if path.stem == "b" else None)
    assert [file.name for file in (tmp_path / "out").iterdir()] == ["b.txt"]
