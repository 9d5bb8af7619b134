"""Lines of a subtitle: as few as hold it, broken where it reads well, and of similar length."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

from components.export.subtitles.timed_words import TimedWord, width_of
from components.text.languages import ENDS_SENTENCE

UNBALANCE = 6.0
"""Cost of lines that differ by a whole line's width; a break between words costs 3, at a clause 1."""
_SPEAKER = re.compile(r"[-–—](?!\d)")


def count_lines(words: Sequence[TimedWord], max_width: int) -> int:
    """Return the least number of lines that hold words; one that is wider than a line has a line of its own.

    A dash after the end of a sentence is another speaker's, who begins a line.
    """
    lines, width, before = 0, max_width + 1, ""
    for word in words:
        if _changes_speaker(before, word.text):
            width = max_width + 1
        before = word.text
        alone = word.width - word.spaced
        if width + word.width > max_width:
            lines, width = lines + 1, alone
        else:
            width += word.width
    return lines


def break_lines(
    words: Sequence[TimedWord], costs: Sequence[float], max_width: int
) -> tuple[tuple[TimedWord, ...], ...]:
    """Divide words into the least number of lines, each at most ``max_width`` columns where that is possible.

    Args:
        words: of one subtitle.
        costs: of a break after each of them.
        max_width: columns.
    """
    changes = [n for n in range(1, len(words)) if _changes_speaker(words[n - 1].text, words[n].text)]
    parts = [slice(begin, end) for begin, end in pairwise([0, *changes, len(words)])]
    return tuple(line for part in parts for line in _break_speech(words[part], costs[part], max_width))


def _changes_speaker(before: str, after: str) -> bool:
    return _SPEAKER.match(after) is not None and ENDS_SENTENCE.search(before) is not None


def _break_speech(
    words: Sequence[TimedWord], costs: Sequence[float], max_width: int
) -> tuple[tuple[TimedWord, ...], ...]:
    """Return the lines of one speaker."""
    n_lines = count_lines(words, max_width)
    if n_lines <= 1:
        return (tuple(words),) if words else ()
    mean = width_of(words) / n_lines
    # best[line][k]: the least cost of the first k words on the first lines, and where the last of them begins
    best: list[dict[int, tuple[float, int]]] = [{0: (0.0, 0)}]
    for line in range(1, n_lines + 1):
        row: dict[int, tuple[float, int]] = {}
        for end in range(line, len(words) - (n_lines - line) + 1):
            for start, (before, _) in best[-1].items():
                if start >= end:
                    continue
                width = width_of(words[start:end])
                if width > max_width and end - start > 1:
                    continue
                uneven = UNBALANCE * abs(width - mean) / max_width
                cost = before + uneven + (costs[end - 1] if end < len(words) else 0.0)
                if cost < row.get(end, (float("inf"), 0))[0]:
                    row[end] = (cost, start)
        best.append(row)
    cuts = [len(words)]
    for row in reversed(best[1:]):
        cuts.append(row[cuts[-1]][1])
    cuts.reverse()
    return tuple(tuple(words[start:end]) for start, end in pairwise(cuts))
