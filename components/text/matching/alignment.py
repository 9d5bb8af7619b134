"""Levenshtein alignment of two sequences: which word became which, with the fewest edits.

Substitutions, insertions and deletions cost 1 each (Levenshtein 1966). Tokens are compared as whole units
(words, pieces, characters), so that the number of edits is the numerator of the word error rate.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

from rapidfuzz.distance import Levenshtein

Operation = Literal["equal", "substitute", "insert", "delete"]
Token = TypeVar("Token", bound=Hashable)

_OPERATIONS: dict[str, Operation] = {
    "equal": "equal",
    "replace": "substitute",
    "insert": "insert",
    "delete": "delete",
}


@dataclass(frozen=True, slots=True)
class Edit(Generic[Token]):
    """One column of an alignment. ``reference`` is None on an insertion, ``hypothesis`` on a deletion."""

    operation: Operation
    reference: Token | None
    hypothesis: Token | None


def align(reference: Sequence[Token], hypothesis: Sequence[Token]) -> tuple[Edit[Token], ...]:
    """Align two sequences with as few edits as possible. Ties are broken deterministically.

    Returns:
        The columns in order. The ``reference`` entries that are not None give the reference back, and
        likewise for the hypothesis.
    """
    # Whole tokens become integers, so that equality is exact and never a matter of a hash.
    numbers: dict[Token, int] = {}
    ref = [numbers.setdefault(token, len(numbers)) for token in reference]
    hyp = [numbers.setdefault(token, len(numbers)) for token in hypothesis]
    columns: list[Edit[Token]] = []
    for code in Levenshtein.opcodes(ref, hyp):
        operation = _OPERATIONS[code.tag]
        width = max(code.src_end - code.src_start, code.dest_end - code.dest_start)
        for i in range(width):
            columns.append(
                Edit(
                    operation,
                    None if operation == "insert" else reference[code.src_start + i],
                    None if operation == "delete" else hypothesis[code.dest_start + i],
                )
            )
    return tuple(columns)


def count_operations(edits: Iterable[Edit[Token]]) -> dict[Operation, int]:
    """Count the columns of each operation; those that are not ``equal`` add up to the edit distance."""
    counts: dict[Operation, int] = {"equal": 0, "substitute": 0, "insert": 0, "delete": 0}
    for edit in edits:
        counts[edit.operation] += 1
    return counts
