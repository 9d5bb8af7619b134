"""SRT, WebVTT, ASS and TTML, written by pysubs2: doubtful words, speakers, words that light up."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from html import escape
from itertools import groupby
from math import inf
from typing import Literal

from components.errors import ConfigError
from components.export.format import ExportSettings, Format, Layout
from components.export.recording_text import RecordingText, TextPart, TimedSegment, words_of
from components.export.subtitles.cue import Cue, Line
from components.export.subtitles.cues import Block, build_cues
from components.export.subtitles.dashes import group_turns
from components.export.subtitles.rule_check import check_rules
from components.export.subtitles.timed_words import TimedWord, clean_text

SubtitleFormat = Literal["srt", "vtt", "ass", "ttml"]

LOW_COLOR = "#ffb000"
"""Of words of low confidence: an orange that is read on dark and, with the outline of players, on light."""
_STYLE = f"STYLE\n::cue(.low) {{ color: {LOW_COLOR}; text-decoration: underline; }}\n"
_KARAOKE_STYLE = "STYLE\n::cue(:future) { opacity: 0.6; }\n"
_JOINER = "\u2060"
"""Word joiner, which is not seen: divides what players would take for markup."""


@dataclass(frozen=True)
class Markup:
    """How a format writes what is no plain text.

    Attributes:
        protect: makes text that nothing is taken for a tag.
        mark: marks words of low confidence.
        voice: a cue's text with who says it; None where the name stands in the text.
        sung: what stands before a word, its start and the seconds until the next, so that it lights up.
    """

    protect: Callable[[str], str]
    mark: Callable[[str], str] = str
    voice: Callable[[str, str], str] | None = None
    sung: Callable[[float, float], str] | None = None


def encode_subtitles(
    cues: Sequence[Cue], form: SubtitleFormat, *, low: float | None = None, karaoke: bool = False
) -> str:
    """Return the content of a subtitle file.

    Args:
        cues: in order.
        form: srt, vtt, ass or ttml.
        low: marks words whose confidence is below it: class ``low`` in WebVTT, a color in the others.
        karaoke: words light up when they are said, where the format can.

    Raises:
        ConfigError: the format has no such late times.
    """
    from pysubs2 import SSAEvent, SSAFile  # noqa: PLC0415 - needed where subtitles are written alone

    markup, hours = MARKUPS[form], 10 if form == "ass" else 100
    if cues and cues[-1].end >= 3600 * hours:
        raise ConfigError(
            f"format {form}: expected times below {hours} hours, found {cues[-1].end / 3600:.1f}; choose "
            "tsv, jsonl or json"
        )
    file = SSAFile()
    for cue in cues:
        sung = _times_of(cue) if karaoke and markup.sung is not None else {}
        if form == "vtt":  # its times must lie behind the cue's start
            sung = {word: times for word, times in sung.items() if times[0] > cue.start}
        lines = [_encode_line(line, markup, low, sung) for line in (*cue.lines, *cue.second)]
        text = _protect_tags("\n".join(line for line in lines if line)).replace("\n", r"\N")
        if cue.speaker is not None and markup.voice is not None:
            text = markup.voice(cue.speaker, text)
        event = SSAEvent(start=round(cue.start * 1000), end=round(cue.end * 1000), text=text)
        if form == "ass":
            event.name = clean_text((cue.speaker or "").replace(",", " "))  # a comma ends the field
        file.append(event)
    options = {} if form in ("ass", "ttml") else {"keep_ssa_tags": True}
    content: str = file.to_string(form, **options)
    styles = [_STYLE] * (low is not None) + [_KARAOKE_STYLE] * karaoke if form == "vtt" else []
    return content.replace("WEBVTT\n\n", "\n".join(["WEBVTT\n", *styles, ""]), 1) if styles else content


def _times_of(cue: Cue) -> dict[int, tuple[float, float]]:
    """Return the start of each word of a cue and the seconds until the next one's, by the word's identity."""
    words = [word for line in cue.lines for word in line if not word.is_label]
    ends = [*(word.start for word in words[1:]), *(word.end for word in words[-1:])]
    return {id(word): (word.start, end - word.start) for word, end in zip(words, ends, strict=True)}


def _encode_line(
    line: Line, markup: Markup, low: float | None, sung: Mapping[int, tuple[float, float]]
) -> str:
    def is_low(word: TimedWord) -> bool:
        return low is not None and word.confidence is not None and word.confidence < low

    def encode(word: TimedWord) -> str:
        return (markup.sung(*sung[id(word)]) if markup.sung and id(word) in sung else "") + markup.protect(
            word.text
        )

    words = [word for word in line if not (word.is_label and markup.voice)]
    text = ""
    for marked, group in groupby(words, is_low):
        members = list(group)
        joined = "".join(
            (" " if word.spaced and number else "") + encode(word) for number, word in enumerate(members)
        )
        text += (" " if text and members[0].spaced else "") + (markup.mark(joined) if marked else joined)
    return text


def _mark_ass(text: str) -> str:
    red, green, blue = LOW_COLOR[1:3], LOW_COLOR[3:5], LOW_COLOR[5:7]
    return f"{{\\c&H{blue}{green}{red}&}}{text}{{\\c}}"


def _protect_ass(text: str) -> str:
    """Braces begin and end its tags, and nothing escapes them everywhere."""
    return text.replace("{", "(").replace("}", ")")


def _sing_vtt(start: float, _: float) -> str:
    minutes, milliseconds = divmod(round(start * 1000), 60_000)
    return f"<{minutes // 60:02}:{minutes % 60:02}:{milliseconds / 1000:06.3f}>"


def _protect_vtt(text: str) -> str:
    return escape(text, quote=False)


def _protect_srt(text: str) -> str:
    """SRT has no escape: what looks like a tag or like times is divided by a joiner."""
    text = re.sub(r"<(?=[A-Za-z/!])", f"<{_JOINER}", text).replace("-->", f"--{_JOINER}>")
    return re.sub(r"(?<=\d:)(?=\d\d:\d\d[,.]\d)", _JOINER, text)


def _protect_tags(text: str) -> str:
    r"""pysubs2 takes ``\N``, ``\n`` and ``\h`` for line breaks and spaces, whoever wrote them."""
    return re.sub(r"\\(?=[nNh])", lambda match: match[0] + _JOINER, text)


MARKUPS: dict[SubtitleFormat, Markup] = {
    "srt": Markup(_protect_srt, lambda text: f'<font color="{LOW_COLOR}">{text}</font>'),
    "vtt": Markup(
        _protect_vtt,
        lambda text: f"<c.low>{text}</c>",
        lambda speaker, text: f"<v {_protect_vtt(speaker)}>{text}",
        _sing_vtt,
    ),
    "ass": Markup(_protect_ass, _mark_ass, sung=lambda _, seconds: f"{{\\kf{round(seconds * 100)}}}"),
    "ttml": Markup(_protect_ass, _mark_ass),
}
"""Format -> how it is written."""


def _lay_out(text: RecordingText, settings: ExportSettings) -> list[Cue]:
    """Return subtitles of a recording; those of a film's parts where its own cues ended."""
    spoken = any(part.utterance.audio is not None for part in text.parts)
    # The times of written cues are the film's: they have room after the voice already.
    rules = settings.rules if spoken else settings.rules.model_copy(update={"linger": 0.0, "close_gaps": 0.0})
    groups = [text.parts] if spoken else group_turns(text.parts, rules)
    both = settings.bilingual and text.is_translation
    blocks = list[Block]()
    for parts in groups:
        for speaker, own, source in _turns(parts, named=text.has_speakers):
            words = words_of(source) if both else words_of(own)
            if speaker is not None and words and (not blocks or speaker != blocks[-1].speaker):
                at = words[0].start
                words = [
                    TimedWord(at, at, f"{speaker}:", is_label=True),
                    replace(words[0], spaced=True),
                    *words[1:],
                ]
            blocks.append(Block(words, words_of(own) if both else (), speaker))
    language = text.source_language if both else text.language
    sound = text.parts[-1].utterance.audio if text.parts else None
    until = sound.seconds if sound is not None and sound.offset == 0 else inf  # else its file may go on
    return build_cues(blocks, language, rules, text.language, until)


def _turns(
    parts: Sequence[TextPart], *, named: bool
) -> list[tuple[str | None, list[TimedSegment], list[TimedSegment]]]:
    """Return who speaks, what and its source, in runs of one speaker; one run where nobody is named."""
    own = [segment for part in parts for segment in part.segments]
    source = [segment for part in parts for segment in part.source_segments]
    if not named or not own:
        return [(None, own, source)]
    runs = [(speaker, list(group)) for speaker, group in groupby(own, lambda segment: segment.speaker)]
    borders = [group[0].start for _, group in runs[1:]]
    sources: list[list[TimedSegment]] = [[] for _ in runs]
    for segment in source:
        sources[bisect_right(borders, (segment.start + segment.end) / 2)].append(segment)
    return [(speaker, group, said) for (speaker, group), said in zip(runs, sources, strict=True)]


def _encode(
    form: SubtitleFormat, _: Sequence[RecordingText], cues: Sequence[Cue], settings: ExportSettings
) -> bytes:
    return encode_subtitles(cues, form, low=settings.low, karaoke=settings.karaoke).encode()


LAYOUT = Layout(_lay_out, lambda files, settings: check_rules(files, settings.rules))
SRT = Format("subtitles, SubRip", partial(_encode, "srt"), layout=LAYOUT)
VTT = Format("subtitles, WebVTT", partial(_encode, "vtt"), layout=LAYOUT)
ASS = Format("subtitles, Advanced SubStation Alpha", partial(_encode, "ass"), layout=LAYOUT)
TTML = Format("subtitles, Timed Text Markup Language", partial(_encode, "ttml"), layout=LAYOUT)
