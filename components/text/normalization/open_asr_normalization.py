"""Normalizers of the Open ASR leaderboard (https://github.com/huggingface/open_asr_leaderboard).

The leaderboard's are Whisper's with additions, so ours are Whisper's with the same additions; the tables of
words (``open_asr_tables.json``) are the leaderboard's, of the commit that the file names.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import lru_cache
from importlib.metadata import version
from itertools import groupby
from pathlib import Path

from components.text.normalization.whisper_normalizers import load_whisper_normalizers

_FILLERS = "hmm|mm|mhm|mmm|uh|um|ah|aha|ahh|ahm|eh|ehehe|em|hm|huh|hum|mhum|uhm|umm|uhuh"
_TAKES_IS = "it|he|she|what|that|who|here|there|how|when|where|why|this"
"""Words after which 's is "is"; after others it is a genitive."""


class OpenAsrEnglish:
    """Whisper's English normalizer with the leaderboard's additions.

    These are more fillers, genitives that stay genitives, other spellings, and one form of compounds
    (``e mail``), of names (``Karl``, ``Carl``) and of acronyms (``b b c``).
    """

    def __init__(self) -> None:
        tables = json.loads(Path(__file__).with_name("open_asr_tables.json").read_text(encoding="utf-8"))
        self._compounds = {
            re.compile(r"\b" + phrase.replace(" ", r"\s+") + r"\b"): word
            for phrase, word in tables["compounds"].items()
        }
        self._names: dict[str, str] = tables["names"]
        self._whisper = whisper = load_whisper_normalizers().EnglishTextNormalizer()
        self._numbers: Callable[[str], str] = whisper.standardize_numbers
        self._spellings: Callable[[str], str] = whisper.standardize_spellings
        spellings = whisper.standardize_spellings.mapping
        for spelling in tables["removed_spellings"]:
            del spellings[spelling]
        spellings |= tables["spellings"]
        whisper.ignore_patterns = rf"\b({_FILLERS})\b"
        is_ending = (rf"\b({_TAKES_IS})'s\b", r"\1 is")
        whisper.replacers = dict(
            is_ending if pattern == r"'s\b" else (pattern, replacement)
            for pattern, replacement in whisper.replacers.items()
        )
        # Whisper calls these two, one after the other: the additions go before, and behind.
        whisper.standardize_numbers = self._standardize_numbers
        whisper.standardize_spellings = self._standardize_words

    def __call__(self, text: str) -> str:
        """Return the normalized text."""
        normalized: str = self._whisper(text)
        return normalized

    def _standardize_numbers(self, text: str) -> str:
        for pattern, word in self._compounds.items():
            text = pattern.sub(word, text)
        return self._numbers(text)

    def _standardize_words(self, text: str) -> str:
        words = self._spellings(text).split()
        return " ".join(join_acronyms([self._names.get(word, word) for word in words]))


def join_acronyms(words: list[str]) -> list[str]:
    """Join runs of single letters and digits: two or more, or three or more with an "a" or "i" among them."""
    joined: list[str] = []
    for is_letter, run in groupby(words, lambda word: len(word) == 1 and word.isalnum()):
        letters = list(run)
        enough = 3 if {"a", "i"} & set(letters) else 2
        joined += ["".join(letters)] if is_letter and len(letters) >= enough else letters
    return joined


class OpenAsrMultilingual:
    """The leaderboard's normalizer of other languages than English.

    Args:
        language: whose words digits become; None leaves digits as they are. Where num2words does not know
            the language they stay, too.
    """

    def __init__(self, language: str | None = None) -> None:
        self._language = language
        self._basic: Callable[[str], str] = load_whisper_normalizers().BasicTextNormalizer()

    def __call__(self, text: str) -> str:
        """Return the normalized text."""
        text = " ".join(re.sub(r"[^\w\s]", "", self._basic(text)).split())
        if self._language is None:
            return text
        text = re.sub(r"(\d)\s+(\d{3})\b", r"\1\2", text)  # 10 000
        return re.sub(r"\d+", lambda match: spell_number(match.group(), self._language or ""), text)

    @property
    def signature(self) -> str:
        """The version of what spells the numbers; "" where nobody does."""
        return "" if self._language is None else f" {self._language} num2words {version('num2words')}"


@lru_cache(maxsize=1 << 12)
def spell_number(digits: str, language: str) -> str:
    """Return a number as the words of a language; the digits where num2words cannot say it."""
    from num2words import num2words  # noqa: PLC0415 - of the extra open-asr

    try:
        return str(num2words(int(digits), lang=language))
    except Exception:  # it raises whatever its tables raise, for languages and numbers that it lacks
        return digits
