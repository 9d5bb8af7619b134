"""What an ensemble learns from development data before it decodes: coefficients, a gate, or a strength."""

from __future__ import annotations

from collections.abc import Sequence

from components.ensembling.coefficients import Coefficients, learn, learn_gate
from components.ensembling.contribution import Contribution, contributions, mixture_game
from components.ensembling.mixing import MixingConfig
from components.ensembling.statistics import Statistics, collect, joined
from components.ensembling.translator import EnsembleEngine, distinct
from components.errors import ConfigError

STRENGTHS = (0.0, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0)
"""The grid on which the strength of negative evidence is searched."""

Pair = tuple[str, str]


def statistics_of(
    engine: EnsembleEngine,
    pairs: Sequence[Pair],
    languages: tuple[str, str],
    *,
    distributions: bool,
    batch_size: int = 16,
) -> Statistics:
    """What every member says of the reference translations of ``pairs`` (source, reference)."""
    parts = []
    for start in range(0, len(pairs), batch_size):
        batch = pairs[start : start + batch_size]
        sentences = [engine.prepare(source, *languages) for source, _ in batch]
        targets = [engine.target(text) for _, text in batch]
        parts.append(collect(engine.members(sentences), targets, distributions=distributions))
    return joined(parts)


def coefficients(statistics: Statistics, mixing: MixingConfig) -> Coefficients:
    """Constants or a gate, as ``mixing`` asks. ConfigError where it asks for neither."""
    if mixing.method not in ("linear", "log_linear") or mixing.learn == "nothing":
        raise ConfigError(
            f"combine.learn: expected constants or gate with linear or log_linear, found {mixing.learn} "
            f"with {mixing.method}"
        )
    if mixing.learn == "gate":
        return learn_gate(statistics, mixing.method, mixing.top_k)
    return learn(statistics, mixing.method)


def likelihoods(statistics: Statistics) -> dict[float, float]:
    """Mean log-probability of the references (nats per piece) at each strength of the grid.

    No plausibility is asked of them: a filter gives a reference that it forbids no likelihood at all.
    """
    if statistics.distributions is None or len(statistics.names) != 3:
        raise ConfigError("expected the distributions of core, positive and negative model")
    core, positive, negative = statistics.distributions.float()
    chosen = statistics.chosen.float()
    evidence, wanted = positive - negative, chosen[1] - chosen[2]
    return {
        s: float((chosen[0] + s * wanted - (core + s * evidence).logsumexp(dim=-1)).mean()) for s in STRENGTHS
    }


def contribution(statistics: Statistics, found: Coefficients, vocabulary: int) -> list[Contribution]:
    """What each member contributes to the likelihood (nats per piece) of the linear mixture as learned.

    It is measured on the sentences of ``statistics``: constants are the best there are on those that they
    were learned from, so leaving a member out gains nothing on them.
    """
    names = distinct(statistics.names)
    sentences = statistics.sentences
    said = {
        name: [chosen[sentences == n].tolist() for n in range(statistics.n_sentences)]
        for name, chosen in zip(names, statistics.chosen, strict=True)
    }
    weights = dict(zip(names, found.weights, strict=True))
    parts = contributions(mixture_game(said, vocabulary, weights), weights)
    alone = statistics.chosen.double().mean(dim=1).tolist()  # also of members that were given no weight
    return [part.model_copy(update={"alone": value}) for part, value in zip(parts, alone, strict=True)]
