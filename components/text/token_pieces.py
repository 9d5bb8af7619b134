"""What tokens' pieces spell: white space as it is, control tokens as nothing."""

from __future__ import annotations

import re
from codecs import getincrementaldecoder
from collections.abc import Sequence

_CONTROL = re.compile(r"<\|[^|]*\|>|</?s>|<pad>|<unk>|<eos>")
_BYTE_LEVEL_SPACES = str.maketrans({"\u0120": " ", "\u010a": " "})
"""What stands for white space in byte-level vocabularies; elsewhere they are letters (of Maltese)."""


def _spell_bytes() -> dict[str, int]:
    """Return GPT-2's table: visible characters of Latin-1 are themselves, the other bytes follow from 256."""
    visible = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    hidden = [byte for byte in range(256) if byte not in set(visible)]
    return {chr(b): b for b in visible} | {chr(256 + n): b for n, b in enumerate(hidden)}


BYTES = _spell_bytes()
"""The byte that each character of a byte-level piece stands for."""


def writes_text(piece: str) -> bool:
    """Return whether it is more than timestamps, ends of sequences and the like."""
    return bool(_CONTROL.sub("", piece))


def spell_pieces(pieces: Sequence[str]) -> list[str]:
    """Return the text of each piece of a sequence, of whatever vocabulary.

    A character whose bytes several pieces write is the last one's.
    """
    written = [_CONTROL.sub("", piece) for piece in pieces]
    if any("\u2581" in piece or " " in piece for piece in pieces):
        return [piece.replace("\u2581", " ") for piece in written]
    decoder = getincrementaldecoder("utf-8")()
    try:
        return [decoder.decode(bytes(BYTES[character] for character in piece)) for piece in written]
    except (KeyError, UnicodeDecodeError):  # letters, not bytes
        return [piece.translate(_BYTE_LEVEL_SPACES) for piece in written]
