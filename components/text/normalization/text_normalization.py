"""Normalizers of transcripts before they are compared; text that is translated is never normalized.

A word error rate means something only together with its normalizer, so each has a signature that is printed
beside the number. :data:`NORMALIZERS` is the table.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from importlib.metadata import version
from typing import Any

from components.errors import ConfigError
from components.extensions import Extensions, accept_any
from components.text.normalization.whisper_normalizers import load_whisper_normalizers

OPEN_ASR: Extensions[Any] = Extensions("antiphon.open_asr", "normalizer", accept_any)
"""Classes of the Open ASR leaderboard's normalizers; they are imported when one is asked for."""
OPEN_ASR_VERSION = "d1e99b2"
"""The leaderboard's commit (21 August 2026) that these normalizers are equal to."""
WHISPER_VERSION = f"openai-whisper {version('openai-whisper')}"


@dataclass(frozen=True)
class Normalizer:
    """A function from a text to the text that is scored; idempotent up to spacing.

    Attributes:
        name: as in settings.
        function: the function; gives "" for a text with nothing to score.
        summary: what it does, in one line.
        signature: name and version, printed beside scores.
    """

    name: str
    function: Callable[[str], str]
    summary: str
    signature: str

    def __call__(self, text: str) -> str:
        """Return the normalized text, with single spaces."""
        return " ".join(self.function(text).split())


def word_key(word: str) -> str:
    """Return the word without case, punctuation and symbols, so that all its spellings have one key."""
    folded = unicodedata.normalize("NFKC", word).casefold()
    return "".join(letter for letter in folded if unicodedata.category(letter)[0] not in "PSC")


def _compose(text: str) -> str:
    return unicodedata.normalize("NFC", text)


@cache
def _letter_or_space(character: str) -> str:
    return " " if unicodedata.category(character)[0] in "PSZC" else character


def _strip_punctuation(text: str) -> str:
    return "".join(map(_letter_or_space, unicodedata.normalize("NFKC", text).lower()))


def _strip_spaces(text: str) -> str:
    letters = "".join(_strip_punctuation(text).split())
    return unicodedata.normalize("NFKC", letters)  # combining marks after a removed space join their letter


@cache
def _open_asr(name: str) -> Callable[[str], str]:
    function: Callable[[str], str] = OPEN_ASR[name]()
    return function


def _normalize_open_asr(name: str, text: str) -> str:
    return _open_asr(name)(text)


_whisper = load_whisper_normalizers()
_english = _whisper.EnglishTextNormalizer()
_whisper_basic = _whisper.BasicTextNormalizer()
_whisper_letters = _whisper.BasicTextNormalizer(split_letters=True)

NORMALIZERS: dict[str, Normalizer] = {
    row.name: row
    for row in (
        Normalizer("none", _compose, "NFC and single spaces only: case and punctuation count", "none/1"),
        Normalizer(
            "basic",
            _strip_punctuation,
            "NFKC, lower case, punctuation and symbols to spaces; combining marks and fillers stay",
            f"basic/1 unicode {unicodedata.unidata_version}",
        ),
        Normalizer(
            "basic-no-spaces",
            _strip_spaces,
            "basic without spaces, for scripts that write none between words: score characters",
            f"basic-no-spaces/1 unicode {unicodedata.unidata_version}",
        ),
        Normalizer(
            "whisper-english",
            _english,
            "Whisper's English one: fillers and brackets dropped, numbers and British spellings unified",
            f"whisper-english {WHISPER_VERSION}",
        ),
        Normalizer(
            "whisper-basic",
            _whisper_basic,
            "Whisper's for other languages: brackets dropped, combining marks to spaces (breaks Hindi, Thai)",
            f"whisper-basic {WHISPER_VERSION}",
        ),
        Normalizer(
            "whisper-basic-letters",
            _whisper_letters,
            "the same with a space between letters, as Whisper's authors score Chinese and Japanese",
            f"whisper-basic-letters {WHISPER_VERSION}",
        ),
        Normalizer(
            "open-asr-english",
            partial(_normalize_open_asr, "english"),
            "the Open ASR leaderboard's English one: Whisper's with more fillers, names, compounds, acronyms",
            f"open-asr-english/{OPEN_ASR_VERSION} {WHISPER_VERSION}",
        ),
        Normalizer(
            "open-asr-multilingual",
            partial(_normalize_open_asr, "multilingual"),
            "the Open ASR leaderboard's for other languages: whisper-basic, digits as they are",
            f"open-asr-multilingual/{OPEN_ASR_VERSION} {WHISPER_VERSION}",
        ),
    )
}
"""Name -> normalizer."""


def get_normalizer(name: str) -> Normalizer:
    """Look up a row of :data:`NORMALIZERS`.

    Raises:
        ConfigError: there is none of that name.
    """
    try:
        return NORMALIZERS[name]
    except KeyError:
        names = ", ".join(NORMALIZERS)
        raise ConfigError(f"normalizer: expected one of {names}, found {name!r}") from None
