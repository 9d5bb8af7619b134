"""The items of a node: for each utterance the outcomes of the nodes that it reads, slice by slice.

Stages hold their records in the order of the data set, so a node reads each of its inputs once, front to
back, as far as they are written: memory does not grow with the data set, and a node can follow one that is
still at work.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from components.languages import UNDETERMINED
from components.nodes.site import Item
from components.pipeline.idle_nodes import passes_text
from components.pipeline.pipeline import SOURCE, TARGET, Node, Pipeline
from components.records import NBest, NodeOutcome, Quarantined, Route, Utterance
from components.storage.reader import resolve_audio_path
from components.storage.record_files import ERRORS, OUTPUTS

RECORDS: dict[str, type[NBest] | type[Route] | type[Utterance]] = {
    "text": NBest,
    "table": Route,
    "speech": Utterance,
}
"""Sort of a node -> the record that it gives for one utterance."""


def id_of(outcome: NodeOutcome) -> str:
    """Return the id of the utterance that an outcome belongs to."""
    return outcome.id if isinstance(outcome, Utterance) else outcome.utterance_id


class StageCursor:
    """A forward reader of the outcomes of one stage."""

    def __init__(self, folder: Path, record: type[NBest] | type[Route] | type[Utterance]) -> None:
        self._folder = folder
        self._sides = [_FileCursor(folder / OUTPUTS, record), _FileCursor(folder / ERRORS, Quarantined)]

    def take(self, ids: Sequence[str]) -> dict[str, NodeOutcome]:
        """Return the outcomes of the next utterances ``ids`` by id; some may have none."""
        remaining = set(ids)
        outcomes = {id_of(outcome): outcome for side in self._sides for outcome in side.take(remaining)}
        return {
            key: resolve_audio_path(outcome, self._folder) if isinstance(outcome, Utterance) else outcome
            for key, outcome in outcomes.items()
        }


class _FileCursor:
    """A forward reader of one file of a stage, which is opened anew for every slice.

    What follows a slice may be of an earlier attempt, and be written again before its turn: nothing of it is
    kept.
    """

    def __init__(self, path: Path, record: type[NBest] | type[Route] | type[Utterance] | type[Quarantined]):
        self._path = path
        self._record = record
        self._end = 0

    def take(self, ids: set[str]) -> Iterator[NodeOutcome]:
        if not self._path.exists():
            return
        with self._path.open("rb") as file:
            file.seek(self._end)
            for line in file:
                if not line.endswith(b"\n"):  # a shard that is being written
                    return
                outcome = self._record.model_validate_json(line)
                if id_of(outcome) not in ids:
                    return
                self._end += len(line)
                yield outcome


class Slice(NamedTuple):
    """A slice of the data set, of so many utterances: its number, and what a node computes of it."""

    number: int
    utterances: int
    items: list[Item]


class ItemGatherer:
    """Gathers the items of one node, one slice of the data set after the other.

    Args:
        pipeline: the node's.
        node: whose items.
        folders: of the stages that it reads; a node without a folder gave nothing.
    """

    def __init__(self, pipeline: Pipeline, node: Node, folders: Mapping[str, Path]) -> None:
        """``folders``: of the stages that the node reads; one without a folder gave nothing."""
        self._pipeline = pipeline
        self._node = node
        self._cursors = {
            name: StageCursor(folders[name], RECORDS[pipeline.nodes[name].gives])
            for role, name in node.reads.items()
            if name in folders and not pipeline.is_data(name) and role not in node.tables
        }

    def gather(self, utterances: Sequence[Utterance]) -> list[Item]:
        """Return the items that the node computes of the next ``utterances`` of the data set."""
        ids = [utterance.id for utterance in utterances]
        outcomes = {name: cursor.take(ids) for name, cursor in self._cursors.items()}
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
        node, kind = self._node, self._node.kind
        if node.when is not None and not takes_way(outcomes.get(node.when[0]), node.when[1]):
            return None
        base = self._with_speech(utterance, outcomes)
        if base is None or not kind.applies(base):
            return None
        texts = [name for name in node.of if self._is_text(name)]
        inputs = {name: outcomes[name] for name in node.of if name in outcomes}
        passed = [
            name for name in node.of if name not in inputs and passes_text(self._pipeline, node, name, base)
        ]
        if kind.passes and passed:
            return None
        missing = [n for n in node.of if n not in passed and not _is_usable(inputs.get(n))]
        if "speech" in kind.reads:
            missing = [name for name in missing if not self._pipeline.is_data(name)]
        if missing and not (kind.joins and any(n in inputs for n in node.of)):
            return None
        read = next((n for n in texts if n in passed or isinstance(inputs.get(n), NBest)), None)
        base = self._with_text(base, read, inputs, outcomes)
        text = None if read is None else inputs.get(read)
        segments = text.best.segments if isinstance(text, NBest) else base.segments
        if read is None or kind.sees_source(node.settings):
            segments = ()
        carried = {n: o for n, o in inputs.items() if isinstance(o, NBest | Route | Quarantined)}
        return Item(utterance=base, segments=segments, inputs=carried if kind.needs_inputs else {})

    def _is_text(self, name: str) -> bool:
        """Return whether a node is read for its text; for the data set that is so where no speech is read."""
        return self._pipeline.sort_of(name) == "text" or (
            self._pipeline.is_data(name) and "speech" not in self._node.kind.reads
        )

    def _with_speech(self, utterance: Utterance, outcomes: Mapping[str, NodeOutcome]) -> Utterance | None:
        """Return the utterance with the speech that the node reads; None where that is missing."""
        for name in self._node.of:
            if self._pipeline.sort_of(name) == "speech":
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
        if node.kind.sees_source(node.settings) and read is not None and not node.translates:
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


def takes_way(outcome: NodeOutcome | None, way: str) -> bool:
    """Return whether a node sent an utterance ``way``: by a route, or by going on with its rounds."""
    if isinstance(outcome, Route):
        return outcome.way == way
    if isinstance(outcome, NBest) and outcome.best.decision is not None:
        return way == ("going" if outcome.best.decision.stopped is None else "stopped")
    return False


def _is_usable(outcome: NodeOutcome | None) -> bool:
    return isinstance(outcome, NBest | Route | Utterance)
