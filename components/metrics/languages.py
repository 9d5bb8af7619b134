"""A data set of several languages: each utterance is scored under the protocol of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from components.errors import DataError
from components.metrics.pairing import normalize_ids

Language = str | Mapping[str, str]
"""The language of all utterances, or of each by its id."""


def group_by_language(ids: Sequence[str], language: Language) -> dict[str, list[int]]:
    """Language -> places in ``ids`` (NFC) of its utterances, languages in alphabetical order.

    Raises:
        DataError: an utterance has no language.
    """
    if isinstance(language, str):
        return {language: list(range(len(ids)))} if ids else {}
    known = normalize_ids(language, "languages")
    found: dict[str, list[int]] = {}
    for place, key in enumerate(ids):
        if key not in known:
            raise DataError(
                f"{key}: expected its language among those of {len(known)} utterances, found none"
            )
        found.setdefault(known[key], []).append(place)
    return {code: found[code] for code in sorted(found)}


def merge_signatures(signatures: Mapping[str, str]) -> str:
    """One protocol of several languages' (language -> protocol): theirs if they share it, else each named."""
    shared: dict[str, list[str]] = {}
    for code, signature in signatures.items():
        shared.setdefault(signature, []).append(code)
    if len(shared) == 1:
        return next(iter(shared))
    return " + ".join(f"{', '.join(codes)}: {signature}" for signature, codes in shared.items())
