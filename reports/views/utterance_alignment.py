"""Word-by-word alignment of outputs with their references, per utterance."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from components.metrics.error_rates.recognition import utterance_errors
from components.metrics.normalizers import BY_LANGUAGE, OPEN_ASR, normalizer_for
from components.metrics.translation_quality.translation import sentence_scores
from components.text.languages import UNDETERMINED, without_spaces
from components.text.matching.alignment import Edit, align, count_operations
from reports.views.written_words import restore_written_words

# Whatever is neither space nor punctuation belongs to a word, combining marks among it, and an apostrophe
# or a hyphen inside it does too; \w would cut Indic words at their vowel signs.
_LETTER = r"[^\s!-/:-@\[-`{-~¡-©«-´¶-¹»-¿‐-‧‰-⁞、-〃〈-】।॥،؛؟]"
_UNIT = re.compile(rf"{_LETTER}+(?:['’‐-]{_LETTER}+)*|\S")


@dataclass(frozen=True)
class ReferenceAlignment:
    """An output aligned with its reference, and its ``wer``, ``cer``, ``chrf`` or ``bleu``.

    Attributes:
        reference: the text that it is aligned with.
        edits: as they are counted.
        spaced: whether the units are words, not characters.
        values: percentages; None where the reference is empty and no rate exists.
        hypothesis: the output.
        language: of both.
        normalizer: that a transcript was aligned under.
    """

    reference: str
    edits: tuple[Edit[str], ...]
    spaced: bool = True
    values: dict[str, float | None] = field(default_factory=dict)
    hypothesis: str = ""
    language: str = UNDETERMINED
    normalizer: str = BY_LANGUAGE

    @property
    def written_edits(self) -> tuple[Edit[str], ...]:
        """The same errors on the words as they are written."""
        if not self.spaced or "wer" not in self.values:
            return self.edits
        return restore_written_words(
            self.edits, self.reference, self.hypothesis, normalizer_for(self.language, self.normalizer)
        )


def align_to_references(
    references: Mapping[str, Sequence[str]],
    texts: Mapping[str, str],
    *,
    language: str,
    recognition: bool,
    normalizer: str = BY_LANGUAGE,
) -> dict[str, ReferenceAlignment]:
    """Align outputs in one language with their references, by utterance id.

    Transcripts are aligned under the normalizer of their WER, so that the marks are the counted errors.
    (A compound that is written in two words is marked, also where ``open-asr`` does not count it.)
    Translations are aligned as they stand with the closest of their references.
    """
    if recognition:
        spoken = {key: texts_of[0] for key, texts_of in references.items()}
        return _transcripts(spoken, texts, language, normalizer)
    scores = sentence_scores(references, texts, language=language)
    result = {}
    for key, values in scores.items():
        stated = [ref for ref in references[key] if ref.strip()]
        words = split_units(texts[key], language)
        options = [(ref, align(split_units(ref, language), words)) for ref in stated]
        reference, edits = min(options, key=lambda option: _cost(option[1]))
        result[key] = ReferenceAlignment(
            reference, edits, not without_spaces(language), dict(values), texts[key], language
        )
    return result


def split_units(text: str, language: str) -> list[str]:
    """Return words and punctuation marks; characters in a language written without spaces."""
    if without_spaces(language):
        return [char for char in text if not char.isspace()]
    return _UNIT.findall(text)


def _transcripts(
    references: Mapping[str, str], texts: Mapping[str, str], language: str, normalizer: str
) -> dict[str, ReferenceAlignment]:
    normalize = normalizer_for(language, normalizer)
    spaced = not without_spaces(language)
    split: Callable[[str], list[str]] = str.split if spaced else list
    result = {}
    for key, reference in references.items():
        words = split(normalize(reference))
        edits = align(words, split(normalize(texts[key])))
        rate = 100.0 * _cost(edits) / len(words) if words else None
        if normalizer == OPEN_ASR and spaced:
            counts = utterance_errors(
                {key: reference}, {key: texts[key]}, language=language, normalizer=normalizer
            )
            rate = counts[key].rate
        values = {"wer" if spaced else "cer": rate}
        result[key] = ReferenceAlignment(reference, edits, spaced, values, texts[key], language, normalizer)
    return result


def _cost(edits: Sequence[Edit[str]]) -> int:
    return len(edits) - count_operations(edits)["equal"]
