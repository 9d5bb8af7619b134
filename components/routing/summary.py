"""A learned route in sentences: what escalates, what that gains, what it costs, what is guaranteed."""

from __future__ import annotations

from collections.abc import Iterator

from components.metrics.table import label_of
from components.routing.guarantee import KEPT_SHARES, fewest_utterances
from components.routing.route_fit import Guarantee, RouteFit

_SIDES = {"low": "at most", "high": "at least"}


def describe_fit(fit: RouteFit) -> list[str]:
    """Return what was learned, a line each."""
    lines = [_describe_threshold(fit)]
    lines += _describe_quality(fit)
    if fit.costs is not None and fit.cost_share is not None:
        costs = fit.costs
        lines.append(
            f"{costs.at(fit.cost_share):.3g} s of computing per {costs.unit}, between {costs.at(0):.3g} "
            f"(nobody escalates) and {costs.at(1):.3g} (all do)"
        )
    lines += [] if fit.guarantee is None else [_describe_guarantee(fit, fit.guarantee)]
    return lines


def _describe_threshold(fit: RouteFit) -> str:
    rule = (
        f"{fit.by} {_SIDES[fit.doubtful]} {fit.threshold:.4g} escalates" if fit.threshold is not None else ""
    )
    rule = rule or f"{fit.escalates} escalate"
    return f"{rule}: {fit.size} of {fit.n} utterances ({fit.share:.0%}); asked: {fit.objective}"


def _describe_quality(fit: RouteFit) -> Iterator[str]:
    if fit.curve is None or fit.quality is None:
        return
    cheap, expensive = fit.curve.ends
    interval = "" if fit.interval is None else " ({:.2f} to {:.2f})".format(*fit.interval)
    line = f"{label_of(fit.curve.metric)} {fit.quality:.2f}{interval} instead of {cheap:.2f}"
    if (share := gained_share(fit)) is not None:
        yield f"{line}, {share:.0%} of what full escalation gains ({expensive:.2f})"
    else:
        yield f"{line}; full escalation gains nothing ({expensive:.2f})"
    if fit.curve.area is not None and fit.curve.random_area is not None:
        low, high = fit.curve.random_area
        yield (
            f"area of the curve between random (0%) and oracle (100%) routing: {fit.curve.area:.0%} "
            f"(95% of random orders: {low:.0%} to {high:.0%})"
        )


def gained_share(fit: RouteFit) -> float | None:
    """Return the part of full escalation's gain that the threshold keeps; None where there is no gain."""
    if fit.curve is None or fit.quality is None:
        return None
    cheap, expensive = fit.curve.ends
    gain = (expensive - cheap) * (1 if fit.curve.higher_is_better else -1)
    return (fit.quality - cheap) / (expensive - cheap) if gain > 0 else None


def _describe_guarantee(fit: RouteFit, shown: Guarantee) -> str:
    whose = "of all utterances stay and are bad" if shown.among == "all" else "of those that stay are bad"
    facts = (
        f"{shown.bad_outputs} of {fit.n} cheap outputs are bad ({shown.bad}), {shown.kept_bad} of them stay"
    )
    if shown.passed:
        return f"at most {shown.risk:.3g} {whose}, with {shown.confidence:.3g} confidence: {facts}"
    need = fewest_utterances(shown.risk, shown.confidence, 1 if shown.among == "all" else KEPT_SHARES)
    more = f"; it takes {need} utterances at least" if fit.n < need else ""
    return f"no threshold shows that at most {shown.risk:.3g} {whose}, so everything escalates: {facts}{more}"
