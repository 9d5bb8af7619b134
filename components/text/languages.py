"""Language codes (BCP 47 over ISO 639): the one place where they are read, compared, checked and named."""

from __future__ import annotations

import difflib
import re

from components.errors import ConfigError
from components.text.language_endonyms import ENDONYMS, fold
from components.text.language_table import LANGUAGES

UNDETERMINED = "und"
"""BCP 47's code of a language that nobody stated."""
_UNDETERMINED = frozenset({UNDETERMINED, "auto", "mul"})
_CODE = re.compile(r"[A-Za-z]{2,3}([-_][A-Za-z0-9]{1,8}){0,2}")
NAMES = {language.code: (language.codes[0], language.name) for language in LANGUAGES.values()}
"""ISO 639-1 (639-3 where it has none) -> (ISO 639-3, English name)."""


WITHOUT_SPACES = frozenset({"zh", "yue", "ja", "th", "lo", "my", "km", "bo"})
"""Languages written without spaces between words: their texts are counted and scored in characters."""
_TWO_LETTERS = {three: each.code for each in LANGUAGES.values() for three in each.codes}


STOPS_WITH_SPACE = ".!?…؟۔।॥։።။"
"""Marks that end a sentence where a space follows: Latin ones, and those of Arabic, Urdu, Devanagari,
Armenian, Ethiopic and Burmese."""
WIDE_STOPS = "。！？"
"""Marks that end a sentence whatever follows."""
ENDS_SENTENCE = re.compile(rf"""[{STOPS_WITH_SPACE}{WIDE_STOPS}](?:["'”“’»«」』)\]]|\s»)*\s*$""")
"""The end of a text that ends a sentence, with the quotes and brackets that close there."""


def is_code(code: str) -> bool:
    """Whether ``code`` has the form of a language's: two or three letters, perhaps script and region."""
    return _CODE.fullmatch(code) is not None


def is_undetermined(code: str) -> bool:
    """Whether a code leaves the language open: ``und``, ``mul`` (several) or ``auto``."""
    return base_of(code) in _UNDETERMINED


def base_of(code: str) -> str:
    """The language without script and region, in lower case: ``pt`` of ``pt-BR`` and of ``pt_BR``."""
    return code.replace("_", "-").split("-")[0].lower()


def two_letters_of(code: str) -> str:
    """The language's code of ISO 639-1: ``de`` of ``deu`` and of ``de-AT``; the base where it has none."""
    base = base_of(code)
    return _TWO_LETTERS.get(base, base)


def three_letters_of(code: str) -> tuple[str, ...]:
    """The language's codes of ISO 639-3, the one that is asked for or its own first: ``deu`` of ``de-AT``.

    Of a macrolanguage (``ara``) also that of the language that models mean by it (``arb``); none where the
    table lacks the language.
    """
    base = base_of(code)
    if base in _TWO_LETTERS:
        return tuple(dict.fromkeys((base, *LANGUAGES[_TWO_LETTERS[base]].codes)))
    return LANGUAGES[base].codes if base in LANGUAGES else ()


def is_same_language(first: str, second: str) -> bool:
    """Whether two codes name one language, whatever their length, script and region."""
    return two_letters_of(first) == two_letters_of(second)


def without_spaces(code: str) -> bool:
    """Whether words of the language are not separated by spaces."""
    return two_letters_of(code) in WITHOUT_SPACES


def english_name(code: str) -> str:
    """The language's English name; the code itself where the table lacks it."""
    return NAMES.get(two_letters_of(code), ("", code))[1]


def check_code(code: str) -> str:
    """``code``, if it can be a language's.

    Raises:
        ConfigError: It cannot; the message says which code was probably meant (``German``, ``deutsch``: de).
    """
    if is_code(code):
        return code
    names = {**ENDONYMS, **{fold(name): two for two, (_, name) in NAMES.items()}}
    close = difflib.get_close_matches(fold(code), names, n=1, cutoff=0.7)
    hint = f"; did you mean {names[close[0]]}?" if close else ""
    raise ConfigError(f"expected a language code such as en or pt-BR, found {code[:40]!r}{hint}")
