"""Learning a threshold: how many of a development set escalate for a budget, a target or a guarantee."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from components.errors import DataError
from components.metrics.statistics.bootstrap import FloatArray
from components.routing.cost_quality import Cuts, find_cuts, interval_at, trace_curve
from components.routing.guarantee import bound_share_of_all, bound_share_of_kept
from components.routing.objective import MIN_UTTERANCES, GuaranteeSettings, Objective, Target
from components.routing.route_fit import Doubtful, Guarantee, RouteFit, TierCosts, to_finite
from components.routing.rung_outputs import RungOutputs

_BOUNDS = {"all": bound_share_of_all, "kept": bound_share_of_kept}
_ROUNDING = 1e-9
"""0.3 of ten utterances is three, whatever binary fractions say."""


@dataclass(frozen=True)
class DevelopmentSet:
    """What a threshold is learned from.

    Attributes:
        by: the number that decides.
        doubtful: the end of it that escalates.
        values: that number (n,) of every utterance.
        units: what each of them costs, relative to the others: seconds of audio, or 1.
        outputs: statistics of both rungs, where there are references.
        bad: whether the cheap output of each is bad, where that is asked.
        costs: of the rungs, where both are known.
        predictor: what gives the number, where it is predicted; ``values`` are then those of held-out ones.
    """

    by: str
    doubtful: Doubtful
    values: FloatArray
    units: FloatArray
    outputs: RungOutputs | None = None
    bad: NDArray[np.bool_] | None = None
    costs: TierCosts | None = None
    predictor: dict[str, object] | None = None


def learn_route(dev: DevelopmentSet, objective: Objective) -> RouteFit:
    """Learn the threshold, and what it is worth where references say so.

    Raises:
        DataError: too few utterances, or the objective cannot be reached.
    """
    if objective.target or objective.guarantee:
        require_enough(len(dev.values), objective.parts[0])
    values = np.asarray([to_finite(value) for value in dev.values.tolist()])
    cuts = find_cuts(-values if dev.doubtful == "low" else values)
    n, bound = len(cuts), _choose_size(dev, cuts, objective)
    size = n if bound is None else bound
    has_threshold = 0 < size < n
    fit = RouteFit(
        by=dev.by,
        doubtful=dev.doubtful,
        escalates="beyond" if has_threshold else "all" if size else "none",
        threshold=float(values[cuts.order[size - 1]]) if has_threshold else None,
        objective=objective.describe(),
        n=n,
        size=size,
        costs=dev.costs,
        predictor=dev.predictor,
        cost_share=float(dev.units[cuts.order[:size]].sum() / dev.units.sum()),
    )
    if objective.guarantee is not None:
        shown = _describe_guarantee(dev, cuts, objective.guarantee, size, passed=bound is not None)
        fit = fit.model_copy(update={"guarantee": shown})
    return fit if dev.outputs is None else _with_worth(fit, cuts, dev.outputs)


def require_enough(n: int, purpose: str) -> None:
    """Refuse too few utterances with references.

    Raises:
        DataError: there are fewer than 50.
    """
    if n < MIN_UTTERANCES:
        raise DataError(
            f"{purpose}: expected at least {MIN_UTTERANCES} development utterances with references, found {n}"
        )


def _choose_size(dev: DevelopmentSet, cuts: Cuts, objective: Objective) -> int | None:
    """Return how many of the development set escalate; None where a guarantee needs all of any data to."""
    if objective.budget is not None:
        return cuts.largest_within(np.arange(len(cuts) + 1.0), objective.budget * len(cuts) + _ROUNDING)
    if objective.budget_seconds is not None:
        return _size_of_seconds(dev, cuts, objective.budget_seconds)
    if objective.target is not None:
        return _size_of_target(dev, cuts, objective.target)
    assert objective.guarantee is not None and dev.bad is not None
    asked = objective.guarantee
    return _BOUNDS[asked.among](cuts, dev.bad, asked.risk, asked.confidence)


def _size_of_seconds(dev: DevelopmentSet, cuts: Cuts, budget: float) -> int:
    costs = dev.costs
    assert costs is not None
    shares = np.concatenate([[0.0], np.cumsum(dev.units[cuts.order])]) / dev.units.sum()
    seconds = np.asarray([costs.at(share) for share in shares.tolist()])
    if seconds[0] > budget:
        raise DataError(
            f"budget_seconds: expected at least the {seconds[0]:.3g} s per {costs.unit} that the cheap rung "
            f"takes, found {budget:g}; the expensive one takes {seconds[-1] - seconds[0]:.3g} s more"
        )
    return cuts.largest_within(seconds, budget + _ROUNDING)


def _size_of_target(dev: DevelopmentSet, cuts: Cuts, target: Target) -> int:
    assert dev.outputs is not None
    metric, sign = dev.outputs.metric, dev.outputs.sign
    quality = dev.outputs.quality_by_size(cuts.order)[cuts.sizes]
    reaches = np.flatnonzero(sign * quality >= sign * target.value - _ROUNDING)
    if reaches.size:
        return int(cuts.sizes[reaches[0]])
    best = int(np.argmax(sign * quality))
    raise DataError(
        f"target: expected {metric.name} {target.value:g} or better, found that {len(cuts)} development "
        f"utterances reach {quality[best]:.2f} at best, with {cuts.sizes[best] / len(cuts):.0%} escalated "
        f"({quality[0]:.2f} with none, {quality[-1]:.2f} with all)"
    )


def _describe_guarantee(
    dev: DevelopmentSet, cuts: Cuts, asked: GuaranteeSettings, size: int, *, passed: bool
) -> Guarantee:
    assert dev.bad is not None
    return Guarantee(
        risk=asked.risk,
        confidence=asked.confidence,
        bad=str(asked.condition),
        among=asked.among,
        bad_outputs=int(dev.bad.sum()),
        kept_bad=int(dev.bad[cuts.order[size:]].sum()),
        passed=passed,
    )


def _with_worth(fit: RouteFit, cuts: Cuts, outputs: RungOutputs) -> RouteFit:
    """Return the route with its curve, and the quality at its threshold."""
    update = {
        "curve": trace_curve(cuts, outputs),
        "quality": float(outputs.quality_by_size(cuts.order)[fit.size]),
        "interval": interval_at(cuts, outputs, fit.size),
    }
    return fit.model_copy(update=update)
