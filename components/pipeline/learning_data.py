"""Checks of what nodes learn from, once the data sets are loaded and before anything is computed on them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from components.errors import ConfigError
from components.extensions import Extensions, accept_any
from components.nodes.facts import Mode
from components.pipeline.pipeline import Node, Pipeline
from components.run_record import StageRef
from components.storage.stages.reader import profiles_of

LEARNING_CHECKS: Extensions[Any] = Extensions("antiphon.learning_checks", "learning check", accept_any)
"""Functions of (pipeline, node, data, store) that yield faults of what a node is to learn from."""


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
        if own is None:
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
        if (fault := _find_unmeasured(pipeline, node, own)) is not None:
            yield f"{name}: {fault}"
        if node.facts.needs_unseen:
            for check in LEARNING_CHECKS.values():
                yield from check(pipeline, node, data, store)


def _lacks_speech(pipeline: Pipeline, node: Node, own: StageRef) -> bool:
    """Return whether a node needs speech that neither its data nor a node gives."""
    if not node.facts.needs_speech:
        return False
    given = any(pipeline.type_of(name) == "speech" for name in node.of)
    return not given and not any(profile.has_audio for profile in profiles_of(own))


def _find_unmeasured(pipeline: Pipeline, node: Node, own: StageRef) -> str | None:
    """Return what is wrong with a node that decides by a length of text or speech which the data lack."""
    profiles = profiles_of(own)
    lacking = [profile for profile in profiles if not profile.has_text]
    n = sum(profiles[profile] for profile in lacking)
    is_lacking = lacking and (node.kind.mode is Mode.AGGREGATE or len(lacking) == len(profiles))
    if "length" not in node.facts.numbers or not is_lacking or pipeline.type_of(node.of[0]) == "text":
        return None
    return (
        f"by: expected texts whose length is measured, found {n} recordings without one; say by: seconds, or "
        "read a node that recognizes them"
    )
