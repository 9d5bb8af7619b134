"""Confusion networks: several word sequences aligned into columns of alternatives (Fiscus 1997).

The network begins with the first sequence; each further one is aligned with it at the least cost, by the
costs of NIST's SCTK (``wwd_WORD``): 0 for a word that the column already has, 4 for another word, 3 for an
insertion or a deletion, and next to nothing for skipping a column in which some sequence already has no word
(a NULL arc). With unit costs, two substitutions would be as cheap as an insertion and a deletion around a
word that both sequences share, and that word would be lost.
"""

from __future__ import annotations

from collections.abc import Sequence

from components.ensembling.output_level.voting.words import Word

SUBSTITUTION, GAP, NULL = 4000, 3000, 1
"""Costs in thousandths."""

Column = tuple[Word | None, ...]
"""The word of each sequence in one column; None, the NULL arc, where it has none."""


def build_confusion_network(sequences: Sequence[Sequence[Word]]) -> list[Column]:
    """Align word sequences into one network.

    Among alignments of equal cost the choice is SCTK's: seen from the end, a substitution goes before an
    insertion, and an insertion before a deletion.

    Returns:
        The columns in order, with one entry per sequence; entry n of all columns gives sequence n back.
    """
    columns: list[Column] = []
    for number, words in enumerate(sequences):
        column_keys = [frozenset(word.key if word else None for word in column) for column in columns]
        extended: list[Column] = []
        for column, word in _align_to_columns(column_keys, [word.key for word in words]):
            before = columns[column] if column is not None else (None,) * number
            extended.append((*before, words[word] if word is not None else None))
        columns = extended
    return columns


def _align_to_columns(
    columns: Sequence[frozenset[str | None]], keys: Sequence[str]
) -> list[tuple[int | None, int | None]]:
    """(column, word) numbers of a cheapest alignment, in order; None for a new column or for no word."""
    costs = _cost_table(columns, keys)
    steps: list[tuple[int | None, int | None]] = []
    i, j = len(columns), len(keys)
    while i or j:
        cost = costs[i][j]
        if i and j and cost == costs[i - 1][j - 1] + SUBSTITUTION * (keys[j - 1] not in columns[i - 1]):
            i, j = i - 1, j - 1
            steps.append((i, j))
        elif j and cost == costs[i][j - 1] + GAP:
            j -= 1
            steps.append((None, j))
        else:
            i -= 1
            steps.append((i, None))
    return steps[::-1]


def _cost_table(columns: Sequence[frozenset[str | None]], keys: Sequence[str]) -> list[list[int]]:
    """Least cost of aligning the first i columns with the first j words, (columns + 1, words + 1)."""
    rows = [[GAP * j for j in range(len(keys) + 1)]]
    for column in columns:
        above, skip = rows[-1], NULL if None in column else GAP
        row = [above[0] + skip]
        for j, key in enumerate(keys):
            match = above[j] + SUBSTITUTION * (key not in column)
            row.append(min(match, above[j + 1] + skip, row[j] + GAP))
        rows.append(row)
    return rows
