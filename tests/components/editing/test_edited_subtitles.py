"""Subtitles for editing: cues that people moved, merged, split and removed, given back to utterances."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.editing.editable_text import EditableText, group_by_recording
from components.editing.edited_subtitles import EditedSubtitles, read_edited_subtitles
from components.errors import ConfigError
from components.export.for_edit import render_subtitles
from components.text.text_encoding import decode_text
from tests.components.editing.texts import by_id, segment, spoken

FIRST = spoken("u1", segment(0.0, 2.0, "hello there"), segment(2.5, 4.0, "second cue"))
SECOND = spoken("u2", segment(1.0, 3.0, "another part"), offset=10.0)


def read(content: str, *texts: EditableText) -> EditedSubtitles:
    (recording,) = group_by_recording(by_id(*(texts or (FIRST, SECOND)))).values()
    return read_edited_subtitles(Path("talk.srt"), decode_text(content.encode(), "talk.srt"), recording)


def srt(*cues: tuple[str, str, str]) -> str:
    times = [f"{n}\n00:00:{a} --> 00:00:{b}\n{text}\n" for n, (a, b, text) in enumerate(cues, 1)]
    return "\n".join(times)


UNEDITED = [("00,000", "02,000", "hello there"), ("02,500", "04,000", "second cue")]
OTHER = ("11,000", "13,000", "another part")


@given(
    st.lists(st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=15), max_size=5),
    st.booleans(),
)
def test_what_nobody_edited_is_no_edit(texts: list[str], windows: bool) -> None:
    segments = [segment(n, n + 1 / 3, " ".join(text.split())) for n, text in enumerate(texts) if text.split()]
    text = spoken("u1", *segments)
    (recording,) = group_by_recording(by_id(text)).values()
    content = render_subtitles(recording)
    assert read(content.replace("\n", "\r\n") if windows else content, text).proposals == []


def test_a_corrected_cue_keeps_the_times_of_all_and_the_words_of_others() -> None:
    (edit,) = read(srt(UNEDITED[0], ("02,500", "04,000", "second\nclue"), OTHER)).proposals
    assert (edit.utterance_id, edit.text) == ("u1", "hello there second clue")
    assert edit.segments[0] is FIRST.segments[0]
    assert (edit.segments[1].start, edit.segments[1].end, edit.segments[1].words) == (2.5, 4.0, ())


@pytest.mark.parametrize(
    "times", [[(0.0, 10.0), (10.0, 10.0)], [(9.0, 9.0), (9.0, 9.0)], [(0.0, 5.0), (4.0, 10.5)]]
)
def test_times_that_a_model_gave_are_no_fault_of_the_person(times: list[tuple[float, float]]) -> None:
    text = spoken("u1", *(segment(*span, word) for span, word in zip(times, ("yes", "no"), strict=True)))
    (recording,) = group_by_recording(by_id(text)).values()
    content = render_subtitles(recording)
    assert read(content, text) == EditedSubtitles([], [])
    (edit,) = read(content.replace("no", "No"), text).proposals
    assert [(each.start, each.end, each.text) for each in edit.segments] == [
        (*times[0], "yes"),
        (*times[1], "No"),
    ]


def test_a_file_without_cues_is_of_silence() -> None:
    (edit,) = read("\n", FIRST).proposals
    assert (edit.utterance_id, edit.text) == ("u1", "")


def test_cues_in_another_order_and_numbers_do_not_matter() -> None:
    assert read(srt(OTHER, *reversed(UNEDITED))).proposals == []


def test_a_split_cue_becomes_two_segments() -> None:
    (edit,) = read(srt(*UNEDITED, ("11,000", "12,000", "another"), ("12,000", "13,000", "part"))).proposals
    assert (edit.utterance_id, edit.text) == ("u2", "another part")
    assert [(s.start, s.end, s.text) for s in edit.segments or ()] == [(1, 2, "another"), (2, 3, "part")]


def test_merged_cues_belong_to_the_utterance_that_they_share_most_time_with() -> None:
    first, second = read(srt(UNEDITED[0], ("02,500", "13,000", "second cue another part"))).proposals
    assert (first.text, second.text) == ("hello there second cue another part", "")  # u2 has none left
    assert first.segments[-1].end == 10.0  # not beyond its utterance


def test_an_overlap_is_cut_and_told() -> None:
    edits = read(srt(("00,000", "03,000", "hello there"), UNEDITED[1], OTHER))
    assert edits.notes == ["talk.srt:2: overlaps the cue of line 6; it ends now where that begins"]
    assert [(s.start, s.end) for s in edits.proposals[0].segments or ()] == [(0.0, 2.5), (2.5, 4.0)]


def test_text_without_times_of_its_own_is_edited_as_text() -> None:
    plain = spoken("u1", text="hello there")
    (edit,) = read(srt(("00,000", "10,000", "hello where")), plain).proposals
    assert (edit.text, edit.segments) == ("hello where", None)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            srt(*UNEDITED, ("30,000", "31,000", "x")),
            "talk.srt:10: expected a cue within the utterances of talk",
        ),
        (
            srt(UNEDITED[0], ("00,000", "01,000", "x")),
            "talk.srt:6: expected cues that follow each other, found one",
        ),
        (srt(("02,000", "01,000", "x")), "talk.srt:2: expected an end after the start, found -1000 ms"),
        (
            "1\n00:00:00 -> 1\nx\n",
            "talk.srt: expected cues such as 00:00:01,000 --> 00:00:02,500, found none",
        ),
        ("1\n00:00:0x,000 --> 00:00:02,000\nx\n", "talk.srt:2: expected times such as"),
    ],
)
def test_what_cannot_be_mapped_is_refused_with_its_line(content: str, message: str) -> None:
    with pytest.raises(ConfigError) as fault:
        read(content)
    assert str(fault.value).startswith(message)
    assert "\n" not in str(fault.value)
