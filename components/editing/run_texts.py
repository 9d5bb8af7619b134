"""The texts of a finished run's node, ready to be edited."""

from __future__ import annotations

from collections.abc import Mapping

from components.editing.editable_text import EditableText, read_editable_texts
from components.errors import ConfigError
from components.pipeline.steps.editing import SUFFIX
from components.run_record import NodeRecord, RunRecord, StageRef
from components.text.suggestions import did_you_mean

DATA = "data"


def node_to_edit(run: RunRecord, name: str) -> NodeRecord:
    """Return the node whose texts are edited: the one of that name, or the edit that follows it.

    Raises:
        ConfigError: the run has no such node, or the node's texts are not of the run's data set.
    """
    base = name.removesuffix(SUFFIX)
    texts = [node.name for node in run.pipeline.of_data() if node.output == "text"]
    stages = {ref.stage for ref in run.stages}
    for each in (f"{base}{SUFFIX}", name):
        node = run.pipeline.node(each)
        if node is not None and each in texts and each in stages:
            return node
    known = [each for each in texts if each in stages]
    raise ConfigError(
        f"run {run.name}: expected a node with texts, one of {', '.join(known) or 'none'}; found {name!r}"
        f"{did_you_mean(name, known)}"
    )


def texts_of_node(run: RunRecord, node: NodeRecord) -> dict[str, EditableText]:
    """Return the present texts of a node by utterance id, in the order of the data set."""
    stages = {ref.stage: ref for ref in run.stages}
    translated = node.language != "source"
    sources = find_source(run, node, stages) if translated else None
    return read_editable_texts(stages[DATA], stages[node.name], sources, translated=translated)


def find_source(run: RunRecord, node: NodeRecord, stages: Mapping[str, StageRef]) -> StageRef | None:
    """Return the stage whose texts a node's texts were translated from; None for the data set's own."""
    above: NodeRecord | None = node
    while above is not None and above.language == node.language:
        above = next((run.pipeline.node(name) for name in above.inputs if name != DATA), None)
    return stages.get(above.name) if above is not None and above.output == "text" else None


def language_of_texts(node: NodeRecord, texts: Mapping[str, EditableText]) -> str | None:
    """Return the code of the language of a node's texts; None where it is not known."""
    first = next(iter(texts.values()), None)
    if first is None or node.language not in ("source", "target"):
        return node.language
    return first.utterance.source_language if node.language == "source" else first.utterance.target_language
