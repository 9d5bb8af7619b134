"""Which declared normaliser a language's transcripts are scored under."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass

from whisper.normalizers import EnglishTextNormalizer


@dataclass(frozen=True)
class Normaliser:
    """A named function from text to the text that is scored; the name goes into the signature."""

    name: str
    function: Callable[[str], str]

    def __call__(self, text: str) -> str:
        """The normalised text."""
        return self.function(text)


WITHOUT_SPACES = frozenset({"zh", "yue", "ja", "th", "lo", "my", "km", "bo"})
"""Languages written without spaces between words, by their ISO 639 code: scored in characters."""


def without_spaces(language: str) -> bool:
    """Whether words of the language are not separated by spaces (``zh-TW`` counts as ``zh``)."""
    return re.split("[-_]", language.lower())[0] in WITHOUT_SPACES


def basic(text: str) -> str:
    """NFKC, lower case; punctuation and symbols become spaces, combining marks stay."""
    text = unicodedata.normalize("NFKC", text).lower()
    text = "".join(" " if unicodedata.category(char)[0] in "PSZC" else char for char in text)
    return " ".join(text.split())


def unspaced(text: str) -> str:
    """:func:`basic` without any spaces."""
    return basic(text).replace(" ", "")


_english = EnglishTextNormalizer()


def english(text: str) -> str:
    """Whisper's English normaliser: fillers and brackets dropped, numbers and spellings unified."""
    return " ".join(_english(text).split())


def normaliser_for(language: str) -> Normaliser:
    """The default: ``whisper-english`` for English, ``basic`` elsewhere, no spaces where there are none."""
    if without_spaces(language):
        return Normaliser("basic-no-spaces", unspaced)
    if re.split("[-_]", language.lower())[0] == "en":
        return Normaliser("whisper-english", english)
    return Normaliser("basic", basic)
