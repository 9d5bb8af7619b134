"""The parts of the nodes of a pipeline, and the pipeline with some of them taken away.

:data:`GRAPH_KEYS` is the one place to add a kind of part: members that are mixed, inputs that are combined,
sources that a stacked system is told, rounds.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from components.errors import ConfigError
from components.metrics.shapley import MAX_MEMBERS, Coalition, all_coalitions
from components.nodes.table import KINDS
from components.pipeline.pipeline import DATA, TARGET, Pipeline
from components.pipeline.rewriting import replace_nodes, update_node


@dataclass(frozen=True)
class Ablation:
    """One node's parts, and the pipeline with each set of them, whose output is to be scored.

    Attributes:
        empty: what comes out of no part, where no pipeline does that.
        transcripts: whether the output is scored as a transcript.
    """

    title: str
    parts: tuple[str, ...]
    pipelines: Mapping[Coalition, Pipeline]
    empty: str = "no output"
    transcripts: bool = False


Build = Callable[[Coalition], Pipeline]
"""The pipeline with a set of parts, its output that which is to be scored."""


def ablations_of(pipeline: Pipeline, stages: Collection[str]) -> list[Ablation]:
    """What can be taken away from a finished run, node by node; ``stages`` it has.

    Raises:
        ConfigError: a node with more parts than can be told apart, or whose parts cannot be taken away.
    """
    return [
        ablation
        for name, values in pipeline.definitions.items()
        if values["kind"] in PARTS and _has_gold(pipeline, pipeline.aliases.get(name, name))
        for ablation in PARTS[values["kind"]](pipeline, name, stages)
    ]


def _has_gold(pipeline: Pipeline, name: str) -> bool:
    """Whether a node gives texts for the data of the run, in a language of which there are references."""
    if name not in pipeline.nodes or pipeline.data_of(name) != DATA:
        return False
    return pipeline.is_spoken(name) or pipeline.language_of(name) in (TARGET, pipeline.languages[1])


def _ablate_members(pipeline: Pipeline, name: str, stages: Collection[str]) -> Iterator[Ablation]:
    """The members that a node mixes token by token; a set of one is that model by itself."""
    values = pipeline.definitions[name]
    models = [values.get("model"), *values.get("members", ())]
    if len(models) < 2 or name not in stages:
        return
    how = values.get("combine") or values
    if how.get("coefficients") or values.get("dropout_members"):
        raise _fixed_weights_error(name)
    parts = _number_duplicates([str(model) for model in models])
    by_part = dict(zip(parts, models, strict=True))

    def build(kept: Coalition) -> Pipeline:
        first, *others = [model for part, model in by_part.items() if part in kept]
        alone = {} if others else {"combine": None, "combination": None}
        return _with_output(update_node(pipeline, name, model=first, members=others, **alone), name)

    yield _ablate_every_set(pipeline, f"members of {name}", name, parts, build)


def _ablate_inputs(pipeline: Pipeline, name: str, stages: Collection[str]) -> Iterator[Ablation]:
    """The inputs of a node that combines several; a set of one is that input by itself."""
    values = pipeline.definitions[name]
    if name not in stages:
        return
    if values.get("weights") or values.get("coefficients"):
        raise _fixed_weights_error(name)
    inputs = list(values["of"])
    models = [str(pipeline.definitions.get(each, {}).get("model", each)) for each in inputs]
    parts = _number_duplicates(models) if len(set(models)) == len(models) else tuple(inputs)
    tuned = values.get("tuned")

    def build(kept: Coalition) -> Pipeline:
        numbers = [number for number, part in enumerate(parts) if part in kept]
        if len(numbers) == 1:
            return _with_output(pipeline, inputs[numbers[0]])
        fewer = {each: _with_inputs(pipeline, each, numbers) for each in (name, tuned) if each is not None}
        return _with_output(replace_nodes(pipeline, fewer), name)

    yield _ablate_every_set(pipeline, f"inputs of {name}", name, parts, build)


def _with_inputs(pipeline: Pipeline, name: str, numbers: Sequence[int]) -> dict[str, Any]:
    values = pipeline.definitions[name]
    return {**values, "of": [values["of"][number] for number in numbers]}


SOURCES: dict[str, tuple[str, ...]] = {
    "late_fusion": ("transcript", "sound"),
    "dual_source": ("transcript", "sound"),
    "pre_translation": ("transcript", "draft"),
}
"""What methods of stacking are told, where it is several."""


def _ablate_sources(pipeline: Pipeline, name: str, stages: Collection[str]) -> Iterator[Ablation]:
    """What a stacked system is told: by the coefficient in late fusion, by a blank in its place elsewhere."""
    method = pipeline.definitions[name].get("method", "")
    parts = SOURCES.get(method, ())
    if not parts or name not in stages:
        return

    def build(kept: Coalition) -> Pipeline:
        blank = [part for part in parts if part not in kept]
        changed = {"coefficient": float("sound" in kept)} if method == "late_fusion" else {"blank": blank}
        return _with_output(update_node(pipeline, name, **changed), name)

    yield _ablate_every_set(pipeline, f"sources of {method}", name, parts, build)


def _ablate_rounds(pipeline: Pipeline, name: str, stages: Collection[str]) -> Iterator[Ablation]:
    """Rounds follow each other: with the first so many, each by what it adds to the one before."""
    values = pipeline.definitions[name]
    expanded = KINDS[values["kind"]].expand(name, dict(values)) or {}
    rounds = tuple(each for each in expanded if each in stages and pipeline.nodes[each].kind.name in ROUNDS)
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
"""Kind of a written node -> what its parts are and how one is taken away."""


def _ablate_every_set(
    pipeline: Pipeline, title: str, name: str, parts: tuple[str, ...], build: Build
) -> Ablation:
    """Every set of parts but none."""
    if len(parts) > MAX_MEMBERS:
        raise ConfigError(f"expected at most {MAX_MEMBERS} parts in {name}, found {len(parts)}")
    pipelines = {kept: build(kept) for kept in all_coalitions(parts)[1:-1]}
    pipelines[frozenset(parts)] = _with_output(pipeline, name)
    return Ablation(title, parts, pipelines, transcripts=pipeline.is_spoken(name))


def _with_output(pipeline: Pipeline, name: str) -> Pipeline:
    """What a node needs, with its text as the output."""
    last = pipeline.aliases.get(name, name)
    role = "transcript" if pipeline.is_spoken(last) else "translation"
    return replace(pipeline.subgraph_of(last), outputs={role: last})


def _number_duplicates(names: Sequence[str]) -> tuple[str, ...]:
    """Different names: a model that is there twice is told by its number."""
    return tuple(f"{name} #{n}" if names.count(name) > 1 else name for n, name in enumerate(names, 1))


def _fixed_weights_error(name: str) -> ConfigError:
    return ConfigError(
        f"expected members of {name} without dropout and without fixed coefficients or weights, which fit no "
        "part of the ensemble; leave them empty (equal) or learned"
    )
