"""Refinement rounds: propose a text, estimate it, decide."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial

from components.compute.batch_sizes import BatchLimit, ItemTooLargeError
from components.compute.progress import listen, track
from components.decoding.isolation import isolate
from components.endpoints.connection import AnswerError
from components.errors import ConfigError, ModelError
from components.records import Hypothesis, NBest, Outcome, Quarantined, Utterance
from components.refining.config import VERSION, RefineConfig
from components.refining.judging.decisions import Proposal, decide, has_stopped, leave_at_once
from components.refining.judging.proposal_judge import AcceptanceGate, annotate_drafts
from components.refining.methods import METHODS
from components.refining.self_refine import SelfRefiner
from components.text.languages import UNDETERMINED


def _quarantine(item: Utterance, fault: ModelError) -> Quarantined:
    reason = fault.reason if isinstance(fault, AnswerError | ItemTooLargeError) else "no answer"
    return Quarantined(utterance_id=item.id, stage="refine", reason=reason, detail=str(fault))


def _as_nbest(item: Utterance, proposal: Proposal) -> NBest:
    """Return a proposed text as what an estimator reads: it has no tokens, whoever proposed it."""
    hypothesis = Hypothesis(text=proposal.text, score=0.0, n_tokens=0, system="")
    return NBest(utterance_id=item.id, hypotheses=(hypothesis,))


class Refiner:
    """Refines drafts round by round; keeps the batch that memory allows between calls, and nothing else."""

    version: int = VERSION

    def __init__(self, config: RefineConfig, store: str | None = None) -> None:
        self.config, self._limit = config, BatchLimit(config.batch_size)
        self._gate = AcceptanceGate(config, store)
        self.proposer = METHODS[config.method](config, store)

    def run_round(
        self,
        items: Sequence[Utterance],
        history: Sequence[Sequence[NBest]],
        rounds_left: int = 1,
        feedback: Sequence[str] | None = None,
    ) -> list[Outcome]:
        """Run the next round. Stopped utterances stay as they are; unsupported ones are quarantined.

        Args:
            items: the utterances with the text that the draft was made from.
            history: their rounds so far, the draft first.
            rounds_left: rounds still to come, this one among them.
            feedback: a critic's feedback on each text; if None, the method asks for its own where it needs
                any.
        """
        history = annotate_drafts(self._gate, items, history)
        outcomes: dict[int, Outcome] = {
            i: past[-1] if has_stopped(past) else self._refuse(item) or self._leave(past) or past[-1]
            for i, (item, past) in enumerate(zip(items, history, strict=True))
        }
        active = [i for i, past in enumerate(history) if outcomes[i] is past[-1] and not has_stopped(past)]
        size = self.config.batch_size
        for rows in track([active[first : first + size] for first in range(0, len(active), size)]):

            def run(part: Sequence[int]) -> list[NBest]:
                words = None if feedback is None else [feedback[i] for i in part]
                return self._run_batch(
                    [items[i] for i in part], [history[i] for i in part], rounds_left, words
                )

            with listen(None):  # a gate counts its own batches
                results = isolate(partial(self._limit.map, run), rows, (AnswerError, ItemTooLargeError))
            for i, outcome in zip(rows, results, strict=True):
                outcomes[i] = outcome if isinstance(outcome, NBest) else _quarantine(items[i], outcome)
        return [outcomes[i] for i in range(len(items))]

    def _run_batch(
        self,
        items: Sequence[Utterance],
        history: Sequence[Sequence[NBest]],
        rounds_left: int,
        feedback: Sequence[str] | None,
    ) -> list[NBest]:
        start = time.perf_counter()
        texts = [past[-1].best for past in history]
        proposals = self._propose(items, [text.text for text in texts], rounds_left, feedback)
        proposed = self._gate.annotate(items, [_as_nbest(*row) for row in zip(items, proposals, strict=True)])
        estimates = self._gate.estimate(items, texts, [nbest.best for nbest in proposed])
        seconds = (time.perf_counter() - start) / len(items)
        system = self.proposer.checkpoint.reference
        languages = [item.target_language or UNDETERMINED for item in items]
        rows = zip(history, proposals, estimates, languages, strict=True)
        return [
            decide(past, proposal, values, self.config, system, seconds, language)
            for past, proposal, values, language in rows
        ]

    def _leave(self, past: Sequence[NBest]) -> NBest | None:
        """Return the outcome of a draft that is good enough by the fitted estimate: nothing is proposed."""
        return leave_at_once(past[0]) if len(past) == 1 and self._gate.is_good_enough(past[0]) else None

    def _refuse(self, item: Utterance) -> Quarantined | None:
        """Quarantine an utterance in a language without examples: it may have been identified only by now."""
        try:
            self.proposer.check(item)
        except ConfigError as error:
            reason = "unsupported language"
            return Quarantined(utterance_id=item.id, stage="refine", reason=reason, detail=str(error))
        return None

    def _propose(
        self,
        items: Sequence[Utterance],
        texts: Sequence[str],
        rounds_left: int,
        feedback: Sequence[str] | None,
    ) -> list[Proposal]:
        if feedback is None:
            return list(self.proposer.propose(items, texts, rounds_left))
        if not isinstance(self.proposer, SelfRefiner):
            raise ConfigError(f"feedback: expected method self_refine to read it, found {self.config.method}")
        return self.proposer.revise(items, texts, feedback)
