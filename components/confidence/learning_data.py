"""The check that no node trusts an estimator on the data that it was fitted on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from components.confidence.estimators.fitted_estimator import read_estimator
from components.confidence.estimators.seen import find_seen, fingerprint
from components.confidence.estimators.sources import locate_estimator
from components.models.references import split_reference
from components.pipeline.pipeline import Node, Pipeline
from components.run_record import StageRef
from components.storage.stages.reader import read_utterances


def find_seen_data(
    pipeline: Pipeline, node: Node, data: Mapping[str, StageRef], store: str | None
) -> Iterator[str]:
    """Yield a line for each estimator above a node that was fitted on utterances of the node's own data.

    Args:
        pipeline: the graph.
        node: what learns.
        data: the loaded data sets by name.
        store: URL of the store.
    """
    own = data[pipeline.data_of(node.name)]
    name, n = pipeline.user_name_of(node.name), own.items - own.quarantined
    for estimating, reference in _estimators_above(pipeline, node):
        ids = find_seen(read_utterances(own), _seen_by(reference, pipeline, data, store))
        if ids:
            listing = ", ".join(ids[:3]) + " ..." * (len(ids) > 3)
            yield (
                f"{name}: expected utterances that the estimator of {estimating} was not fitted on, "
                f"found {len(ids)} of {n} that it was ({listing}): it is surer of these than of others; "
                "fit it on other data"
            )


def _estimators_above(pipeline: Pipeline, node: Node) -> list[tuple[str, str]]:
    """Return the estimators whose estimates a node reads or makes over its own data, with their nodes."""
    own = pipeline.data_of(node.name)
    above = [each for each in pipeline.subgraph_of(node.name) if pipeline.data_of(each.name) == own]
    return [
        (pipeline.user_name_of(each.name), reference) for each in above for reference in each.facts.estimators
    ]


def _seen_by(
    reference: str, pipeline: Pipeline, data: Mapping[str, StageRef], store: str | None
) -> frozenset[str]:
    """Return the fingerprints of what an estimator was, or will be, fitted on; none where nobody knows."""
    scheme, name = split_reference(reference)
    if scheme != "node":
        return frozenset(read_estimator(locate_estimator(reference, store)).seen)
    ref = data.get(pipeline.data_of(name))
    return frozenset() if ref is None else frozenset(map(fingerprint, read_utterances(ref)))
