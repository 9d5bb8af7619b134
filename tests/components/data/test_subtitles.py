"""Subtitles as a text with times: what of a file is text, and where it stands."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.data import load
from components.data.subtitles import parse_cues
from components.errors import DataError

VTT = """\
WEBVTT - a film

NOTE nobody reads this

STYLE
::cue { color: red }

first
00:01.000 --> 00:02.000 align:start line:90%
<v Ann>Good <i>morning</i>, Tom &amp; Ann.</v>

NOTE nor this

second
01:00:03.000 --> 01:00:04.500
- Who is there?
- It is me.
"""
SRT = """\
1
00:00:05,000 --> 00:00:07,000
{\\an8}A <b>dog</b> runs

2
00:00:01,000 --> 00:00:02,500
In C:\\new, at
 last

3
00:00:06,500 --> 00:00:08,000
on the beach.

4
00:00:06,500 --> 00:00:09,000
1984

5
00:00:10,000 --> 00:00:11,000

"""


def test_what_is_said_is_text_and_the_rest_is_not(tmp_path: Path) -> None:
    (tmp_path / "film.en.vtt").write_text(VTT, "utf-8")
    (utterance,) = load(str(tmp_path / "film.en.vtt")).utterances
    assert utterance.text == "Good morning, Tom & Ann. - Who is there? - It is me."
    assert [(s.start, s.end) for s in utterance.segments] == [(1.0, 2.0), (3603.0, 3604.5)]
    assert (utterance.source_language, utterance.audio, utterance.transcript) == ("en", None, None)


def test_cues_follow_each_other(tmp_path: Path) -> None:
    """Those of two speakers overlap; the first ends where the second begins, and equal starts are one."""
    (tmp_path / "film.srt").write_bytes(SRT.replace("\n", "\r\n").encode())
    (utterance,) = load(str(tmp_path / "film.srt"), source_language="en").utterances
    assert [(s.start, s.end, s.text) for s in utterance.segments] == [
        (1.0, 2.5, "In C:\\new, at last"),
        (5.0, 6.5, "A dog runs"),
        (6.5, 9.0, "on the beach. 1984"),
    ]


def test_an_old_file_is_in_the_code_page_of_its_language(tmp_path: Path) -> None:
    line = "Собака бежит по пляжу, а девочка играет на снегу."
    (tmp_path / "film.ru.srt").write_bytes(f"1\n00:00:01,000 --> 00:00:02,000\n{line}\n".encode("cp1251"))
    (utterance,) = load(str(tmp_path / "film.ru.srt")).utterances
    assert utterance.text == line


@pytest.mark.parametrize(
    ("form", "content", "message"),
    [
        ("srt", "", "film: expected cues such as 00:00:01,000 --> 00:00:02,500, found none"),
        ("vtt", "WEBVTT\n", "film: expected cues such as 00:00:01.000 --> 00:00:02.500, found none"),
        ("vtt", "WEBVTT\n\n00:0x.000 --> 00:02.000\nx\n", "film:3: expected times such as 00:00:01.000"),
        ("srt", "1\n00:00:02,000 --> 00:00:01,000\nx\n", "film:2: expected an end after the start"),
    ],
)
def test_what_is_no_subtitle_is_refused_with_its_line(form: str, content: str, message: str) -> None:
    with pytest.raises(DataError) as fault:
        parse_cues("film", content, "vtt" if form == "vtt" else "srt")
    assert str(fault.value).startswith(message)


def test_without_a_language_nothing_is_read(tmp_path: Path) -> None:
    (tmp_path / "film.srt").write_text(SRT)
    with pytest.raises(DataError, match="expected the source language of plain text, found none"):
        load(str(tmp_path / "film.srt"))
