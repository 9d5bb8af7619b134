"""Which normalizer transcripts pass before they are counted: by language, or one that a user sets."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final, Literal

from components.errors import ConfigError
from components.text.languages import two_letters_of, without_spaces

if TYPE_CHECKING:
    from components.text.normalization.text_normalization import Normalizer

BY_LANGUAGE: Final = "by-language"
"""``whisper-english`` for English, ``basic-no-spaces`` without spaces between words, else ``basic``."""
OPEN_ASR: Final = "open-asr"
"""The Open ASR leaderboard's protocol; its error rates join and split compounds for nothing."""
NormalizerName = Literal[
    "by-language",
    "open-asr",
    "whisper-english",
    "whisper-basic",
    "whisper-basic-letters",
    "basic",
    "basic-no-spaces",
    "none",
]
"""Setting: a protocol by language, or one normalizer for all of them."""
NORMALIZER_DESCRIPTION = (
    "of transcripts before errors are counted: by-language (Whisper's for English), open-asr (the Open ASR "
    "leaderboard's protocol), or one for all languages"
)


@lru_cache(maxsize=256)
def normalizer_for(language: str, name: str = BY_LANGUAGE) -> Normalizer:
    """Return the normalizer of a language's transcripts.

    Args:
        language: its code.
        name: a protocol by language, or a row of ``NORMALIZERS`` for all.

    Raises:
        ConfigError: there is none of that name.
    """
    from components.text.normalization.text_normalization import get_normalizer  # noqa: PLC0415 - 0.1 s, when something is scored

    code = two_letters_of(language)
    is_english = code == "en"
    if name == OPEN_ASR:
        return get_normalizer("open-asr-english") if is_english else _open_asr_of(code)
    if name != BY_LANGUAGE:
        return get_normalizer(name)
    if without_spaces(language):
        return get_normalizer("basic-no-spaces")
    return get_normalizer("whisper-english" if is_english else "basic")


def check_normalizer(name: str) -> str:
    """Refuse a normalizer whose libraries are not installed, before anything runs; gives it back.

    Raises:
        ConfigError: they are missing.
    """
    missing = [library for library in libraries_of_normalizer(name) if find_spec(library) is None]
    if missing:
        raise ConfigError(
            f"normalizer open-asr: expected {' and '.join(missing)}, which its counts need, found none; "
            "pip install 'antiphon[open-asr]'"
        )
    return name


def libraries_of_normalizer(name: str) -> tuple[str, ...]:
    """Return the distributions whose versions decide what a normalizer counts, beside openai-whisper."""
    return ("kaldialign", "num2words") if name == OPEN_ASR else ()


def _open_asr_of(language: str) -> Normalizer:
    from components.text.normalization.text_normalization import OPEN_ASR, get_normalizer  # noqa: PLC0415

    row, function = get_normalizer("open-asr-multilingual"), OPEN_ASR["multilingual"](language)
    return replace(row, function=function, signature=f"{row.signature}{function.signature}")
