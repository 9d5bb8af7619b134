"""Interpolation coefficients, learned from the members' log-probabilities of development references.

Constants: linear weights by expectation maximization (Dempster et al., 1977; the likelihood never falls),
log-linear coefficients by Newton's method on a concave function (one optimum, whatever the start).
Context-dependent: a :class:`~.gating_network.SoftmaxGate` that starts from these constants. All start from,
or are pulled to, uniform weights, so that none is below them on the development set; only a gate that leaves
members out may be, and it is never below the best constants of as many members.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from components.decoding.combiner import Combiner
from components.ensembling.token_level.combiners import LinearInterpolation, LogLinearInterpolation
from components.ensembling.token_level.learning.gating_network import (
    SoftmaxGate,
    reference_log_likelihood,
    train_gate,
)
from components.ensembling.token_level.learning.reference_log_probs import ReferenceLogProbs
from components.errors import ConfigError, DataError
from components.files.json_text import parse_json

InterpolationKind = Literal["linear", "log_linear"]
_RIDGE = 1e-4
"""L2 penalty, per token, on the distance from uniform: members that are alike share their coefficient."""


@dataclass(frozen=True)
class LearnedCoefficients:
    """Learned constant weights, or a gate, of named members, with their likelihood on the development set.

    ``weights`` of a gate are their means on the development set. ``learned`` and ``uniform`` are the mean
    log-probability per reference token (nats) under these coefficients and under uniform ones.
    """

    kind: InterpolationKind
    members: tuple[str, ...]
    weights: tuple[float, ...]
    learned: float
    uniform: float
    gate: SoftmaxGate | None = None

    def to_combiner(self) -> Combiner:
        """Return the combiner that a search takes."""
        weights = self.gate or self.weights
        return LinearInterpolation(weights) if self.kind == "linear" else LogLinearInterpolation(weights)

    def token_log_probs(self, statistics: ReferenceLogProbs) -> Tensor:
        """Return log-probabilities (T,) of the reference tokens under these coefficients, in float64."""
        weights = torch.tensor(self.weights) if self.gate is None else _gate_weights(self.gate, statistics)
        return reference_log_likelihood(statistics, weights, self.kind)

    def save(self, path: Path) -> None:
        """Write a JSON file."""
        fields = {name: getattr(self, name) for name in ("kind", "members", "weights", "learned", "uniform")}
        fields["gate"] = None if self.gate is None else self.gate.to_json()
        path.write_text(json.dumps(fields, indent=1, allow_nan=False) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: Path, members: tuple[str, ...] | None = None) -> LearnedCoefficients:
        """Read what :meth:`save` wrote.

        Raises:
            ConfigError: it is no such file, or was learned for other ``members``.
        """
        try:
            fields = parse_json(path.read_text(encoding="utf-8"))
            gate = None if fields["gate"] is None else SoftmaxGate.from_json(fields["gate"])
            names, weights = tuple(fields["members"]), tuple(map(float, fields["weights"]))
            coefficients = cls(fields["kind"], names, weights, fields["learned"], fields["uniform"], gate)
        except (OSError, ValueError, KeyError, TypeError, ConfigError) as error:
            raise ConfigError(
                f"{path}: expected saved coefficients (JSON), found something else: {error}"
            ) from error
        if coefficients.kind not in ("linear", "log_linear") or len(weights) != len(names):
            raise ConfigError(f"{path}: expected linear or log_linear with one weight per member")
        if members is not None and members != names:
            raise ConfigError(
                f"{path}: expected coefficients of {members}, found those of {names}: learn them again"
            )
        return coefficients


def fit_linear_weights(
    token_log_probs: Tensor, start: Tensor | None = None, *, iterations: int = 500, tolerance: float = 1e-10
) -> tuple[Tensor, list[float]]:
    """Return linear weights of highest likelihood, by expectation maximization.

    Args:
        token_log_probs: (M, T), the members' log-probabilities of T reference tokens.
        start: weights (M,) to begin with; by default uniform.
        iterations: at most.
        tolerance: the gain in mean likelihood (nats per token) at which it stops.

    Returns:
        Weights (M,), and the mean log-likelihood per token at every iteration.
    """
    values = token_log_probs.double()
    n_members = len(values)
    weights = (
        torch.full((n_members,), 1 / n_members, dtype=torch.float64) if start is None else start.double()
    )
    likelihoods: list[float] = []
    for _ in range(iterations):
        joint = values + weights.log()[:, None]
        total = joint.logsumexp(dim=0)
        likelihoods.append(float(total.mean()))
        if len(likelihoods) > 1 and likelihoods[-1] - likelihoods[-2] < tolerance:
            break
        weights = (joint - total).exp().mean(dim=1)
    return weights / weights.sum(), likelihoods


def fit_log_linear_coefficients(
    statistics: ReferenceLogProbs,
    start: Tensor | None = None,
    *,
    iterations: int = 50,
    tolerance: float = 1e-9,
) -> Tensor:
    """Fit log-linear coefficients (M,) of highest mean likelihood, less a small penalty, by Newton's method.

    The objective is strictly concave: its gradient and Hessian are means and covariances of the members'
    log-probabilities under the mixture. A step is halved until the objective rises.

    Raises:
        ConfigError: ``statistics`` keeps no distributions.
    """
    n_members = len(statistics.token_log_probs)
    uniform = torch.full((n_members,), 1 / n_members, dtype=torch.float64)
    c = uniform.clone() if start is None else start.double()

    def objective(coefficients: Tensor) -> float:
        likelihood = reference_log_likelihood(statistics, coefficients, "log_linear").mean()
        return float(likelihood - _RIDGE * (coefficients - uniform).square().sum())

    value = objective(c)
    for _ in range(iterations):
        gradient, hessian = _gradient_and_covariance(statistics, c)
        gradient = gradient - 2 * _RIDGE * (c - uniform)
        hessian = hessian + 2 * _RIDGE * torch.eye(n_members, dtype=torch.float64)
        step = torch.linalg.solve(hessian, gradient)
        if float(gradient @ step) < tolerance:
            break
        size = 1.0
        while (new_value := objective(c + size * step)) <= value and size > 1e-6:
            size /= 2
        if new_value <= value:
            break
        c, value = c + size * step, new_value
    return c


def _gradient_and_covariance(
    statistics: ReferenceLogProbs, c: Tensor, block: int = 64
) -> tuple[Tensor, Tensor]:
    """Gradient (M,) of the mean likelihood, and the mean covariance (M, M) of the log-probabilities."""
    values = statistics.distributions
    assert values is not None  # the likelihood was computed from them
    m, n, _ = values.shape
    gradient, covariance = torch.zeros(m, dtype=torch.float64), torch.zeros((m, m), dtype=torch.float64)
    for start in range(0, n, block):
        part = values[:, start : start + block].double()
        probabilities = torch.softmax(torch.einsum("m,mtv->tv", c, part), dim=-1)
        mean = torch.einsum("tv,mtv->mt", probabilities, part)
        deviations = part - mean[..., None]
        gradient += (statistics.token_log_probs[:, start : start + block] - mean).sum(dim=1)
        covariance += torch.einsum("mtv,ntv->mn", deviations * probabilities, deviations)
    return gradient / n, covariance / n


def fit_constants(statistics: ReferenceLogProbs, kind: InterpolationKind) -> LearnedCoefficients:
    """Return the constant coefficients of highest development likelihood.

    Raises:
        DataError: there is no reference token.
    """
    _require_tokens(statistics)
    if kind == "linear":
        weights, _ = fit_linear_weights(statistics.token_log_probs)
    else:
        weights = fit_log_linear_coefficients(statistics)
    return _with_likelihoods(statistics, kind, weights)


def fit_gate(
    statistics: ReferenceLogProbs, kind: InterpolationKind = "linear", top_k: int | None = None
) -> LearnedCoefficients:
    """Fit a gating network, from the best constants; with ``top_k``, from those of as many members.

    Raises:
        ConfigError: ``top_k`` is not from 1 to the number of members.
        DataError: there is no reference token.
    """
    _require_tokens(statistics)
    m = len(statistics.token_log_probs)
    if top_k is not None and not 1 <= top_k <= m:
        raise ConfigError(f"expected top_k from 1 to {m}, found {top_k}")
    gate = train_gate(statistics, _best_constants(statistics, kind, top_k or m), kind, top_k)
    return _with_likelihoods(statistics, kind, _gate_weights(gate, statistics).mean(dim=1), gate)


def _gate_weights(gate: SoftmaxGate, statistics: ReferenceLogProbs) -> Tensor:
    """Return the weights (M, T) that a gate gives at the reference tokens."""
    features = statistics.features_before_step(gate) if gate.lagged else statistics.features
    return gate.weights(features, statistics.steps)


def _best_constants(statistics: ReferenceLogProbs, kind: InterpolationKind, n: int) -> Tensor:
    """Return weights (M,) over the best ``n`` members: learned or uniform ones, whichever are likelier."""
    m = len(statistics.token_log_probs)
    starts = []
    for members in combinations(range(m), n):
        learned, _ = fit_linear_weights(statistics.token_log_probs[list(members)])
        for weights in (learned, torch.full_like(learned, 1 / n)):
            starts.append(weights.new_zeros(m).index_copy(0, torch.tensor(members), weights))
    return max(starts, key=lambda start: float(reference_log_likelihood(statistics, start, kind).mean()))


def _with_likelihoods(
    statistics: ReferenceLogProbs, kind: InterpolationKind, weights: Tensor, gate: SoftmaxGate | None = None
) -> LearnedCoefficients:
    m = len(weights)
    uniform = float(reference_log_likelihood(statistics, torch.full((m,), 1 / m), kind).mean())
    coefficients = LearnedCoefficients(kind, statistics.names, tuple(weights.tolist()), 0.0, uniform, gate)
    learned = float(coefficients.token_log_probs(statistics).mean())
    return LearnedCoefficients(kind, statistics.names, coefficients.weights, learned, uniform, gate)


def _require_tokens(statistics: ReferenceLogProbs) -> None:
    if statistics.token_log_probs.shape[1] == 0:
        raise DataError("expected development sentences with references, found no token: give some")
