"""The corrections of a run, of all its edits and reviews, beside what the models had given."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from components.editing.correction import CORRECTIONS, latest_by_id, read_stored_corrections
from components.editing.lessons import Lesson
from components.editing.run_texts import language_of_texts, texts_of_node
from components.errors import ConfigError
from components.pipeline.steps.editing import SUFFIX
from components.run_record import NodeRecord, RunRecord, StageRef


class CorrectedNode(NamedTuple):
    """A node of a model, and the text that counts by utterance id, corrected or approved."""

    node: NodeRecord
    texts: dict[str, str]


def read_lessons(run: RunRecord, *, unchanged_right: bool) -> list[Lesson]:
    """Return what a person made of each text that was corrected or approved.

    Args:
        run: with edits or reviews.
        unchanged_right: whether all other texts of the nodes were read, too, and are right.

    Raises:
        ConfigError: nobody has corrected or approved anything in the run.
    """
    lessons = [
        lesson for each in find_corrected_nodes(run) for lesson in _lessons(run, each, unchanged_right)
    ]
    if not lessons:
        raise ConfigError(
            f"run {run.name}: expected a run with corrections or a review, found none; make one "
            "with antiphon edit"
        )
    return lessons


def find_corrected_nodes(run: RunRecord) -> Iterator[CorrectedNode]:
    """Yield the models' nodes whose texts were corrected, with the latest text of each utterance."""
    texts: dict[str, dict[str, str]] = {}
    for ref in _correction_stages(run):
        for each in latest_by_id(read_stored_corrections(Path(ref.path))).values():
            texts.setdefault(_model_node(run, each.node), {})[each.id] = each.text
    for name, by_id in texts.items():
        node = run.pipeline.node(name)
        if node is not None:
            yield CorrectedNode(node, by_id)


def _correction_stages(run: RunRecord) -> list[StageRef]:
    """Return the stages of corrections in the order in which they were applied."""
    tables = {node.name for node in run.pipeline.nodes if node.output == "table"}
    return [ref for ref in run.stages if ref.stage in tables and (Path(ref.path) / CORRECTIONS).is_file()]


def _model_node(run: RunRecord, name: str) -> str:
    """Return the node that gave the text first: what edits read, all the way up."""
    node = run.pipeline.node(name.removesuffix(SUFFIX)) or run.pipeline.node(name)
    while node is not None and node.kind == "edit_from_file" and node.inputs:
        node = run.pipeline.node(node.inputs[0])
    return name if node is None else node.name


def _lessons(run: RunRecord, corrected: CorrectedNode, unchanged_right: bool) -> Iterator[Lesson]:
    for key, present in texts_of_node(run, corrected.node).items():
        if key in corrected.texts or unchanged_right:
            text = corrected.texts.get(key, present.text)
            language = language_of_texts(corrected.node, {key: present})
            yield Lesson(
                corrected.node.name, present.utterance, present.hypothesis, text, present.source, language
            )
