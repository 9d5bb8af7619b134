"""Counted errors on the words as they are written: normalized tokens led back to their words.

A word error rate counts after normalization ("Two" and "2" are equal); a reader wants the words of the text.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from components.text.matching.alignment import Edit

if TYPE_CHECKING:
    from components.text.normalization.text_normalization import Normalizer

LONGEST = 5
"""Written words that may together become other tokens, as in ``one hundred and twenty five``."""


class _Group(NamedTuple):
    """Written words and how many tokens they become together."""

    text: str
    tokens: int


def restore_written_words(
    edits: Sequence[Edit[str]], reference: str, hypothesis: str, normalizer: Normalizer
) -> tuple[Edit[str], ...]:
    """Return the alignment of normalized tokens with the words of both texts as they are written.

    Words that become several tokens, or one token together, are one column, and are wrong if any of their
    tokens is. Where the tokens cannot be led back to words the alignment is returned as it is.
    """
    expected = [edit.reference for edit in edits if edit.reference is not None]
    counted = [edit.hypothesis for edit in edits if edit.hypothesis is not None]
    references = _group_words(reference, expected, normalizer)
    hypotheses = _group_words(hypothesis, counted, normalizer)
    if references is None or hypotheses is None or not all(g.tokens for g in (*references, *hypotheses)):
        return tuple(edits)
    of_references = _assign([e.reference is not None for e in edits], references)
    of_hypotheses = _assign([e.hypothesis is not None for e in edits], hypotheses)
    columns = []
    for start, stop in _blocks(of_references, of_hypotheses):
        wrong = any(edit.operation != "equal" for edit in edits[start:stop])
        before = _join(references, of_references[start:stop])
        after = _join(hypotheses, of_hypotheses[start:stop])
        columns.append(_column(before, after, wrong))
    return tuple(columns)


def _group_words(text: str, tokens: Sequence[str], normalizer: Normalizer) -> list[_Group] | None:
    """Groups of the words of a text that give ``tokens`` in order; None if there is no such division."""
    words, groups = text.split(), list[_Group]()
    word = token = 0
    while word < len(words):
        for size in range(1, min(LONGEST, len(words) - word) + 1):
            part = " ".join(words[word : word + size])
            own = _normalize(part, normalizer)
            if list(own) == list(tokens[token : token + len(own)]) and (own or size == 1):
                break
        else:
            return None
        word, token = word + size, token + len(own)
        if groups and (not own or not groups[-1].tokens):  # a dash or a filler stays with its neighbor
            part, own_tokens = f"{groups[-1].text} {part}", groups.pop().tokens
            groups.append(_Group(part, own_tokens + len(own)))
        else:
            groups.append(_Group(part, len(own)))
    return groups if token == len(tokens) else None


@lru_cache(maxsize=2**16)
def _normalize(text: str, normalizer: Normalizer) -> tuple[str, ...]:
    return tuple(normalizer(text).split())


def _assign(present: Sequence[bool], groups: Sequence[_Group]) -> list[int | None]:
    """Return the group of each column, None where the column has no token of this side."""
    numbers = iter([number for number, group in enumerate(groups) for _ in range(group.tokens)])
    return [next(numbers) if has_token else None for has_token in present]


def _blocks(*sides: Sequence[int | None]) -> Iterator[tuple[int, int]]:
    """Runs of columns (start, stop) that no group of either side crosses."""
    last = [{group: column for column, group in enumerate(side) if group is not None} for side in sides]
    start = end = 0
    for column, groups in enumerate(zip(*sides, strict=True)):
        end = max(
            [end, *(ends[group] for ends, group in zip(last, groups, strict=True) if group is not None)]
        )
        if column == end:
            yield start, column + 1
            start = end = column + 1


def _join(groups: Sequence[_Group], numbers: Sequence[int | None]) -> str | None:
    """Return the text of the groups of some columns, each once."""
    return " ".join(groups[n].text for n in dict.fromkeys(numbers) if n is not None) or None


def _column(reference: str | None, hypothesis: str | None, wrong: bool) -> Edit[str]:
    if reference is None:
        return Edit("insert", None, hypothesis)
    if hypothesis is None:
        return Edit("delete", reference, None)
    return Edit("substitute" if wrong else "equal", reference, hypothesis)
