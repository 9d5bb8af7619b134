"""Subtitles as a text with times: SRT and WebVTT, read by pysubs2."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from components.audio.container import open_regular_file
from components.data.parsing import Row
from components.errors import DataError
from components.records import Segment
from components.text_encoding import MAX_BYTES, decode_text

SUBTITLES: dict[str, Literal["srt", "vtt"]] = {".srt": "srt", ".vtt": "vtt"}
"""Ending of a file -> its format."""
BACKSLASH = "\ue000"
"""Stands for a backslash while pysubs2 reads or writes: it takes some of them for line ends."""
_FAULTY_TIMES = re.compile(r"\s*\d.*-->")


class Cue(NamedTuple):
    """One cue: where it begins and ends in seconds, its text on one line, and the line of its times."""

    start: float
    end: float
    text: str
    line: int


def parse_cues(name: str, text: str, form: Literal["srt", "vtt"], *, keeps_tags: bool = False) -> list[Cue]:
    """Return the cues of subtitles in the order of the file.

    Args:
        name: of the file, for messages.
        text: its content.
        form: its format.
        keeps_tags: whether ``<i>`` and the like are text.

    Raises:
        DataError: there are none, or the times of one are no times or in the wrong order.
    """
    import pysubs2  # noqa: PLC0415 - only where there are subtitles
    from pysubs2.formats.subrip import SubripFormat  # noqa: PLC0415
    from pysubs2.formats.webvtt import WebVTTFormat  # noqa: PLC0415

    timestamp = (WebVTTFormat if form == "vtt" else SubripFormat).TIMESTAMP
    example = "00:00:01.000 --> 00:00:02.500" if form == "vtt" else "00:00:01,000 --> 00:00:02,500"
    text = _blank_between_cues(text) if form == "vtt" else text
    lines = []
    for number, line in enumerate(text.split("\n"), 1):
        if len(timestamp.findall(line)) == 2:  # as pysubs2 does
            lines.append(number)
        elif _FAULTY_TIMES.match(line):
            raise DataError(f"{name}:{number}: expected times such as {example}, found {line.strip()!r:.60}")
    if not lines:
        raise DataError(f"{name}: expected cues such as {example}, found none")
    # The number of the next cue is taken off the end of each; the last one gets such a number, too.
    marked = f"{text}\n\n0\n".replace("\\", BACKSLASH)
    subtitles = pysubs2.SSAFile.from_string(marked, format_=form, keep_html_tags=keeps_tags)
    cues = []
    for at, event in zip(lines, subtitles.events, strict=True):
        if event.end <= event.start:
            raise DataError(f"{name}:{at}: expected an end after the start, found {event.duration} ms")
        content = event.text.replace("\\N", " ") if keeps_tags else event.plaintext
        content = html.unescape(content) if form == "vtt" else content
        content = " ".join(content.replace(BACKSLASH, "\\").split())
        cues.append(Cue(event.start / 1000, event.end / 1000, content, at))
    return cues


def _blank_between_cues(text: str) -> str:
    """WebVTT with empty lines for names of cues, notes and styles, which pysubs2 takes for text."""
    blocks = text.split("\n\n")
    for number, block in enumerate(blocks):
        before, arrow, _ = block.partition("-->")
        kept = before.rpartition("\n")[2] + block[len(before) :] if arrow else ""
        blocks[number] = "\n" * (block.count("\n") - kept.count("\n")) + kept
    return "\n\n".join(blocks)


def read_subtitle_rows(path: Path, language: str | None = None) -> Iterator[Row]:
    """The one row of a file of subtitles: its cues as ``segments`` that do not overlap.

    Args:
        path: of the file.
        language: that is written, if it is known: old files of other alphabets do not say their encoding.
    """
    with open_regular_file(path) as file:
        content = file.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise DataError(f"{path}: expected at most {MAX_BYTES} bytes of subtitles, found more; split it")
    text = decode_text(content, str(path), language).text
    cues = parse_cues(path.name, text, SUBTITLES[path.suffix.lower()])
    yield Row(1, {"segments": _follow_each_other([cue for cue in cues if cue.text])})


def _follow_each_other(cues: Sequence[Cue]) -> tuple[Segment, ...]:
    """Cues by their starts. Of two at once the first is cut; two that begin together become one."""
    segments: list[Segment] = []
    for cue in sorted(cues, key=lambda cue: cue.start):
        before = segments[-1] if segments else None
        if before is not None and before.start == cue.start:
            end, text = max(before.end, cue.end), f"{before.text} {cue.text}"
            segments[-1] = Segment(start=cue.start, end=end, text=text)
            continue
        if before is not None and before.end > cue.start:
            segments[-1] = before.model_copy(update={"end": cue.start})
        segments.append(Segment(start=cue.start, end=cue.end, text=cue.text))
    return tuple(segments)
