"""Where words begin in the pieces of a text."""

from __future__ import annotations

from collections.abc import Sequence


def word_boundaries(pieces: Sequence[str]) -> list[int]:
    """Where words begin: at a piece that begins with a space, or after one that ends with it; and the end."""
    inner = (i for i in range(1, len(pieces)) if pieces[i][:1] == " " or pieces[i - 1][-1:] == " ")
    return [0, *inner, len(pieces)] if pieces else []
