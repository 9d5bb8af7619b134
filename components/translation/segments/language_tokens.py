"""The tokens by which tokenizers of many languages know a language, and models of one direction only."""

from __future__ import annotations

import re
from collections.abc import Iterable, Set
from typing import Any

from components.errors import DataError
from components.models.packages.packaged_models import find_packaged_translators
from components.text.languages import (
    NAMES,
    base_of,
    is_same_language,
    is_undetermined,
    three_letters_of,
    two_letters_of,
)

_TARGET_TAG = re.compile(r">>[A-Za-z_-]{2,12}<<|<2[A-Za-z_-]{2,12}>")
NO_TARGET_LANGUAGE = "expected a target_language for a model of many languages, found none: set it"


def find_language_token(tokenizer: Any, language: str) -> str:
    """Return the token by which a multilingual tokenizer (M2M, NLLB, mBART, SeamlessM4T) knows ``language``.

    A code the tokenizer itself uses is taken as it is (``zho_Hant``); of several scripts or countries the
    first in alphabetical order is taken.

    Raises:
        DataError: The tokenizer has no token for the language.
    """
    special_tokens: list[str] = sorted(tokenizer.all_special_tokens)
    codes = _codes_of(language)
    for candidate in (language, *(f"__{code}__" for code in codes)):
        if candidate in special_tokens:
            return candidate
    for code in codes:
        for token in special_tokens:
            if token.startswith(f"{code}_"):
                return token
    raise DataError(f"expected a language that the model knows, found {language!r}")


def find_target_tags(vocabulary: Iterable[str]) -> frozenset[str]:
    """Return the pieces that tell a model its target language: Marian's ``>>deu<<``, MADLAD's ``<2de>``."""
    return frozenset(piece for piece in vocabulary if _TARGET_TAG.fullmatch(piece))


def find_target_tag(tags: Set[str], target: str | None) -> str:
    """Return the piece for ``target`` among a model's ``tags``; "" for a model without any.

    Raises:
        DataError: The model has none for the language.
    """
    if not tags:
        return ""
    if target is None:
        raise DataError(NO_TARGET_LANGUAGE)
    for code in _codes_of(target):
        for tag in (f">>{code}<<", f"<2{code}>"):
            if tag in tags:
                return tag
    some = ", ".join(sorted(tags)[:12])
    raise DataError(f"expected a target language that the model knows, found {target!r}; it has {some} ...")


def _codes_of(language: str) -> list[str]:
    """Return how models spell a language, the narrowest first: ``pt-BR``, ``pt_BR``, ``pt``, ``por``."""
    codes = (language, language.replace("-", "_"), base_of(language), two_letters_of(language))
    return list(dict.fromkeys((*codes, *three_letters_of(language))))


def refuse_other_direction(declared: tuple[object, object], source: str, target: str | None) -> None:
    """Refuse a text for a model of one direction that declares another.

    Args:
        declared: the model's source and target, as its tokenizer's settings have them; what is no two-letter
            code is not compared.
        source: language of the text.
        target: language to translate into, where one is asked for.

    Raises:
        DataError: The direction is another; the message names packaged models of the direction asked for.
    """
    for expected, actual in zip(declared, (source, target), strict=True):
        if expected in NAMES and actual is not None and not is_same_language(actual, str(expected)):
            raise DataError(
                f"expected a text from {declared[0]} to {declared[1]} for this model, "
                f"found one from {source} {_suggest_model(source, target)}"
            )


def _suggest_model(source: str, target: str | None) -> str:
    """Return the end of the message: the target asked for, and which model to choose."""
    if is_undetermined(source):
        return f"{f'to {target}' if target else 'into no language'}: set source_language"
    if target is None:
        return "without a target language: set target_language, and a model of that direction"
    if is_same_language(source, target):
        return (
            f"to {target}, which it is in already: leave it out, or send it another way (route by language)"
        )
    names = " or ".join(find_packaged_translators(two_letters_of(source), two_letters_of(target)))
    packaged = f"of the packaged ones {names}" if names else "none of the packaged ones does it"
    return f"to {target}: choose another model ({packaged})"
