"""What each model's tokenizer calls a language, and what a model of one direction refuses."""

from __future__ import annotations

from typing import Any

from components.errors import DataError
from components.languages import NAMES, base_of
from components.models.packaged_models import packaged_translators

NO_TARGET_LANGUAGE = (
    "expected a target_language for a model of many languages, found none: set it (--target-language)"
)


def find_language_token(tokenizer: Any, language: str) -> str:
    """The token by which a multilingual tokenizer (M2M, NLLB, mBART) knows ``language``.

    A code the tokenizer itself uses is taken as it is (``zho_Hant``); of several scripts or countries the
    first in alphabetical order is taken. DataError when there is none.
    """
    special_tokens: list[str] = sorted(tokenizer.all_special_tokens)
    short = base_of(language)
    long = NAMES.get(short, ("", ""))[0]
    for candidate in (language, f"__{language}__", f"__{short}__"):
        if candidate in special_tokens:
            return candidate
    for prefix in (f"{short}_", f"{long}_"):
        for token in special_tokens:
            if len(prefix) > 1 and token.startswith(prefix):
                return token
    raise DataError(f"expected a language that the model knows, found {language!r}")


def refuse_other_direction(declared: tuple[object, object], source: str, target: str | None) -> None:
    """A model of one direction that declares it (two-letter codes) gets no other one. DataError."""
    for expected, actual in zip(declared, (source, target), strict=True):
        if expected in NAMES and actual is not None and base_of(actual) != expected:
            raise DataError(
                f"expected a text from {declared[0]} to {declared[1]} for this model, "
                f"found one from {source} {_suggest_model(source, target)}"
            )


def _suggest_model(source: str, target: str | None) -> str:
    """To what, and what to do about it."""
    if target is None:
        return "without a target language: set target_language, and a model of that direction"
    packaged_models = packaged_translators(base_of(source), base_of(target))
    packaged = (
        f"of the packaged ones {' or '.join(packaged_models)}"
        if packaged_models
        else "none of the packaged ones does it"
    )
    return f"to {target}: choose another model ({packaged})"
