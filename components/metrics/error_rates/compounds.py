"""Word errors as the Open ASR leaderboard counts them: compounds may be written in one word or in several."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import SequenceMatcher
from importlib.metadata import version

from components.metrics.error_rates.error_rate import ErrorCounts


def count_with_compounds(
    references: Sequence[str], hypotheses: Sequence[str], *, is_english: bool
) -> list[ErrorCounts]:
    """Edits of words, where ``white paper`` and ``whitepaper`` are equal.

    Args:
        references: normalized.
        hypotheses: normalized.
        is_english: of other languages the leaderboard also joins stretches that differ in their spaces
            alone, which makes references shorter.

    Returns:
        The counts of each pair.
    """
    from kaldialign import edit_distance  # noqa: PLC0415 - of the extra open-asr

    counts = []
    for reference, hypothesis in zip(references, hypotheses, strict=True):
        words = reference.split(), hypothesis.split()
        expected, found = words if is_english else join_differing_spaces(*words)
        edits = edit_distance(expected, found, merge_compounds=True)
        counts.append(
            ErrorCounts(int(edits["sub"]), int(edits["del"]), int(edits["ins"]), int(edits["ref_len"]))
        )
    return counts


def join_differing_spaces(first: Sequence[str], second: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return both texts, with each stretch that differs in its spaces alone as one word."""
    joined: tuple[list[str], list[str]] = [], []
    for _, start, end, other_start, other_end in SequenceMatcher(None, first, second).get_opcodes():
        words = first[start:end], second[other_start:other_end]
        texts = ["".join(side) for side in words]
        is_one_word = words[0] != words[1] and texts[0] == texts[1]
        for side in range(2):
            joined[side].extend([texts[side]] if is_one_word else words[side])
    return joined


def counter_signature() -> str:
    """Return what counts, for signatures."""
    return f"kaldialign:{version('kaldialign')} merge-compounds"
