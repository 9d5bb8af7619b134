"""Sequence-level distillation: what a student is taught to say is what its teacher said (Kim & Rush 2016).

The teacher is whatever wrote the n-best lists: a model, an ensemble, a cascade, a whole graph.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from components.metrics import sentence_scores
from components.records import NBest


def best(n_best: NBest, references: Sequence[str], language: str) -> str:
    """The teacher's first hypothesis: sequence-level distillation."""
    del references, language
    return n_best.best.text


def closest(n_best: NBest, references: Sequence[str], language: str) -> str:
    """The hypothesis nearest to a reference by sentence BLEU (the earlier of two that tie): sequence-level
    interpolation. Without references, the first.
    """
    if not any(reference.strip() for reference in references):
        return n_best.best.text
    texts = [hypothesis.text for hypothesis in n_best.hypotheses]
    names = [str(number) for number in range(len(texts))]
    scores = sentence_scores(
        dict.fromkeys(names, tuple(references)), dict(zip(names, texts, strict=True)), language=language
    )
    return max(zip(names, texts, strict=True), key=lambda pair: scores[pair[0]]["bleu"])[1]


CHOICES: dict[str, Callable[[NBest, Sequence[str], str], str]] = {"best": best, "closest": closest}
"""(n-best, references, target language) -> the text to learn."""
