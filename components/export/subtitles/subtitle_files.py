"""SRT and WebVTT, written by pysubs2; words of low confidence can be marked."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from html import escape
from itertools import groupby
from typing import Literal

from components.export.format import ExportSettings, Format, Layout
from components.export.recording_text import RecordingText, words_of
from components.export.subtitles.cue import Cue, Line
from components.export.subtitles.cues import build_cues_of_blocks
from components.export.subtitles.rule_check import RuleCheck, check_rules
from components.export.subtitles.timed_words import TimedWord, join_words

SubtitleFormat = Literal["srt", "vtt"]

LOW_COLOR = "#ffb000"
"""Of words of low confidence: an orange that is read on dark and, with the outline of players, on light."""
_STYLE = f"STYLE\n::cue(.low) {{ color: {LOW_COLOR}; text-decoration: underline; }}\n"
_JOINER = "\u2060"
"""Word joiner, which is not seen: divides what players would take for markup."""


def encode_subtitles(cues: Sequence[Cue], form: SubtitleFormat, *, low: float | None = None) -> str:
    """Return the content of a subtitle file.

    Args:
        cues: in order.
        form: srt or vtt.
        low: marks words whose confidence is below it: class ``low`` in WebVTT, a font color in SRT.
    """
    from pysubs2 import SSAEvent, SSAFile  # noqa: PLC0415 - needed where subtitles are written alone

    protect, mark = (_protect_vtt, _mark_vtt) if form == "vtt" else (_protect_srt, _mark_srt)
    file = SSAFile()
    for cue in cues:
        lines = [_encode_line(line, protect, mark, low) for line in (*cue.lines, *cue.second)]
        text = _protect_tags("\n".join(lines)).replace("\n", r"\N")
        file.append(SSAEvent(start=round(cue.start * 1000), end=round(cue.end * 1000), text=text))
    content = file.to_string(form, keep_ssa_tags=True)
    styled = form == "vtt" and low is not None
    return content.replace("WEBVTT\n\n", f"WEBVTT\n\n{_STYLE}\n", 1) if styled else content


def _encode_line(
    line: Line, protect: Callable[[str], str], mark: Callable[[str], str], low: float | None
) -> str:
    def is_low(word: TimedWord) -> bool:
        return low is not None and word.confidence is not None and word.confidence < low

    text = ""
    for marked, group in groupby(line, is_low):
        words = list(group)
        joined = protect(join_words(words))
        text += (" " if text and words[0].spaced else "") + (mark(joined) if marked else joined)
    return text


def _mark_vtt(text: str) -> str:
    return f"<c.low>{text}</c>"


def _mark_srt(text: str) -> str:
    return f'<font color="{LOW_COLOR}">{text}</font>'


def _protect_vtt(text: str) -> str:
    return escape(text, quote=False)


def _protect_srt(text: str) -> str:
    """SRT has no escape: what looks like a tag or like times is divided by a joiner."""
    text = re.sub(r"<(?=[A-Za-z/!])", f"<{_JOINER}", text).replace("-->", f"--{_JOINER}>")
    return re.sub(r"(?<=\d:)(?=\d\d:\d\d[,.]\d)", _JOINER, text)


def _protect_tags(text: str) -> str:
    r"""pysubs2 takes ``\N``, ``\n`` and ``\h`` for line breaks and spaces, whoever wrote them."""
    return re.sub(r"\\(?=[nNh])", lambda match: match[0] + _JOINER, text)


def _lay_out(text: RecordingText, settings: ExportSettings) -> list[Cue]:
    """Subtitles of a recording; those of each part of a film's alone, where its own cues ended."""
    spoken = any(part.utterance.audio is not None for part in text.parts)
    groups = [text.parts] if spoken else [[part] for part in text.parts]
    own = [words_of([segment for part in parts for segment in part.segments]) for parts in groups]
    if not (settings.bilingual and text.is_translation):
        return build_cues_of_blocks([(words, ()) for words in own], text.language, settings.rules)
    sources = [words_of([segment for part in parts for segment in part.source_segments]) for parts in groups]
    blocks = zip(sources, own, strict=True)
    return build_cues_of_blocks(blocks, text.source_language, settings.rules, text.language)


def _check(files: Iterable[Sequence[Cue]], settings: ExportSettings) -> RuleCheck:
    return check_rules(files, settings.rules)


def _encode(
    form: SubtitleFormat, _: Sequence[RecordingText], cues: Sequence[Cue], settings: ExportSettings
) -> bytes:
    return encode_subtitles(cues, form, low=settings.low).encode()


LAYOUT = Layout(_lay_out, _check)
SRT = Format("subtitles, SubRip", partial(_encode, "srt"), layout=LAYOUT)
VTT = Format("subtitles, WebVTT", partial(_encode, "vtt"), layout=LAYOUT)
