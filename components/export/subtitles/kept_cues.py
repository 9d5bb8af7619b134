"""Subtitles of a translation cue by cue: every cue of the source keeps its number, its times and its tags.

The file is the source's, in which only what the cues say is replaced: notes, styles, positions and cues
without words (music, "...") stay. What was translated sentence by sentence is divided over the cues of the
sentence as their texts are long, at the cheapest breaks; every cue gets a word where there are enough. The
speakers of one cue, whose lines begin with a dash, are translated apart and come back into it.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise, zip_longest
from pathlib import Path
from typing import NamedTuple

from components.errors import ConfigError
from components.export.recording_text import RecordingText, TextPart, words_of
from components.export.subtitles.break_costs import break_costs
from components.export.subtitles.dashes import with_dash
from components.export.subtitles.lines import break_lines
from components.export.subtitles.rules import SubtitleRules
from components.export.subtitles.subtitle_files import MARKUPS
from components.export.subtitles.timed_words import TimedWord, join_words
from components.text.text_encoding import decode_text

_TIMES = re.compile(r"\s*(?:(\d+):)?(\d{1,2}):(\d{1,2})[,.](\d{1,3})\s*-->")
_TAGS = re.compile(r"^((?:<[^<>]+>|\{[^{}]+\}|\s)*)(.*?)((?:</[^<>]+>|\s)*)$", re.DOTALL)
_TAG = re.compile(r"<[^<>]+>|\{[^{}]+\}")
PER_COLUMN = 0.3
"""Cost of a column by which a cue has more or less than its share of a sentence."""


class Turn(NamedTuple):
    """What one speaker says in a cue: the words of the translation, and those of the source."""

    words: Sequence[TimedWord]
    source: Sequence[TimedWord]


class WrittenCue(NamedTuple):
    """A cue of a file.

    Attributes:
        start: when it begins, in milliseconds.
        first: number of the first line of its text.
        end: number of the line after its last.
        length: characters of its text.
    """

    start: int
    first: int
    end: int
    length: int


@dataclass
class KeptCues:
    """A file with the translation.

    Attributes:
        content: of the file.
        cues: that were translated.
        untranslated: that have words, and kept them: nothing was translated at their times.
        lost_tags: with tags inside their text, which have no place in the translation.
    """

    content: str
    cues: int = 0
    untranslated: int = 0
    lost_tags: int = 0

    def describe(self) -> str:
        """Return what was done in one line."""
        parts = [f"{self.cues:,} cues, each with the number, times and tags of its source"]
        if self.lost_tags:
            parts.append(f"{self.lost_tags:,} with tags inside a sentence, which were left out")
        if self.untranslated:
            parts.append(f"{self.untranslated:,} without a translation stay as they are")
        return "; ".join(parts)


def keep_cues(source: Path, text: RecordingText, rules: SubtitleRules) -> KeptCues:
    """Return the source's file with the translation in its cues.

    Args:
        source: SRT or WebVTT.
        text: its translation, with its times.
        rules: the width of lines.

    Raises:
        ConfigError: the file cannot be read.
    """
    try:
        raw = source.read_bytes()
    except OSError as error:
        raise ConfigError(
            f"{source}: expected the subtitles that were translated: {error.strerror}"
        ) from None
    content, _ = decode_text(raw, source.name, text.source_language)
    lines = content.splitlines(keepends=True)
    cues = list(_find_cues(lines))
    starts = sorted(cue.start for cue in cues)
    translated: dict[int, list[Turn]] = {}
    for part in text.parts:
        for segment, words in zip(part.source_segments, divide_over_cues(part, text.language), strict=True):
            at = bisect_right(starts, round(segment.start * 1000)) - 1
            turn = Turn(with_dash(words, segment.text), segment.words)
            translated.setdefault(starts[max(at, 0)], []).append(turn)
    protect = MARKUPS["vtt" if content.startswith("WEBVTT") else "srt"].protect

    def write(turn: Turn) -> str:
        words = turn.words or turn.source
        broken = break_lines(words, break_costs(words, text.language), rules.max_line_width)
        return "\n".join(protect(join_words(line)) for line in broken)

    kept = KeptCues("")
    shares = {
        start: _share_out(turns, [cue.length for cue in cues if cue.start == start], text.language)
        for start, turns in translated.items()
    }
    kept.content = "".join(_replace_texts(lines, cues, shares, write, kept))
    if b"\r\n" in raw:
        kept.content = kept.content.replace("\n", "\r\n")
    return kept


def _find_cues(lines: Sequence[str]) -> Iterator[WrittenCue]:
    """Yield the cues in the lines of a file; an empty line, or the next cue, ends one."""
    numbers = [number for number, line in enumerate(lines) if _TIMES.match(line)]
    for at, following in zip_longest(numbers, numbers[1:], fillvalue=len(lines)):
        end = next((number for number in range(at + 1, following) if not lines[number].strip()), following)
        if at + 1 < end == following < len(lines) and lines[end - 1].strip().isdecimal():
            end -= 1  # the number of the next one
        times = _TIMES.match(lines[at])
        assert times is not None
        yield WrittenCue(_milliseconds(times), at + 1, end, len("".join(lines[at + 1 : end])))


def _share_out(turns: list[Turn], lengths: Sequence[int], language: str) -> Iterator[list[Turn]]:
    """Yield what each of the cues that begin together gets of their translation."""
    if len(lengths) == 1:
        yield turns
        return
    words = [word for turn in turns for word in turn.words or turn.source]
    for share in _divide(words, lengths, language):
        yield [Turn(share, ())]


def divide_over_cues(part: TextPart, language: str) -> list[list[TimedWord]]:
    """Return the words of a translated text for each cue of its source."""
    return _divide(
        words_of(part.segments), [len(segment.text) + 1 for segment in part.source_segments], language
    )


def _divide(words: list[TimedWord], lengths: Sequence[int], language: str) -> list[list[TimedWord]]:
    """Return words in as many stretches as there are lengths, each as long as its share of them."""
    count = len(lengths)
    if not words or not count:
        return [[] for _ in range(count)]
    costs = break_costs(words, language)
    share = sum(word.width for word in words) / sum(lengths)
    widths = [0]
    for word in words:
        widths.append(widths[-1] + word.width)
    least = 1 if len(words) >= count else 0
    best: list[dict[int, tuple[float, int]]] = [{0: (0.0, 0)}]
    for number, length in enumerate(lengths):
        row: dict[int, tuple[float, int]] = {}
        ends = [len(words)] if number == count - 1 else range(len(words) + 1)
        for end in ends:
            for start, (before, _) in best[-1].items():
                if end - start < least:
                    continue
                off = PER_COLUMN * abs(widths[end] - widths[start] - share * length)
                cost = before + off + (costs[end - 1] if 0 < end < len(words) else 0.0)
                if cost < row.get(end, (float("inf"), 0))[0]:
                    row[end] = (cost, start)
        best.append(row)
    cuts = [len(words)]
    for row in reversed(best[1:]):
        cuts.append(row[cuts[-1]][1])
    cuts.reverse()
    return [words[start:end] for start, end in pairwise(cuts)]


def _replace_texts(
    lines: Sequence[str],
    cues: Sequence[WrittenCue],
    shares: Mapping[int, Iterator[list[Turn]]],
    write: Callable[[Turn], str],
    kept: KeptCues,
) -> Iterator[str]:
    """Yield the lines of a file, those of cues replaced."""
    line = 0
    for cue in cues:
        yield from lines[line : cue.first]
        line, written = cue.end, "".join(lines[cue.first : cue.end])
        turns = next(shares.get(cue.start, iter(())), [])
        if any(turn.words for turn in turns):
            kept.cues += 1
            yield _in_tags(written, "\n".join(map(write, turns)), kept) + "\n"
        else:
            kept.untranslated += re.search(r"\w", _TAG.sub("", written)) is not None
            yield written
    yield from lines[line:]


def _in_tags(cue: str, text: str, kept: KeptCues) -> str:
    """Return a text within the tags that stand around the whole cue."""
    cue = re.sub(r"</(\w+)>(\s*)<\1>", r"\2", cue.strip())  # each line in a tag of its own
    before, inner, after = _TAGS.findall(cue)[0]
    kept.lost_tags += _TAG.search(inner) is not None
    begin, end = len(before), len(cue) - len(after)
    inside = {at for pair in _pair_tags(cue) if any(begin <= at < end for at in pair) for at in pair}
    around = [(tag.start(), tag[0]) for tag in _TAG.finditer(cue) if tag.start() not in inside]
    opening = "".join(tag for at, tag in around if at < begin)
    return f"{opening}{text}{''.join(tag for at, tag in around if at >= end)}"


def _pair_tags(cue: str) -> Iterator[tuple[int, int]]:
    """Yield where a tag opens and where it closes, for each that does both."""
    opened: list[tuple[str, int]] = []
    for tag in _TAG.finditer(cue):
        name = re.match(r"</?([^\s.>]*)", tag[0])
        if name is None:
            continue
        if not tag[0].startswith("</"):
            opened.append((name[1].lower(), tag.start()))
            continue
        for at in reversed(range(len(opened))):
            if opened[at][0] == name[1].lower():
                yield opened.pop(at)[1], tag.start()
                break


def _milliseconds(times: re.Match[str]) -> int:
    hours, minutes, seconds, rest = times.groups()
    return ((int(hours or 0) * 60 + int(minutes)) * 60 + int(seconds)) * 1000 + int(rest.ljust(3, "0"))
