from __future__ import annotations

import re
from dataclasses import replace

import pysubs2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.errors import ConfigError
from components.export.subtitles.cues import Block, build_cues
from components.export.subtitles.rules import SubtitleRules
from components.export.subtitles.subtitle_files import SubtitleFormat, _sing_vtt, encode_subtitles
from components.export.subtitles.timed_words import TimedWord, clean_text, spread_text

HOSTILE = r'<script>x</script> {\an8} C:\new & "a" --> b 00:00:01,000 --> 00:00:02,000 12'


def test_srt_and_vtt_as_they_are_written() -> None:
    words = [
        *(TimedWord(0.0, 0.4, "Two", confidence=0.9), TimedWord(0.4, 0.9, "boys", confidence=0.4)),
        *(TimedWord(0.9, 1.5, "run", confidence=0.3), TimedWord(1.5, 2.0, "<home>.", confidence=0.8)),
    ]
    cues = build_cues([Block(words)], "en", SubtitleRules())
    assert encode_subtitles(cues, "srt") == (
        "1\n00:00:00,000 --> 00:00:02,900\nTwo boys run <\u2060home>.\n\n"
    )
    assert encode_subtitles(cues, "vtt", low=0.5) == (
        "WEBVTT\n\n"
        "STYLE\n::cue(.low) { color: #ffb000; text-decoration: underline; }\n\n"
        "1\n00:00:00.000 --> 00:00:02.900\nTwo <c.low>boys run</c> &lt;home&gt;.\n\n"
    )
    assert '<font color="#ffb000">boys run</font>' in encode_subtitles(cues, "srt", low=0.5)


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=30), max_size=8))
def test_subtitles_are_read_back_by_others(texts: list[str]) -> None:
    srt, webvtt = pytest.importorskip("srt"), pytest.importorskip("webvtt")
    words = [
        word
        for number, text in enumerate([*texts, HOSTILE])
        for word in spread_text(text, [(number * 9.0, number * 9.0 + 8)])
    ]
    cues = build_cues([Block(words)], "en", SubtitleRules())
    content = encode_subtitles(cues, "srt")
    read = list(srt.parse(content))
    expected = [_visible(cue.text) for cue in cues]
    assert [_visible(item.content) for item in read] == expected
    assert [(item.start.total_seconds(), item.end.total_seconds()) for item in read] == [
        (cue.start, cue.end) for cue in cues
    ]
    again = pysubs2.SSAFile.from_string(content, format_="srt", keep_html_tags=True)
    assert [(event.start, event.end) for event in again] == [
        (round(cue.start * 1000), round(cue.end * 1000)) for cue in cues
    ]
    captions = webvtt.from_string(encode_subtitles(cues, "vtt")).captions
    assert len(captions) == len(cues)


def _visible(text: str) -> str:
    """What a viewer sees: the joiner has no width."""
    return re.sub("\\s+", " ", text.replace("\u2060", ""))


def test_nothing_that_was_said_becomes_markup() -> None:
    cues = build_cues([Block(spread_text(HOSTILE, [(0, 9)]))], "en", SubtitleRules())
    vtt = encode_subtitles(cues, "vtt")
    body = "".join(line for line in vtt.splitlines() if not re.match(r"[\d:.]+ --> [\d:.]+$", line))
    assert "<" not in body
    assert ">" not in body
    assert "C:\\\u2060new" in encode_subtitles(cues, "srt")
    assert encode_subtitles(cues, "srt").count(" --> ") == len(cues)


def test_clean_text_is_one_line_that_reorders_nothing() -> None:
    assert clean_text("a\u2028b\u202ec\x00d\n\uffff e") == "a b c d e"  # U+FFFF is no XML, as in TTML


def test_speakers_and_words_that_light_up_in_each_format() -> None:
    words = [TimedWord(0.0, 0.0, "ann:", is_label=True), *spread_text("Two {boys} run.", [(0.0, 3.0)])]
    (cue,) = build_cues([Block(words, speaker="ann")], "en", SubtitleRules())
    assert "\nann: Two {boys} run.\n" in encode_subtitles([cue], "srt", karaoke=True)
    vtt = encode_subtitles([cue], "vtt", karaoke=True)
    assert "<v ann>Two <00:00:00.600>{boys} <00:00:02.000>run." in vtt
    assert "::cue(:future)" in vtt
    assert _sing_vtt(59.9996, 0) == "<00:01:00.000>"
    ass = encode_subtitles([cue], "ass", karaoke=True)
    assert r"Default,ann,0,0,0,,ann: {\kf60}Two {\kf140}(boys) {\kf100}run." in ass
    assert ">ann: Two (boys) run.</" in encode_subtitles([cue], "ttml")
    assert pysubs2.SSAFile.from_string(ass).events[0].plaintext == "ann: Two (boys) run."
    ass = encode_subtitles([replace(cue, speaker="Lee, Ann")], "ass")
    assert pysubs2.SSAFile.from_string(ass).events[0].name == "Lee Ann"


@pytest.mark.parametrize(("form", "hours"), [("ass", 10), ("srt", 100), ("vtt", 100)])
def test_times_that_a_format_cannot_say_are_refused(form: SubtitleFormat, hours: int) -> None:
    """pysubs2 writes the last time that it knows in place of all later ones."""
    late = 3600 * hours
    (cue,) = build_cues([Block(spread_text("Two boys.", [(late - 3, late - 1)]))], "en", SubtitleRules())
    assert encode_subtitles([replace(cue, end=late - 0.1)], form)
    with pytest.raises(ConfigError, match=f"format {form}: expected times below {hours} hours"):
        encode_subtitles([replace(cue, end=late)], form)
