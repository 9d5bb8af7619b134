"""The texts of a run's nodes beside their references, for measuring how good their confidences are."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from components.analysis.judgments import StoredJudgments
from components.analysis.run_outputs import language_of, target_language_of
from components.confidence.estimators.fitted_estimator import read_estimator
from components.confidence.estimators.sources import locate_estimator
from components.confidence.evaluation.outcomes import ESTIMATES
from components.confidence.evaluation.trial_tables import ScoredText
from components.errors import AntiphonError
from components.metrics.metric import Output
from components.pipeline.pipeline import DATA
from components.records import Utterance
from components.run_record import NodeRecord, RunRecord, StageRef
from components.storage.stages.reader import read_lines_of, read_nbests, read_utterances


class NodeTexts(NamedTuple):
    """The texts of a node that have references.

    Attributes:
        node: its name.
        output: which texts they are.
        texts: best hypotheses with references.
        further: score of a model -> utterance id -> number, higher is better.
        bad_below: chrF below which the node's estimator calls a translation bad, where it says so.
    """

    node: str
    output: Output
    texts: list[ScoredText]
    further: dict[str, dict[str, float]]
    bad_below: float | None


class _Reader(NamedTuple):
    """A run with its utterances, and the sentence scores of models."""

    run: RunRecord
    utterances: Sequence[Utterance]
    judgments: StoredJudgments


def is_annotated(ref: StageRef) -> bool:
    """Return whether any text of a stage has an estimate; found without parsing the records."""
    marks = [f'"{name}":'.encode() for name in ESTIMATES]
    return any(mark in line for line in read_lines_of(ref) for mark in marks)


def read_node_texts(
    run: RunRecord, store: str | None, names: Collection[str] | None = None
) -> Iterator[NodeTexts]:
    """Yield the texts of every node of a run that have references, in the order of its pipeline.

    Args:
        run: its record.
        store: URL of its store, where estimators may lie.
        names: of nodes; all that are scored if None.
    """
    stages = {ref.stage: ref for ref in run.stages}
    if DATA not in stages:
        return
    reader = _Reader(run, list(read_utterances(stages[DATA])), StoredJudgments(run))
    for node in run.pipeline.of_data():
        is_wanted = is_scored(run, node) if names is None else node.name in names
        if node.output == "text" and node.name in stages and is_wanted:
            texts = list(_read_texts(reader, node, stages[node.name]))
            if texts:
                output: Output = "transcript" if node.transcribes else "translation"
                further = _read_judgments(reader, node, texts)
                yield NodeTexts(node.name, output, texts, further, _read_threshold(run, node, store))


def is_scored(run: RunRecord, node: NodeRecord) -> bool:
    """Return whether a node's texts are scored: outputs are, and others but rounds, pieces and references."""
    return node.scored or node.name in run.pipeline.outputs.values()


def _read_texts(reader: _Reader, node: NodeRecord, ref: StageRef) -> Iterator[ScoredText]:
    best = {nbest.utterance_id: nbest.best for nbest in read_nbests(ref)}
    for utterance in reader.utterances:
        references = _references(reader, node, utterance)
        if references and utterance.id in best:
            language = language_of(reader.run, node, utterance)
            yield ScoredText(utterance.id, best[utterance.id], references, language)


def _references(reader: _Reader, node: NodeRecord, utterance: Utterance) -> tuple[str, ...]:
    """Return the references of a node's text; the transcript of silence is an empty text."""
    if not node.transcribes:
        same = language_of(reader.run, node, utterance) == target_language_of(reader.run, utterance)
        return tuple(text for text in utterance.references if text.strip()) if same else ()
    segments = [segment.transcript for segment in utterance.reference_segments]
    stated = utterance.transcript
    if stated is None and segments and None not in segments:
        stated = " ".join(text for text in segments if text)
    return () if stated is None or utterance.audio is None else (stated,)


def _read_judgments(
    reader: _Reader, node: NodeRecord, texts: list[ScoredText]
) -> dict[str, dict[str, float]]:
    utterances = {utterance.id: utterance for utterance in reader.utterances}
    values: dict[str, dict[str, float]] = {}
    for text in texts:
        for judgment in reader.judgments.of(node.name, utterances[text.id], text.best.text):
            sign = 1 if judgment.higher_is_better else -1
            values.setdefault(judgment.label, {})[text.id] = sign * judgment.value
    return values


def _read_threshold(run: RunRecord, node: NodeRecord, store: str | None) -> float | None:
    fitted = next((ref for ref in run.stages if ref.stage == node.reads.get("fitted")), None)
    model = node.models.get("model") or node.settings.get("model")
    if node.kind != "estimate" or (fitted is None and not isinstance(model, str)):
        return None
    try:
        path = Path(fitted.path) if fitted else locate_estimator(str(model), store)
        return read_estimator(path).bad_below
    except AntiphonError:  # it was removed since; the texts are still there
        return None
