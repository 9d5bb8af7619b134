"""Sequence-level distillation: a student learns its teacher's translations (Kim & Rush 2016).

The teacher is whatever wrote the n-best lists: a model, an ensemble, a cascade, a whole graph.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache

from sacrebleu.metrics.bleu import BLEU

from components.metrics.translation_quality.bleu import bleu_tokenizer
from components.records import NBest


def best_hypothesis(n_best: NBest, references: Sequence[str], language: str) -> str:
    """Return the teacher's first hypothesis: sequence-level distillation."""
    return n_best.best.text


def closest_hypothesis(n_best: NBest, references: Sequence[str], language: str) -> str:
    """Return the hypothesis nearest to a reference by sentence BLEU: sequence-level interpolation.

    Of two that tie it is the earlier one; without references it is the first.
    """
    if not any(reference.strip() for reference in references):
        return n_best.best.text
    metric, nonempty_references = (
        _bleu(language),
        [reference for reference in references if reference.strip()],
    )
    texts = [hypothesis.text for hypothesis in n_best.hypotheses]
    return max(texts, key=lambda text: metric.sentence_score(text, nonempty_references).score)


@lru_cache(maxsize=8)
def _bleu(language: str) -> BLEU:
    """Return sentence BLEU over the orders that a sentence has (sacreBLEU's effective order)."""
    return BLEU(tokenize=bleu_tokenizer(language), effective_order=True)


TARGET_CHOICES: dict[str, Callable[[NBest, Sequence[str], str], str]] = {
    "best": best_hypothesis,
    "closest": closest_hypothesis,
}
"""(n-best, references, target language) -> the text to learn."""
