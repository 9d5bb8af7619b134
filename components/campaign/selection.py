"""Which utterances are judged: those that tell systems apart (after Zouhar et al. 2025, subset2evaluate)."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Sequence
from statistics import fmean, pvariance

from components.campaign.candidates import Candidate
from components.campaign.settings import Selection
from components.errors import ConfigError
from components.metrics.metric import Segments
from components.metrics.table import METRICS


def select_candidates(
    candidates: Sequence[Candidate], method: Selection, n: int, seed: int
) -> list[Candidate]:
    """Return the ``n`` most telling candidates, in the order of the data; ties are drawn.

    Raises:
        ConfigError: disagreement of scores, where nothing has a reference.
    """
    draw = random.Random(seed)  # noqa: S311 - no secret
    values = dict(zip((c.utterance.id for c in candidates), _RATINGS[method](candidates), strict=True))
    ranked = sorted(candidates, key=lambda c: (-values[c.utterance.id], draw.random()))
    ids = {candidate.utterance.id for candidate in ranked[:n]}
    return [candidate for candidate in candidates if candidate.utterance.id in ids]


def rate_disagreement(candidates: Sequence[Candidate]) -> list[float]:
    """Return the variance of each utterance's score over the systems."""
    if not any(len(candidate.scores) > 1 for candidate in candidates):
        raise ConfigError(
            "select: disagreement of scores needs references and two systems, found neither for any "
            "utterance; --select diversity needs no references"
        )
    return [pvariance(c.scores.values()) if len(c.scores) > 1 else 0.0 for c in candidates]


def rate_diversity(candidates: Sequence[Candidate]) -> list[float]:
    """Return how unlike each other the outputs are: 100 less the mean chrF of each against each other one."""
    pairs = [
        (number, hypothesis, reference)
        for number, candidate in enumerate(candidates)
        for hypothesis, reference in itertools.permutations(candidate.outputs.values(), 2)
        if reference.strip()
    ]
    ids = tuple(str(n) for n in range(len(pairs)))
    segments = Segments(
        ids=ids,
        hypotheses=tuple(hypothesis for _, hypothesis, _ in pairs),
        languages=("und",) * len(pairs),
        references=tuple((reference,) for _, _, reference in pairs),
    )
    similarity = METRICS["chrf"].sentence_scores(segments)
    by_candidate: dict[int, list[float]] = {}
    for key, (number, _, _) in zip(ids, pairs, strict=True):
        by_candidate.setdefault(number, []).append(similarity[key])
    return [100 - fmean(by_candidate.get(number, [100.0])) for number in range(len(candidates))]


_RATINGS: dict[Selection, Callable[[Sequence[Candidate]], list[float]]] = {
    "disagreement": rate_disagreement,
    "diversity": rate_diversity,
    "random": lambda candidates: [0.0] * len(candidates),
}
