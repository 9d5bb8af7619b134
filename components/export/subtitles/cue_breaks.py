"""Where one subtitle ends and the next begins: the cheapest division of a recording's words.

Dynamic programming over the words, as line breaking in typesetting (Knuth and Plass 1981): a subtitle must
fit its lines and its time, and costs more where it breaks a clause, bridges a pause, holds the end of one
sentence and the beginning of the next, or leaves too little time to read it or to stay after its last word.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

from components.export.subtitles.break_costs import SENTENCE_END
from components.export.subtitles.lines import count_lines
from components.export.subtitles.rules import SubtitleRules
from components.export.subtitles.timed_words import TimedWord, width_of

PER_CUE, TWO_SENTENCES, PER_SECOND_OF_PAUSE, PER_SECOND_TOO_SHORT, ONE_LANGUAGE = 2.0, 2.5, 4.0, 4.0, 4.0
"""Costs: of a subtitle, of two sentences in one, of a pause in it, of time that lacks to read it, and of one
that has a text in only one of two languages."""
TOLERATED_PAUSE = 1.0
"""Seconds of silence that one subtitle may bridge for nothing."""
ORPHAN = 3.0
"""Cost of a second text that leaves one word of its next sentence behind, or takes one."""
SNAP = 3
"""Words by which the second text may be shifted, so that it breaks at an end of its own clauses."""


@dataclass(frozen=True)
class Text:
    """Words in order of time, and the cost of a break after each."""

    words: Sequence[TimedWord]
    costs: Sequence[float]


def divide(text: Text, second: Text, rules: SubtitleRules) -> list[tuple[int, int]]:
    """Divide a text, and beside it the same in another language, into subtitles.

    Args:
        text: whose words and times decide.
        second: shown with it; empty for one language.
        rules: to keep. A single word that breaks them is a subtitle all the same.

    Returns:
        For each subtitle the number of the word after its last, of either text.
    """
    words, n = text.words, len(text.words)
    cuts = _second_cuts(text, second)
    cost_of = _CueCosts(text, second, cuts, rules)
    best, begins = [0.0] + [float("inf")] * n, [0] * (n + 1)
    for start in range(n):
        for end in range(start + 1, n + 1):
            if end - start > 1 and not _fits(words[start:end], second.words[cuts[start] : cuts[end]], rules):
                break
            cost = best[start] + cost_of(start, end)
            if cost < best[end]:
                best[end], begins[end] = cost, start
    ends = [n] if n else []
    while ends and begins[ends[-1]]:
        ends.append(begins[ends[-1]])
    return [(end, cuts[end]) for end in reversed(ends)]


def _fits(words: Sequence[TimedWord], second: Sequence[TimedWord], rules: SubtitleRules) -> bool:
    return (
        words[-1].end - words[0].start <= rules.max_seconds
        and count_lines(words, rules.max_line_width) <= rules.max_lines
        and count_lines(second, rules.max_line_width) <= rules.max_lines
    )


class _CueCosts:
    """The cost of a subtitle from one word to another."""

    def __init__(self, text: Text, second: Text, cuts: Sequence[int], rules: SubtitleRules) -> None:
        self._text, self._second, self._cuts, self._rules = text, second, cuts, rules
        pauses = [
            PER_SECOND_OF_PAUSE * max(0.0, after.start - word.end - TOLERATED_PAUSE)
            for word, after in pairwise(text.words)
        ]
        inner = [
            pause + (TWO_SENTENCES if cost <= SENTENCE_END else 0.0)
            for pause, cost in zip(pauses, text.costs, strict=False)
        ]
        self._inner = [0.0, *accumulate(inner)]

    def __call__(self, start: int, end: int) -> float:
        words, rules = self._text.words, self._rules
        last = end == len(words)
        until = float("inf") if last else words[end].start - rules.min_gap
        available = min(until - words[start].start, rules.max_seconds)
        second = self._second.words[self._cuts[start] : self._cuts[end]]
        width = max(width_of(words[start:end]), width_of(second))
        shown = min(words[end - 1].end + rules.linger, until) - words[start].start
        needed = max(rules.min_seconds, width / rules.max_reading_speed, shown)
        after = 0.0 if last else self._text.costs[end - 1]
        if second and self._cuts[end] < len(self._second.words):
            after += self._second.costs[self._cuts[end] - 1] / 2
        if self._second.words and not second:
            after += ONE_LANGUAGE
        within = self._inner[end - 1] - self._inner[start]
        return PER_CUE + after + within + PER_SECOND_TOO_SHORT * max(0.0, needed - available)


def _second_cuts(text: Text, second: Text) -> list[int]:
    """For each word of ``text`` the first of ``second`` that is not said before it; at the end, all."""
    middles = [(word.start + word.end) / 2 for word in second.words]
    cuts = [0]
    for word in text.words[1:]:
        near = bisect_left(middles, word.start)
        options = range(max(cuts[-1], near - SNAP), min(len(middles), near + SNAP) + 1)
        cuts.append(min(options, key=lambda cut: _shift_cost(cut, near, second), default=max(cuts[-1], near)))
    return [*cuts, len(middles)] if text.words else [0]


def _shift_cost(cut: int, near: int, second: Text) -> float:
    within = 0 < cut < len(second.words)
    if not within:
        return abs(cut - near)
    alone = [at for at in (cut - 1, cut + 1) if 0 < at < len(second.words)]
    orphan = ORPHAN * any(second.costs[at - 1] <= SENTENCE_END for at in alone)
    return abs(cut - near) + second.costs[cut - 1] + orphan
