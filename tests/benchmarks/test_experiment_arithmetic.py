"""Arithmetic of the experiments: questions, weights of boosting, differences of gains."""

from __future__ import annotations

import pytest
import torch

from benchmarks.claims.boosting import weights_of
from benchmarks.claims.question_classifier import QuestionClassifier
from components.claims.statistics.measuring import gain_difference
from components.metrics.statistics.corpus_statistics import CorpusStatistics, text_statistics


def test_questions_are_known_by_their_beginning_without_their_mark() -> None:
    """Punctuation is not looked at: the same words with and without a mark are judged alike."""
    questions = [f"{first} you {verb} it?" for first in ("do", "did", "can") for verb in ("see", "like")]
    statements = [f"you {verb} it, i {first}." for first in ("do", "did", "can") for verb in ("see", "like")]
    classifier = QuestionClassifier.learn(questions, statements)
    assert classifier.accuracy(questions, statements) == (1.0, 1.0)
    assert classifier("can you buy it.")
    assert not classifier("you buy it, I can?")


def test_weights_follow_losses_within_bounds_and_have_mean_one() -> None:
    """The heaviest weighs 16 times the lightest, whatever the losses."""
    weights = weights_of([1.0, 2.0, 3.0, 1000.0] + [0.001] * 4)
    assert float(weights.mean()) == pytest.approx(1.0)
    assert float(weights.max() / weights.min()) == pytest.approx(16.0)
    equal = weights_of([1.0, 1.0, 2.0, 2.0])
    assert torch.allclose(equal, torch.tensor([2 / 3, 2 / 3, 4 / 3, 4 / 3]))


def _statistics(texts: list[str], references: list[str]) -> CorpusStatistics:
    named = {str(n): (text,) for n, text in enumerate(references)}
    outputs = {str(n): text for n, text in enumerate(texts)}
    tables = text_statistics(named, outputs, language="de", n_total=len(texts), names=("chrf",))
    return tables["chrf"]


def test_a_difference_of_gains_is_that_of_four_scores() -> None:
    """The baseline's own difference is taken away, and equal gains differ by nothing at all."""
    references = [f"ein Satz mit {n} Wörtern und mehr" for n in range(20)]
    good, fair, bad = ([text[cut:] for text in references] for cut in (2, 8, 14))
    a, b, c = (_statistics(texts, references) for texts in (good, fair, bad))
    result = gain_difference(([a], [b]), ([b], [c]))
    assert result.difference == pytest.approx((a.score() - b.score()) - (b.score() - c.score()))
    assert gain_difference(([a], [b]), ([a], [b])).difference == 0
