"""Reasons to stop refining an utterance, as rows of a table; each sees all that was done to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from components.refining.config import RoundsConfig

CRITIC_IS_CONTENT = ("none", "none.", "no problems", "no problems.")


@dataclass(frozen=True)
class RefinementHistory:
    """What one utterance went through: ``proposals`` begins with the draft (round 0).

    ``kept`` is the text before the last proposal, ``estimate`` the gate's value of what is kept now,
    ``seconds`` what all rounds took, ``feedback`` the critic's last words. A trace is made for one call and
    from its own rounds, so no budget leaks into another.
    """

    proposals: tuple[str, ...]
    text_before: str
    estimate: float | None = None
    seconds: float = 0.0
    feedback: str | None = None


def _critic_is_content(trace: RefinementHistory, config: RoundsConfig) -> bool:
    return trace.feedback is not None and trace.feedback.strip().lower() in CRITIC_IS_CONTENT


def _is_unchanged(trace: RefinementHistory, config: RoundsConfig) -> bool:
    return not config.is_scheduled and trace.proposals[-1] == trace.text_before


def _is_cycle(trace: RefinementHistory, config: RoundsConfig) -> bool:
    """A text that was proposed before, however many rounds ago: 2-cycles have no fixed point."""
    return not config.is_scheduled and trace.proposals[-1] in trace.proposals[:-1]


def _reaches_quality(trace: RefinementHistory, config: RoundsConfig) -> bool:
    threshold = config.stop_quality
    return threshold is not None and trace.estimate is not None and trace.estimate >= threshold


def _is_out_of_time(trace: RefinementHistory, config: RoundsConfig) -> bool:
    budget = config.seconds_budget
    return budget is not None and trace.seconds >= budget


STOP_RULES: dict[str, Callable[[RefinementHistory, RoundsConfig], bool]] = {
    "critic": _critic_is_content,
    "no_change": _is_unchanged,
    "cycle": _is_cycle,
    "quality": _reaches_quality,
    "seconds": _is_out_of_time,
}
"""In this order, those that ``RoundsConfig.stop`` names. The budget of rounds is the pipeline's: were it a
reason in a round's records, a larger budget could not reuse the round."""


def stop_reason(trace: RefinementHistory, config: RoundsConfig) -> str | None:
    """Why to stop after this round, or None."""
    return next(
        (name for name, rule in STOP_RULES.items() if name in config.stop and rule(trace, config)), None
    )
