"""What an ensemble learns from development data before it decodes: coefficients, a gate, or a strength."""

from __future__ import annotations

from collections.abc import Sequence

from components.ensembling.token_level.config import MixingConfig
from components.ensembling.token_level.learning.coefficients import (
    LearnedCoefficients,
    fit_constants,
    fit_gate,
)
from components.ensembling.token_level.learning.reference_log_probs import (
    ReferenceLogProbs,
    collect_log_probs,
    concatenate,
)
from components.ensembling.token_level.translator import EnsembleBackend, number_duplicates
from components.errors import ConfigError
from components.metrics.shapley import MemberContribution, estimate_contributions, mixture_likelihood_game

STRENGTH_GRID = (0.0, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0)
"""The grid on which the strength of negative evidence is searched."""

SentencePair = tuple[str, str]


def collect_reference_log_probs(
    backend: EnsembleBackend,
    pairs: Sequence[SentencePair],
    languages: tuple[str, str],
    *,
    distributions: bool,
    batch_size: int = 16,
) -> ReferenceLogProbs:
    """What every member says of the reference translations of ``pairs`` (source, reference)."""
    parts = []
    for start in range(0, len(pairs), batch_size):
        batch = pairs[start : start + batch_size]
        sentences = [backend.prepare(source, *languages) for source, _ in batch]
        targets = [backend.tokenize_target(text) for _, text in batch]
        parts.append(
            collect_log_probs(backend.build_scorers(sentences), targets, distributions=distributions)
        )
    return concatenate(parts)


def fit_coefficients(statistics: ReferenceLogProbs, mixing: MixingConfig) -> LearnedCoefficients:
    """Constants or a gate, as ``mixing`` asks. ConfigError where it asks for neither."""
    if mixing.method not in ("linear", "log_linear") or mixing.learn == "nothing":
        raise ConfigError(
            f"combine.learn: expected constants or gate with linear or log_linear, found {mixing.learn} "
            f"with {mixing.method}"
        )
    if mixing.learn == "gate":
        return fit_gate(statistics, mixing.method, mixing.top_k)
    return fit_constants(statistics, mixing.method)


def likelihood_by_strength(statistics: ReferenceLogProbs) -> dict[float, float]:
    """Mean log-probability of the references (nats per piece) at each strength of the grid.

    No plausibility is asked of them: a filter gives a reference that it forbids no likelihood at all.
    """
    if statistics.distributions is None or len(statistics.names) != 3:
        raise ConfigError("expected the distributions of core, positive and negative model")
    core, positive, negative = statistics.distributions.float()
    token_log_probs = statistics.chosen.float()
    evidence, token_evidence = positive - negative, token_log_probs[1] - token_log_probs[2]
    return {
        s: float((token_log_probs[0] + s * token_evidence - (core + s * evidence).logsumexp(dim=-1)).mean())
        for s in STRENGTH_GRID
    }


def likelihood_contributions(
    statistics: ReferenceLogProbs, coefficients: LearnedCoefficients, vocabulary: int
) -> list[MemberContribution]:
    """What each member contributes to the likelihood (nats per piece) of the linear mixture as learned.

    It is measured on the sentences of ``statistics``: constants are the best there are on those that they
    were learned from, so leaving a member out gains nothing on them.
    """
    names = number_duplicates(statistics.names)
    sentences = statistics.sentences
    log_probs = {
        name: [chosen[sentences == n].tolist() for n in range(statistics.n_sentences)]
        for name, chosen in zip(names, statistics.chosen, strict=True)
    }
    weights = dict(zip(names, coefficients.weights, strict=True))
    parts = estimate_contributions(mixture_likelihood_game(log_probs, vocabulary, weights), weights)
    alone = statistics.chosen.double().mean(dim=1).tolist()  # also of members that were given no weight
    return [part.model_copy(update={"alone": value}) for part, value in zip(parts, alone, strict=True)]
