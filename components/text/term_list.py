"""Term lists: names and phrases that a recognizer or a translator should write, from a tab-separated file.

One file serves both sides of a cascade: a recognizer writes the ``source`` of each row, a translator its
``target`` where the source text has its ``source``.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import regex

from components.errors import ConfigError
from components.text.suggestions import did_you_mean

COLUMNS = ("source", "target", "boost", "require")
DEFAULT_BOOST = 2.0
"""Nats for each token of a term whose row says nothing (measured: docs/results/families.md)."""
MAX_BOOST = 50.0
MAX_BYTES = 2**24
"""Of a term list."""
MAX_CHARACTERS = 200
"""Of a term; a longer cell is a sentence, or a file that is no term list."""
_TRUE, _FALSE = ("yes", "true", "1"), ("", "no", "false", "0")


@dataclass(frozen=True)
class Term:
    """A row of a term list.

    Attributes:
        source: what is said, or written in the source text; "" in a row for every text.
        target: its translation; the source itself where the row has none.
        boost: nats that each of its tokens gains.
        require: whether a translation must have it, where the source text has the source.
    """

    source: str
    target: str
    boost: float = DEFAULT_BOOST
    require: bool = False


def read_terms(path: Path) -> tuple[Term, ...]:
    """Return the rows of a term list: a header with ``source`` and, if wanted, the other :data:`COLUMNS`.

    Empty lines and lines that begin with ``#`` are skipped.

    Raises:
        ConfigError: The file cannot be read, has no rows, or a line is wrong, which it names.
    """
    try:
        is_list = path.stat().st_size <= MAX_BYTES and path.is_file()
        lines = path.read_text(encoding="utf-8-sig").splitlines() if is_list else []
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise ConfigError(f"{str(path)[:200]}: expected a term list, a readable file: {reason}") from error
    if not is_list:
        raise ConfigError(f"{path}: expected a term list, a regular file of at most {MAX_BYTES} bytes")
    numbered = [(n, line) for n, line in enumerate(lines, 1) if line.strip() and not line.startswith("#")]
    if not numbered:
        raise ConfigError(f"{path}: expected a header (source, target, boost) and terms, found none")
    header = _read_header(path, *numbered[0])
    terms: dict[tuple[str, str], Term] = {}
    for number, line in numbered[1:]:
        where = f"{path}:{number}"
        term = _read_row(where, header, _cells(line))
        if (term.source, term.target) in terms:
            raise ConfigError(f"{where}: expected every term once, found {term.source!r} again: delete one")
        terms[term.source, term.target] = term
    if not terms:
        raise ConfigError(f"{path}: expected terms below the header, found none")
    return tuple(terms.values())


def _cells(line: str) -> list[str]:
    """Return the cells of a line; quotes are characters as any other."""
    return [" ".join(unicodedata.normalize("NFC", cell).split()) for cell in line.split("\t")]


def _read_header(path: Path, number: int, line: str) -> list[str]:
    header = [cell.lower() for cell in _cells(line)]
    unknown = [name for name in header if name not in COLUMNS]
    if unknown or "source" not in header or len(set(header)) < len(header):
        hint = did_you_mean(unknown[0], COLUMNS) if unknown else ""
        raise ConfigError(
            f"{path}:{number}: expected a header of columns divided by tabs, source and any of target, boost "
            f"and require, found {line[:80]!r}{hint}"
        )
    return header


def _read_row(where: str, header: Sequence[str], cells: Sequence[str]) -> Term:
    if len(cells) > len(header):
        raise ConfigError(f"{where}: expected {len(header)} columns divided by tabs, found {len(cells)}")
    values = dict.fromkeys(COLUMNS, "") | dict(zip(header, cells, strict=False))
    source, target = values["source"], values["target"] or values["source"]
    for name, text in (("source", source), ("target", target)):
        if len(text) > MAX_CHARACTERS:
            raise ConfigError(
                f"{where}: {name}: expected at most {MAX_CHARACTERS} characters, found {len(text)}"
            )
        if text and not any(character.isalnum() for character in text):
            raise ConfigError(f"{where}: {name}: expected letters or digits, found {text!r}")
    if not target:
        raise ConfigError(f"{where}: expected a source or a target, found neither")
    return Term(source, target, _read_boost(where, values["boost"]), _read_flag(where, values["require"]))


def _read_boost(where: str, text: str) -> float:
    try:
        boost = float(text) if text else DEFAULT_BOOST
    except ValueError:
        boost = math.nan
    if not 0 < boost <= MAX_BOOST:
        raise ConfigError(
            f"{where}: boost: expected nats per token above 0 and up to {MAX_BOOST:g}, found {text!r:.80}"
        )
    return boost


def _read_flag(where: str, text: str) -> bool:
    if text.lower() not in (*_TRUE, *_FALSE):
        raise ConfigError(f"{where}: require: expected yes or no, found {text!r:.80}")
    return text.lower() in _TRUE


_UNSPACED = r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}\p{Tibetan}ー]"
"""Characters beside which a word may go on, or another one begin, without a space."""
_IN_WORD = rf"(?!{_UNSPACED})[\w\p{{N}}]"  # with combining marks, which re's \w has not
_WORD_EDGE = regex.compile(_IN_WORD)


@lru_cache(maxsize=10_000)
def phrase_pattern(phrase: str) -> regex.Pattern[str]:
    """Finds a phrase as whole words; one in lower case in any case, one with capitals as it is written."""
    flags = regex.IGNORECASE if phrase == phrase.lower() else 0
    words = r"\s+".join(map(re.escape, phrase.split()))
    before = f"(?<!{_IN_WORD})" if has_word_edge(phrase[:1]) else ""
    after = f"(?!{_IN_WORD})" if has_word_edge(phrase[-1:]) else ""
    return regex.compile(f"{before}{words}{after}", flags)


def has_word_edge(character: str) -> bool:
    """Return whether a word with this character at its edge ends there: in scripts that write spaces."""
    return _WORD_EDGE.match(character) is not None
