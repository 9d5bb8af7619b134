"""Language codes: what data sets write (ISO 639-1) and what each model's tokenizer calls it."""

from __future__ import annotations

import difflib
from typing import Any

from components.data.building import LANGUAGE
from components.errors import ConfigError, DataError
from components.models.catalogue import translators

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

NO_TARGET = "expected a target_language for a model of many languages, found none: set it (--target-language)"


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


def check_code(code: str) -> str:
    """``code``, if it can be a language's. ConfigError says which was probably meant: German -> de."""
    if LANGUAGE.fullmatch(code):
        return code
    names = {name.lower(): short for short, (_, name) in NAMES.items()}
    close = difflib.get_close_matches(code.strip().lower(), names, n=1, cutoff=0.7)
    hint = f"; did you mean {names[close[0]]}?" if close else ""
    raise ConfigError(f"expected a language code such as en or pt-BR, found {code[:40]!r}{hint}")


def refuse_other_direction(declared: tuple[object, object], source: str, target: str | None) -> None:
    """A model of one direction that declares it (two-letter codes) gets no other one. DataError."""
    for wanted, found in zip(declared, (source, target), strict=True):
        if wanted in NAMES and found is not None and base_of(found) != wanted:
            raise DataError(
                f"expected a text from {declared[0]} to {declared[1]} for this model, "
                f"found one from {source} {_elsewhere(source, target)}"
            )


def _elsewhere(source: str, target: str | None) -> str:
    """To what, and what to do about it."""
    if target is None:
        return "without a target language: set target_language, and a model of that direction"
    known = translators(base_of(source), base_of(target))
    packaged = f"of the packaged ones {' or '.join(known)}" if known else "none of the packaged ones does it"
    return f"to {target}: choose another model ({packaged})"
