"""Outputs against their references, one utterance at a time: what a person looks at, word by word."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from components.alignment import Edit, align, count
from components.metrics import sentence_scores, utterance_errors
from components.metrics.normalising import normaliser_for, without_spaces


@dataclass(frozen=True)
class Comparison:
    """An output beside its reference: the alignment as scored, and ``wer``, ``cer``, ``chrf`` or ``bleu``.

    ``values`` are percentages; None where the reference is empty and no rate exists.
    """

    reference: str
    edits: tuple[Edit[str], ...]
    values: dict[str, float | None] = field(default_factory=dict)


def compare(
    references: Mapping[str, Sequence[str]], texts: Mapping[str, str], *, language: str, recognition: bool
) -> dict[str, Comparison]:
    """Comparisons by utterance id, all in one language.

    Transcripts are aligned under the normaliser of their WER, so that the marks are the counted errors.
    Translations are aligned as they stand with the closest of their references.
    """
    if recognition:
        return _transcripts({key: refs[0] for key, refs in references.items()}, texts, language)
    scores = sentence_scores(references, texts, language=language)
    result = {}
    for key, values in scores.items():
        stated = [ref for ref in references[key] if ref.strip()]
        words = units(texts[key], language)
        options = [(ref, align(units(ref, language), words)) for ref in stated]
        reference, edits = min(options, key=lambda option: _cost(option[1]))
        result[key] = Comparison(reference, edits, dict(values))
    return result


def units(text: str, language: str) -> list[str]:
    """Words and punctuation marks; characters in a language written without spaces."""
    if without_spaces(language):
        return [char for char in text if not char.isspace()]
    # A word keeps the combining marks, apostrophes and hyphens inside it.
    return re.findall(r"[^\W_](?:[^\s!-&(-,./:-@\[-`{-~¡-¿…„“”«»‹›]*[^\W_])?|\S", text)


def _transcripts(
    references: Mapping[str, str], texts: Mapping[str, str], language: str
) -> dict[str, Comparison]:
    normalise = normaliser_for(language)
    name = "cer" if without_spaces(language) else "wer"
    split = list if name == "cer" else str.split
    counts = utterance_errors(references, texts, language=language)
    return {
        key: Comparison(
            references[key],
            align(split(normalise(references[key])), split(normalise(texts[key]))),
            {name: found.rate},
        )
        for key, found in counts.items()
    }


def _cost(edits: Sequence[Edit[str]]) -> int:
    return len(edits) - count(edits)["equal"]
