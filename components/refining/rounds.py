"""One round over a batch: propose, estimate, accept or keep, and say whether and why to stop.

A round's outcome is an n-best whose first hypothesis is what is kept; a rejected proposal follows it. The
features of the first tell the round's story; its ``system`` names the model, the decision, and the critic's
words, so that all of it is stored and shown.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from components.records import Hypothesis, NBest, Outcome, Utterance
from components.refining import gates
from components.refining.config import RefineConfig
from components.refining.networks import METHODS
from components.refining.selfrefine import Proposal
from components.refining.stopping import RULES, Trace, reason

REASONS = tuple(RULES)


class Refiner:
    """Refines drafts round by round; holds no state between calls. ``version`` changes when outputs do."""

    version: int = 2

    def __init__(self, config: RefineConfig, store: str | None = None) -> None:
        gates.check(config)
        self.config = config
        self.editor = METHODS[config.method](config, store)
        self.checkpoint = self.editor.checkpoint
        self._estimate = None if config.gate == "off" else gates.GATES[config.gate](config, store)

    def round(
        self, items: Sequence[Utterance], history: Sequence[Sequence[NBest]], left: int = 1
    ) -> list[Outcome]:
        """The next round. ``history[i]`` are utterance i's rounds so far, the draft first; ``left`` counts
        the rounds still to come, this one among them. Stopped utterances are handed on as they are."""
        going = [i for i, past in enumerate(history) if not past[-1].best.features.get("stopped")]
        done = {i: past[-1] for i, past in enumerate(history)}
        for first in range(0, len(going), self.config.batch_size):
            rows = going[first : first + self.config.batch_size]
            outcomes = self._batch([items[i] for i in rows], [history[i] for i in rows], left)
            done |= dict(zip(rows, outcomes, strict=True))
        return [done[i] for i in range(len(items))]

    def _batch(
        self, items: Sequence[Utterance], history: Sequence[Sequence[NBest]], left: int
    ) -> list[NBest]:
        begun = time.perf_counter()
        kept = [past[-1].best.text for past in history]
        proposals = self.editor.propose(items, kept, left)
        new = self._estimates(items, [proposal.text for proposal in proposals])
        old = self._estimates(items, kept)
        seconds = (time.perf_counter() - begun) / len(items)
        rows = zip(history, proposals, old, new, strict=True)
        return [self._outcome(past, proposal, (a, b), seconds) for past, proposal, a, b in rows]

    def _estimates(self, items: Sequence[Utterance], texts: Sequence[str]) -> list[float | None]:
        return [None] * len(items) if self._estimate is None else list(self._estimate(items, texts))

    def _outcome(
        self,
        past: Sequence[NBest],
        proposal: Proposal,
        estimates: tuple[float | None, float | None],
        seconds: float,
    ) -> NBest:
        before, (old, new) = past[-1].best, estimates
        accepted = new is None or old is None or new > old
        spent = before.features.get("seconds", 0.0) + seconds
        earlier = [past[0].best.text, *(_proposal(one) for one in past[1:])]
        trace = Trace(
            (*earlier, proposal.text), before.text, new if accepted else old, spent, proposal.feedback
        )
        why = reason(trace, self.config)
        features = {"round": float(len(past)), "accepted": float(accepted)}
        features |= {"stopped": float(REASONS.index(why) + 1)} if why else {}
        if old is not None and new is not None:
            features |= {"gate": new if accepted else old, "gate_before": old, "gate_proposed": new}
        if self.config.stop_seconds is not None:  # else outputs would never be the same bytes twice
            features["seconds"] = spent
        said = f"; critic: {proposal.feedback}" if proposal.feedback else ""
        story = f"{'accepted' if accepted else 'rejected'}{f'; stopped: {why}' if why else ''}{said}"
        proposed = Hypothesis(
            text=proposal.text,
            score=proposal.score,
            n_tokens=len(proposal.text.split()),
            system=f"{self.checkpoint.reference}: {story}",
            features=features,
        )
        if accepted:
            best: tuple[Hypothesis, ...] = (proposed,)
        else:
            kept = before.model_copy(update={"features": features, "system": f"kept: {story}", "tokens": ()})
            best = (kept, proposed)
        return past[-1].model_copy(update={"hypotheses": best})


def _proposal(outcome: NBest) -> str:
    """What a round proposed, accepted or not."""
    return outcome.hypotheses[-1].text
