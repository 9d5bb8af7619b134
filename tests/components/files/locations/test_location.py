"""What a location names, and how names are joined to a folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.files.locations.location import (
    LocationError,
    absolute_location,
    file_name_of,
    folder_of,
    join_location,
    parse_location,
    show_location,
)


@pytest.mark.parametrize(
    ("text", "file", "member"),
    [
        ("talk.wav", "talk.wav", None),
        ("a#b.wav", "a#b.wav", None),
        ("talks.tar#a/b.wav", "talks.tar", "a/b.wav"),
        ("s3://bucket/x.tar#a#b.wav", "s3://bucket/x.tar", "a#b.wav"),
        ("s3://bucket/a#b.wav", "s3://bucket/a#b.wav", None),
        ("p.parquet#audio/3", "p.parquet", "audio/3"),
        ("a.tar.gz#b.wav", "a.tar.gz#b.wav", None),
        ("talks.tar#", "talks.tar#", None),
    ],
)
def test_a_member_stands_behind_the_archive(text: str, file: str, member: str | None) -> None:
    assert parse_location(text) == (file, member)


def test_a_file_whose_name_looks_like_a_members_is_that_file(tmp_path: Path) -> None:
    path = tmp_path / "a.tar#b.wav"
    path.touch()
    assert parse_location(path) == (str(path), None)


@pytest.mark.parametrize(
    ("text", "name", "folder"),
    [
        ("x/talk.wav", "talk.wav", "x"),
        ("x/t.tar#a/b.wav", "b.wav", "x"),
        ("s3://bucket/x/talk.wav", "talk.wav", "s3://bucket/x"),
        ("https://host/x/talk%201.wav?key=secret/1", "talk 1.wav", "https://host/x"),
        ("s3://bucket/part-0.parquet#audio/7", "part-0-7", "s3://bucket"),
    ],
)
def test_name_and_folder(text: str, name: str, folder: str) -> None:
    assert file_name_of(text) == name
    assert folder_of(parse_location(text).file) == folder


def test_names_are_joined_to_a_folder() -> None:
    assert join_location("x", "a.wav") == "x/a.wav"
    assert join_location("x", "/y/a.wav") == "/y/a.wav"
    assert join_location("x", "s3://b/a.wav") == "s3://b/a.wav"
    assert join_location("s3://b/x", "./t.tar#a.wav") == "s3://b/x/t.tar#a.wav"
    for name in ("/etc/passwd", "../a.wav", "a/../../b"):
        with pytest.raises(LocationError, match="expected names below it"):
            join_location("s3://b/x", name)


def test_what_is_remote_is_absolute_and_secrets_are_not_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert absolute_location("a.tar#b") == f"{tmp_path}/a.tar#b"
    assert absolute_location("https://h/a.wav") == "https://h/a.wav"
    assert show_location("https://h/a.wav?sig=abc") == "https://h/a.wav?sig=***"
    assert show_location("a?b=c.wav") == "a?b=c.wav"
