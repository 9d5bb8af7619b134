"""A gating network that weights an ensemble's members at every token: a linear layer and a softmax.

Its inputs are the features of ``gate_features``, four per member, and the position.
With ``top_k`` it gives weight to that many members only, and decides before they are run (it is ``lagged``),
so that the others are not run at all (Shazeer et al., 2017, arXiv:1701.06538, top-k gating without noise).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from components.decoding.mixing.gate_features import N_FEATURES
from components.ensembling.token_level import interpolation
from components.ensembling.token_level.learning.reference_log_probs import ReferenceLogProbs
from components.errors import ConfigError

_BLOCK_TOKENS = 64
"""Tokens whose distributions are mixed at a time, so that memory stays bounded."""
_POSITION_SCALE = 50.0
"""Positions are divided by this number of tokens, to be of the size of the other inputs."""
_PENALTY = 1e-3
"""Of the squared norm of a gate's matrix, in nats per token."""


@dataclass(frozen=True)
class SoftmaxGate:
    """Weights of M members: softmax(matrix @ (inputs - means) / scales + bias).

    Implements :class:`components.decoding.combiner.Gate`.

    Attributes:
        matrix: (M, M * F + 1); the inputs are F features of every member, and the position.
        bias: (M,).
        means: (M * F + 1,) of the inputs on the development set.
        scales: (M * F + 1,), their standard deviations.
        top_k: members that get a weight above 0; all without it.
    """

    matrix: Tensor
    bias: Tensor
    means: Tensor
    scales: Tensor
    top_k: int | None = None
    _placed: dict[torch.device, tuple[Tensor, ...]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    @property
    def lagged(self) -> bool:
        """Whether it decides before the members are run, as sparse gates do."""
        return self.top_k is not None

    def fits(self, n_members: int) -> bool:
        """Return whether it was learned for this number of members."""
        return len(self.bias) == n_members

    def __call__(self, features: Tensor, steps: Tensor) -> Tensor:
        """Return weights (M, R), float32, for features (M, R, F) after ``steps`` (R,) tokens."""
        return self.weights(features, steps).float()

    def weights(self, features: Tensor, steps: Tensor) -> Tensor:
        """Return weights (M, R) where every row has its own number of tokens: ``steps`` (R,)."""
        inputs = gate_inputs(features, steps)
        matrix, bias, means, scales = self._parameters_on(inputs.device)
        scores = (inputs - means) / scales @ matrix.T + bias
        return sparse_softmax(scores, self.top_k).T

    def _parameters_on(self, device: torch.device) -> tuple[Tensor, ...]:
        """Return the matrix, bias, means and scales in float64 on the device, copied there once."""
        if device not in self._placed:
            parameters = (self.matrix, self.bias, self.means, self.scales)
            self._placed[device] = tuple(tensor.to(device, torch.float64) for tensor in parameters)
        return self._placed[device]

    def to_json(self) -> dict[str, Any]:
        """Return the gate as JSON values."""
        tensors = {name: getattr(self, name).tolist() for name in ("matrix", "bias", "means", "scales")}
        return {**tensors, "top_k": self.top_k}

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> SoftmaxGate:
        """Return the gate that :meth:`to_json` gave.

        Raises:
            ConfigError: a field is missing, or the sizes do not fit together.
        """
        try:
            matrix, bias, means, scales = (
                torch.tensor(fields[name], dtype=torch.float64)
                for name in ("matrix", "bias", "means", "scales")
            )
            gate = cls(matrix, bias, means, scales, fields["top_k"])
        except (KeyError, TypeError, ValueError) as error:
            raise ConfigError(
                f"expected a saved gate (matrix, bias, means, scales, top_k), found another object: {error}"
            ) from error
        width = len(bias) * N_FEATURES + 1
        if matrix.shape != (len(bias), width) or means.shape != (width,) or scales.shape != (width,):
            raise ConfigError(
                f"expected a gate of {len(bias)} by {width} numbers, found {tuple(matrix.shape)}"
            )
        return gate


def gate_inputs(features: Tensor, steps: Tensor) -> Tensor:
    """Features (M, R, F) and steps (R,) -> inputs (R, M * F + 1), float64."""
    flat = features.double().permute(1, 0, 2).flatten(1)
    return torch.cat([flat, steps.double().to(flat)[:, None] / _POSITION_SCALE], dim=1)


def sparse_softmax(scores: Tensor, top_k: int | None) -> Tensor:
    """Return softmax (R, M) over the ``top_k`` highest of each row; the others get exactly 0."""
    if top_k is not None and top_k < scores.shape[1]:
        highest = scores.topk(top_k, dim=1)
        lowest = torch.full_like(scores, -torch.inf)
        scores = lowest.scatter(1, highest.indices, highest.values)
    return scores.softmax(dim=1)


def reference_log_likelihood(statistics: ReferenceLogProbs, weights: Tensor, kind: str) -> Tensor:
    """Return log-probabilities (T,) of the reference tokens in the mixture, float64.

    Args:
        statistics: the members' log-probabilities.
        weights: (M,), or (M, T) where they depend on the token.
        kind: linear or log_linear.

    Raises:
        ConfigError: log_linear without distributions.
    """
    if kind == "linear":
        values = statistics.token_log_probs.double()[..., None]
        return interpolation.interpolate_linearly(values, weights.double())[..., 0]
    if statistics.distributions is None:
        raise ConfigError(
            "expected statistics with distributions for log-linear coefficients, found none: collect them"
        )
    c = (weights.double() if weights.dim() > 1 else weights.double()[:, None]).expand_as(
        statistics.token_log_probs
    )
    normalizers = [
        torch.einsum("mt,mtv->tv", c[:, t : t + _BLOCK_TOKENS], part.double()).logsumexp(dim=-1)
        for t, part in zip(
            range(0, c.shape[1], _BLOCK_TOKENS),
            torch.split(statistics.distributions, _BLOCK_TOKENS, dim=1),
            strict=True,
        )
    ]
    return (c * statistics.token_log_probs.double()).sum(dim=0) - torch.cat(normalizers)


def train_gate(
    statistics: ReferenceLogProbs, start: Tensor, kind: str, top_k: int | None = None
) -> SoftmaxGate:
    """Train the gate of highest likelihood, by L-BFGS from constant weights.

    The objective is the mean log-likelihood per token, less a penalty for the squared norm of the matrix.
    The best gate of all iterations is returned, the constants included, so the result is never below them.
    The features of a sparse gate depend on the members that it ran before; they are replayed for every
    candidate. No gradient reaches a member outside of ``top_k``, so a sparse gate also starts from a gate
    over all members.

    Args:
        statistics: of the development set.
        start: constant weights (M,).
        kind: linear or log_linear.
        top_k: members that get a weight above 0; all without it.
    """
    features = statistics.features if top_k is None else statistics.features_before_step()
    inputs = gate_inputs(features, statistics.steps)
    means, scales = inputs.mean(dim=0), inputs.std(dim=0, unbiased=False).clamp(min=1e-6)
    matrix = torch.zeros((len(start), inputs.shape[1]), dtype=torch.float64)
    constants = SoftmaxGate(matrix, start.double().clamp(min=1e-12).log(), means, scales, top_k)
    gates = [_climb(constants, statistics, inputs, kind)]
    if top_k is not None:
        equal = replace(constants, bias=torch.zeros_like(constants.bias), top_k=None)
        of_all = replace(_climb(equal, statistics, inputs, kind)[1], top_k=top_k)
        gates.append(_climb(of_all, statistics, inputs, kind))
    return max(gates, key=lambda gate: gate[0])[1]


def _climb(
    start: SoftmaxGate, statistics: ReferenceLogProbs, inputs: Tensor, kind: str
) -> tuple[float, SoftmaxGate]:
    """Return the best mean likelihood on the way from a gate, and its gate; sparse ones have own inputs."""
    matrix, bias = (tensor.clone().requires_grad_() for tensor in (start.matrix, start.bias))
    best: list[tuple[float, SoftmaxGate]] = []
    optimizer = torch.optim.LBFGS([matrix, bias], max_iter=60, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        gate = replace(start, matrix=matrix.detach().clone(), bias=bias.detach().clone())
        seen = inputs
        if gate.lagged:
            seen = gate_inputs(statistics.features_before_step(gate), statistics.steps)
        weights = sparse_softmax((seen - gate.means) / gate.scales @ matrix.T + bias, gate.top_k).T
        mean = reference_log_likelihood(statistics, weights, kind).mean()
        value = float(mean.detach())
        if math.isfinite(value) and (not best or value > best[0][0]):
            best[:] = [(value, gate)]
        loss = _PENALTY * matrix.square().sum() - mean
        torch.autograd.backward(loss)
        return loss

    optimizer.step(closure)  # type: ignore[no-untyped-call]
    return best[0]
