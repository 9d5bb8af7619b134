"""Interpolation of several distributions over one vocabulary, in the log domain.

``log_probs`` is (M, ..., V): natural logarithms of M members' probabilities, float32 or wider. ``weights``
and ``coefficients`` are (M,), or (M, ...) where they depend on the context. A log-probability of -inf is a
forbidden token; none of these functions makes NaN of it. What a member of weight zero forbids stays allowed.

Linear interpolation acts as a logical OR (likely if any member finds it likely), log-linear interpolation as
a logical AND (likely only if every member does): Neubig, "Neural Machine Translation and Sequence-to-sequence
Models: A Tutorial" (arXiv:1703.01619), on ensembling; Klakow (ICSLP 1998) for the log-linear form.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from components.decoding.member_settings import Filter
from components.errors import ConfigError

_MAX_EXPONENT = 80.0
"""exp of more than this is too near float32's largest number."""


def interpolate_linearly(log_probs: Tensor, weights: Tensor) -> Tensor:
    """Return the weighted mean of probabilities: log sum_m w_m p_m.

    Args:
        log_probs: (M, ..., V).
        weights: at least 0, summing to 1 over the members.

    Returns:
        Log-probabilities (..., V). Gradients are exact for both arguments, also where a weight is 0.
    """
    values, w = _broadcast_weights(log_probs, weights)
    weighted_values = torch.where(w > 0, values.detach(), -torch.inf)
    highest = _zero_if_forbidden(weighted_values.amax(dim=0))
    total = (w * (values - highest).clamp(max=_MAX_EXPONENT).exp()).sum(dim=0)
    is_possible = total != 0  # NaN passes: it must be seen
    return torch.where(is_possible, highest + torch.where(is_possible, total, 1.0).log(), -torch.inf)


def interpolate_log_linearly(log_probs: Tensor, coefficients: Tensor) -> Tensor:
    """Return the weighted product of probabilities: log (prod_m p_m ** c_m / Z).

    Args:
        log_probs: (M, ..., V); logits give the same result, because the members' normalizers cancel.
        coefficients: any finite numbers.

    Returns:
        Log-probabilities (..., V), normalized over V. A token that any member of non-zero coefficient forbids
        is forbidden, also where the coefficient is negative; a row of forbidden tokens only stays -inf.
    """
    values, c = _broadcast_weights(log_probs, coefficients)
    forbidden = (values == -torch.inf) & (c != 0)
    allowed = torch.where(values == -torch.inf, 0.0, values)
    return normalize((c * allowed).sum(dim=0).masked_fill(forbidden.any(dim=0), -torch.inf))


def apply_negative_evidence(
    core: Tensor,
    positive: Tensor,
    negative: Tensor,
    strength: float | Tensor,
    plausibility: float | None = None,
    filter: Filter = "before",  # noqa: A002 - the papers' word
) -> Tensor:
    """Pull a core model to a positive and away from a negative one: core * (positive / negative) ** strength.

    All three are log-probabilities (..., V), and so is the result, which is normalized.

    Domain differential adaptation (Dou et al., 2019, arXiv:1910.02555) with language models in and out of
    the domain, DExperts (Liu et al., 2021, arXiv:2105.03023) with an expert and an anti-expert. ``strength``
    is 0 or more, a number or (...). At strength 0 the result is the core.

    ``plausibility`` (0 to 1) keeps only tokens of at least that share of the most likely one's probability
    (Li et al., 2022, arXiv:2210.15097). With ``filter`` "before" it is the core's own probability, as in
    contrastive decoding and as DExperts truncates its base model before mixing; "after" filters the
    mixture's, as proxy-tuning samples (Liu et al., 2024, arXiv:2401.08565). None filters nothing.

    What the core or the positive forbids is forbidden (the positive only at a strength above 0). A token that
    the negative forbids keeps the core's score: neither the negative's nor the positive's evidence counts.
    """
    require_strength(strength, plausibility, filter)
    s = strength.to(core)[..., None] if isinstance(strength, Tensor) else strength
    unknown = (negative == -torch.inf) | (positive == -torch.inf)
    evidence = torch.where(unknown, 0.0, positive - negative)
    scores = core + s * evidence
    is_pulled = s != 0 if isinstance(s, Tensor) else torch.full_like(core, s != 0, dtype=torch.bool)
    scores = scores.masked_fill((positive == -torch.inf) & is_pulled, -torch.inf)
    if plausibility is not None and filter == "before":
        scores = scores.masked_fill(~is_plausible(core, plausibility), -torch.inf)
    result = normalize(scores)
    if plausibility is not None and filter == "after":
        result = normalize(result.masked_fill(~is_plausible(result, plausibility), -torch.inf))
    return result


def is_plausible(log_probs: Tensor, share: float) -> Tensor:
    """Return where a token has at least ``share`` of its row's highest probability: booleans (..., V)."""
    if share <= 0:
        return torch.ones_like(log_probs, dtype=torch.bool)
    # Written so that NaN passes: it must be seen.
    return ~(log_probs < log_probs.amax(dim=-1, keepdim=True) + math.log(share))


def normalize(scores: Tensor) -> Tensor:
    """Scores (..., V) -> log-probabilities; a row of nothing but -inf stays as it is."""
    highest = _zero_if_forbidden(scores.detach().amax(dim=-1, keepdim=True))
    total = (scores - highest).exp().sum(dim=-1, keepdim=True)
    return scores - highest - torch.where(total != 0, total, 1.0).log()


def require_strength(strength: float | Tensor, plausibility: float | None, filter: Filter) -> None:  # noqa: A002
    """Raise ConfigError for a negative strength, a plausibility outside 0 to 1, or an unknown filter."""
    value = torch.as_tensor(strength)
    if not bool(value.isfinite().all()) or bool((value < 0).any()):
        raise ConfigError(f"expected a strength of at least 0, found {strength}")
    if plausibility is not None and not 0 <= plausibility <= 1:
        raise ConfigError(f"expected a plausibility from 0 to 1 or none, found {plausibility}")
    if filter not in ("before", "after"):
        raise ConfigError(f'expected filter "before" or "after", found {filter!r}')


def _broadcast_weights(log_probs: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """Return both in float32 or wider; the weights get a dimension for every one of ``log_probs``."""
    if log_probs.dim() < 2 or weights.shape[:1] != log_probs.shape[:1]:
        raise ConfigError(
            "expected one weight per member, found weights of shape "
            f"{tuple(weights.shape)} for log-probabilities of shape {tuple(log_probs.shape)}"
        )
    if weights.dim() > 1 and weights.shape != log_probs.shape[:-1]:
        raise ConfigError(
            f"expected weights of shape {tuple(log_probs.shape[:-1])}, found {tuple(weights.shape)}"
        )
    dtype = torch.promote_types(torch.promote_types(log_probs.dtype, weights.dtype), torch.float32)
    ones = log_probs.dim() - weights.dim()
    return log_probs.to(dtype), weights.to(dtype).reshape(*weights.shape, *([1] * ones))


def _zero_if_forbidden(values: Tensor) -> Tensor:
    return torch.where(values == -torch.inf, 0.0, values)
