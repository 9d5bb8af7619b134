"""What is no answer: an empty one, several lines, numbers or marks of the prompt, several candidates at once.

A language model that was asked for one text may repeat the list, explain its choice, or give instructions.
Such an answer is refused whatever the gate estimates, and so is one that is too different from the first
candidate.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from components.ensembling.output_level.voting.words import split_units
from components.fusing.candidates import edit_distance
from components.text.normalization.text_normalization import word_key

MARKS = re.compile(r"</?(?:candidates|source)>|(?:^|\s)candidates?\s*(?:\d+\s*)?:", re.IGNORECASE)
NUMBERED = re.compile(r"^\s*\d{1,2}\s*[.):]\s")


def find_refusal(answer: str, candidates: Sequence[str], max_edit: float | None, language: str) -> str:
    """Say in a few words why an answer is refused; "" for one that may be judged.

    Args:
        answer: as the model wrote it.
        candidates: what it read, the first first; never empty.
        max_edit: see :class:`.config.FuseConfig`.
        language: of the texts.
    """
    lines = [line for line in answer.splitlines() if line.strip()]
    if not any(word_key(line).strip() for line in lines):
        return "refused: the answer is empty"
    if len(lines) > 1:
        return f"refused: expected one line, found {len(lines)}"
    numbered = NUMBERED.match(answer) and not any(map(NUMBERED.match, candidates))
    if numbered or (MARKS.search(answer) and not any(map(MARKS.search, candidates))):
        return "refused: the answer holds numbers or marks of the prompt"
    if count_candidates(answer, candidates, language) > 1:
        return "refused: the answer holds several candidates"
    distance = edit_distance(answer, candidates[0], language)
    if max_edit is not None and distance > max_edit:
        return (
            f"refused: {distance:.0%} of the words differ from the first candidate, more than {max_edit:.0%}"
        )
    return ""


def count_candidates(answer: str, candidates: Sequence[str], language: str) -> int:
    """Count the candidates that stand in an answer one after the other, without overlap."""
    rest = _plain(answer, language)
    count = 0
    for text in sorted({_plain(candidate, language) for candidate in candidates}, key=len, reverse=True):
        if text.strip() and text in rest:
            rest = rest.replace(text, " | ", 1)
            count += 1
    return count


def _plain(text: str, language: str) -> str:
    keys = [key for unit in split_units(text, language) if (key := word_key(unit))]
    return f" {' '.join(keys)} "
