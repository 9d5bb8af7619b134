"""Which utterances an estimator was fitted on, so that nothing is promised of the same ones."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Iterable

from components.records import Utterance

LENGTH = 12
"""Hexadecimal digits of a fingerprint: among a million utterances two have the same by chance once in 560."""


def fingerprint(utterance: Utterance) -> str:
    """Return a short digest of the speech, else of the text: not of names or references."""
    audio = utterance.audio
    content = unicodedata.normalize("NFC", utterance.text or "") if audio is None else audio.sha256
    return hashlib.sha256(content.encode()).hexdigest()[:LENGTH]


def find_seen(utterances: Iterable[Utterance], seen: frozenset[str]) -> list[str]:
    """Return the ids of the utterances that are among the fingerprints ``seen``."""
    return [utterance.id for utterance in utterances if seen and fingerprint(utterance) in seen]
