"""Splitting a text into sentences, and joining their translations again.

The splitter is rule-based and declared: a sentence ends at a line break, or at ``. ! ? …`` or the stops of
other scripts (with closing quotes and brackets) followed by white space and something that can begin a
sentence, unless the full stop belongs to an abbreviation of the language, to initials or to an ordinal
(German, Czech). Full-width stops need no space.
"""

from __future__ import annotations

import heapq
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from components.text.languages import STOPS_WITH_SPACE, WIDE_STOPS, two_letters_of

_CLOSING = r"""(?:["'”“’»«)\]]|\s»(?=\s))*"""
"""Quotes and brackets that close; a French one stands behind a space."""
_END = re.compile(
    rf"""(?:[{STOPS_WITH_SPACE}]+{_CLOSING}(?=\s+["'“‘«»„¿¡(\[]*\w)|[{WIDE_STOPS}]+["'”’」』]*)"""
)
_LAST_WORD = re.compile(r"([^\s(\[\"'“„«]+)\.$")
_INITIALS = re.compile(r"(?:[^\W\d_]\.)*[^\W\d_]")
_ORDINALS = {"de", "cs", "da", "nb", "no", "fi", "hu", "sk"}

_ABBREVIATIONS = {
    "en": "mr mrs ms dr prof st jr sr vs etc e.g i.e a.m p.m no vol fig inc ltd co gen col sgt",
    "de": "dr prof hr fr nr str bzw z.b d.h u.a usw ca vgl evtl ggf inkl st abs bd s z d h u a o ä i",
    "fr": "m mm mme mlle dr prof st ste etc p.ex c.-à-d av bd vol no",
    "es": "sr sra srta dr dra prof etc p.ej ud uds núm pág av avda",
    "it": "sig dott prof ecc es pag num ing avv",
    "pt": "sr sra dr dra prof etc ex pág av núm",
    "cs": "p pí dr prof ing mgr např tzn tj atd apod č str sv",
}
ABBREVIATIONS = {language: frozenset(words.split()) for language, words in _ABBREVIATIONS.items()}
"""Lower-case words, without their last full stop, that do not end a sentence."""


class Span(NamedTuple):
    """The characters of a text from ``start`` to before ``end``."""

    start: int
    end: int


def split_sentences(text: str, language: str) -> list[str]:
    """Return the sentences of ``text``, stripped, none empty, in order; all its words are in one of them."""
    return [text[span.start : span.end] for span in find_sentences(text, language)]


def find_sentences(text: str, language: str) -> list[Span]:
    """Return where the sentences of ``text`` stand in it, as :func:`split_sentences` gives them."""
    spans, offset = [], 0
    for line in text.splitlines(keepends=True):
        for start, end in _split_line(line, language):
            head = line[start:end].lstrip()
            if head:
                spans.append(Span(offset + end - len(head), offset + end - len(head) + len(head.rstrip())))
        offset += len(line)
    return spans


def _split_line(line: str, language: str) -> Iterator[tuple[int, int]]:
    start = 0
    for match in _END.finditer(line):
        if not _is_abbreviated(line[start : match.end()], line[match.end() :], language):
            yield start, match.end()
            start = match.end()
    yield start, len(line)


def _is_abbreviated(before: str, after: str, language: str) -> bool:
    if after.lstrip()[:1].islower():
        return True
    word = _LAST_WORD.search(before)
    if word is None:
        return False
    base = two_letters_of(language)
    text = word.group(1)
    if text.lower() == "no" and not after.lstrip()[:1].isdigit():
        return False  # an answer; a number is No. 5
    initial = text.isupper() and text != "I" and _INITIALS.fullmatch(text) is not None
    ordinal = base in _ORDINALS and text.isdigit() and len(text) <= 2
    return initial or ordinal or text.lower() in ABBREVIATIONS.get(base, frozenset())


def combine_draws(draws: Sequence[Sequence[int]], ranks: Sequence[Sequence[float]]) -> list[tuple[int, ...]]:
    """The samples of a text: the n-th of each of its sentences together, best first by the sum of ranks.

    ``draws[s]`` are the numbers of the samples of sentence s, in any order, ``ranks[s]`` their ranks. As in
    :func:`find_best_combinations` a combination is a position for every sentence. Samples that are no
    translations are left out before: there are as many of the text as of the sentence with the fewest.
    """
    if not draws:
        return [()]
    as_drawn = [sorted(range(len(numbers)), key=numbers.__getitem__) for numbers in draws]
    choices = list(zip(*as_drawn, strict=False))
    return sorted(choices, key=lambda choice: -sum(r[i] for r, i in zip(ranks, choice, strict=True)))


def find_best_combinations(ranks: Sequence[Sequence[float]], n: int) -> list[tuple[int, ...]]:
    """Return the ``n`` best ways to take one candidate per sentence, best first.

    ``ranks[s]`` are the ranks of the candidates of sentence s, best first; a combination is worth their sum.
    The first combination is the best of every sentence. Ties go to the earlier candidates.
    """
    start: tuple[tuple[int, int], ...] = ()  # (-sentence, candidate) of those that are not the first
    heap = [(-sum(column[0] for column in ranks), start)]
    visited = {start}
    combinations: list[tuple[int, ...]] = []
    while heap and len(combinations) < n:
        total, choice = heapq.heappop(heap)
        taken = {-s: index for s, index in choice}
        combinations.append(tuple(taken.get(s, 0) for s in range(len(ranks))))
        for s, of_sentence in enumerate(ranks):
            index = taken.get(s, 0)
            if index + 1 == len(of_sentence):
                continue
            further = sorted((taken | {s: index + 1}).items())
            following = tuple((-s, index) for s, index in further)
            if following not in visited:
                visited.add(following)
                heapq.heappush(heap, (total + of_sentence[index] - of_sentence[index + 1], following))
    return combinations
