"""Acceptance of texts that other nodes propose; imports no model unless the gate needs one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from components.errors import ConfigError
from components.records import Hypothesis, NBest, Outcome, Utterance
from components.refining.config import ESTIMATE, RoundsConfig
from components.refining.judging.decisions import Estimates, Proposal, decide
from components.refining.judging.stopping import is_good_enough
from components.text.text_confidence import estimates_of, find_common_estimate, quality_of


class AcceptanceGate:
    """Estimates the text before a round and the proposal.

    By a row of :data:`.acceptance.GATES`, and by a fitted estimator where the gate or a stop rule needs one.
    """

    def __init__(self, config: RoundsConfig, store: str | None) -> None:
        self._config, self._estimate, self._annotator = config, None, None
        if config.estimator is not None:
            from components.refining.judging.fitted_estimates import Annotator  # noqa: PLC0415 - imports numpy

            self._annotator = Annotator(config.estimator, config.estimate, store)
        if config.gate not in ("off", ESTIMATE):
            from components.refining.judging import gates  # noqa: PLC0415 - imports torch

            gates.check(config)
            self._estimate = gates.GATES[config.gate](config, store)

    def annotate(
        self, items: Sequence[Utterance], texts: Sequence[NBest], others: Sequence[Mapping[str, NBest]] = ()
    ) -> list[NBest]:
        """Return texts with the estimate of the fitted estimator; unchanged where none is set.

        Args:
            items: the utterances.
            texts: of each.
            others: further texts of each that it is compared with, by their numbers.
        """
        return list(texts) if self._annotator is None else self._annotator.annotate(items, texts, others)

    def is_good_enough(self, draft: NBest) -> bool:
        """Return whether the fitted estimate of an annotated draft reaches the threshold of the stop rule."""
        if self._config.stop_estimate is None or ESTIMATE not in self._config.stop:
            return False
        return is_good_enough(draft.best.features[self._name([draft.best])], self._config)

    def estimate(
        self, items: Sequence[Utterance], before: Sequence[Hypothesis], proposed: Sequence[Hypothesis]
    ) -> list[Estimates]:
        """Estimate the text before the round and the proposal of each utterance; both are annotated.

        Raises:
            ConfigError: a text has no fitted estimate, and one is needed.
        """
        new: Sequence[float | None] = [None] * len(items)
        old = new
        if self._config.uses_estimates:
            name = self._name([*before, *proposed])
            if self._config.gate == ESTIMATE:
                new = [quality_of(text, name) for text in proposed]
                old = [quality_of(text, name) for text in before]
        if self._estimate is not None:
            new = self._estimate(items, [text.text for text in proposed])
            old = self._estimate(items, [text.text for text in before])
        if not self._config.uses_estimates:
            return [Estimates(*pair) for pair in zip(old, new, strict=True)]
        rows = zip(old, new, map(estimates_of, before), map(estimates_of, proposed), strict=True)
        return [Estimates(*row) for row in rows]

    def _name(self, texts: Sequence[Hypothesis]) -> str:
        """Return the estimate that decides, which all texts must have."""
        named = self._config.estimate if self._annotator is None else self._annotator.estimate
        name = find_common_estimate(texts) if named is None else named
        if name is None or any(name not in text.features for text in texts):
            raise ConfigError(
                f"expected texts with {name or 'an estimate'}, found one without; say estimator, or put "
                "nodes of kind estimate before the loop and at the end of its body"
            )
        return name


def annotate_drafts(
    gate: AcceptanceGate, items: Sequence[Utterance], history: Sequence[Sequence[NBest]]
) -> list[list[NBest]]:
    """Return histories whose drafts have the fitted estimate; texts after rounds have it already."""
    fresh = [number for number, past in enumerate(history) if len(past) == 1]
    drafts = gate.annotate([items[n] for n in fresh], [history[n][0] for n in fresh]) if fresh else []
    annotated = [list(past) for past in history]
    for number, draft in zip(fresh, drafts, strict=True):
        annotated[number] = [draft]
    return annotated


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
        history = annotate_drafts(self._gate, items, history)
        bests = [proposal.best for proposal in self._gate.annotate(items, proposals)]
        estimates = self._gate.estimate(items, [past[-1].best for past in history], bests)
        outcomes: list[Outcome] = []
        for past, best, values in zip(history, bests, estimates, strict=True):
            words = best.decision.feedback if best.decision else None
            proposal = Proposal(best.text, words or None, best.score, best.segments)
            outcomes.append(decide(past, proposal, values, self._config, best.system))
        return outcomes
