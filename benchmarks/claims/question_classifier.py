"""Is a sentence a question, by its wording? Naive Bayes over character n-grams, without final punctuation."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

LONGEST = 5
_SMOOTHING = 0.1


@dataclass(frozen=True)
class QuestionClassifier:
    """Log-odds of a question by n-gram; unseen ones say nothing. Both classes are equally likely."""

    log_odds: dict[str, float]

    @classmethod
    def learn(cls, questions: Iterable[str], statements: Iterable[str]) -> QuestionClassifier:
        """Count the n-grams of both."""
        counts = [
            Counter(gram for text in texts for gram in ngrams(text)) for texts in (questions, statements)
        ]
        grams = counts[0] | counts[1]
        totals = [sum(count.values()) + _SMOOTHING * len(grams) for count in counts]
        return cls(
            {
                gram: math.log((counts[0][gram] + _SMOOTHING) / totals[0])
                - math.log((counts[1][gram] + _SMOOTHING) / totals[1])
                for gram in grams
            }
        )

    def __call__(self, text: str) -> bool:
        """Whether a question is likelier."""
        return sum(self.log_odds.get(gram, 0.0) for gram in ngrams(text)) > 0

    def accuracy(self, questions: Sequence[str], statements: Sequence[str]) -> tuple[float, float]:
        """Share of each that it gets right."""
        return sum(map(self, questions)) / len(questions), 1 - sum(map(self, statements)) / len(statements)


def ngrams(text: str) -> list[str]:
    """Character n-grams of a sentence's lower-cased words, up to LONGEST long; its beginning is marked."""
    bare = f"^{re.sub(r'[^a-z0-9]+', ' ', text.lower()).strip()} "
    return [bare[i : i + n] for n in range(1, LONGEST + 1) for i in range(len(bare) - n + 1)]
