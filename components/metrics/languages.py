"""Scoring data sets of several languages: each utterance under the protocol of its own language."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from components.errors import DataError
from components.metrics.pairing import normalize_ids
from components.text.languages import without_spaces

Language = str | Mapping[str, str]
"""The language of all utterances, or of each by its id."""


def assign_languages(ids: Sequence[str], language: Language) -> tuple[str, ...]:
    """Return the language of each of ``ids`` (NFC).

    Raises:
        DataError: an utterance has no language.
    """
    if isinstance(language, str):
        return (language,) * len(ids)
    languages = normalize_ids(language, "languages")
    for key in ids:
        if key not in languages:
            raise DataError(
                f"{key}: expected its language among those of {len(languages)} utterances, found none"
            )
    return tuple(languages[key] for key in ids)


def group_by_language(languages: Sequence[str]) -> dict[str, list[int]]:
    """Language -> positions of its utterances in ``languages``, languages in alphabetical order."""
    positions: dict[str, list[int]] = {}
    for position, code in enumerate(languages):
        positions.setdefault(code, []).append(position)
    return dict(sorted(positions.items()))


def transcript_metric(languages: Iterable[str]) -> str:
    """Return the error rate of transcripts: ``wer``; ``cer`` where no language has spaces between words."""
    return "cer" if all(map(without_spaces, languages)) else "wer"


def merge_signatures(signatures: Mapping[str, str]) -> str:
    """Join signatures (language -> signature): the common one, or each with its languages before it."""
    shared: dict[str, list[str]] = {}
    for code, signature in signatures.items():
        shared.setdefault(signature, []).append(code)
    if len(shared) == 1:
        return next(iter(shared))
    return " + ".join(f"{', '.join(codes)}: {signature}" for signature, codes in shared.items())
