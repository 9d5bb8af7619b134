"""The text of a file that some editor has saved: its encoding is found out, and said."""

from __future__ import annotations

import codecs
from typing import NamedTuple

from components.errors import ConfigError
from components.text.counted_nouns import format_count
from components.text.languages import two_letters_of

BOMS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",  # begins as UTF-16's, so it comes first
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
CODE_PAGES = {
    "cp1250": ("bs", "cs", "hr", "hu", "pl", "ro", "sk", "sl", "sq"),
    "cp1251": ("be", "bg", "kk", "mk", "ru", "sr", "uk"),
    "cp1253": ("el",),
    "cp1254": ("tr",),
    "cp1255": ("he",),
    "cp1256": ("ar", "fa", "ur"),
    "cp1257": ("et", "lt", "lv"),
    "cp1258": ("vi",),
    "shift_jis": ("ja",),
    "gb18030": ("zh",),
    "big5": ("zh",),
    "euc_jp": ("ja",),
    "cp949": ("ko",),
}
"""Encodings that are not Unicode -> the languages whose subtitles are saved in them; others in cp1252."""
MAX_BYTES = 2**26
"""Of a file that is read whole."""


class DecodedText(NamedTuple):
    """A file's text, its line ends those of Unix, and its encoding, where that is not UTF-8."""

    text: str
    encoding: str | None


def decode_text(content: bytes, where: str, language: str | None = None) -> DecodedText:
    """Decode a file: by its byte-order mark, as UTF-8, or in the code page of its language.

    Args:
        content: the file's bytes.
        where: its name, for messages.
        language: code of the text's language; a few letters do not say which code page they are of.

    Raises:
        ConfigError: it is no text.
    """
    for mark, encoding in BOMS.items():
        if content.startswith(mark):
            return _decode_marked(content, encoding, where)
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        return _read_faulty_utf8(content) or _guess(content, where, language)
    if 4 * text.count("\0") > len(text):  # UTF-16 of Latin letters, which happens to be UTF-8
        return _guess(content, where, language)
    return DecodedText(_unify_line_ends(text), None)


def _decode_marked(content: bytes, encoding: str, where: str) -> DecodedText:
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"{where}: expected {encoding}, as its first bytes say, found a fault at byte "
            f"{error.start}; save it again"
        ) from error
    return DecodedText(_unify_line_ends(text), None if encoding == "utf-8-sig" else encoding.upper())


def _read_faulty_utf8(content: bytes) -> DecodedText | None:
    """Text in UTF-8 of which few bytes are faulty: ten letters beyond ASCII are read for each; else None."""
    text = content.decode("utf-8", "replace")
    faults = text.count("\ufffd")
    read = sum(not letter.isascii() for letter in text) - faults
    if read < 10 * faults or "\0" in text:
        return None
    return DecodedText(_unify_line_ends(text), f"UTF-8 with {format_count(faults, 'faulty place')}")


def _guess(content: bytes, where: str, language: str | None) -> DecodedText:
    """Decode text without a mark that is not UTF-8: UTF-16 where it has zero bytes, else a code page."""
    from charset_normalizer import from_bytes  # noqa: PLC0415 - only for files of other encodings

    if b"\0" in content:
        pages = ["utf_16_le" if content[1::2].count(0) >= content[::2].count(0) else "utf_16_be"]
    else:
        base = two_letters_of(language or "")
        pages = [page for page, codes in CODE_PAGES.items() if base in codes] or ["cp1252"]
    match = from_bytes(content, cp_isolation=pages).best() or from_bytes(content).best()
    if match is None:
        raise ConfigError(f"{where}: expected text, found bytes of no known encoding; save it as UTF-8")
    return DecodedText(_unify_line_ends(str(match)), match.encoding.upper().replace("_", "-"))


def _unify_line_ends(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")
