"""Perturbations of text: the same text for the same utterance and seed."""

from __future__ import annotations

import random
import unicodedata
from collections.abc import Callable

from components.perturbation.config import PerturbationConfig
from components.text.languages import two_letters_of

KEYBOARD = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
"""Rows of keys, by which a letter is mistyped as its neighbor."""
FILLERS = {
    "en": ("uh", "um", "you know", "I mean"),
    "de": ("äh", "ähm", "also", "ich meine"),
    "fr": ("euh", "ben", "enfin", "tu vois"),
    "es": ("eh", "este", "o sea", "bueno"),
    "it": ("eh", "cioè", "insomma", "allora"),
    "pt": ("é", "tipo", "né", "quer dizer"),
}
"""What speakers of a language fill pauses with; other languages take those of English."""


def perturb_text(text: str, config: PerturbationConfig, language: str, utterance_id: str, seed: int) -> str:
    """Return the text, perturbed; words stay in their order and lines stay lines.

    Args:
        text: any.
        config: what is done.
        language: of the text, for its fillers.
        utterance_id: with ``seed`` it decides which words are changed, whatever else is perturbed beside it.
        seed: of the run.
    """
    rng = random.Random(f"{seed}\0{utterance_id}")  # noqa: S311 - no secret
    changed = "\n".join(_perturb_line(line, config, language, rng) for line in text.split("\n"))
    if config.strip_punctuation:
        changed = strip_punctuation(changed)
    return changed.lower() if config.lowercase else changed


def strip_punctuation(text: str) -> str:
    """Return the text without punctuation, but for that inside of words (don't, well-known)."""
    letters = [
        letter if not unicodedata.category(letter).startswith("P") or _is_within_word(text, position) else " "
        for position, letter in enumerate(text)
    ]
    return "\n".join(" ".join(line.split()) for line in "".join(letters).split("\n"))


def mistype(word: str, rng: random.Random) -> str:
    """Return the word with a letter left out, doubled, swapped with the next, or replaced by its neighbor."""
    positions = [position for position, letter in enumerate(word) if letter.isalpha()]
    if len(positions) < 2:
        return word
    return rng.choice(_MISTAKES)(word, rng.choice(positions[:-1]), rng)


def _perturb_line(line: str, config: PerturbationConfig, language: str, rng: random.Random) -> str:
    words: list[str] = []
    for word in line.split(" "):
        draws = rng.random(), rng.random()
        typed = mistype(word, rng) if draws[0] < (config.typos or 0) else word
        if word and draws[1] < (config.disfluencies or 0):
            fillers = FILLERS.get(two_letters_of(language), FILLERS["en"])
            words.append(rng.choice([typed, *fillers]))
        words.append(typed)
    return " ".join(words)


def _omit(word: str, position: int, rng: random.Random) -> str:
    return word[:position] + word[position + 1 :]


def _double(word: str, position: int, rng: random.Random) -> str:
    return word[: position + 1] + word[position:]


def _swap(word: str, position: int, rng: random.Random) -> str:
    return word[:position] + word[position + 1] + word[position] + word[position + 2 :]


def _replace(word: str, position: int, rng: random.Random) -> str:
    letter = word[position]
    row = next((row for row in KEYBOARD if letter.lower() in row), None)
    if row is None:  # no key of the rows: the letter is left out
        return _omit(word, position, rng)
    key = row.index(letter.lower())
    neighbor = rng.choice([row[near] for near in (key - 1, key + 1) if 0 <= near < len(row)])
    return word[:position] + (neighbor.upper() if letter.isupper() else neighbor) + word[position + 1 :]


_MISTAKES: tuple[Callable[[str, int, random.Random], str], ...] = (_omit, _double, _swap, _replace)


def _is_within_word(text: str, position: int) -> bool:
    return 0 < position < len(text) - 1 and text[position - 1].isalnum() and text[position + 1].isalnum()
