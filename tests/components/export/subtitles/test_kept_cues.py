"""Cue by cue: the source's file with a translation in its cues, and nothing else changed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.data import load
from components.export.format import ExportSettings
from components.export.recording_text import RecordingText, make_part
from components.export.subtitles.kept_cues import divide_over_cues, keep_cues
from components.export.subtitles.rules import SubtitleRules
from components.export.subtitles.subtitle_files import LAYOUT
from components.export.subtitles.timed_words import join_words
from components.records import Hypothesis, NBest, Segment

FILM = """1
00:00:01,000 --> 00:00:03,000
<i>I never said
that she was here,</i>

2
00:00:03,100 --> 00:00:05,000
because I did not know.

7
00:00:06,000 --> 00:00:07,000
♪ ♪

8
00:00:08,000 --> 00:00:09,500
{\\an8}Did <b>you</b>?
"""
GERMAN = {
    "I never said that she was here, because I did not know.": (
        "Ich habe nie gesagt, dass sie hier war, weil ich es nicht wusste."
    ),
    "Did you?": "Wusstest du es?",
    "- A child smiles.": "Ein Kind lächelt.",
    "–A dog jumps and runs away.": "– Ein Hund springt und läuft weg.",
    "- What?": "Was?",
    "- Nobody knows.": "",
}


def translated(
    folder: Path, content: str, name: str = "film.en.srt", texts: Mapping[str, str] = GERMAN
) -> tuple[Path, RecordingText]:
    file = folder / name
    file.write_text(content, encoding="utf-8", newline="")
    parts = []
    for utterance in load(str(file), source_language="en", target_language="de").utterances:
        text = texts[utterance.text or ""]
        start, end = utterance.stretch or (0.0, 1.0)
        segments = (Segment(start=start, end=end, text=text),) if text else ()
        best = Hypothesis(text=text, score=0, n_tokens=1, system="x", segments=segments)
        outcome = NBest(utterance_id=utterance.id, hypotheses=(best,))
        parts.append(make_part(utterance, outcome, "de", translated=True))
    return file, RecordingText("film", "mt", True, parts)


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_numbers_times_tags_and_cues_without_words_stay(tmp_path: Path, newline: str) -> None:
    kept = keep_cues(*translated(tmp_path, FILM.replace("\n", newline)), SubtitleRules())
    expected = FILM.replace("I never said\nthat she was here,", "Ich habe nie gesagt, dass sie hier war,")
    expected = expected.replace("because I did not know.", "weil ich es nicht wusste.")
    expected = expected.replace("Did <b>you</b>?", "Wusstest du es?")
    assert kept.content == expected.replace("\n", newline)
    assert (kept.cues, kept.untranslated, kept.lost_tags) == (3, 0, 1)
    assert "3 cues, each with the number, times and tags of its source" in kept.describe()


def test_positions_notes_and_styles_of_webvtt_stay(tmp_path: Path) -> None:
    head = "WEBVTT - a film\n\nNOTE by hand\n\nSTYLE\n::cue { color: red; }\n\n"
    cue = "end\n00:08.000 --> 00:09.500 line:0 align:start\nDid you?\n"
    kept = keep_cues(*translated(tmp_path, head + cue, "film.en.vtt"), SubtitleRules())
    assert kept.content == head + cue.replace("Did you?", "Wusstest du es?")


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("<i>Did you?</i>", "<i>{}</i>"),
        ("<i>Did</i>\n<i>you?</i>", "<i>{}</i>"),
        ("{\\an8}<i><b>Did you?</b></i>", "{{\\an8}}<i><b>{}</b></i>"),
        ("<i>Did</i> you?", "{}"),
        ("<i>Did</i> <b>you?</b>", "{}"),
        ("<i>Did you?", "<i>{}"),
    ],
)
def test_tags_that_stand_around_a_whole_cue_stay_and_no_half_of_one(
    tmp_path: Path, said: str, kept: str
) -> None:
    head = "1\n00:00:08,000 --> 00:00:09,500\n"
    found = keep_cues(*translated(tmp_path, f"{head}{said}\n"), SubtitleRules())
    assert found.content == f"{head}{kept.format('Wusstest du es?')}\n"


@pytest.mark.parametrize("between", ["\n", ""])
def test_cues_that_begin_together_or_without_a_line_between_have_each_their_own(
    tmp_path: Path, between: str
) -> None:
    """On a screen they stand below each other; an editor has lost the empty line."""
    first = "1\n00:00:08,000 --> 00:00:09,500\nDid you?\n"
    content = f"{first}{between}2\n00:00:{'08' if between else '10'},000 --> 00:00:12,000\nDid you?\n"
    twice = {"Did you? Did you?": "Wusstest du es? Wusstest du es?"}
    subtitles = keep_cues(*translated(tmp_path, content, texts=GERMAN | twice), SubtitleRules())
    assert subtitles.content == content.replace("Did you?", "Wusstest du es?")
    assert subtitles.cues == 2


def test_a_translation_is_no_markup(tmp_path: Path) -> None:
    content = "WEBVTT\n\n00:08.000 --> 00:09.500\nDid you?\n"
    texts = {"Did you?": "<i> & <b"}
    subtitles = keep_cues(*translated(tmp_path, content, "film.vtt", texts), SubtitleRules())
    assert subtitles.content == content.replace("Did you?", "&lt;i&gt; &amp; &lt;b")


TWO_SPEAKERS = """5
00:00:01,000 --> 00:00:04,000 X1:0
<i>- A child smiles.
–A dog jumps and runs away.</i>

6
00:00:04,000 --> 00:00:05,000
- What?
- Nobody knows.
"""


def test_speakers_of_one_cue_come_back_into_it_with_their_dashes(tmp_path: Path) -> None:
    """Whatever the model made of the dashes; who has no translation says what the source says."""
    kept = keep_cues(*translated(tmp_path, TWO_SPEAKERS), SubtitleRules())
    expected = TWO_SPEAKERS.replace("- A child smiles.", "- Ein Kind lächelt.").replace("- What?", "- Was?")
    expected = expected.replace("–A dog jumps and runs away.", "– Ein Hund springt und läuft weg.")
    assert kept.content == expected
    assert (kept.cues, kept.untranslated) == (2, 0)


def test_each_speaker_begins_a_line_of_a_new_cue(tmp_path: Path) -> None:
    _, text = translated(tmp_path, TWO_SPEAKERS)
    cues = LAYOUT.lay_out(text, ExportSettings(SubtitleRules()))
    lines = [join_words(line) for cue in cues for line in cue.lines]
    assert lines == ["- Ein Kind lächelt.", "– Ein Hund springt und läuft weg.", "- Was?"]
    assert all(before.end <= cue.start for before, cue in pairwise(cues))


@given(st.lists(st.integers(1, 30), min_size=1, max_size=6), st.integers(1, 40))
def test_no_word_is_lost_and_no_cue_is_empty_where_there_are_enough(lengths: list[int], n_words: int) -> None:
    from types import SimpleNamespace

    from components.export.subtitles.timed_words import spread_text

    text = " ".join(f"w{number}" for number in range(n_words))
    part = SimpleNamespace(
        segments=[SimpleNamespace(words=spread_text(text, [(0, 9)]))],
        source_segments=[SimpleNamespace(text="x" * length) for length in lengths],
    )
    cues = divide_over_cues(part, "en")  # type: ignore[arg-type]
    assert [word.text for cue in cues for word in cue] == re.findall(r"w\d+", text)
    assert len(cues) == len(lengths)
    assert all(cues) or n_words < len(lengths)
