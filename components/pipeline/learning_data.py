"""Checks of what nodes learn from, once the data sets are loaded and before anything is computed on them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from components.confidence.estimators.fitted_estimator import read_estimator
from components.confidence.estimators.seen import find_seen, fingerprint
from components.confidence.estimators.sources import locate_estimator
from components.errors import ConfigError
from components.models.references import split_reference
from components.pipeline.pipeline import Node, Pipeline
from components.run_record import StageRef
from components.storage.reader import read_utterances


def check_learning_data(pipeline: Pipeline, data: Mapping[str, StageRef], store: str | None) -> None:
    """Refuse data without what a node learns from, and an estimator that is trusted on what it was fitted on.

    Args:
        pipeline: the graph.
        data: its loaded data sets by name.
        store: URL of the store.

    Raises:
        ConfigError: every fault, a line each.
    """
    faults = list(dict.fromkeys(_find_faults(pipeline, data, store)))
    if faults:
        raise ConfigError("\n".join(faults))


def _find_faults(pipeline: Pipeline, data: Mapping[str, StageRef], store: str | None) -> Iterator[str]:
    for node in pipeline:
        own = data.get(pipeline.data_of(node.name))
        if own is None or pipeline.is_data(node.name):
            continue
        name, n = pipeline.user_name_of(node.name), own.items - own.quarantined
        fewest = node.facts.fewest_utterances[len(node.of) > 1]
        if n < fewest:
            yield (
                f"{name}: expected at least {fewest} development utterances with references to learn "
                f"from, found {n}; give more data"
            )
        if _lacks_speech(pipeline, node, own):
            yield (
                f"{name}: expected speech to learn from, found only text in {n} utterances; give recordings, "
                "or speech: NODE of kind synthesize"
            )
        above = _estimators_above(pipeline, node) if node.facts.needs_unseen else ()
        for estimating, reference in above:
            ids = find_seen(read_utterances(own), _seen_by(reference, pipeline, data, store))
            if ids:
                listing = ", ".join(ids[:3]) + " ..." * (len(ids) > 3)
                yield (
                    f"{name}: expected utterances that the estimator of {estimating} was not fitted on, "
                    f"found {len(ids)} of {n} that it was ({listing}): it is surer of these than of others; "
                    "fit it on other data"
                )


def _lacks_speech(pipeline: Pipeline, node: Node, own: StageRef) -> bool:
    """Return whether a node needs speech that neither its data nor a node gives."""
    if not node.facts.needs_speech:
        return False
    given = any(pipeline.sort_of(name) == "speech" for name in node.of)
    return not given and not any(utterance.audio for utterance in read_utterances(own))


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
