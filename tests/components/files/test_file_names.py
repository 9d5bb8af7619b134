from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.files.file_names import MAX_BYTES, safe_name, unique_names, unique_stems


@given(st.lists(st.text(max_size=200), max_size=6))
def test_names_name_files_in_their_folder_and_differ(names: list[str]) -> None:
    unique = unique_names(names)
    assert len({name.casefold() for name in unique}) == len(names)
    for name in unique:
        assert not re.search(r'[/\\:*?"<>|\x00-\x1f]', name)
        assert name not in ("", ".", "..")
        assert not name.startswith(".")
        assert len(name.encode()) <= MAX_BYTES + 8


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("../../etc/passwd", "_.._etc_passwd"),
        ("con", "_con"),
        ("", "text"),
        ("a:b", "a_b"),
        ("Ärger.", "Ärger"),
    ],
)
def test_safe_names(name: str, safe: str) -> None:
    assert safe_name(name) == safe


def test_files_that_differ_by_their_ending_are_told_apart_by_it() -> None:
    files = ["talk.mp4", "Talk.wav", "a.wav", "a.wav", "captions."]
    assert unique_stems(files) == ["talk.mp4", "Talk.wav", "a", "a-2", "captions"]


@pytest.mark.timeout(30)  # it took minutes, as every name was counted from 2
def test_recordings_of_one_name_take_no_longer_each_the_more_there_are() -> None:
    assert unique_names(["audio"] * 30_000)[-1] == "audio-30000"
