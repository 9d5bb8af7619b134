"""Encodings that editors save files in."""

from __future__ import annotations

import pytest

from components.errors import ConfigError
from components.text.text_encoding import decode_text


@pytest.mark.parametrize(
    ("text", "encoding", "language", "name"),
    [
        ("Männer", "utf-8", "de", None),
        ("Männer", "utf-8-sig", "de", None),
        ("Männer", "utf-16", "de", "UTF-16"),
        ("Männer", "utf-16-le", "de", "UTF-16-LE"),
        ("Männer", "utf-16-be", "de", "UTF-16-BE"),
        ("Männer", "utf-32", "de", "UTF-32"),
        ("Two dogs", "utf-16-le", "en", "UTF-16-LE"),  # valid UTF-8, too
        ("Two dogs", "utf-16-be", "en", "UTF-16-BE"),
        ("Männer – “größer”", "cp1252", "de", "CP1252"),
        ("El niño está", "latin-1", "es", "CP1252"),
        ("Mężczyzna, żółć", "cp1250", "pl-PL", "CP1250"),
        ("Мужчина идёт", "cp1251", "ru", "CP1251"),
        ("Мужчина идёт", "cp1251", "rus", "CP1251"),
        ("男の人", "shift_jis", "ja", "SHIFT-JIS"),
        ("naïve", "cp1252", None, "CP1252"),
    ],
)
def test_every_encoding_gives_the_text_and_is_named(
    text: str, encoding: str, language: str | None, name: str | None
) -> None:
    content = f"1\r\n00:00:00,000 --> 00:00:02,500\r\n{text}\r\n"
    decoded = decode_text(content.encode(encoding), "talk.srt", language)
    assert decoded.text == content.replace("\r\n", "\n")
    assert decoded.encoding == name


@pytest.mark.parametrize("content", [b"\xff\xfea", b"\xef\xbb\xbf\xff"])
def test_what_is_no_text_is_refused(content: bytes) -> None:
    with pytest.raises(ConfigError, match=r"^talk.srt: expected utf-.*save it again$"):
        decode_text(content, "talk.srt")


def test_bytes_of_no_encoding_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"^talk.srt: expected text, found bytes of no known encoding"):
        decode_text(bytes(range(256)) * 3, "talk.srt")
