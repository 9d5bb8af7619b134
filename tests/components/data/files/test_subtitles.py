"""Subtitles as a text with times: what of a file is text, and where it stands."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from components.data import load
from components.data.files.language_names import language_before_ending, name_without_language
from components.data.files.subtitles import parse_srt, parse_vtt
from components.errors import DataError
from components.records import Utterance

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
A<01:00:03.400><c> room</c><01:00:03.900><c> is</c>
101

01:00:04.500 --> 01:00:05.000
closed.
"""
SRT = """\
1
00:00:05,000 --> 00:00:07,000
{\\an8}A <b>dog</b> runs

2
00:00:01,000 --> 00:00:02,500
In C:\\new, from 00:00:01,000 to 00:00:02,000, at
 last.

3
00:00:06,500 --> 00:00:08,000
on the beach.

4
00:00:06,500 --> 00:00:09,000
1984

5
00:00:10,000 --> 00:00:11,000

"""


def read(path: Path, **languages: str) -> list[Utterance]:
    return list(load(str(path), **languages).utterances)


def times(utterance: Utterance) -> list[tuple[float, float]]:
    return [(segment.start, segment.end) for segment in utterance.segments]


def test_what_is_said_is_text_and_the_rest_is_not(tmp_path: Path) -> None:
    (tmp_path / "film.en.vtt").write_text(VTT, "utf-8")
    greeting, room = read(tmp_path / "film.en.vtt")
    assert (greeting.text, times(greeting)) == ("Good morning, Tom & Ann.", [(1.0, 2.0)])
    assert (room.text, times(room)) == ("A room is 101 closed.", [(3603.0, 3604.5), (3604.5, 3605.0)])
    assert (room.id, room.source_language, room.audio, room.transcript) == (
        "film.en.vtt:15",
        "en",
        None,
        None,
    )


def test_cues_follow_each_other(tmp_path: Path) -> None:
    """Those of two speakers overlap; the first ends where the second begins, and equal starts are one."""
    (tmp_path / "film.srt").write_bytes(SRT.replace("\n", "\r\n").encode())
    first, second = read(tmp_path / "film.srt", source_language="en")
    assert first.text == "In C:\\new, from 00:00:01,000 to 00:00:02,000, at last."
    assert times(first) == [(1.0, 2.5)]
    assert [(s.start, s.end, s.text) for s in second.segments] == [
        (5.0, 6.5, "A dog runs"),
        (6.5, 9.0, "on the beach. 1984"),
    ]


def test_a_sentence_does_not_go_on_after_a_silence_a_sound_or_a_dash(tmp_path: Path) -> None:
    """What is no word is left out, and of cues without an end ten are one text."""
    lines = [
        (1, "[A dog barks]"),
        (3, "who"),
        (5, "is it"),
        (9, "- me"),
        (11, "♪ la la ♪"),
        (13, "and"),
        (15, "♪ ♪"),
    ]
    lines += [(20 + 2 * n, f"no {n}") for n in range(12)]
    cues = [f"00:00:{at:02},000 --> 00:00:{at + 1:02},500\n{text}\n" for at, text in lines]
    (tmp_path / "film.en.srt").write_text("\n".join(cues), "utf-8")
    texts = [utterance.text for utterance in read(tmp_path / "film.en.srt")]
    assert texts[:5] == ["[A dog barks]", "who is it", "- me", "♪ la la ♪", "and"]
    assert texts[5:] == [" ".join(f"no {n}" for n in range(10)), "no 10 no 11"]


@pytest.mark.parametrize(
    ("said", "texts"),
    [
        ("<i>- A child smiles.</i>\n<i>- Yes.</i>", ["- A child smiles.", "- Yes."]),
        ("Who is it?\n–Me and\nthe dog.\n–Oh.", ["Who is it?", "–Me and the dog.", "–Oh."]),
        ("- I thought\n- What?", ["- I thought", "- What?"]),
        ("It was\n- I think - late.", ["It was - I think - late."]),
        ("It was cold.\n-5 degrees.", ["It was cold. -5 degrees."]),
        ("- Yes.\n- ...", ["- Yes. - ..."]),
    ],
)
def test_speakers_of_one_cue_are_texts_of_their_own(said: str, texts: list[str], tmp_path: Path) -> None:
    (tmp_path / "film.en.srt").write_text(f"1\n00:00:01,000 --> 00:00:03,300\n{said}\n", "utf-8")
    turns = read(tmp_path / "film.en.srt")
    assert [turn.text for turn in turns] == texts
    borders = [turn.segments[0].start for turn in turns] + [3.3]
    assert borders[0] == 1.0
    assert [turn.segments[0].end for turn in turns] == borders[1:] == sorted(set(borders[1:]))
    assert borders[1] == 2.7 or texts[-1] != "- Yes."


@pytest.mark.parametrize(
    ("encoding", "note"), [("cp1251", "read as CP1251"), ("utf-8", None), ("utf-16", "read as UTF-16")]
)
def test_an_old_file_is_in_the_code_page_of_its_language(
    encoding: str, note: str | None, tmp_path: Path
) -> None:
    line = "Собака бежит по пляжу, а девочка играет на снегу."
    content = f"1\n00:00:01,000 --> 00:00:02,000\n{line}\n".encode(encoding)
    (tmp_path / "film.ru.srt").write_bytes(content)
    data = load(str(tmp_path / "film.ru.srt"))
    assert [utterance.text for utterance in data.utterances] == [line]
    assert [n.partition(": ")[2].partition(",")[0] for n in data.notes] == ([note] if note else [])


def test_a_text_may_look_like_times() -> None:
    """`export --for-edit` wrote such a text, which `edit` refused to read."""
    texts = ["2 00:00:01,000 --> 00:00:03,000 hi 3", "--> 00:01:02"]
    content = "".join(f"{n}\n00:00:0{n},000 --> 00:00:0{n},500\n{text}\n\n" for n, text in enumerate(texts))
    assert [cue.text for cue in parse_srt("film", content)] == texts


def test_one_faulty_byte_does_not_change_the_encoding(tmp_path: Path) -> None:
    line = "Die Hündin läuft über die Straße, wo Mädchen öfter schön spielen müssen. " * 2
    content = f"1\n00:00:01,000 --> 00:00:02,000\n{line}".encode() + b"\xc3"
    (tmp_path / "film.de.srt").write_bytes(content)
    data = load(str(tmp_path / "film.de.srt"))
    assert data.utterances[0].text == f"{line}\ufffd"
    assert data.notes == ("film.de.srt: read as UTF-8 with 1 faulty place, since it is not UTF-8",)


@pytest.mark.parametrize(
    ("name", "language", "short"),
    [
        *(("film.en.srt", "en", "film"), ("film.EN.SRT", "en", "film"), ("film.en.hi.srt", "en", "film")),
        *(
            ("film.hi.srt", "hi", "film"),
            ("film.en.forced.vtt", "en", "film"),
            ("film.cc.srt", None, "film.cc"),
        ),
        *(("film.srt", None, "film"), ("show.it.de.srt", "de", "show.it"), (".en.srt", None, ".en")),
    ],
)
def test_the_language_is_in_the_name(name: str, language: str | None, short: str) -> None:
    assert (language_before_ending(Path(name)), name_without_language(Path(name))) == (language, short)


@pytest.mark.parametrize(
    ("form", "content", "message"),
    [
        ("srt", "", "film: expected cues such as 00:00:01,000 --> 00:00:02,500, found none"),
        ("srt", "1\n00:00:02,000 --> 00:00:01,000\nx\n", "film:2: expected an end after the start"),
        ("srt", "1\n-00:00:00,500 --> 00:00:01,000\nx\n", "film:2: expected times such as 00:00:01,000"),
        ("srt", "1\n100:00:01,000 --> 100:00:02,000\nx\n", "film:2: expected times such as 00:00:01,000"),
        ("vtt", "WEBVTT\n", "film: expected cues such as 00:00:01.000 --> 00:00:02.500, found none"),
        ("vtt", "WEBVTT\n\n00:0x.000 --> 00:02.000\nx\n", "film: expected times such as 00:00:01.000"),
        ("vtt", "WEBVTT\n\n00:01.50 --> 00:02.75\nx\n", "film: expected times such as 00:00:01.000"),
        ("vtt", "WEBVTT\n\n00:02.000 --> 00:01.000\nx\n", "film:3: expected an end after the start"),
        ("vtt", "1\n00:01.000 --> 00:02.000\nx\n", "film: expected a first line WEBVTT"),
    ],
)
def test_what_is_no_subtitle_is_refused_in_one_line(form: str, content: str, message: str) -> None:
    with pytest.raises(DataError) as fault:
        (parse_vtt if form == "vtt" else parse_srt)("film", content)
    assert str(fault.value).startswith(message)
    assert "\n" not in str(fault.value)


def test_times_behind_those_of_a_cue_and_tags_that_do_not_end() -> None:
    times = "00:00:01,000 --> 00:00:02,000 X1:0 00:00:03,000 --> 00:00:04,000"
    text = f"1\n{times}\n<i>a</i> <b {{c 3 < 4\n{{\\an8}}d\n\t2\n"
    (cue,) = parse_srt("film", text + "00:00:05,000 --> 00:00:06,000\n")[:1]
    assert (cue.start, cue.end, cue.text) == (1.0, 2.0, "a <b {c 3 < 4 d")
    (cue,) = parse_srt("film", text, keeps_tags=True)
    assert cue.text == "<i>a</i> <b {c 3 < 4 {\\an8}d 2"


@pytest.mark.parametrize(
    "piece", ["<a", "{a", "\n", "\n\n1", "<", "<" + 100 * " ", "< /", "1 ", "\\N", "<i>", "-->", "{}"]
)
def test_no_text_takes_the_square_of_the_time(piece: str) -> None:
    text = "1\n00:00:01,000 --> 00:00:02,000\n" + "x" + piece * (200_000 // len(piece)) + "\nx\n"
    began = time.process_time()
    for keeps_tags in (False, True):
        parse_srt("film", text, keeps_tags=keeps_tags)
    parse_vtt("film", f"WEBVTT\n\n{text}".replace(",", ".").replace("-->", ">").replace(" > ", " --> ", 1))
    assert time.process_time() - began < 5


def test_without_a_language_nothing_is_read(tmp_path: Path) -> None:
    (tmp_path / "film.srt").write_text(SRT)
    with pytest.raises(DataError, match="expected the source language of plain text, found none"):
        load(str(tmp_path / "film.srt"))
