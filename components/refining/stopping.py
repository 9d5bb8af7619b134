"""Reasons to stop refining an utterance, as rows of a table; each sees all that was done to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from components.refining.config import RoundsConfig

CRITIC_IS_CONTENT = ("none", "none.", "no problems", "no problems.")


@dataclass(frozen=True)
class Trace:
    """What one utterance went through: ``proposals`` begins with the draft (round 0).

    ``kept`` is the text before the last proposal, ``estimate`` the gate's value of what is kept now,
    ``seconds`` what all rounds took, ``feedback`` the critic's last words. A trace is made for one call and
    from its own rounds, so no budget leaks into another.
    """

    proposals: tuple[str, ...]
    kept: str
    estimate: float | None = None
    seconds: float = 0.0
    feedback: str | None = None


def _critic(trace: Trace, config: RoundsConfig) -> bool:
    return trace.feedback is not None and trace.feedback.strip().lower() in CRITIC_IS_CONTENT


def _unchanged(trace: Trace, config: RoundsConfig) -> bool:
    return not config.is_scheduled and trace.proposals[-1] == trace.kept


def _cycle(trace: Trace, config: RoundsConfig) -> bool:
    """A text that was proposed before, however many rounds ago: 2-cycles have no fixed point."""
    return not config.is_scheduled and trace.proposals[-1] in trace.proposals[:-1]


def _quality(trace: Trace, config: RoundsConfig) -> bool:
    wanted = config.stop_quality
    return wanted is not None and trace.estimate is not None and trace.estimate >= wanted


def _seconds(trace: Trace, config: RoundsConfig) -> bool:
    budget = config.seconds_budget
    return budget is not None and trace.seconds >= budget


RULES: dict[str, Callable[[Trace, RoundsConfig], bool]] = {
    "critic": _critic,
    "no_change": _unchanged,
    "cycle": _cycle,
    "quality": _quality,
    "seconds": _seconds,
}
"""In this order, those that ``RoundsConfig.stop`` names. The budget of rounds is the pipeline's: were it a
reason in a round's records, a larger budget could not reuse the round."""


def reason(trace: Trace, config: RoundsConfig) -> str | None:
    """Why to stop after this round, or None."""
    return next((name for name, rule in RULES.items() if name in config.stop and rule(trace, config)), None)
