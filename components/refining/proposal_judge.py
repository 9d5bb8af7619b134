"""Acceptance of texts that other nodes propose; imports no model unless the gate needs one."""

from __future__ import annotations

from collections.abc import Sequence

from components.records import NBest, Outcome, Utterance
from components.refining.config import RoundsConfig
from components.refining.decisions import Estimates, Proposal, decide


class AcceptanceGate:
    """Estimates the text before a round and the proposal, by a row of :data:`.acceptance.GATES`."""

    def __init__(self, config: RoundsConfig, store: str | None) -> None:
        self._estimate = None
        if config.gate != "off":
            from components.refining import acceptance  # noqa: PLC0415 - imports torch

            acceptance.check(config)
            self._estimate = acceptance.GATES[config.gate](config, store)

    def estimate(
        self, items: Sequence[Utterance], before: Sequence[str], proposed: Sequence[str]
    ) -> list[Estimates]:
        """Estimate the text before the round and the proposal of each utterance."""
        if self._estimate is None:
            return [Estimates()] * len(items)
        new = self._estimate(items, proposed)
        old = self._estimate(items, before)
        return [Estimates(*pair) for pair in zip(old, new, strict=True)]


class ProposalJudge:
    """Decides on what other nodes propose: the body of a ``loop`` node."""

    def __init__(self, config: RoundsConfig, store: str | None = None) -> None:
        self._config = config
        self._gate = AcceptanceGate(config, store)

    def judge_round(
        self, items: Sequence[Utterance], history: Sequence[Sequence[NBest]], proposals: Sequence[NBest]
    ) -> list[Outcome]:
        """Decide on a round whose proposals are the first hypotheses of ``proposals``.

        Args:
            items: the utterances.
            history: their rounds so far, the draft first.
            proposals: what is proposed for each.
        """
        texts = [past[-1].best.text for past in history]
        bests = [proposal.best for proposal in proposals]
        estimates = self._gate.estimate(items, texts, [best.text for best in bests])
        outcomes: list[Outcome] = []
        for past, best, values in zip(history, bests, estimates, strict=True):
            words = best.decision.feedback if best.decision else None
            proposal = Proposal(best.text, words or None, best.score, best.segments)
            outcomes.append(decide(past, proposal, values, self._config, best.system))
        return outcomes
