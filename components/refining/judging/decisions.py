"""Decisions on proposals: accepted or not, and whether the utterance goes on.

A round's outcome is an n-best list whose first hypothesis is the text after the round; a rejected proposal is
the second. The first one's ``decision`` holds the outcome and the critic's feedback, its ``features`` the
gate's estimates (and the seconds).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from components.records import Decision, Hypothesis, NBest, Segment
from components.refining.config import ESTIMATE, RoundsConfig
from components.refining.judging.stopping import RefinementHistory, stop_reason
from components.text.languages import UNDETERMINED
from components.text.matching.retiming import retime
from components.text.text_confidence import estimates_of


class Proposal(NamedTuple):
    """A proposed text, the critic's feedback on the text before, and log P of it (nats) if known.

    ``segments`` are its times where its maker knows them; else its words get the times of the text before.
    ``counts`` are those of a served model.
    """

    text: str
    feedback: str | None
    score: float | None
    segments: tuple[Segment, ...] = ()
    counts: Mapping[str, float] = MappingProxyType({})


_NONE: Mapping[str, float] = MappingProxyType({})


class Estimates(NamedTuple):
    """The gate's estimates of the text before the round and of the proposal; None without a gate.

    ``fitted_before`` and ``fitted_proposed`` are those of a fitted estimator by name, where one is used.
    """

    before: float | None = None
    proposed: float | None = None
    fitted_before: Mapping[str, float] = _NONE
    fitted_proposed: Mapping[str, float] = _NONE

    @property
    def is_accepted(self) -> bool:
        """Whether the proposal is accepted: its estimate is higher (not equal), or there is no gate."""
        return self.before is None or self.proposed is None or self.proposed > self.before


def has_stopped(past: Sequence[NBest]) -> bool:
    """Return whether an utterance has stopped.

    Args:
        past: the draft and its rounds so far. Rounds that an earlier refinement of the draft had do not
            count.
    """
    decision = past[-1].best.decision if len(past) > 1 else None
    return decision is not None and decision.stopped is not None


def decide(
    past: Sequence[NBest],
    proposal: Proposal,
    estimates: Estimates,
    config: RoundsConfig,
    system: str,
    seconds: float = 0.0,
    language: str = UNDETERMINED,
) -> NBest:
    """Decide on a proposal.

    Args:
        past: the draft and its rounds so far.
        proposal: what this round proposes.
        estimates: the gate's estimates.
        config: the settings.
        system: the model that proposed.
        seconds: how long this round took for the utterance.
        language: of the texts.

    Returns:
        The round's outcome.
    """
    before, accepted = past[-1].best, estimates.is_accepted
    total_seconds = seconds + (before.features.get("seconds", 0.0) if len(past) > 1 else 0.0)
    # The last hypothesis of a round is what it proposed, accepted or not.
    earlier = (past[0].best.text, *(outcome.hypotheses[-1].text for outcome in past[1:]))
    estimate = estimates.proposed if accepted else estimates.before
    fitted = estimates.fitted_proposed if accepted else estimates.fitted_before
    trace = RefinementHistory(
        proposals=(*earlier, proposal.text),
        text_before=before.text,
        estimate=estimate,
        fitted=fitted.get(config.estimate or ""),
        seconds=total_seconds,
        feedback=proposal.feedback,
    )
    decision = Decision(
        round=len(past),
        accepted=accepted,
        stopped=stop_reason(trace, config),
        feedback=proposal.feedback or "",
    )
    features = {**_features(estimates, config, total_seconds), **proposal.counts}
    proposed = Hypothesis(
        text=proposal.text,
        score=0.0 if proposal.score is None else proposal.score,
        n_tokens=0 if proposal.score is None else len(proposal.text.split()),
        system=system,
        features={**estimates.fitted_proposed, **features},
        segments=proposal.segments or retime(proposal.text, language, before.segments),
        decision=decision,
    )
    if accepted:
        return past[-1].model_copy(update={"hypotheses": (proposed,)})
    update = {
        "features": {**estimates.fitted_before, **features},
        "decision": decision,
        "tokens": (),
    }
    return past[-1].model_copy(update={"hypotheses": (before.model_copy(update=update), proposed)})


def _features(estimates: Estimates, config: RoundsConfig, seconds: float) -> dict[str, float]:
    features: dict[str, float] = {}
    before, proposed = estimates.before, estimates.proposed
    if before is not None and proposed is not None:
        features = {"gate": proposed if estimates.is_accepted else before}
        features |= {"gate_before": before, "gate_proposed": proposed}
    if config.seconds_budget is not None:  # else outputs would never be the same bytes twice
        features["seconds"] = seconds
    return features


def leave_at_once(draft: NBest) -> NBest:
    """Return the first round's outcome for a draft whose estimate says that nothing need be proposed."""
    best = draft.best
    update = {
        "features": estimates_of(best),
        "decision": Decision(round=1, accepted=False, stopped=ESTIMATE),
        "tokens": (),
    }
    return draft.model_copy(update={"hypotheses": (best.model_copy(update=update),)})
