"""The text that every token of a vocabulary writes, so that models of different tokenizers can be compared.

Texts are strings of *symbols*: a symbol below 256 is a byte of UTF-8, so a piece may end within a character;
:data:`END` stands for the end of the text; a token that writes no text (``<pad>``, ``<unk>``) has a symbol
that no other vocabulary has. So "one text is a prefix of the other" is all that has to be asked, also of what
has ended. A space at the very beginning of a text is dropped, as detokenization does.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.decoding.scorers import Vocabulary
from components.errors import ConfigError
from components.text.token_pieces import BYTES

END = chr(256)
"""The end of a text."""
_FIRST_PRIVATE = 257
_LAST_SYMBOL = chr(0x10FFFF)


class _Index:
    """The tokens of a vocabulary by their texts."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._ids: dict[str, list[int]] = {}
        for token, text in enumerate(texts):
            self._ids.setdefault(text, []).append(token)
        self._sorted = sorted(range(len(texts)), key=texts.__getitem__)
        self._order = np.array(self._sorted, dtype=np.int64)
        self._texts = [texts[token] for token in self._sorted]
        self._longest = max(map(len, texts), default=0)

    def prefixes(self, text: str) -> Iterator[int]:
        """Yield tokens whose text is a prefix of ``text``."""
        for length in range(min(len(text), self._longest) + 1):
            yield from self._ids.get(text[:length], ())

    def extensions(self, text: str) -> NDArray[np.int64]:
        """Return tokens whose text begins with ``text``."""
        first, last = (bisect_left(self._texts, bound) for bound in (text, text + _LAST_SYMBOL))
        return self._order[first:last]


class TextPieces:
    """The texts of a vocabulary's tokens, which differ at the beginning of a text.

    What a token writes depends on its *stage*: 0 = the first token, 1 = the first but for a silent one,
    2 = any later one.
    """

    def __init__(self, texts: Sequence[str], silent: Collection[int] = ()) -> None:
        """Index ``texts``, which tokens write within a text.

        Args:
            texts: the symbols of every token.
            silent: tokens that write nothing if they come first (a target language's).
        """
        first = [text.removeprefix(" ") for text in texts]
        self._silent = frozenset(silent)
        whole = ["" if token in self._silent else text for token, text in enumerate(first)]
        self.texts = (tuple(whole), tuple(first), tuple(texts))
        self._indices = [_Index(each) for each in self.texts]
        self._can_follow: dict[tuple[str, int], bool] = {}

    def text(self, token: int, stage: int) -> str:
        """Return what a token writes."""
        return self.texts[stage][token]

    def next_stage(self, token: int, stage: int) -> int:
        """Return the stage of the token after ``token``."""
        return 1 if stage == 0 and token in self._silent else 2

    def prefixes(self, text: str, stage: int) -> Iterator[int]:
        """Yield tokens whose text is a prefix of ``text``."""
        return self._indices[stage].prefixes(text)

    def extensions(self, text: str, stage: int) -> NDArray[np.int64]:
        """Return tokens whose text begins with ``text``."""
        return self._indices[stage].extensions(text)

    def can_follow(self, text: str, stage: int) -> bool:
        """Return whether tokens can write ``text``, or more that begins with it."""
        if not text:
            return True
        key = text, stage
        if key not in self._can_follow:
            self._can_follow[key] = len(self.extensions(text, stage)) > 0 or any(
                self.can_follow(text[len(self.text(token, stage)) :], self.next_stage(token, stage))
                for token in self.prefixes(text, stage)
                if stage < 2 or self.text(token, stage)
            )
        return self._can_follow[key]


def read_text(symbols: str) -> str:
    """Symbols -> text; bytes that are no UTF-8 become replacement characters."""
    data = bytes(code for code in map(ord, symbols) if code < 256)
    return data.decode("utf-8", "replace")


def list_texts(tokenizer: Any, vocabulary: Vocabulary, name: str, number: int = 0) -> list[str]:
    """Return the symbols that every token of a transformers tokenizer writes.

    A token that ends a text and holds a line break writes what stands before it.

    Args:
        tokenizer: a byte-level BPE or a sentencepiece tokenizer.
        vocabulary: the model's output tokens.
        name: how messages name the model.
        number: tells tokens without text from those of other vocabularies.

    Raises:
        ConfigError: The pieces are of another kind.
    """
    pieces: dict[str, int] = tokenizer.get_vocab()
    private = chr(_FIRST_PRIVATE + number)
    texts = [private] * vocabulary.size
    silent = {*getattr(tokenizer, "all_special_ids", ()), *tokenizer.get_added_vocab().values()}
    to_bytes = _choose_decoding(pieces, name)
    for piece, token in pieces.items():
        if token < vocabulary.size and token not in silent:
            texts[token] = to_bytes(piece).decode("latin-1") or private
    for token in vocabulary.eos:
        text = texts[token].removesuffix(private)
        texts[token] = text.split("\n", 1)[0] + END
    return texts


def _choose_decoding(pieces: Collection[str], name: str) -> Callable[[str], bytes]:
    """How the pieces of a vocabulary are spelled: a character per byte, or as text with ▁ for a space."""
    if any(piece.startswith("Ġ") for piece in pieces):
        return _byte_level
    if any(piece.startswith("▁") for piece in pieces):
        has_bytes = "<0x0A>" in pieces and "<0xFF>" in pieces
        return _sentencepiece_with_bytes if has_bytes else _sentencepiece
    raise ConfigError(
        f"combine.vocabulary text: expected a sentencepiece or byte-level BPE tokenizer, found {name} with "
        "another kind of pieces: combine the finished texts instead (combine.method: output_level)"
    )


def _sentencepiece(piece: str) -> bytes:
    return piece.replace("▁", " ").encode("utf-8", "surrogatepass")


def _sentencepiece_with_bytes(piece: str) -> bytes:
    if len(piece) == 6 and piece.startswith("<0x") and piece.endswith(">"):
        return bytes.fromhex(piece[3:5])
    return _sentencepiece(piece)


def _byte_level(piece: str) -> bytes:
    """Decode a piece of byte-level BPE; one that is spelled otherwise (an added token) stands for itself."""
    try:
        return bytes(BYTES[character] for character in piece)
    except KeyError:
        return piece.encode("utf-8", "surrogatepass")
