"""Subtitles of a recording: cut from timed words, broken into lines, shown long enough to be read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import pairwise
from math import inf
from typing import NamedTuple

from components.export.subtitles.break_costs import break_costs
from components.export.subtitles.cue import Cue
from components.export.subtitles.cue_breaks import Text, divide
from components.export.subtitles.lines import break_lines
from components.export.subtitles.rules import SubtitleRules
from components.export.subtitles.timed_words import TimedWord, width_of


class Block(NamedTuple):
    """Words that share no subtitle with those of another block.

    Attributes:
        words: in the order of the text; times that run back are pushed forward.
        second: the words of the same in another language, for bilingual subtitles.
        speaker: who says them, where several speak.
    """

    words: Sequence[TimedWord]
    second: Sequence[TimedWord] = ()
    speaker: str | None = None


LEAST_GAP = 0.12
"""Seconds: a gap that is shorter is one of two frames, which is right."""
SHORTEST = 0.04
"""Seconds that a subtitle lasts at least, whatever the times of its words: one frame of film."""


def build_cues(
    blocks: Iterable[Block],
    language: str,
    rules: SubtitleRules,
    second_language: str = "und",
    until: float = inf,
) -> list[Cue]:
    """Return subtitles of a text, in order, without overlap; every word is in exactly one of them.

    Args:
        blocks: of the recording, in the order of the text.
        language: of the words.
        rules: kept where they can be; :mod:`components.export.subtitles.rule_check` says where they are not.
        second_language: of the second words.
        until: seconds at which the recording ends; the last subtitle stays no longer, if all is said.
    """
    groups = [
        (text, below, block.speaker)
        for block in blocks
        for text, below in _divide_block(block, language, rules, second_language)
    ]
    spans = close_gaps(_show_times([(text.words, below.words) for text, below, _ in groups], rules), rules)
    if spans:
        start, end = spans[-1]
        last = max(until, groups[-1][0].words[-1].end, start + SHORTEST)
        spans[-1] = (start, min(end, round(last, 3)))
    width = rules.max_line_width
    return [
        Cue(
            start,
            end,
            break_lines(text.words, text.costs, width),
            break_lines(below.words, below.costs, width),
            speaker,
        )
        for (start, end), (text, below, speaker) in zip(spans, groups, strict=True)
    ]


def _divide_block(
    block: Block, language: str, rules: SubtitleRules, second_language: str
) -> list[tuple[Text, Text]]:
    """Return the words of each subtitle of a block, and those below them, with the costs of breaks."""
    words, second = _in_order(block.words), _in_order(block.second)
    if not words:
        words, second, language = second, [], second_language
    text = Text(words, break_costs(words, language))
    below = Text(second, break_costs(second, second_language))
    ends = divide(text, below, rules)
    return [
        (
            Text(words[begin:end], text.costs[begin:end]),
            Text(second[begin_second:end_second], below.costs[begin_second:end_second]),
        )
        for (begin, begin_second), (end, end_second) in pairwise([(0, 0), *ends])
    ]


def _in_order(words: Sequence[TimedWord]) -> list[TimedWord]:
    """Return the words, none of which begins before the one before it or ends before it begins."""
    ordered: list[TimedWord] = []
    clock = 0.0
    for word in words:
        clock = max(clock, word.start)
        ordered.append(replace(word, start=clock, end=max(clock, word.end)))
    return ordered


def _show_times(
    groups: Sequence[tuple[Sequence[TimedWord], Sequence[TimedWord]]], rules: SubtitleRules
) -> list[tuple[float, float]]:
    """When each group of words is shown: from its first word on, until it has been said and read."""
    starts: list[float] = []
    for words, _ in groups:
        earliest = starts[-1] + SHORTEST + rules.min_gap if starts else 0.0
        starts.append(max(earliest, words[0].start))
    spans = []
    for number, ((words, second), start) in enumerate(zip(groups, starts, strict=True)):
        following = starts[number + 1] if number + 1 < len(groups) else inf
        latest = following - rules.min_gap
        columns = max(width_of(words), width_of(second))
        needed = max(rules.min_seconds, columns / rules.max_reading_speed)
        said = words[-1].end + rules.linger
        end = min(max(said, start + needed), start + rules.max_seconds, latest)
        spans.append((round(start, 3), round(end, 3)))
    return spans


def close_gaps(spans: Sequence[tuple[float, float]], rules: SubtitleRules) -> list[tuple[float, float]]:
    """Return times without gaps that flicker: a subtitle stays until the next, or that one comes earlier."""
    closed = list(spans)
    for number in range(len(closed) - 1):
        (start, end), (following, until) = closed[number], closed[number + 1]
        if not max(rules.min_gap, LEAST_GAP) < following - end < rules.close_gaps:
            continue
        last = min(following - rules.min_gap, start + rules.max_seconds)
        closed[number] = (start, round(last, 3))
        if following - last > max(rules.min_gap, LEAST_GAP):  # it may not stay so long
            closed[number + 1] = (
                round(last + rules.min_gap, 3),
                min(until, round(last + rules.min_gap + rules.max_seconds, 3)),
            )
    return closed
