"""Dashes before what another speaker says in a subtitle: a translation has those of its source."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace

from components.export.recording_text import TextPart, words_of
from components.export.subtitles.lines import count_lines
from components.export.subtitles.rules import SubtitleRules
from components.export.subtitles.timed_words import TimedWord
from components.text.languages import ENDS_SENTENCE

_DASH = re.compile(r"([-–—])(?!\d)(\s?)")


def with_dash(words: Sequence[TimedWord], source: str) -> tuple[TimedWord, ...]:
    """Return words, which begin with a dash where their source does; no line breaks after it."""
    dash = _DASH.match(source)
    if dash is None or not words:
        return tuple(words)
    first, *rest = words
    if _DASH.fullmatch(first.text) and rest:
        following = rest.pop(0)
        first = replace(following, start=first.start, text=f"{first.text} {following.text}", spaced=True)
    elif not _DASH.match(first.text):
        first = replace(first, text=dash[0] + first.text)
    return first, *rest


def group_turns(parts: Iterable[TextPart], rules: SubtitleRules) -> list[list[TextPart]]:
    """Return texts of written cues, each alone, but those of speakers who share a cue together."""
    groups: list[list[TextPart]] = []
    for part in map(_with_dashes, parts):
        if groups and _shares_cue(groups[-1], part, rules):
            groups[-1].append(part)
        else:
            groups.append([part])
    return groups


def _shares_cue(group: Sequence[TextPart], part: TextPart, rules: SubtitleRules) -> bool:
    """Return whether a text follows at once, begins a line with its dash, and fits below those of a group."""
    before, after = group[-1].utterance.segments, part.utterance.segments
    words = words_of(part.segments)
    if not (words and before and after and before[-1].end == after[0].start):
        return False
    if not (_DASH.match(words[0].text) and ENDS_SENTENCE.search(group[-1].text)):
        return False
    together = [*words_of([segment for each in group for segment in each.segments]), *words]
    fits = count_lines(together, rules.max_line_width) <= rules.max_lines
    return fits and together[-1].end - together[0].start <= rules.max_seconds


def _with_dashes(part: TextPart) -> TextPart:
    if part.source is None or not part.segments:
        return part
    words = with_dash(part.segments[0].words, part.source)
    segments = (replace(part.segments[0], words=words), *part.segments[1:])
    return replace(part, segments=segments)
