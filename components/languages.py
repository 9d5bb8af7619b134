"""Languages by their codes (ISO 639): what may be one, what it is called, what was probably meant."""

from __future__ import annotations

import difflib
import re

from components.errors import ConfigError

LANGUAGE_CODE = re.compile(r"[A-Za-z]{2,3}([-_][A-Za-z0-9]{1,8}){0,2}")
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


def check_code(code: str) -> str:
    """``code``, if it can be a language's. ConfigError says which was probably meant: German -> de."""
    if LANGUAGE_CODE.fullmatch(code):
        return code
    names = {name.lower(): short for short, (_, name) in NAMES.items()}
    close = difflib.get_close_matches(code.strip().lower(), names, n=1, cutoff=0.7)
    hint = f"; did you mean {names[close[0]]}?" if close else ""
    raise ConfigError(f"expected a language code such as en or pt-BR, found {code[:40]!r}{hint}")
