"""Probes: a recording from which words were taken, and which words these were.

Three kinds: ``silence`` (single words are silent), ``cue`` (the opening is another recording's) and
``number`` (the sentence is spoken again by a synthetic voice with another number). A recognizer that hears
writes what is left; one that was trained on these very recordings writes what was there (Carlini et al.
2021 extract such memory of language models; here the sound says what may be written).
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np
from rapidfuzz.distance import Levenshtein

from components.audio import SAMPLE_RATE, Samples
from components.confidence.agreement import keys_of
from components.records import NBest, Record
from components.text.normalization.text_normalization import word_key

Kind = Literal["silence", "cue", "number"]
MIN_LETTERS = 4
"""Of a word that is silenced: shorter ones say little."""
MARGIN = 0.04
"""Seconds around a word that are silent with it."""
_FADE = SAMPLE_RATE // 200
NUMBERS = [
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "twenty",
    "thirty",
    "forty",
    "fifty",
    "hundred",
]
"""Words that are exchanged for each other."""


class Target(Record):
    """A word of the reference that is not in the changed sound any more.

    Attributes:
        position: among the words of the reference.
        word: as it is compared.
        start: of its sound in seconds.
        end: of its sound in seconds.
    """

    position: int
    word: str
    start: float = 0.0
    end: float = 0.0


class Probe(NamedTuple):
    """A changed recording: its id, the utterance it is of, and the words that were taken from it."""

    id: str
    kind: Kind
    utterance_id: str
    targets: tuple[Target, ...]


def match(reference: Sequence[str], written: Sequence[str]) -> dict[int, int]:
    """Return which words of the reference were written: position -> position in what was written."""
    blocks = Levenshtein.opcodes(reference, written).as_matching_blocks()
    return {block.a + k: block.b + k for block in blocks for k in range(block.size)}


def time_words(transcript: str, nbest: NBest) -> list[Target]:
    """Return the words of the reference that were heard rightly, with the times at which they are said."""
    words = [word for segment in nbest.best.segments for word in segment.words]
    reference = keys_of(transcript)
    found = match(reference, [word_key(word.text.strip()) for word in words])
    return [
        Target(position=at, word=reference[at], start=words[place].start, end=words[place].end)
        for at, place in found.items()
    ]


def choose_words(words: Iterable[Target], count: int, seed: str) -> list[Target]:
    """Return some long words, each of which is to be silent in a recording of its own."""
    fit = [each for each in words if len(each.word) >= MIN_LETTERS and each.end - each.start >= 0.1]
    drawn = random.Random(seed).sample(fit, min(count, len(fit)))  # noqa: S311 - no secret
    return sorted(drawn, key=lambda each: each.position)


def opening_words(words: Iterable[Target], seconds: float) -> list[Target]:
    """Return the long words that are said within the first half of a recording."""
    return [each for each in words if len(each.word) >= MIN_LETTERS and each.end <= seconds / 2]


def silence(samples: Samples, target: Target) -> Samples:
    """Return the samples (n,) without the sound of a word: zeros, with a fade of 5 ms on both sides."""
    first = max(0, round((target.start - MARGIN) * SAMPLE_RATE))
    last = min(len(samples), round((target.end + MARGIN) * SAMPLE_RATE))
    gain = np.ones(len(samples), np.float32)
    gain[first:last] = 0
    ramp = np.linspace(1, 0, _FADE, dtype=np.float32)
    before, after = gain[max(0, first - _FADE) : first], gain[last : last + _FADE]
    before *= ramp[_FADE - len(before) :]
    after *= ramp[::-1][: len(after)]
    return np.asarray(samples * gain, np.float32)


def replace_opening(samples: Samples, other: Samples) -> Samples:
    """Return the samples (n,) whose first half is another recording's opening, as loud as it is."""
    half = len(samples) // 2
    opening = np.resize(other, half) if len(other) else np.zeros(half, np.float32)
    return np.concatenate([opening, samples[half:]]).astype(np.float32)


def exchange_number(transcript: str, seed: str) -> tuple[str, Target] | None:
    """Return a transcript with its first number word exchanged, and what was there; None without one."""
    words = transcript.split()
    for position, word in enumerate(words):
        key = word_key(word)
        if key in NUMBERS:
            others = [number for number in NUMBERS if number != key]
            words[position] = random.Random(seed).choice(others)  # noqa: S311 - no secret
            return " ".join(words), Target(position=position, word=key)
    return None


def count_written(transcript: str, written: str, targets: Sequence[Target]) -> dict[int, bool]:
    """Return by position whether each target stands where it was, in what was written after the change."""
    found = match(keys_of(transcript), keys_of(written))
    return {target.position: target.position in found for target in targets}


def candidates_for(words: Mapping[str, int], word: str, count: int, seed: str) -> list[str]:
    """Return words that could stand there instead: ``word`` first, then others of the same texts, drawn."""
    others = sorted(each for each in words if each != word and len(each) >= MIN_LETTERS)
    return [word, *random.Random(seed).sample(others, min(count, len(others)))]  # noqa: S311 - no secret
