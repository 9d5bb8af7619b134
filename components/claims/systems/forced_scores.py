"""Reference translations scored by the members of an ensemble, and what is learned from some of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from components.claims.systems.workbench import Model
from components.decoding.member_settings import MixingConfig
from components.ensembling.token_level.factory import build_backend, build_combiner
from components.ensembling.token_level.learning.coefficients import fit_linear_weights
from components.ensembling.token_level.learning.fitting import collect_reference_log_probs
from components.ensembling.token_level.learning.gating_network import reference_log_likelihood
from components.ensembling.token_level.learning.reference_log_probs import ReferenceLogProbs
from components.records import Utterance
from components.translation.config import TranslationConfig

FloatArray = NDArray[np.float64]


def score_references(
    models: Sequence[Model],
    utterances: Sequence[Utterance],
    *,
    distributions: bool,
    languages: tuple[str, str] = ("en", "de"),
) -> ReferenceLogProbs:
    """Return the log-probabilities that every member gives to the first reference of each utterance."""
    names = [str(model) for model in models]
    config = TranslationConfig(model=names[0], device="cpu")
    backend, _ = build_backend(config, names, build_combiner(MixingConfig(), len(names)), None)
    pairs = [(u.text or "", u.references[0]) for u in utterances]
    return collect_reference_log_probs(backend, pairs, languages, distributions=distributions)


def sum_by_sentence(statistics: ReferenceLogProbs, values: Tensor) -> FloatArray:
    """Return sums (S,) over the tokens of each sentence of values (T,)."""
    sentences, rows = torch.unique(statistics.sentences, return_inverse=True)
    return torch.zeros(len(sentences)).double().index_add(0, rows, values.double()).numpy()


def equal_shares(statistics: ReferenceLogProbs, kind: str) -> FloatArray:
    """Return the log-likelihood (S,) of each sentence's reference by members with equal shares."""
    count = len(statistics.token_log_probs)
    likelihood = reference_log_likelihood(statistics, torch.full((count,), 1 / count), kind)
    return sum_by_sentence(statistics, likelihood)


def rank_rows(dev: ReferenceLogProbs, test: ReferenceLogProbs, members: Sequence[int]) -> FloatArray:
    """Return (utterances, 2 members): what each loses without a member, and the members' coefficients."""
    rows = list(members)
    weights, _ = fit_linear_weights(dev.token_log_probs[rows])
    own = test.token_log_probs[rows].double()

    def likelihoods(shares: Tensor) -> FloatArray:
        mixed = (own + (shares / shares.sum()).log()[:, None]).logsumexp(0)
        return sum_by_sentence(test, mixed)

    lost = []
    for left_out in range(len(rows)):
        rest = weights.double().clamp(min=1e-6)
        rest[left_out] = 0
        lost.append(likelihoods(weights.double()) - likelihoods(rest))
    losses = np.stack(lost, 1)
    return np.concatenate([losses, np.broadcast_to(weights.numpy(), losses.shape)], 1)


def tokens_by_sentence(statistics: ReferenceLogProbs) -> FloatArray:
    """Return the reference tokens (S,) of each sentence."""
    return sum_by_sentence(statistics, torch.ones(len(statistics.sentences)))


def sums_of_tokens(
    nats: Sequence[Sequence[float]] | FloatArray, tokens: Sequence[float] | FloatArray
) -> FloatArray:
    """Return sums (replicates, sentences, 2) of nats and tokens, as the two-level test takes them."""
    values = np.asarray(nats, float)
    return np.stack([values, np.broadcast_to(np.asarray(tokens, float), values.shape)], axis=2)


def nats_per_token(sums: FloatArray) -> FloatArray:
    """Return the score of :func:`sums_of_tokens`."""
    return np.asarray(sums[..., 0] / sums[..., 1])
