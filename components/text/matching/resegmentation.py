"""A text cut into the segments of another one, so that as few words as possible differ.

The method is mwerSegmenter's (Matusov et al. 2005, https://aclanthology.org/2005.iwslt-1.19): of all ways to
cut a hypothesis into as many segments as the reference has, one of the smallest total edit distance. With one
reference that minimum is the edit distance of the joined texts, so one Levenshtein alignment (RapidFuzz's),
cut where the reference's segments end, reaches it.

It is used twice: to score a long recording against the segments of its reference, and to give a changed
text the times of the text before it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from rapidfuzz.distance import Levenshtein, Opcode

from components.text.languages import ENDS_SENTENCE, without_spaces

PROTOCOL = "reseg:min-word-edits"
"""How scores over resegmented texts are signed."""

_OPENING = """"'“”„‘«»¿¡([「『（《"""
_WORD, _CHARACTER = re.compile(r"\S+"), re.compile(r"[A-Za-z0-9]+|\S")


@dataclass(frozen=True, slots=True)
class _Unit:
    """A word of a text (a character, without spaces): where it begins, and what is compared of it."""

    start: int
    key: str


def resegment(text: str, references: Sequence[str], language: str) -> list[str]:
    """Cut a text into one piece per reference, at the smallest total number of word edits.

    Words are compared without case and punctuation, in languages written without spaces characters are.
    Where several cuts are equally good (words that no reference has, between two segments), the first one
    after the end of a sentence is taken, else the last one.

    Args:
        text: what is cut; no character but white space at the cuts is lost.
        references: texts of the segments, in order; empty ones get no words of their own.
        language: of all of them.

    Returns:
        As many texts as there are references, stripped, some perhaps empty.
    """
    if not references:
        return []
    units = _split_units(text, language)
    words = [[unit.key for unit in _split_units(reference, language)] for reference in references]
    cuts = _find_cuts(text, units, words)
    # What stands before the first word belongs to it, and what follows the last one to that.
    offsets = [unit.start for unit in units] + [len(text)]
    edges = [0, *(offsets[cut] if cut else 0 for cut in cuts), len(text)]
    return [text[start:end].strip() for start, end in pairwise(edges)]


def cut_blocks(text: str, language: str, size: int) -> list[str]:
    """Cut a text into blocks of about ``size`` words (of characters, in languages written without spaces).

    A block ends with the first sentence that ends at ``size`` words or later; where none does for as many
    words again, at ``size`` words. What is left over (less than half a block) belongs to the last one.

    Args:
        text: what is cut; no character but white space at the cuts is lost.
        language: of the text.
        size: words of a block.
    """
    units = _split_units(text, language)
    cuts = [0]
    while len(units) - cuts[-1] >= size + size // 2:
        least = cuts[-1] + size
        ends = range(least, min(least + size, len(units)))
        cut = next((end for end in ends if _ends_sentence(text, units, end)), least)
        if len(units) - cut < size // 2:
            break
        cuts.append(cut)
    edges = [0, *(units[cut].start for cut in cuts[1:]), len(text)]
    return [text[start:end].strip() for start, end in pairwise(edges)]


def count_edits(text: str, references: Sequence[str], language: str) -> int:
    """Count the words that must change to make a text the references': what :func:`resegment` minimizes."""
    words = [unit.key for unit in _split_units(text, language)]
    return Levenshtein.distance(
        [unit.key for reference in references for unit in _split_units(reference, language)], words
    )


def _split_units(text: str, language: str) -> list[_Unit]:
    """Return the units of a text; opening marks before one are part of it."""
    units, opening = list[_Unit](), None
    for match in (_CHARACTER if without_spaces(language) else _WORD).finditer(text):
        piece, start = match[0], match.start()
        if re.search(r"\w", piece):
            units.append(_Unit(start if opening is None else opening, _comparable(piece)))
            opening = None
        elif (rest := len(piece.rstrip(_OPENING))) or opening is None:
            opening = start + rest if rest < len(piece) else None
    return units


def _comparable(word: str) -> str:
    return "".join(filter(str.isalnum, word.casefold()))


def _find_cuts(text: str, units: Sequence[_Unit], references: Sequence[Sequence[str]]) -> list[int]:
    """Return the number of units before each of the inner ends of the references' segments."""
    numbers: dict[str, int] = {}
    hypothesis = [numbers.setdefault(unit.key, len(numbers)) for unit in units]
    reference = [numbers.setdefault(word, len(numbers)) for words in references for word in words]
    first, last = _project(Levenshtein.opcodes(reference, hypothesis), len(reference))
    cuts, position = [], 0
    for words in references[:-1]:
        position += len(words)
        cuts.append(_choose_cut(text, units, first[position], last[position]))
    return cuts


def _project(opcodes: Iterable[Opcode], length: int) -> tuple[list[int], list[int]]:
    """For each position between reference words, the first and the last hypothesis position beside it."""
    first, last = [0] * (length + 1), [0] * (length + 1)
    for code in opcodes:
        if code.tag == "insert":
            last[code.src_start] = code.dest_end
            continue
        for step in range(1, code.src_end - code.src_start + 1):
            first[code.src_start + step] = last[code.src_start + step] = (
                code.dest_start if code.tag == "delete" else code.dest_start + step
            )
    return first, last


def _choose_cut(text: str, units: Sequence[_Unit], first: int, last: int) -> int:
    for cut in range(first, last):
        if cut > 0 and _ends_sentence(text, units, cut):
            return cut
    return last


def _ends_sentence(text: str, units: Sequence[_Unit], cut: int) -> bool:
    """Return whether the unit before ``cut`` is the last one of a sentence."""
    return ENDS_SENTENCE.search(text[units[cut - 1].start : units[cut].start]) is not None
