"""Language codes (BCP 47 over ISO 639): the one place where they are read, compared, checked and named.

The languages of known models stand in a table of ours: their names are in prompts, so that no release of
another package may change them, and a run reads them without the 0.4 s of CPU that langcodes and its data
take. langcodes is asked for all others, and for the names that people give a language in its code's place.
"""

from __future__ import annotations

import difflib
import re
import unicodedata
from functools import cache, lru_cache

from components.errors import ConfigError
from components.text.language_table import LANGUAGES, OTHER_NAMES

UNDETERMINED = "und"
"""BCP 47's code of a language that nobody stated."""
_UNDETERMINED = frozenset({UNDETERMINED, "auto", "mul"})
_CODE = re.compile(r"[A-Za-z]{2,3}([-_][A-Za-z0-9]{1,8}){0,2}")
NAMES = {language.code: (language.codes[0], language.name) for language in LANGUAGES.values()}
"""ISO 639-1 (639-3 where it has none) -> (ISO 639-3, English name)."""
WITHOUT_SPACES = frozenset({"zh", "yue", "ja", "th", "lo", "my", "km", "bo"})
"""Languages written without spaces between words: their texts are counted and scored in characters."""
WORDS_VERSION = 2
"""Of where words of terms begin and end."""
_TWO_LETTERS = {three: each.code for each in LANGUAGES.values() for three in each.codes}
STOPS_WITH_SPACE = ".!?…؟۔।॥։።။"
"""Marks that end a sentence where a space follows: Latin ones, and those of Arabic, Urdu, Devanagari,
Armenian, Ethiopic and Burmese."""
WIDE_STOPS = "。！？"
"""Marks that end a sentence whatever follows."""
ENDS_SENTENCE = re.compile(rf"""[{STOPS_WITH_SPACE}{WIDE_STOPS}](?:["'”“’»«」』)\]]|\s»)*\s*$""")
"""The end of a text that ends a sentence, with the quotes and brackets that close there."""


def is_code(code: str) -> bool:
    """Return whether ``code`` has a language's form: two or three letters, perhaps script and region."""
    return _CODE.fullmatch(code) is not None


def is_undetermined(code: str) -> bool:
    """Return whether a code leaves the language open: ``und``, ``mul`` (several) or ``auto``."""
    return base_of(code) in _UNDETERMINED


def base_of(code: str) -> str:
    """Return the language without script and region, in lower case: ``pt`` of ``pt-BR`` and of ``pt_BR``."""
    return code.replace("_", "-").split("-")[0].lower()


@lru_cache(maxsize=4096)  # asked of every row of a manifest
def two_letters_of(code: str) -> str:
    """Return a language's code of ISO 639-1: ``de`` of ``deu``, ``ger``, ``de-AT``; its base without one."""
    base = base_of(code)
    if base in NAMES or base in _UNDETERMINED or len(base) != 3:
        return base
    return _TWO_LETTERS.get(base) or _standard_code(base)


def three_letters_of(code: str) -> tuple[str, ...]:
    """Return a language's codes of ISO 639-3, the one asked for or its own first: ``deu`` of ``de-AT``.

    Of a macrolanguage (``ara``) also that of the language that models mean by it (``arb``); none where the
    table lacks the language.
    """
    base = base_of(code)
    if base in _TWO_LETTERS:
        return tuple(dict.fromkeys((base, *LANGUAGES[_TWO_LETTERS[base]].codes)))
    return LANGUAGES[base].codes if base in LANGUAGES else ()


def is_same_language(first: str, second: str) -> bool:
    """Return whether two codes name one language, whatever their length, script and region."""
    return two_letters_of(first) == two_letters_of(second)


def without_spaces(code: str) -> bool:
    """Return whether words of the language are not separated by spaces."""
    return two_letters_of(code) in WITHOUT_SPACES


def english_name(code: str) -> str:
    """Return the language's English name; the code itself where nobody knows it."""
    row = NAMES.get(two_letters_of(code))
    return row[1] if row else _name_of_rare_language(code)


def check_code(code: str) -> str:
    """Return ``code``, if it can be a language's.

    Raises:
        ConfigError: It cannot; the message says which code was probably meant (``German``, ``cz``: de, cs).
    """
    if is_code(code) and ((base := base_of(code)) in NAMES or is_undetermined(base) or _is_registered(base)):
        return code
    meant = _code_by_name(code)
    hint = f"; did you mean {meant}?" if meant else ""
    raise ConfigError(f"expected a language code such as en or pt-BR, found {code[:40]!r}{hint}")


@cache
def _standard_code(base: str) -> str:
    """Find the two letters for another code of ISO 639, such as ``ger``; the code where there are none."""
    import langcodes  # noqa: PLC0415 - 0.1 s, for codes outside of the table only

    standard = langcodes.standardize_tag(base) if is_code(base) else base
    return standard if len(standard) == 2 else base  # Dari is fa-AF there, which models know as prs


def _is_registered(base: str) -> bool:
    """Return whether a code outside of the table is one; ``ns`` is M2M's for Northern Sotho."""
    import langcodes  # noqa: PLC0415 - as above

    return base == "ns" or langcodes.tag_is_valid(base)


def _name_of_rare_language(code: str) -> str:
    """Look up the English name of a language that the table lacks; the code where nobody knows it."""
    import langcodes  # noqa: PLC0415 - as above, and 0.3 s for the names

    if is_undetermined(code) or not is_code(code):
        return code
    name = langcodes.Language.get(base_of(code)).language_name()
    return code if name.startswith("Unknown language") else name


def _code_by_name(name: str) -> str | None:
    """Find the language of a country's code, or that is called so anywhere, or nearly so in its own."""
    import langcodes  # noqa: PLC0415 - as above; for messages only

    if folded := OTHER_NAMES.get(fold(name)):
        return folded
    if is_code(name):
        country = langcodes.Language.get(f"und-{name[:2]}")
        return None if country.territory_name().startswith("Unknown") else country.maximize().language
    try:
        return str(langcodes.find(name))
    except (LookupError, UnicodeError):  # of no text that could be a name
        own = {fold(langcodes.Language.get(code).autonym()): code for code in NAMES}
        names = {**own, **{fold(english): code for code, (_, english) in NAMES.items()}}
        close = difflib.get_close_matches(fold(name), names, n=1, cutoff=0.7)
        return names[close[0]] if close else None


def fold(name: str) -> str:
    """Remove case and accents of a name: ``francais`` of ``Français``."""
    letters = unicodedata.normalize("NFKD", name.strip().casefold())
    return "".join(letter for letter in letters if not unicodedata.combining(letter))
