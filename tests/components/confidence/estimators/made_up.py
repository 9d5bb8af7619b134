"""Texts whose quality depends on their log-probability in a way that is known."""

from __future__ import annotations

import numpy as np

from components.confidence.estimators.examples import Example, TextFeatures

WORDS = 6


def transcripts(n: int, seed: int = 0) -> list[Example]:
    """Transcripts of six words; a word is right with the probability 1 / (1 + exp(-feature))."""
    draw = np.random.default_rng(seed)
    examples = []
    for number in range(n):
        values = draw.normal(1.0, 2.0, WORDS)
        right = draw.random(WORDS) < 1 / (1 + np.exp(-values))
        name = "".join(chr(ord("a") + int(digit)) for digit in str(number))
        reference = [f"{name}-{letter}" for letter in "uvwxyz"]
        text = [word if is_right else "wrong" for word, is_right in zip(reference, right, strict=True)]
        features = TextFeatures(
            {"mean_log_prob": float(values.mean()), "noise": float(draw.normal())},
            [{"mean_log_prob": float(value)} for value in values],
        )
        examples.append(Example(str(number), " ".join(text), (" ".join(reference),), "en", features))
    return examples
