"""Fuses n-best lists: a model writes a new text, and gates accept it or keep the first candidate."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from components.compute.batch_sizes import BatchLimit, ItemTooLargeError
from components.compute.progress import listen, track
from components.decoding.isolation import isolate
from components.ensembling.output_level.risk.mbr_utilities import sentence_chrf
from components.errors import ModelError
from components.fusing.candidates import collect_texts, edit_distance
from components.fusing.config import CONSENSUS, FuseConfig
from components.fusing.prompted import Answer, PromptedFuser, Question, make_prompted_fuser
from components.fusing.refusal import find_refusal
from components.fusing.trained import TrainedFuser
from components.records import Decision, Hypothesis, NBest, Utterance
from components.refining.judging.decisions import Estimates
from components.refining.judging.proposal_judge import AcceptanceGate
from components.text.languages import UNDETERMINED
from components.text.matching.retiming import retime

METHODS: dict[str, Callable[[FuseConfig, str | None], PromptedFuser | TrainedFuser]] = {
    "prompted": make_prompted_fuser,
    "trained": TrainedFuser,
}
"""Method -> what writes the texts."""
SAME = "nothing to change"


class Lists(NamedTuple):
    """What is fused: the utterance with the text that was translated, and the n-best lists of the systems.

    ``others`` are the lists after the first input's by their numbers, which a fitted estimator compares.
    """

    utterance: Utterance
    nbests: Sequence[NBest]
    others: Mapping[str, NBest] = MappingProxyType({})


class Fuser:
    """Fuses the lists of utterances; keeps the batch that memory allows between calls, and nothing else."""

    def __init__(self, config: FuseConfig, store: str | None = None, *, transcripts: bool = False) -> None:
        self.config, self._transcripts = config, transcripts
        self._limit = BatchLimit(config.batch_size)
        self._gate = AcceptanceGate(config.gate_config, store)
        self._writer = METHODS[config.method](config, store)

    def fuse(self, items: Sequence[Lists]) -> list[NBest]:
        """Fuse the lists of each utterance; the first candidate stays where a gate refuses the new text."""
        size = self.config.batch_size
        return [
            fused
            for batch in track([items[first : first + size] for first in range(0, len(items), size)])
            for fused in self._fuse_in_memory(batch)
        ]

    def _fuse_in_memory(self, items: Sequence[Lists]) -> list[NBest]:
        """Fuse a batch in the parts that memory needs; what is too large keeps its first candidate."""
        with listen(None):  # a gate counts its own batches
            results = isolate(partial(self._limit.map, self._fuse_batch), items, ItemTooLargeError)
        return [
            _keep(item.nbests[0], None, {"systems": float(len(item.nbests))}, f"refused: {result}")
            if isinstance(result, ModelError)
            else result
            for item, result in zip(items, results, strict=True)
        ]

    def _fuse_batch(self, items: Sequence[Lists]) -> list[NBest]:
        questions = [self._question(item) for item in items]
        asked = [number for number, question in enumerate(questions) if question.candidates]
        answers = self._writer.answer([questions[number] for number in asked]) if asked else []
        proposals = dict(zip(asked, answers, strict=True))
        refusals = {n: self._refusal(questions[n], answer) for n, answer in proposals.items()}
        estimates = self._estimate(items, questions, proposals, refusals)
        return [
            self._decide(item, question, proposals.get(n), refusals.get(n, ""), estimates.get(n, Estimates()))
            for n, (item, question) in enumerate(zip(items, questions, strict=True))
        ]

    def _question(self, item: Lists) -> Question:
        """The candidates; none where the first text is empty, as nothing is put in the place of silence."""
        first, utterance = item.nbests[0].best.text, item.utterance
        texts = collect_texts(item.nbests, self.config.candidates) if first.strip() else []
        source = "" if self._transcripts else utterance.text or ""
        language = utterance.target_language or UNDETERMINED
        return Question(texts, source, (utterance.source_language, language))

    def _refusal(self, question: Question, answer: Answer) -> str:
        if answer.text == question.candidates[0]:
            return SAME
        return find_refusal(answer.text, question.candidates, self.config.max_edit, question.languages[1])

    def _estimate(
        self,
        items: Sequence[Lists],
        questions: Sequence[Question],
        proposals: dict[int, Answer],
        refusals: dict[int, str],
    ) -> dict[int, Estimates]:
        """Return the gate's estimates of first candidate and new text, of those that were not refused."""
        rows = [number for number, refusal in refusals.items() if not refusal]
        if self.config.gate == CONSENSUS:
            return {n: consensus_of(questions[n].candidates, proposals[n].text) for n in rows}
        if not rows:
            return {}
        utterances, others = [items[n].utterance for n in rows], [items[n].others for n in rows]
        before = [_as_nbest(items[n], questions[n].candidates[0]) for n in rows]
        proposed = [_as_nbest(items[n], proposals[n].text) for n in rows]
        sides = (self._gate.annotate(utterances, texts, others) for texts in (before, proposed))
        estimates = self._gate.estimate(utterances, *([text.best for text in texts] for texts in sides))
        return dict(zip(rows, estimates, strict=True))

    def _decide(
        self, item: Lists, question: Question, answer: Answer | None, refusal: str, estimates: Estimates
    ) -> NBest:
        first = item.nbests[0]
        features: dict[str, float] = {"systems": float(len(item.nbests))}
        if answer is None:
            return _keep(first, None, features, "refused: the first candidate is empty")
        language = question.languages[1]
        if answer.text:
            features["edit_distance"] = edit_distance(answer.text, question.candidates[0], language)
        if estimates.before is not None and estimates.proposed is not None:
            features |= {"gate_before": estimates.before, "gate_proposed": estimates.proposed}
        hypothesis = Hypothesis(
            text=answer.text,
            score=answer.score,
            n_tokens=answer.n_tokens,
            system=self._writer.checkpoint.reference,
            segments=retime(answer.text, language, first.best.segments),
        )
        if refusal or not estimates.is_accepted:
            reason = refusal or f"refused: the gate {self.config.gate} does not rise"
            features_of_first = {**estimates.fitted_before, **features}
            return _keep(first, None if refusal == SAME else hypothesis, features_of_first, reason)
        features |= estimates.fitted_proposed
        accepted = {"features": {**features, "fused": 1.0}, "decision": Decision(round=1, accepted=True)}
        return first.model_copy(
            update={"hypotheses": (hypothesis.model_copy(update=accepted), *first.hypotheses)}
        )


def _as_nbest(item: Lists, text: str) -> NBest:
    """Return a text as what a gate reads: without what decoding it gave, as the new text has none of it."""
    hypothesis = Hypothesis(text=text, score=0.0, n_tokens=0, system="")
    return NBest(utterance_id=item.utterance.id, hypotheses=(hypothesis,))


def _keep(first: NBest, proposal: Hypothesis | None, features: dict[str, float], reason: str) -> NBest:
    """The first system's best hypothesis as it is, with the reason; what was proposed stands behind it."""
    best = first.best
    update = {
        "features": {**best.features, **features, "fused": 0.0},
        "decision": Decision(round=1, accepted=False, feedback=reason),
    }
    rest = [*first.hypotheses[1:], *([proposal] if proposal is not None and proposal.text else [])]
    return first.model_copy(update={"hypotheses": (best.model_copy(update=update), *rest)})


def consensus_of(candidates: Sequence[str], proposed: str) -> Estimates:
    """Return the mean chrF of the first candidate and of a new text with the other candidates.

    The first one is not among them, as it would speak for itself; without others nothing speaks for a new
    text.
    """
    others = candidates[1:]
    if not others:
        return Estimates(0.0, 0.0)
    before, new = np.mean(sentence_chrf([candidates[0], proposed], others, UNDETERMINED), axis=1).tolist()
    return Estimates(before, new)
