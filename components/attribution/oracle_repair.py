"""Oracle repair: a transcript in which the errors of some kinds are corrected.

Words are aligned with the reference transcript whatever their case and punctuation; a word that differs in
those alone has an error of *form*. Repairing every kind gives the reference transcript, repairing none the
transcript itself, both single-spaced.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator

from components.text.function_words import is_content_word
from components.text.languages import without_spaces
from components.text.matching.alignment import Edit, align
from components.text.normalization.text_normalization import get_normalizer

FORM = "form"
WORD_ERRORS = tuple(
    f"{operation} {kind}"
    for operation in ("substituted", "deleted", "inserted")
    for kind in ("content words", "function words")
)
ERROR_KINDS = (*WORD_ERRORS, FORM)
"""Every kind of error: what happened to which words (of the reference, for insertions of the transcript)."""

_NAMES = {"substitute": "substituted", "delete": "deleted", "insert": "inserted"}
_basic = get_normalizer("basic")


class _Word(str):
    """A word that compares equal to another whatever their case and punctuation."""

    __slots__ = ("bare",)
    bare: str

    def __new__(cls, text: str) -> _Word:
        word = super().__new__(cls, text)
        word.bare = _basic(text)
        return word

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Word) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)

    @property
    def _key(self) -> str:
        return self.bare or str(self)


def correct_errors(transcript: str, reference: str, kinds: Collection[str], language: str) -> str:
    """Correct the errors of ``kinds`` (of :data:`ERROR_KINDS`) in a transcript by the reference."""
    words = []
    for edit, kind in _columns(transcript, reference, language):
        word = edit.reference if kind in kinds else edit.hypothesis
        if word is not None:
            words.append(str(word))
    return ("" if without_spaces(language) else " ").join(words)


def count_errors(transcript: str, reference: str, language: str) -> Counter[str]:
    """Return how many errors of each kind a transcript has."""
    return Counter(kind for _, kind in _columns(transcript, reference, language) if kind is not None)


def _columns(transcript: str, reference: str, language: str) -> Iterator[tuple[Edit[_Word], str | None]]:
    pieces = [_split(text, language) for text in (reference, transcript)]
    for edit in align(*pieces):
        yield edit, _kind(edit, language)


def _split(text: str, language: str) -> list[_Word]:
    return [_Word(piece) for piece in (text.replace(" ", "") if without_spaces(language) else text.split())]


def _kind(edit: Edit[_Word], language: str) -> str | None:
    if edit.operation == "equal":
        return None if str(edit.reference) == str(edit.hypothesis) else FORM
    bare = [word.bare for word in (edit.reference, edit.hypothesis) if word is not None and word.bare]
    if not bare:  # a dash, say
        return FORM
    what = "content words" if is_content_word(bare[0], language) else "function words"
    return f"{_NAMES[edit.operation]} {what}"
