"""Task vectors (Ilharco et al. 2023): what fine-tuning added to a model, to be added and subtracted.

A vector is kept as its formula, a sum of models with coefficients, not as weights: ``base + (tuned - base)``
is ``tuned`` to the last bit, because the base cancels before anything is computed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from components.errors import MergeError


class TaskVector(NamedTuple):
    """A sum of models with coefficients.

    Attributes:
        terms: coefficients by the models' references or folders, none of them 0.
    """

    terms: Mapping[str, float]

    @classmethod
    def of(cls, base: str, tuned: str) -> TaskVector:
        """Return what fine-tuning added to ``base``: ``tuned - base``."""
        return cls({tuned: 1.0}).plus(cls({base: 1.0}), -1.0)

    def plus(self, other: TaskVector, scale: float = 1.0) -> TaskVector:
        """``self + scale * other``; terms that cancel disappear."""
        names = dict.fromkeys([*self.terms, *other.terms])
        sums = {n: self.terms.get(n, 0.0) + scale * other.terms.get(n, 0.0) for n in names}
        return TaskVector({name: value for name, value in sums.items() if value != 0.0})

    def times(self, scale: float) -> TaskVector:
        """``scale * self``; with -1 the vector that unlearns."""
        return TaskVector({}).plus(self, scale)

    def added_to(self, model: str) -> Mapping[str, float]:
        """Return the coefficients of ``model`` + this vector, for ``average_recipe(..., normalize=False)``.

        The model need not be the one that the vector was taken from.

        Raises:
            MergeError: Nothing is left of the sum.
        """
        terms = TaskVector({model: 1.0}).plus(self).terms
        if not terms:
            raise MergeError(f"{model}: expected something left of model + vector, found that they cancel")
        return terms


def combine_vectors(vectors: Sequence[TaskVector], scale: float = 1.0) -> TaskVector:
    """``scale * sum(vectors)``."""
    total = TaskVector({})
    for vector in vectors:
        total = total.plus(vector)
    return total.times(scale)


class ScaleSearch(NamedTuple):
    """The best scale by development score, its score, and the score of every scale that was tried."""

    scale: float
    score: float
    scores_by_scale: Mapping[float, float]

    @property
    def is_at_edge(self) -> bool:
        """Whether a scale beyond those that were tried might be better: the least or the greatest won.

        The model without any vector, scale 0, is no edge where no negative scale was meant to be tried.
        """
        least, greatest = min(self.scores_by_scale), max(self.scores_by_scale)
        return self.scale != 0 and self.scale in (least, greatest)


def search_scale(scales: Sequence[float], score: Callable[[float], float]) -> ScaleSearch:
    """Find the scale with the highest development score; of equally good ones the first.

    Args:
        scales: the scales to try.
        score: makes the model of a scale and scores it on development data.

    Raises:
        MergeError: There are no scales.
    """
    if not scales:
        raise MergeError("expected scales to try, found none")
    scores_by_scale = {scale: score(scale) for scale in scales}
    best = max(scores_by_scale, key=lambda scale: scores_by_scale[scale])
    return ScaleSearch(best, scores_by_scale[best], scores_by_scale)
