"""What a language model alone would guess in the place of a word that is not in the sound."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np

from components.confidence.agreement import keys_of
from components.monitoring.probing.probes import Target, candidates_for

CANDIDATES, LIKELY = 40, 100
"""Words that compete for the place: of the same data, and of those that the model finds likeliest there."""


class VariantScorer(Protocol):
    """Scores texts that are compared; :mod:`components.models.loaders.language_model` has one."""

    def score_variants(self, texts: Sequence[str]) -> list[float]:
        """Return the log-probability (nats) of each text, the same for all left out."""

    def likely_words(self, text: str, most: int) -> list[str]:
        """Return words that may follow a text, the likeliest first."""


def guess_words(
    model: VariantScorer, transcripts: Mapping[str, str], targets: Sequence[tuple[str, Target]], seed: int = 0
) -> list[float]:
    """Return the probability of each target (utterance id, word) given all other words of its sentence.

    The model scores the sentence with the word and with others in its place, 40 of the same data and the 100
    that it finds likeliest behind the words before; the probability is the word's share.
    """
    words = Counter(word for text in transcripts.values() for word in keys_of(text))
    guesses: dict[tuple[str, int], float] = {}  # a word may be silenced alone and with an opening
    for key, target in targets:
        place = key, target.position
        if place not in guesses:
            left, right = _split(transcripts[key], target.position)
            options = candidates_for(words, target.word, CANDIDATES, f"{seed} {key} {target.position}")
            likely = [each for word in model.likely_words(left, LIKELY) for each in keys_of(word)]
            options = list(dict.fromkeys([*options, *likely]))
            sentences = [" ".join(filter(None, (left, option, right))) for option in options]
            scores = np.array(model.score_variants(sentences))
            guesses[place] = float(np.exp(scores[0] - np.logaddexp.reduce(scores)))
    return [guesses[key, target.position] for key, target in targets]


def _split(transcript: str, position: int) -> tuple[str, str]:
    words = transcript.split()
    return " ".join(words[:position]), " ".join(words[position + 1 :])
