"""Combiners for the search: the ways to turn several next-token distributions into one.

Each row of :data:`COMBINATIONS` implements :class:`components.decoding.combiner.Combiner`: which members are
active, their constant weights or the gating network that gives weights at every step, and the mixture of one
step. Members of weight zero are never run.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from typing_extensions import override

from components.decoding.combiner import Combiner, Gate, Mixture, mixture_of_one
from components.decoding.member_settings import Filter
from components.ensembling.token_level import interpolation
from components.ensembling.token_level.fused_interpolation import mix_linearly, mix_log_linearly
from components.ensembling.token_level.interpolation import is_plausible, require_strength
from components.errors import ConfigError
from components.kernels.mixing import mix_linearly as mix_in_one
from components.kernels.triton_ready import has_triton

Weights = Sequence[float] | Gate


class _Interpolation(ABC):
    """Members of constant weights, of which those of weight 0 are never run, or with a gate all.

    Args:
        weights: one per member; or a gate that gives them at every step.

    Raises:
        ConfigError: there can be no such weights.
    """

    def __init__(self, weights: Weights) -> None:
        self.gate: Gate | None = None if isinstance(weights, Sequence) else weights
        self.weights = tuple(map(float, weights)) if isinstance(weights, Sequence) else ()
        if self.gate is None:
            self._check_weights()

    @abstractmethod
    def _check_weights(self) -> None:
        """Raise the ConfigError."""

    def active_members(self, n_members: int) -> Sequence[int]:
        """Return members whose weight is not 0; with a gate, all."""
        if self.gate is not None:
            if not self.gate.fits(n_members):
                raise ConfigError(
                    f"expected a gate for {n_members} members, found one for another number: learn it again"
                )
            return tuple(range(n_members))
        if n_members != len(self.weights):
            raise ConfigError(f"expected {n_members} weights, one per member, found {len(self.weights)}")
        return tuple(m for m, weight in enumerate(self.weights) if weight != 0)

    def constant_weights(self) -> Tensor:
        """Return the weights that are not 0."""
        return torch.tensor([weight for weight in self.weights if weight != 0])


class LinearInterpolation(_Interpolation):
    """Weighted mean of probabilities: log sum_m w_m p_m; weights are at least 0 and sum to 1."""

    @override
    def _check_weights(self) -> None:
        if any(not math.isfinite(w) or w < 0 for w in self.weights) or abs(sum(self.weights) - 1) > 1e-4:
            raise ConfigError(f"expected weights of at least 0 that sum to 1, found {self.weights}")

    def __call__(self, scores: Sequence[Tensor], weights: Tensor, exact: bool = False) -> Mixture:
        """Mix one step, as :class:`components.decoding.combiner.Combiner` says."""
        if len(scores) == 1:
            return mixture_of_one(scores[0])
        w = _per_row(weights, scores)
        fast = mix_linearly(scores, w) if _may_be_fast(scores, exact) else None
        if fast:
            return Mixture(*fast)
        if scores[0].device.type == "cuda" and has_triton():
            return Mixture(*mix_in_one(scores, w))
        if scores[0].device.type != "cpu":  # the same in fewer kernels, where no gradient is asked for
            return _mix_in_log_domain(scores, lambda log_probs: (log_probs + w.log()[..., None]).logsumexp(0))
        return _mix_in_log_domain(scores, lambda log_probs: interpolation.interpolate_linearly(log_probs, w))


class LogLinearInterpolation(_Interpolation):
    """Weighted product of probabilities: log (prod_m p_m ** c_m / Z); coefficients are any finite numbers."""

    @override
    def _check_weights(self) -> None:
        if not all(map(math.isfinite, self.weights)) or not any(self.weights):
            raise ConfigError(f"expected finite coefficients, not all of them 0, found {self.weights}")

    def __call__(self, scores: Sequence[Tensor], weights: Tensor, exact: bool = False) -> Mixture:
        """Mix one step, as :class:`components.decoding.combiner.Combiner` says."""
        is_alone = len(scores) == 1 and self.gate is None and set(self.weights) <= {0.0, 1.0}
        c = _per_row(weights, scores)
        if is_alone or (len(scores) == 1 and c.device.type == "cpu" and bool((c == 1).all())):
            return mixture_of_one(scores[0])
        fast = mix_log_linearly(scores, c) if _may_be_fast(scores, exact) else None
        if fast:
            return Mixture(*fast)
        return _mix_in_log_domain(
            scores, lambda log_probs: interpolation.interpolate_log_linearly(log_probs, c)
        )


class NegativeEvidence:
    """A core model, pulled to a positive and away from a negative one: three members, in this order.

    Formula and sources: :func:`.interpolation.apply_negative_evidence`. At strength 0 only the core is run.
    """

    gate: Gate | None = None

    def __init__(
        self,
        strength: float,
        plausibility: float | None = None,
        filter: Filter = "before",  # noqa: A002 - the papers' word
    ) -> None:
        require_strength(strength, plausibility, filter)
        self.strength, self.plausibility, self.filter = strength, plausibility, filter

    def active_members(self, n_members: int) -> Sequence[int]:
        """Return the core; above strength 0 all three."""
        if n_members != 3:
            raise ConfigError(f"expected three members (core, positive, negative), found {n_members}")
        return (0,) if self.strength == 0 else (0, 1, 2)

    def constant_weights(self) -> Tensor:
        """Return 1, strength and -strength."""
        return torch.tensor([1.0] if self.strength == 0 else [1.0, self.strength, -self.strength])

    def __call__(self, scores: Sequence[Tensor], weights: Tensor, exact: bool = False) -> Mixture:
        """Mix one step, as :class:`components.decoding.combiner.Combiner` says."""
        mask = self._plausibility_mask(scores[0])
        w = _per_row(weights, scores)
        fast = mix_log_linearly(scores, w, mask) if _may_be_fast(scores, exact) else None
        if fast is None:
            return _mix_in_log_domain(scores, self._mix_log_probs)
        log_probs, log_normalizers = fast
        if self.plausibility is not None and self.filter == "after":
            log_probs.masked_fill_(~is_plausible(log_probs, self.plausibility), -torch.inf)
            torch.log_softmax(log_probs.clone(), dim=-1, out=log_probs)
        return Mixture(log_probs, log_normalizers)

    def _plausibility_mask(self, core: Tensor) -> Callable[[Tensor, slice], Tensor] | None:
        share = self.plausibility
        if share is None or self.filter == "after":
            return None
        return lambda mixture, rows: mixture.masked_fill_(~is_plausible(core[rows], share), -torch.inf)

    def _mix_log_probs(self, log_probs: Tensor) -> Tensor:
        core, positive, negative = log_probs[0], log_probs[-1 if len(log_probs) == 1 else 1], log_probs[-1]
        return interpolation.apply_negative_evidence(
            core, positive, negative, self.strength, self.plausibility, self.filter
        )


COMBINATIONS: dict[str, Callable[..., Combiner]] = {
    "linear": LinearInterpolation,
    "log_linear": LogLinearInterpolation,
    "negative_evidence": NegativeEvidence,
}
"""Name, as in ``combine.method`` -> combiner."""


def _may_be_fast(scores: Sequence[Tensor], exact: bool) -> bool:
    """Whether to mix in float32's range, and look whether it sufficed: on the CPU, where a look is free."""
    return not exact and scores[0].device.type == "cpu"


def _per_row(weights: Tensor, scores: Sequence[Tensor]) -> Tensor:
    """Weights (M,) or (M, R) -> (M, R), on the device of the scores."""
    weights = weights.to(scores[0].device)
    return weights[:, None].expand(-1, len(scores[0])) if weights.dim() == 1 else weights


def _mix_in_log_domain(scores: Sequence[Tensor], mix: Callable[[Tensor], Tensor]) -> Mixture:
    """The mixture by ``mix`` of normalized log-probabilities (M, R, V): slower, and exact everywhere."""
    stacked = torch.stack(list(scores))
    member_log_probs = torch.log_softmax(stacked, dim=-1)
    log_normalizers = stacked.amax(dim=-1) - member_log_probs.amax(dim=-1)
    return Mixture(mix(member_log_probs), log_normalizers)
