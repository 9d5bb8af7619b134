"""Fits what an ensemble learns from development data: constant coefficients, a gate, or a strength."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch

from components.decoding.member_settings import MixingConfig
from components.ensembling.token_level.learning.coefficients import (
    LearnedCoefficients,
    fit_constants,
    fit_gate,
)
from components.ensembling.token_level.learning.reference_log_probs import (
    ReferenceLogProbs,
    collect_log_probs,
    concatenate,
    require_room,
)
from components.ensembling.token_level.translator import EnsembleBackend, number_duplicates
from components.errors import ConfigError, DataError
from components.metrics.statistics.shapley import (
    CoalitionGame,
    MemberContribution,
    estimate_contributions,
    mixture_likelihood_game,
)

STRENGTH_GRID = (0.0, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0)
"""Strengths of negative evidence that are tried."""

FOLDS = 5
"""Parts of the development set; each is judged under weights that were learned without it."""

SentencePair = tuple[str, str]
"""Source sentence and reference translation."""


def collect_reference_log_probs(
    backend: EnsembleBackend,
    pairs: Sequence[SentencePair],
    languages: tuple[str, str],
    *,
    distributions: bool,
    batch_size: int = 16,
) -> ReferenceLogProbs:
    """Return every member's log-probabilities of the reference translations, by forced decoding.

    Args:
        backend: the ensemble.
        pairs: source sentences with their references.
        languages: source and target language.
        distributions: keep those over the whole vocabulary too, as log-linear coefficients need them.
        batch_size: sentences per batch.

    Pairs of which one side is longer than a member can read are left out.

    Raises:
        ConfigError: the distributions would not fit into memory.
        DataError: no pair is left.
    """
    tokenized = [
        (backend.prepare(source, *languages), backend.tokenize_target(text, languages[1]))
        for source, text in pairs
    ]
    readable = [pair for pair in tokenized if max(len(pair[0].tokens), len(pair[1])) <= backend.max_source]
    if distributions:
        require_room(sum(len(target) for _, target in readable), backend.n_members, backend.vocabulary_size)
    parts = []
    for start in range(0, len(readable), batch_size):
        sentences, targets = zip(*readable[start : start + batch_size], strict=True)
        parts.append(
            collect_log_probs(backend.build_scorers(sentences), targets, distributions=distributions)
        )
    return concatenate(parts)


def fit_coefficients(statistics: ReferenceLogProbs, mixing: MixingConfig) -> LearnedCoefficients:
    """Fit constants or a gate, whichever ``mixing.learn`` asks for.

    Raises:
        ConfigError: it asks for neither, or the method has no coefficients.
    """
    if mixing.method not in ("linear", "log_linear") or mixing.learn == "nothing":
        raise ConfigError(
            f"combine.learn: expected constants or gate with linear or log_linear, found {mixing.learn} "
            f"with {mixing.method}"
        )
    if mixing.learn == "gate":
        return fit_gate(statistics, mixing.method, mixing.top_k)
    return fit_constants(statistics, mixing.method)


def likelihood_by_strength(statistics: ReferenceLogProbs) -> dict[float, float]:
    """Return the references' mean log-probability (nats per piece) at each of :data:`STRENGTH_GRID`.

    Plausibility is not applied: a reference token that it filters out would have no likelihood at all.

    Raises:
        ConfigError: ``statistics`` are not those of core, positive and negative model, with distributions.
    """
    if statistics.distributions is None or len(statistics.names) != 3:
        raise ConfigError("expected the distributions of core, positive and negative model, found others")
    core, positive, negative = statistics.distributions.float()
    token_log_probs = statistics.token_log_probs.float()
    evidence, token_evidence = positive - negative, token_log_probs[1] - token_log_probs[2]
    return {
        s: float((token_log_probs[0] + s * token_evidence - (core + s * evidence).logsumexp(dim=-1)).mean())
        for s in STRENGTH_GRID
    }


def held_out_contributions(
    statistics: ReferenceLogProbs, coefficients: LearnedCoefficients, vocabulary: int
) -> list[MemberContribution]:
    """Measure what each member adds to the held-out likelihood (nats per piece) of the linear mixture.

    On the sentences that constants were learned on they are the best ones, whatever they are worth. So every
    sentence is judged under weights that were learned in the same way from the other :data:`FOLDS` - 1 fifths
    of the set. A member of weight w can lower a sentence by -log(1 - w) nats per piece at most.

    Args:
        statistics: of the development set.
        coefficients: what was learned on all of it, and is used.
        vocabulary: size of the vocabulary, for the likelihood of no member at all (the uniform distribution).

    Raises:
        DataError: there is one sentence only.
    """
    names = tuple(number_duplicates(statistics.names))
    games = [game for game, _ in held_out_games(statistics, vocabulary)]
    gains = np.concatenate([game.gains for game in games], axis=1)
    game = CoalitionGame(names, gains, np.concatenate([game.sizes for game in games]))
    parts = estimate_contributions(game, dict(zip(names, coefficients.weights, strict=True)))
    alone = statistics.token_log_probs.double().mean(dim=1).tolist()  # also of members without weight
    return [part.model_copy(update={"alone": value}) for part, value in zip(parts, alone, strict=True)]


def held_out_games(
    statistics: ReferenceLogProbs, vocabulary: int
) -> Iterator[tuple[CoalitionGame, dict[str, float]]]:
    """Yield for each fold the likelihoods of its sentences, and the weights learned from the others.

    Raises:
        DataError: there is one sentence only.
    """
    names = number_duplicates(statistics.names)
    sentences = torch.unique(statistics.sentences)
    if len(sentences) < 2:
        raise DataError(f"expected at least 2 development sentences, found {len(sentences)}")
    folds = torch.arange(len(sentences)) % min(FOLDS, len(sentences))
    for fold in range(int(folds.max()) + 1):
        learned = fit_constants(statistics.select_sentences(sentences[folds != fold]), "linear")
        held_out = statistics.select_sentences(sentences[folds == fold])
        log_probs = {
            name: [values[held_out.sentences == n].tolist() for n in sentences[folds == fold]]
            for name, values in zip(names, held_out.token_log_probs, strict=True)
        }
        weights = dict(zip(names, learned.weights, strict=True))
        yield mixture_likelihood_game(log_probs, vocabulary, weights), weights
