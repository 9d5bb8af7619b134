"""The items of a node: for each utterance the outcomes of the nodes that it reads."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import Enum
from itertools import zip_longest
from typing import Any

from components.errors import ComponentError, to_one_line
from components.nodes.facts import Carry, Need
from components.nodes.node_context import DataType, Item
from components.pipeline.items.idle_nodes import applies, is_passed_by, passes_text
from components.pipeline.pipeline import SOURCE, TARGET, Node, Pipeline
from components.records import Hypothesis, NBest, NodeOutcome, Quarantined, Route, Utterance
from components.storage.shards.tallies import UtteranceProfile, profile_of
from components.text.languages import UNDETERMINED

RECORDS: dict[str, type[NBest] | type[Route] | type[Utterance]] = {
    "text": NBest,
    "table": Route,
    "speech": Utterance,
}
"""Sort of a node -> the record that it gives for one utterance."""


class State(Enum):
    """What an input of a node has for one utterance."""

    GIVEN = "given"
    """An outcome; of the data set, for nodes that hear, the utterance."""
    PASSED = "passed"
    """Nothing, as it passes the text on that the utterance has already."""
    REFUSED = "refused"
    """It is quarantined there."""
    ABSENT = "absent"


IS_COMPUTED: dict[Need, Callable[[set[State]], bool]] = {
    Need.ALL: lambda states: states <= {State.GIVEN, State.PASSED},
    Need.UNLESS_PASSED: lambda states: states <= {State.GIVEN},
    Need.ANY: lambda states: bool(states & {State.GIVEN, State.REFUSED}),
}
"""What a node needs -> whether it computes an utterance, by the states of its inputs."""


def id_of(outcome: NodeOutcome) -> str:
    """Return the id of the utterance that an outcome belongs to."""
    return outcome.id if isinstance(outcome, Utterance) else outcome.utterance_id


def check_outcomes(
    node: str, items: Sequence[Item], answer: object, *, may_drop: bool
) -> list[NodeOutcome | None]:
    """Return a component's outcomes, one for each item in order (or None); raises ComponentError."""
    outcomes: list[Any] = list(answer) if isinstance(answer, Iterable) else [answer]
    for item, outcome in zip_longest(items, outcomes, fillvalue="nothing"):
        name = item if isinstance(item, str) else item.utterance.id
        answered = id_of(outcome) if isinstance(outcome, NodeOutcome) else None
        if isinstance(item, str) or (answered != name and not (outcome is None and may_drop)):
            returned = to_one_line(repr(outcome), 80) if answered is None else f"that of {answered}"
            raise ComponentError(
                f"{node}: expected its code to return {len(items)} outcomes in the order of its items, found "
                f"{returned} in the place of {name}"
            )
    return outcomes


class ItemGatherer:
    """Makes the items of one node from what it reads of some utterances.

    Args:
        pipeline: the node's.
        node: whose items.
    """

    def __init__(self, pipeline: Pipeline, node: Node) -> None:
        self._pipeline = pipeline
        self._node = node

    @property
    def followed(self) -> list[str]:
        """The nodes whose outcomes it reads."""
        read = {name for role, name in self._node.reads.items() if role not in self._node.tables}
        return sorted(name for name in read if not self._pipeline.is_data(name))

    def output_of(self, name: str) -> DataType:
        """Return what a node that it reads gives."""
        return self._pipeline.type_of(name)

    def gather(
        self, utterances: Sequence[Utterance], outcomes: Mapping[str, Mapping[str, NodeOutcome]]
    ) -> list[Item]:
        """Return the items that the node computes of utterances.

        Args:
            utterances: some of the data set.
            outcomes: node that it reads -> id of an utterance -> outcome.
        """
        items = []
        for utterance in utterances:
            of_utterance = {
                name: by_id[utterance.id] for name, by_id in outcomes.items() if utterance.id in by_id
            }
            item = self._make_item(utterance, of_utterance)
            if item is not None:
                items.append(item)
        return items

    def _make_item(self, utterance: Utterance, outcomes: Mapping[str, NodeOutcome]) -> Item | None:
        node = self._node
        if node.when is not None and not takes_branch(outcomes.get(node.when[0]), node.when[1]):
            return None
        base = self._with_speech(utterance, outcomes)
        if base is None or not applies(node, profile := profile_of(base)):
            return None
        inputs = {name: outcomes[name] for name in node.of if name in outcomes}
        states = {name: self._state_of(name, inputs.get(name), profile) for name in node.of}
        if node.kind.items.need is Need.ANY and not is_passed_by(self._pipeline, node, profile):
            inputs |= self._passed_texts(utterance, states)
            inputs = {name: inputs[name] for name in node.of if name in inputs}
            states = {name: State.GIVEN if name in inputs else State.ABSENT for name in node.of}
        if not IS_COMPUTED[node.kind.items.need](set(states.values())):
            return None
        texts = (name for name in node.of if self._is_text(name))
        read = next((n for n in texts if states[n] is State.PASSED or isinstance(inputs.get(n), NBest)), None)
        base = self._with_text(base, read, inputs, outcomes)
        text = None if read is None else inputs.get(read)
        segments = text.best.segments if isinstance(text, NBest) else base.segments
        if read is None or node.facts.reads_source:
            segments = ()
        carried = {n: o for n, o in inputs.items() if isinstance(o, NBest | Route | Quarantined)}
        only_text = node.kind.items.carry is Carry.TEXT
        return Item(utterance=base, segments=segments, inputs={} if only_text else carried)

    def _state_of(self, name: str, outcome: NodeOutcome | None, profile: UtteranceProfile) -> State:
        if outcome is not None:
            return State.REFUSED if isinstance(outcome, Quarantined) else State.GIVEN
        if passes_text(self._pipeline, self._node, name, profile):
            return State.PASSED
        hears_data = self._pipeline.is_data(name) and "speech" in self._node.kind.reads
        return State.GIVEN if hears_data else State.ABSENT

    def _passed_texts(self, utterance: Utterance, states: Mapping[str, State]) -> dict[str, NBest]:
        """Return the written text by inputs that pass it on; by those on a way only where nothing else is."""
        passed = [name for name, state in states.items() if state is State.PASSED]
        always = [n for n in passed if self._pipeline.is_data(n) or self._pipeline.nodes[n].when is None]
        text = str(utterance.text)
        best = {"text": text, "score": 0.0, "n_tokens": len(text.split()), "segments": utterance.segments}
        fields = {"utterance_id": utterance.id, "language": utterance.source_language}
        names = always if State.GIVEN in states.values() else always or passed
        return {name: NBest(hypotheses=(Hypothesis(**best, system=name),), **fields) for name in names}

    def _is_text(self, name: str) -> bool:
        """Return whether a node is read for its text; for the data set that is so where no speech is read."""
        return self._pipeline.type_of(name) == "text" or (
            self._pipeline.is_data(name) and "speech" not in self._node.kind.reads
        )

    def _with_speech(self, utterance: Utterance, outcomes: Mapping[str, NodeOutcome]) -> Utterance | None:
        """Return the utterance with the speech that the node reads; None where that is missing."""
        for name in self._node.of:
            if self._pipeline.type_of(name) == "speech":
                outcome = outcomes.get(name)
                return outcome if isinstance(outcome, Utterance) else None
        return utterance

    def _with_text(
        self,
        base: Utterance,
        read: str | None,
        inputs: Mapping[str, NodeOutcome],
        outcomes: Mapping[str, NodeOutcome],
    ) -> Utterance:
        node = self._node
        update: dict[str, object] = {}
        if node.translates:
            update["target_language"] = node.to or base.target_language or self._pipeline.languages[1]
        if read is not None:
            update |= self._text_fields(read, base, inputs.get(read))
        if node.facts.reads_source and read is not None and not node.translates:
            written = update.get("source_language", base.source_language)
            if node.origin is not None:  # else a transcript: it was made from sound, not from text
                # What passed the origin, or is the data's, was translated as it is written.
                update = self._text_fields(node.origin, base, outcomes.get(node.origin))
            update["target_language"] = written
        return base.model_copy(update=update) if update else base

    def _text_fields(self, name: str, base: Utterance, outcome: NodeOutcome | None) -> dict[str, object]:
        """Return the fields of an utterance that hold a node's text and its language."""
        if not isinstance(outcome, NBest):
            return {}
        return {"text": outcome.best.text, "source_language": self._language_of(name, base, outcome)}

    def _language_of(self, name: str, base: Utterance, outcome: NBest) -> str:
        language = self._pipeline.language_of(name)
        if language == SOURCE:
            return outcome.language or base.source_language
        if language == TARGET:
            return base.target_language or self._pipeline.languages[1] or UNDETERMINED
        return language


def takes_branch(outcome: NodeOutcome | None, branch: str) -> bool:
    """Return whether a node sent an utterance ``way``: by a route, or by going on with its rounds."""
    if isinstance(outcome, Route):
        return outcome.branch == branch
    if isinstance(outcome, NBest) and outcome.best.decision is not None:
        return branch == ("going" if outcome.best.decision.stopped is None else "stopped")
    return False


def has_stopped(item: Item) -> bool:
    """Return whether the last of a node's rounds over a draft has stopped an utterance."""
    texts = [outcome for outcome in item.inputs.values() if isinstance(outcome, NBest)]
    return len(texts) > 1 and takes_branch(texts[-1], "stopped")
