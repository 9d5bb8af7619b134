"""Subtitles as texts with times: SRT, read by pysubs2, and WebVTT, read by webvtt-py."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from components.audio.container import read_regular_file
from components.data.files.drafts import Draft
from components.data.files.format import Format, SourceFile
from components.data.files.language_names import language_before_ending
from components.data.files.parsing import Row
from components.errors import DataError, to_one_line
from components.files.locations.location import file_name_of, show_location
from components.records import Segment
from components.text.languages import ENDS_SENTENCE
from components.text.text_encoding import decode_text

SUBTITLES: dict[str, Literal["srt", "vtt"]] = {".srt": "srt", ".vtt": "vtt"}
"""Ending of a file -> its format."""
BACKSLASH = "\ue000"
"""Stands for a backslash while pysubs2 reads or writes: it takes some of them for line ends."""
MAX_SUBTITLE_BYTES = 2**24
"""Of a file of subtitles; those of a film have a hundredth of it."""
PAUSE_SECONDS = 2.0
"""A sentence does not go on after a longer silence."""
MAX_CUES = 10
"""Cues of one text, where no sentence ends."""
_COLON = "\ue001"
"""Stands for the colons of times that are spoken."""
_UNCLOSED = {"<": (">", "\ue002"), "{": ("}", "\ue003")}
"""What begins a tag -> what ends it, and what stands for it where no tag ends behind it in its line."""
_TIME = r"\d{1,2}:\d{1,2}:\d{1,2}[,.]\d{1,3}"
_TIMES = re.compile(rf"(\s*{_TIME}\s*-->\s*{_TIME})(?:\s.*)?")
_FAULTY_TIMES = re.compile(r"\s*[-+]?\d.*-->")
_BEGINS_ANEW = re.compile(r"[-–—\[(♪♫#]|[^\W\d_a-z][A-Z .'-]+:")
_TURN = re.compile(r"[-–—](?![-\d]).*\w")
"""A line that another speaker of the same cue begins."""
_STANDS_ALONE = re.compile(r"[\])♪♫#]$")


class Cue(NamedTuple):
    """One cue.

    Attributes:
        start: where it begins, in seconds.
        end: where it ends.
        text: on one line.
        line: of its times.
        speaker: who says it, where that is known.
        lines: of the text, as they are written.
    """

    start: float
    end: float
    text: str
    line: int
    speaker: str | None = None
    lines: str = ""


def parse_srt(name: str, text: str, *, keeps_tags: bool = False) -> list[Cue]:
    """Return the cues of an SRT text in the order of the file.

    Args:
        name: of the file, for messages.
        text: its content.
        keeps_tags: whether ``<i>`` and the like are text.

    Raises:
        DataError: there are none, or the times of one are no times or in the wrong order.
    """
    import pysubs2  # noqa: PLC0415 - only where there are subtitles

    numbers, lines = list[int](), list[str]()
    for number, line in enumerate(text.split("\n"), 1):
        if times := _TIMES.fullmatch(line):
            numbers.append(number)
            lines.append(times[1])  # without a position behind them, where pysubs2 may see further times
        elif _FAULTY_TIMES.match(line) and number - 1 not in numbers[-1:]:  # else it is what somebody says
            raise DataError(
                f"{name}:{number}: expected times such as 00:00:01,000 --> 00:00:02,500, found "
                f"{line.strip()!r:.60}"
            )
        elif line.strip() or not lines or lines[-1]:  # one empty line for several
            lines.append(_mask(line))
    if not numbers:
        raise DataError(f"{name}: expected cues such as 00:00:01,000 --> 00:00:02,500, found none")
    # The number of the next cue is taken off the end of each; the last one gets such a number, too.
    marked = "\n".join([*lines, "", "0", ""])
    subtitles = pysubs2.SSAFile.from_string(marked, format_="srt", keep_html_tags=keeps_tags)
    cues = []
    for at, event in zip(numbers, subtitles.events, strict=True):
        content = _unmask(event.text.replace("\\N", " ") if keeps_tags else event.plaintext)
        cues.append(_make_cue(name, event.start, event.end, content, at))
    return cues


def _mask(line: str) -> str:
    """Return a line of a cue's text as pysubs2 can read it: its spaces are one each, its tags are closed.

    Else its patterns take the square of the time, of spaces and of tags that do not end; and it takes any
    line with two times for those of a cue.
    """
    line = " ".join(line.split()).replace(":", _COLON).replace("\\", BACKSLASH)
    for begin, (end, mask) in _UNCLOSED.items():
        at = line.rfind(end) + 1
        line = line[:at] + line[at:].replace(begin, mask)
    return line


def _unmask(text: str) -> str:
    for begin, (_, mask) in _UNCLOSED.items():
        text = text.replace(mask, begin)
    return text.replace(BACKSLASH, "\\").replace(_COLON, ":")


def parse_vtt(name: str, text: str) -> list[Cue]:
    """Return the cues of a WebVTT text in the order of the file, without their tags.

    Raises:
        DataError: there are none, or the times of one are no times or in the wrong order.
    """
    import webvtt  # noqa: PLC0415 - only where there are subtitles
    from webvtt.errors import MalformedCaptionError, MalformedFileError  # noqa: PLC0415

    try:
        captions = webvtt.from_string(text, strict=True).captions
    except MalformedCaptionError as error:
        fault = to_one_line(error, 80)
        raise DataError(
            f"{name}: expected times such as 00:00:01.000 --> 00:00:02.500, found: {fault}"
        ) from None
    except MalformedFileError:
        raise DataError(f"{name}: expected a first line WEBVTT, found another; add it") from None
    if not captions:
        raise DataError(f"{name}: expected cues such as 00:00:01.000 --> 00:00:02.500, found none")
    lines = [number for number, line in enumerate(text.split("\n"), 1) if "-->" in line]
    lines = lines if len(lines) == len(captions) else list(range(1, len(captions) + 1))
    return [
        _make_cue(
            name,
            _milliseconds(each.start_time),
            _milliseconds(each.end_time),
            html.unescape(each.text),
            at,
            each.voice,
        )
        for at, each in zip(lines, captions, strict=True)
    ]


def _milliseconds(time: object) -> int:
    hours, minutes, seconds, rest = time.to_tuple()  # type: ignore[attr-defined]
    return ((int(hours) * 60 + int(minutes)) * 60 + int(seconds)) * 1000 + int(rest)


def _make_cue(name: str, start: int, end: int, text: str, line: int, speaker: str | None = None) -> Cue:
    """Return a cue between two times in milliseconds."""
    if end <= start:
        raise DataError(f"{name}:{line}: expected an end after the start, found {end - start} ms")
    return Cue(start / 1000, end / 1000, " ".join(text.split()), line, speaker, text)


def read_subtitle_rows(file: SourceFile) -> Iterator[Row]:
    """Yield the rows of a file: cues that make up sentences, as ``segments`` that do not overlap.

    Old files of other alphabets do not say their encoding; the language tells it, and a note says which.
    """
    name = file_name_of(file.location)
    content = read_regular_file(file.location, MAX_SUBTITLE_BYTES)
    text, encoding = decode_text(content, show_location(file.location), file.language)
    if encoding is not None:
        file.notes.append(f"{name}: read as {encoding}, since it is not UTF-8")
    form = SUBTITLES.get(Path(name).suffix.lower(), "vtt" if text.startswith("WEBVTT") else "srt")
    cues = parse_vtt(name, text) if form == "vtt" else parse_srt(name, text)
    ordered = _follow_each_other([cue for cue in cues if re.search(r"\w", cue.text)])
    for block in _divide([turn for cue in ordered for turn in _turns(cue)]):
        segments = tuple(
            Segment(start=cue.start, end=cue.end, text=cue.text, speaker=cue.speaker) for cue in block
        )
        yield Row(block[0].line, {"segments": segments})


def _follow_each_other(cues: Sequence[Cue]) -> list[Cue]:
    """Return cues by their starts. Of two at once the first is cut; two that begin together become one."""
    ordered: list[Cue] = []
    for cue in sorted(cues, key=lambda cue: cue.start):
        before = ordered[-1] if ordered else None
        if before is not None and before.start == cue.start:
            text, lines = f"{before.text} {cue.text}", f"{before.lines}\n{cue.lines}"
            ordered[-1] = before._replace(end=max(before.end, cue.end), text=text, lines=lines)
            continue
        if before is not None and before.end > cue.start:
            ordered[-1] = before._replace(end=cue.start)
        ordered.append(cue)
    return ordered


def _turns(cue: Cue) -> Iterator[Cue]:
    """What each speaker of a cue says, in the part of its time that is its share of the text.

    Another one begins at a line with a dash, if the cue begins with one or a sentence ends before it.
    """
    turns: list[list[str]] = []
    for line in filter(None, map(str.strip, cue.lines.splitlines())):
        if not turns or (
            _TURN.match(line) and (_TURN.match(turns[0][0]) or ENDS_SENTENCE.search(turns[-1][-1]))
        ):
            turns.append([])
        turns[-1].append(line)
    texts = [" ".join(" ".join(turn).split()) for turn in turns]
    total, until, start = sum(map(len, texts)), 0, cue.start
    for text in texts:
        until += len(text)
        end = cue.end if until == total else round(cue.start + (cue.end - cue.start) * until / total, 3)
        yield cue._replace(start=start, end=end, text=text)
        start = end


def _divide(cues: Sequence[Cue]) -> Iterator[list[Cue]]:
    """Cues in blocks that end where a sentence does, or where none can go on."""
    block: list[Cue] = []
    for cue in cues:
        if block and (_ends(block[-1], cue) or len(block) == MAX_CUES):
            yield block
            block = []
        block.append(cue)
    if block:
        yield block


def _ends(cue: Cue, following: Cue) -> bool:
    return (
        ENDS_SENTENCE.search(cue.text) is not None
        or _STANDS_ALONE.search(cue.text) is not None
        or _BEGINS_ANEW.match(following.text) is not None
        or following.speaker != cue.speaker
        or following.start - cue.end > PAUSE_SECONDS
    )


SUBTITLE_TEXTS = Format(
    summary="SRT or WebVTT as texts with times: NAME.srt, or NAME.it.srt with its language",
    identifying_fields=("segments",),
    known_fields=("segments",),
    read=read_subtitle_rows,
    convert=lambda fields: Draft(text_segments=fields["segments"]),
    language_of=language_before_ending,
    files=r"(?i:.*\.(srt|vtt))",
)
