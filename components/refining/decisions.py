"""What becomes of a proposal: accepted or not, and whether its utterance goes on.

A round's outcome is an n-best whose first hypothesis is what stays; a rejected proposal follows it. The
first one's ``decision`` says what happened, its ``features`` hold the gate's estimates (and the seconds).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from components.records import Decision, Hypothesis, NBest
from components.refining.config import RoundsConfig
from components.refining.stopping import RefinementHistory, stop_reason


class Proposal(NamedTuple):
    """What a round proposes, the critic's words on what it replaces, and log P of the proposal (nats)."""

    text: str
    feedback: str | None
    score: float


class Estimates(NamedTuple):
    """The gate's values of the text before and of the proposal; None without a gate."""

    before: float | None = None
    proposed: float | None = None

    @property
    def is_accepted(self) -> bool:
        """Whether the proposal takes the text's place; an equal estimate is no rise."""
        return self.before is None or self.proposed is None or self.proposed > self.before


def has_stopped(past: Sequence[NBest]) -> bool:
    """Whether an utterance goes no further. ``past``: the draft and its rounds; the draft's own are over."""
    decision = past[-1].best.decision if len(past) > 1 else None
    return decision is not None and decision.stopped is not None


def decide(
    past: Sequence[NBest],
    proposal: Proposal,
    estimates: Estimates,
    config: RoundsConfig,
    system: str,
    seconds: float = 0.0,
) -> NBest:
    """The outcome of the round after ``past`` (the draft first). ``system`` names who proposed."""
    before, accepted = past[-1].best, estimates.is_accepted
    total_seconds = seconds + (before.features.get("seconds", 0.0) if len(past) > 1 else 0.0)
    earlier = (past[0].best.text, *(_proposed_text(outcome) for outcome in past[1:]))
    estimate = estimates.proposed if accepted else estimates.before
    trace = RefinementHistory(
        (*earlier, proposal.text), before.text, estimate, total_seconds, proposal.feedback
    )
    decision = Decision(
        round=len(past),
        accepted=accepted,
        stopped=stop_reason(trace, config),
        feedback=proposal.feedback or "",
    )
    proposed = Hypothesis(
        text=proposal.text,
        score=proposal.score,
        n_tokens=len(proposal.text.split()),
        system=system,
        features=_features(estimates, config, total_seconds),
        decision=decision,
    )
    if accepted:
        return past[-1].model_copy(update={"hypotheses": (proposed,)})
    update = {"features": proposed.features, "decision": decision, "tokens": ()}
    return past[-1].model_copy(update={"hypotheses": (before.model_copy(update=update), proposed)})


def _features(estimates: Estimates, config: RoundsConfig, seconds: float) -> dict[str, float]:
    features: dict[str, float] = {}
    before, proposed = estimates
    if before is not None and proposed is not None:
        features = {"gate": proposed if estimates.is_accepted else before}
        features |= {"gate_before": before, "gate_proposed": proposed}
    if config.seconds_budget is not None:  # else outputs would never be the same bytes twice
        features["seconds"] = seconds
    return features


def _proposed_text(outcome: NBest) -> str:
    """What a round proposed, accepted or not."""
    return outcome.hypotheses[-1].text
