"""Ablations of a pipeline: the parts of its nodes, and the pipeline with some of them taken away.

Parts are members that are mixed, inputs that are combined, sources that a stacked system reads, and rounds.
:data:`PARTS` is the table of them.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from components.decoding.member_settings import name_first
from components.errors import ConfigError
from components.metrics.statistics.shapley import MAX_MEMBERS, Coalition, all_coalitions
from components.nodes.kind import KINDS
from components.pipeline.pipeline import DATA, TARGET, Pipeline
from components.pipeline.rewriting import replace_nodes, update_node


@dataclass(frozen=True)
class Ablation:
    """One node's parts, and for each set of them the pipeline whose output is scored.

    Attributes:
        title: what is ablated, for people.
        parts: names of the parts.
        pipelines: set of parts -> the pipeline with these alone.
        empty: what the output is without any part, where no pipeline computes that.
        transcripts: whether the output is scored as a transcript.
        models: part -> the model of the node that it is.
    """

    title: str
    parts: tuple[str, ...]
    pipelines: Mapping[Coalition, Pipeline]
    empty: str = "no output"
    transcripts: bool = False
    models: Mapping[str, str] = field(default_factory=dict)


_log = logging.getLogger("antiphon.attribution")

Build = Callable[[Coalition], Pipeline]
"""Builds the pipeline with a set of parts; its only output is the one to score."""


def ablations_of(pipeline: Pipeline, stages: Collection[str]) -> list[Ablation]:
    """Return every ablation of a finished run, node by node.

    Args:
        pipeline: that of the run.
        stages: names of the nodes that have a finished stage.

    Raises:
        ConfigError: every node with parts has too many, or some that cannot be taken away.
    """
    ablations, faults = list[Ablation](), list[ConfigError]()
    for name, values in pipeline.definitions.items():
        if values["kind"] in PARTS and _has_gold(pipeline, pipeline.aliases.get(name, name)):
            try:
                ablations += PARTS[values["kind"]](pipeline, name, stages)
            except ConfigError as fault:
                faults.append(fault)
    if faults and not ablations:
        raise faults[0]
    for left_out in faults:
        _log.warning("left out: %s", left_out)
    return ablations


def _has_gold(pipeline: Pipeline, name: str) -> bool:
    """Return whether a node gives texts for the run's data, in a language that has references."""
    if name not in pipeline.nodes or pipeline.data_of(name) != DATA:
        return False
    return pipeline.is_spoken(name) or pipeline.language_of(name) in (TARGET, pipeline.languages[1])


def _ablate_members(pipeline: Pipeline, name: str, stages: Collection[str]) -> Iterator[Ablation]:
    """Ablate the members that a node mixes token by token; a single member is that model alone."""
    values = name_first(pipeline.definitions[name])
    usual = KINDS[values["kind"]].settings.model_fields["model"].default
    models = [values.get("model", usual), *values.get("members", ())]
    if len(models) < 2 or name not in stages:
        return
    how = values.get("combine") or values
    if how.get("coefficients") or values.get("dropout_members"):
        raise _explain_fixed_weights(name)
    parts = _number_duplicates([str(model) for model in models])
    own = values.get("device")
    devices = [own, *(d or own for d in values.get("member_devices") or [None] * len(models[1:]))]
    by_part = dict(zip(parts, zip(models, devices, strict=True), strict=True))

    def build(subset: Coalition) -> Pipeline:
        (first, device), *others = [place for part, place in by_part.items() if part in subset]
        changes: dict[str, Any] = {"model": first, "members": [model for model, _ in others]}
        if any(values.get("member_devices") or ()):
            changes |= {"device": device, "member_devices": [place or "auto" for _, place in others]}
        alone = {} if others else {"combine": None, "combination": None}
        return _with_output(update_node(pipeline, name, **changes, **alone), name)

    yield _ablate_every_set(pipeline, f"members of {name}", name, parts, build)


def _ablate_inputs(pipeline: Pipeline, name: str, stages: Collection[str]) -> Iterator[Ablation]:
    """Ablate the inputs of a node that combines several; a single input is that text as it is."""
    values = pipeline.definitions[name]
    if name not in stages:
        return
    if values.get("weights") or values.get("coefficients"):
        raise _explain_fixed_weights(name)
    parts = tuple(values["of"])
    written = {node: pipeline.definitions.get(node, {}) for node in parts}
    models = {
        node: str(node_values["model"]) for node, node_values in written.items() if "model" in node_values
    }
    tuned = values.get("tuned")

    def build(subset: Coalition) -> Pipeline:
        numbers = [number for number, part in enumerate(parts) if part in subset]
        if len(numbers) == 1:
            return _with_output(pipeline, parts[numbers[0]])
        fewer = {node: _with_inputs(pipeline, node, numbers) for node in (name, tuned) if node is not None}
        return _with_output(replace_nodes(pipeline, fewer), name)

    yield replace(_ablate_every_set(pipeline, f"inputs of {name}", name, parts, build), models=models)


def _with_inputs(pipeline: Pipeline, name: str, numbers: Sequence[int]) -> dict[str, Any]:
    values = pipeline.definitions[name]
    return {**values, "of": [values["of"][number] for number in numbers]}


SOURCES: dict[str, tuple[str, ...]] = {
    "late_fusion": ("transcript", "sound"),
    "dual_source": ("transcript", "sound"),
    "pre_translation": ("transcript", "draft"),
}
"""Method of stacking -> its sources, where there are several."""


def _ablate_sources(pipeline: Pipeline, name: str, stages: Collection[str]) -> Iterator[Ablation]:
    """Ablate what a stacked system reads: by the coefficient in late fusion, by an empty source elsewhere."""
    method = pipeline.definitions[name].get("method", "")
    parts = SOURCES.get(method, ())
    if not parts or name not in stages:
        return

    def build(subset: Coalition) -> Pipeline:
        ablated = [part for part in parts if part not in subset]
        changed = (
            {"coefficient": float("sound" in subset)} if method == "late_fusion" else {"ablate": ablated}
        )
        return _with_output(update_node(pipeline, name, **changed), name)

    yield _ablate_every_set(pipeline, f"sources of {method}", name, parts, build)


def _ablate_rounds(pipeline: Pipeline, name: str, stages: Collection[str]) -> Iterator[Ablation]:
    """Ablate rounds: each counts by what it adds to the one before, since they follow each other."""
    values = pipeline.definitions[name]
    expanded = KINDS[values["kind"]].expand(name, dict(values)) or {}
    rounds = tuple(node for node in expanded if node in stages and pipeline.nodes[node].kind.name in ROUNDS)
    draft = values["of"] if isinstance(values["of"], str) else values["of"][0]
    draft = pipeline.aliases.get(draft, draft)
    if not rounds:
        return
    pipelines = {frozenset[str](): _with_output(pipeline, draft)}
    for number in range(1, len(rounds) + 1):
        pipelines[frozenset(rounds[:number])] = _with_output(update_node(pipeline, name, rounds=number), name)
    yield Ablation(f"rounds of {name}", rounds, pipelines, "the draft", pipeline.is_spoken(draft))


ROUNDS = ("refine_round", "loop_round")

PARTS: dict[str, Callable[[Pipeline, str, Collection[str]], Iterator[Ablation]]] = {
    "recognize": _ablate_members,
    "translate": _ablate_members,
    "combine": _ablate_inputs,
    "stack": _ablate_sources,
    "refine": _ablate_rounds,
    "loop": _ablate_rounds,
}
"""Kind of a written node -> the function that ablates it."""


def _ablate_every_set(
    pipeline: Pipeline, title: str, name: str, parts: tuple[str, ...], build: Build
) -> Ablation:
    """Build the pipeline for every set of parts but the empty one."""
    if len(parts) > MAX_MEMBERS:
        raise ConfigError(f"expected at most {MAX_MEMBERS} parts in {name}, found {len(parts)}")
    pipelines = {subset: build(subset) for subset in all_coalitions(parts)[1:-1]}
    pipelines[frozenset(parts)] = _with_output(pipeline, name)
    return Ablation(title, parts, pipelines, transcripts=pipeline.is_spoken(name))


def _with_output(pipeline: Pipeline, name: str) -> Pipeline:
    """Return what a node needs, with its text as the only output."""
    last = pipeline.aliases.get(name, name)
    role = "transcript" if pipeline.is_spoken(last) else "translation"
    return replace(pipeline.subgraph_of(last), outputs={role: last})


def _number_duplicates(names: Sequence[str]) -> tuple[str, ...]:
    """Return distinct names: a model that occurs several times is numbered."""
    return tuple(f"{name} #{n}" if names.count(name) > 1 else name for n, name in enumerate(names, 1))


def _explain_fixed_weights(name: str) -> ConfigError:
    return ConfigError(
        f"expected members of {name} without dropout and without fixed coefficients or weights, which fit no "
        "part of the ensemble; leave them empty (equal) or learned"
    )
