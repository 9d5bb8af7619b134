"""Subtitles of a translation cue by cue: every cue of the source keeps its number, its times and its tags.

The file is the source's, in which only what the cues say is replaced: notes, styles, positions and cues
without words (music, "...") stay. What was translated sentence by sentence is divided over the cues of the
sentence as their texts are long, at the cheapest breaks; every cue gets a word where there are enough. The
speakers of one cue, whose lines begin with a dash, are translated apart and come back into it.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from components.errors import ConfigError
from components.export.recording_text import RecordingText, TextPart, words_of
from components.export.subtitles.break_costs import break_costs
from components.export.subtitles.dashes import with_dash
from components.export.subtitles.lines import break_lines
from components.export.subtitles.rules import SubtitleRules
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
    starts = sorted(_milliseconds(times) for times in map(_TIMES.match, content.splitlines()) if times)
    translated: dict[int, list[Turn]] = {}
    for part in text.parts:
        for segment, words in zip(part.source_segments, divide_over_cues(part, text.language), strict=True):
            cue = bisect_right(starts, round(segment.start * 1000)) - 1
            turn = Turn(with_dash(words, segment.text), segment.words)
            translated.setdefault(starts[max(cue, 0)], []).append(turn)
    kept = KeptCues("")
    lines = "".join(_replace_texts(content, translated, text.language, rules, kept))
    kept.content = lines.replace("\n", "\r\n") if b"\r\n" in raw else lines
    return kept


def divide_over_cues(part: TextPart, language: str) -> list[list[TimedWord]]:
    """Return the words of a translated text for each cue of its source."""
    words, count = words_of(part.segments), len(part.source_segments)
    if not words or not count:
        return [[] for _ in range(count)]
    costs = break_costs(words, language)
    lengths = [len(segment.text) + 1 for segment in part.source_segments]
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
    content: str, translated: dict[int, list[Turn]], language: str, rules: SubtitleRules, kept: KeptCues
) -> Iterator[str]:
    """Yield the lines of a file, those of cues replaced."""
    lines = content.splitlines(keepends=True)
    at = 0
    while at < len(lines):
        yield lines[at]
        times = _TIMES.match(lines[at])
        at += 1
        if times is None:
            continue
        end = next((n for n in range(at, len(lines)) if not lines[n].strip()), len(lines))
        said, at = lines[at:end], end
        turns = translated.get(_milliseconds(times), [])
        if not any(turn.words for turn in turns):
            kept.untranslated += re.search(r"\w", _TAG.sub("", "".join(said))) is not None
            yield from said
            continue
        kept.cues += 1
        text = "\n".join(_lines_of(turn.words or turn.source, language, rules) for turn in turns)
        yield _in_tags("".join(said), text, kept) + "\n"


def _lines_of(words: Sequence[TimedWord], language: str, rules: SubtitleRules) -> str:
    lines = break_lines(words, break_costs(words, language), rules.max_line_width)
    return "\n".join(map(join_words, lines))


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
