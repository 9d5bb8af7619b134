"""Language codes: what data sets write (ISO 639-1) and what each model's tokenizer calls it."""

from __future__ import annotations

from typing import Any

from components.errors import DataError

NAMES: dict[str, tuple[str, str]] = {
    "ar": ("ara", "Arabic"),
    "bg": ("bul", "Bulgarian"),
    "bn": ("ben", "Bengali"),
    "ca": ("cat", "Catalan"),
    "cs": ("ces", "Czech"),
    "da": ("dan", "Danish"),
    "de": ("deu", "German"),
    "el": ("ell", "Greek"),
    "en": ("eng", "English"),
    "es": ("spa", "Spanish"),
    "et": ("est", "Estonian"),
    "fa": ("fas", "Persian"),
    "fi": ("fin", "Finnish"),
    "fr": ("fra", "French"),
    "he": ("heb", "Hebrew"),
    "hi": ("hin", "Hindi"),
    "hr": ("hrv", "Croatian"),
    "hu": ("hun", "Hungarian"),
    "id": ("ind", "Indonesian"),
    "it": ("ita", "Italian"),
    "ja": ("jpn", "Japanese"),
    "ko": ("kor", "Korean"),
    "lt": ("lit", "Lithuanian"),
    "lv": ("lav", "Latvian"),
    "nl": ("nld", "Dutch"),
    "no": ("nob", "Norwegian"),
    "pl": ("pol", "Polish"),
    "pt": ("por", "Portuguese"),
    "ro": ("ron", "Romanian"),
    "ru": ("rus", "Russian"),
    "sk": ("slk", "Slovak"),
    "sl": ("slv", "Slovenian"),
    "sr": ("srp", "Serbian"),
    "sv": ("swe", "Swedish"),
    "sw": ("swh", "Swahili"),
    "ta": ("tam", "Tamil"),
    "th": ("tha", "Thai"),
    "tr": ("tur", "Turkish"),
    "uk": ("ukr", "Ukrainian"),
    "ur": ("urd", "Urdu"),
    "vi": ("vie", "Vietnamese"),
    "zh": ("zho", "Chinese"),
}
"""ISO 639-1 -> (ISO 639-3, English name)."""


def base_of(language: str) -> str:
    """``"pt-BR"`` or ``"pt_BR"`` -> ``"pt"``."""
    return language.replace("_", "-").split("-")[0].lower()


def english_name(language: str) -> str:
    """The language's English name; the code itself where the table lacks it."""
    return NAMES.get(base_of(language), ("", language))[1]


def language_token(tokenizer: Any, language: str) -> str:
    """The token by which a multilingual tokenizer (M2M, NLLB, mBART) knows ``language``.

    A code the tokenizer itself uses is taken as it is (``zho_Hant``); of several scripts or countries the
    first in alphabetical order is taken. DataError when there is none.
    """
    known: list[str] = sorted(tokenizer.all_special_tokens)
    short = base_of(language)
    long = NAMES.get(short, ("", ""))[0]
    for wanted in (language, f"__{language}__", f"__{short}__"):
        if wanted in known:
            return wanted
    for prefix in (f"{short}_", f"{long}_"):
        for token in known:
            if len(prefix) > 1 and token.startswith(prefix):
                return token
    raise DataError(f"expected a language that the model knows, found {language!r}")
