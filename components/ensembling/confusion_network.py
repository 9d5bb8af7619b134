"""Several word sequences as one network: columns of words that stand in the same place (Fiscus 1997).

The first sequence is the network; each further one is aligned with what there is so far, at the least
number of edits (unit costs, as in :mod:`components.alignment`): a word that is already in a column goes
there at no cost, and so does leaving out a column in which some sequence already says nothing (a NULL arc).
"""

from __future__ import annotations

from collections.abc import Sequence

from components.ensembling.words import Word

Column = tuple[Word | None, ...]
"""What each sequence says in one place; None is the NULL arc: it says nothing there."""


def network(sequences: Sequence[Sequence[Word]]) -> list[Column]:
    """Columns, in order, with one entry per sequence. Reading one entry gives its sequence back.

    Among alignments of equal cost the choice is deterministic: seen from the end, a word rather shares a
    column than stands alone, and a column is rather left out than a new one opened.
    """
    columns: list[Column] = []
    for number, words in enumerate(sequences):
        known = [frozenset(word.key if word else None for word in column) for column in columns]
        grown: list[Column] = []
        for column, word in _steps(known, [word.key for word in words]):
            before = columns[column] if column is not None else (None,) * number
            grown.append((*before, words[word] if word is not None else None))
        columns = grown
    return columns


def _steps(
    columns: Sequence[frozenset[str | None]], keys: Sequence[str]
) -> list[tuple[int | None, int | None]]:
    """(column, word) pairs of a cheapest alignment, in order; None for a new column or for no word."""
    costs = _costs(columns, keys)
    steps: list[tuple[int | None, int | None]] = []
    i, j = len(columns), len(keys)
    while i or j:
        here = costs[i][j]
        if i and j and here == costs[i - 1][j - 1] + (keys[j - 1] not in columns[i - 1]):
            i, j = i - 1, j - 1
            steps.append((i, j))
        elif i and here == costs[i - 1][j] + (None not in columns[i - 1]):
            i -= 1
            steps.append((i, None))
        else:
            j -= 1
            steps.append((None, j))
    return steps[::-1]


def _costs(columns: Sequence[frozenset[str | None]], keys: Sequence[str]) -> list[list[int]]:
    """Least cost of every pair of beginnings, (columns + 1, words + 1)."""
    rows = [list(range(len(keys) + 1))]
    for column in columns:
        above, skip = rows[-1], int(None not in column)
        row = [above[0] + skip]
        for j, key in enumerate(keys):
            row.append(min(above[j] + (key not in column), above[j + 1] + skip, row[j] + 1))
        rows.append(row)
    return rows
