"""Runs a finished system again on corrected texts, wholly and in parts, to attribute its errors."""

from __future__ import annotations

from collections.abc import Mapping

from components.attribution.blame import AttributedStages, BlameRequest, SubstitutedOutput, check_references
from components.attribution.substitution import SEGMENTS, chain_of, list_attributed_stages, variants_of
from components.metrics.normalizers import BY_LANGUAGE
from components.pipeline.pipeline import DATA, Node, Pipeline
from components.run_record import StageRef
from components.storage.store import Store
from tasks.execution.joint_execution import execute_together
from tasks.stages import data as loading
from tasks.stages.analysis import run_analysis
from tasks.task_options import unwrap


def attribute_errors(
    pipeline: Pipeline,
    stages: Mapping[str, StageRef],
    seed: int,
    store: Store,
    segments: str | None = None,
    *,
    human_scores: Mapping[str, float] | None = None,
    normalizer: str = BY_LANGUAGE,
) -> StageRef:
    """Return the attribute the errors of a finished system to its stages.

    It runs again on gold texts, as one graph in which finished stages are reused.

    Args:
        pipeline: that of the run.
        stages: of the run, by node.
        seed: of the run.
        store: where everything is kept.
        segments: a manifest of the same recordings cut by hand, to attribute errors of segmentation as well.
        human_scores: metric -> what a human scores against the same references.
        normalizer: of the run, for the WER of utterances.
    """
    chain = chain_of(pipeline, stages)
    if chain.transcripts:
        check_references(stages[DATA])
    variants = variants_of(pipeline, chain, segments)
    systems = {"": pipeline.subgraph_of(chain.output)} | {
        _node_prefix(name): graph for name, graph in variants.items()
    }
    finished = dict(stages)
    if segments is not None:
        finished[SEGMENTS] = unwrap(loading.load_data(segments, None, *pipeline.languages, None, store))
    executed = execute_together(systems, dict.fromkeys(systems, finished), store.backend.url, seed)
    outputs = {}
    for name, variant in {"": systems[""], **variants}.items():
        part = executed[_node_prefix(name)]
        part.raise_first_error()
        output = part.pipeline.outputs["translation"]
        if output in part.stages:
            changed = [
                node.name for node in variant if node.name not in pipeline.nodes and _keeps_only_changed(node)
            ]
            outputs[name] = SubstitutedOutput(
                part.stages[output], *(part.stages[node_name] for node_name in changed)
            )
    last = outputs.pop("").texts
    transcripts = [stages[name] for name in chain.transcripts]
    blamed = AttributedStages(
        list_attributed_stages(chain, segments=segments is not None),
        " and ".join(chain.rest),
        dict(human_scores or {}),
        normalizer,
    )
    return run_analysis("blame", BlameRequest(stages[DATA], transcripts, last, outputs, blamed), store)


def _keeps_only_changed(node: Node) -> bool:
    """Return whether only the utterances go on whose text the node corrects."""
    return bool(getattr(node.settings, "only_changed", False))


def _node_prefix(variant: str) -> str:
    """Return the name of a variant as it begins the names of nodes."""
    return variant.replace("+", "-and-")
