"""Features of an n-best list: how much of its posterior the first text has, and how alike its texts are."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

from components.confidence.agreement import lexical_similarity, mean_similarity
from components.records import Hypothesis, NBest


def text_posteriors(hypotheses: Sequence[Hypothesis]) -> dict[str, float]:
    """Return softmax of the scores over the different texts of a list; a text that occurs twice counts once.

    Texts whose hypotheses have equal scores, such as finished texts without log-probabilities, share evenly.
    """
    scores: dict[str, float] = {}
    for hypothesis in hypotheses:
        scores[hypothesis.text] = max(hypothesis.score, scores.get(hypothesis.text, -math.inf))
    highest = max(scores.values())
    masses = {text: math.exp(score - highest) for text, score in scores.items()}
    total = math.fsum(masses.values())
    return {text: mass / total for text, mass in masses.items()}


def posterior_of_first(nbest: NBest) -> float | None:
    """Return the posterior of the first text; None for a list of one."""
    return text_posteriors(nbest.hypotheses)[nbest.best.text] if len(nbest.hypotheses) > 1 else None


def margin_to_second(nbest: NBest) -> float | None:
    """Score of the first hypothesis minus that of the next text in nats; None where all have one text."""
    others = [h.score for h in nbest.hypotheses if h.text != nbest.best.text]
    return nbest.best.score - others[0] if others else None


def posterior_entropy(nbest: NBest) -> float | None:
    """Return the entropy (nats) of the posteriors; None for a list of one."""
    if len(nbest.hypotheses) == 1:
        return None
    return -math.fsum(p * math.log(p) for p in text_posteriors(nbest.hypotheses).values() if p > 0)


def similarity_to_others(nbest: NBest) -> float | None:
    """Return the mean chrF of the first text against the others of its list."""
    return mean_similarity(nbest.best.text, [h.text for h in nbest.hypotheses[1:]])


def similarity_within(nbest: NBest) -> float | None:
    """Return the mean chrF of all pairs of the list."""
    return lexical_similarity([h.text for h in nbest.hypotheses])


def share_of_first(nbest: NBest) -> float | None:
    """Share of the list's hypotheses that have the first text: of samples, which are kept when equal."""
    texts = [h.text for h in nbest.hypotheses]
    return texts.count(nbest.best.text) / len(texts) if len(texts) > 1 else None


def mean_log_prob_over_list(nbest: NBest) -> float | None:
    """Return the mean over the hypotheses of the mean log-probability of their tokens."""
    means = [h.score / h.n_tokens for h in nbest.hypotheses if h.n_tokens]
    return statistics.fmean(means) if means else None
