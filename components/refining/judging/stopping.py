"""Stop rules of refinement, as a table; each sees the utterance's whole history."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from components.refining.config import RoundsConfig
from components.text.text_confidence import QUALITIES

CRITIC_IS_CONTENT = ("none", "none.", "no problems", "no problems.")


@dataclass(frozen=True)
class RefinementHistory:
    """The rounds of one utterance so far.

    Attributes:
        proposals: all proposed texts, the draft (round 0) first.
        text_before: the text before the last proposal.
        estimate: the gate's estimate of the text after it.
        fitted: what the fitted estimator says of that text, on the estimate's own scale.
        seconds: what all rounds took.
        feedback: the critic's last feedback.
    """

    proposals: tuple[str, ...]
    text_before: str
    estimate: float | None = None
    fitted: float | None = None
    seconds: float = 0.0
    feedback: str | None = None


def _critic_is_content(history: RefinementHistory, config: RoundsConfig) -> bool:
    return history.feedback is not None and history.feedback.strip().lower() in CRITIC_IS_CONTENT


def _is_unchanged(history: RefinementHistory, config: RoundsConfig) -> bool:
    return not config.is_scheduled and history.proposals[-1] == history.text_before


def _is_cycle(history: RefinementHistory, config: RoundsConfig) -> bool:
    """Return whether the text was proposed before, however many rounds ago: a 2-cycle has no fixed point."""
    return not config.is_scheduled and history.proposals[-1] in history.proposals[:-1]


def _reaches_quality(history: RefinementHistory, config: RoundsConfig) -> bool:
    threshold = config.stop_quality
    return threshold is not None and history.estimate is not None and history.estimate >= threshold


def _reaches_estimate(history: RefinementHistory, config: RoundsConfig) -> bool:
    return history.fitted is not None and is_good_enough(history.fitted, config)


def is_good_enough(fitted: float, config: RoundsConfig) -> bool:
    """Return whether a fitted estimate reaches the threshold, from the side on which quality lies."""
    if config.stop_estimate is None or config.estimate is None:
        return False
    quality = QUALITIES[config.estimate]
    return quality(fitted) >= quality(config.stop_estimate)


def _is_out_of_time(history: RefinementHistory, config: RoundsConfig) -> bool:
    budget = config.seconds_budget
    return budget is not None and history.seconds >= budget


STOP_RULES: dict[str, Callable[[RefinementHistory, RoundsConfig], bool]] = {
    "critic": _critic_is_content,
    "no_change": _is_unchanged,
    "cycle": _is_cycle,
    "quality": _reaches_quality,
    "estimate": _reaches_estimate,
    "seconds": _is_out_of_time,
}
"""Stop rules; those that ``RoundsConfig.stop`` names are asked in this order.

The budget of rounds is not among them: were it a reason in a round's records, a larger budget could not reuse
the round.
"""


def stop_reason(history: RefinementHistory, config: RoundsConfig) -> str | None:
    """Return the first rule that says to stop after this round, or None."""
    return next(
        (name for name, rule in STOP_RULES.items() if name in config.stop and rule(history, config)), None
    )
