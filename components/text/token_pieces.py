"""What tokens' pieces spell: white space as it is, control tokens as nothing."""

from __future__ import annotations

import re
from collections.abc import Sequence

_CONTROL = re.compile(r"<\|[^|]*\|>|</?s>|<pad>|<unk>|<eos>")
_SPACES = str.maketrans({"\u2581": " "})
_BYTE_LEVEL_SPACES = str.maketrans({"\u0120": " ", "\u010a": " "})
"""What stands for white space in byte-level vocabularies; elsewhere they are letters (of Maltese)."""


def writes_text(piece: str) -> bool:
    """Return whether it is more than timestamps, ends of sequences and the like."""
    return bool(_CONTROL.sub("", piece))


def spell_pieces(pieces: Sequence[str]) -> list[str]:
    """Return the text of each piece of a sequence, of whatever vocabulary."""
    has_spaces = any("\u2581" in piece or " " in piece for piece in pieces)
    spaces = _SPACES if has_spaces else _BYTE_LEVEL_SPACES
    return [_CONTROL.sub("", piece.translate(spaces)) for piece in pieces]


def spell_words(pieces: Sequence[str], pattern: str = r"\S+") -> list[tuple[str, list[int]]]:
    """Return what in the text of the pieces matches, and the numbers of the pieces that write it."""
    spelled = spell_pieces(pieces)
    numbers = [number for number, piece in enumerate(spelled) for _ in piece]
    return [
        (match[0], list(dict.fromkeys(numbers[match.start() : match.end()])))
        for match in re.finditer(pattern, "".join(spelled))
    ]
