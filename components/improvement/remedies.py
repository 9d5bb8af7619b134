"""What can be done about the errors of a run: one table of remedies, each a change of its pipeline.

A remedy changes one node, so that what is lost there bounds what it can gain.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, NamedTuple

from components.errors import AntiphonError, ConfigError
from components.files.yaml_text import format_yaml
from components.improvement.situation import ImproveOptions, Mended, RunUnderRepair, Values
from components.pipeline.advice.recommended_models import has_model
from components.pipeline.pipeline import NODE, Pipeline
from components.pipeline.reading.reader import read_pipeline
from components.pipeline.written import values_of

LADDER = (
    "packaged:whisper-tiny.en",
    "packaged:whisper-base",
    "hub:openai/whisper-small",
    "hub:openai/whisper-medium",
    "hub:openai/whisper-large-v3",
)
"""Recognizers of one family, the smallest first."""
BEAM = 5
"""Hypotheses of a wider search."""


class Remedy(NamedTuple):
    """One thing that can be done.

    Attributes:
        mends: what it works on.
        kind: of the node that it changes; None: it works on the output.
        apply: gives the pipeline with a written node changed; raises ConfigError where it cannot be done, and
            says what it needs.
    """

    mends: Mended
    kind: str | None
    apply: Callable[[RunUnderRepair, str], Values]


class Proposal(NamedTuple):
    """A remedy for one node of a run: its pipeline, or why it cannot be had.

    Attributes:
        remedy: its name, with that of the node where the run has several to choose from.
        mends: what it works on.
        node: the written node that it changes; None: it works on the output.
        pipeline: none where it cannot be had.
        missing: why it cannot be had.
    """

    remedy: str
    mends: Mended
    node: str | None
    pipeline: Pipeline | None
    missing: str = ""


def propose(situation: RunUnderRepair) -> list[Proposal]:
    """Return every remedy, with its pipeline where it can be had for this run.

    Of several nodes that it can change, each is a remedy of its own.
    """
    return [
        proposal
        for name, remedy in REMEDIES.items()
        for proposal in _propose_for_nodes(name, remedy, situation)
    ]


def format_pipeline(pipeline: Pipeline) -> str:
    """Return a pipeline as a file that ``antiphon run`` reads."""
    values = {name: value for name, value in values_of(pipeline).items() if value is not None}
    return format_yaml(json.loads(json.dumps(values)))


def _propose_for_nodes(name: str, remedy: Remedy, situation: RunUnderRepair) -> list[Proposal]:
    texts = situation.texts_of(remedy.mends)
    if remedy.kind is None:
        return [_propose(name, remedy, None, situation)]
    nodes = situation.models_above(remedy.kind, texts)
    if not nodes:
        above = f" at or above {' or '.join(texts)}" if texts else ""
        missing = f"expected a node of kind {remedy.kind}{above}, found none"
        return [Proposal(name, remedy.mends, None, None, missing)]
    proposals = [_propose(name, remedy, node, situation) for node in nodes]
    if len({proposal.missing for proposal in proposals}) == 1 and proposals[0].missing:
        return proposals[:1]  # one reason, such as a file that nobody named
    if len(nodes) == 1:
        return proposals
    return [proposal._replace(remedy=f"{name}: {proposal.node}") for proposal in proposals]


def _propose(name: str, remedy: Remedy, node: str | None, situation: RunUnderRepair) -> Proposal:
    try:
        values = remedy.apply(situation, node or situation.chain.output)
        pipeline = read_pipeline(values, folder=situation.pipeline.folder)
    except AntiphonError as error:
        return Proposal(name, remedy.mends, node, None, str(error))
    return Proposal(name, remedy.mends, node, pipeline)


def _larger_than(model: str, choices: ImproveOptions) -> str:
    """Return the recognizer to take instead of one."""
    if choices.recognizer is not None:
        if choices.recognizer == model:
            raise ConfigError(f"recognizer: expected another than the run's, found {model}")
        return choices.recognizer
    larger = LADDER[LADDER.index(model) + 1 :] if model in LADDER else ()
    found = next((row for row in larger if has_model(row)), None)
    if found is None:
        raise ConfigError(
            f"expected a recognizer larger than {model} on this machine, found none; set recognizer"
        )
    return found


def _model_of(situation: RunUnderRepair, name: str) -> str:
    return str(situation.pipeline.definitions[name].get("model"))


def _take_larger_recognizer(situation: RunUnderRepair, name: str) -> Values:
    """Take the next larger recognizer of its family for everything."""
    return situation.change(name, model=_larger_than(_model_of(situation, name), situation.choices))


def _search_wider(situation: RunUnderRepair, name: str) -> Values:
    """Search with a wider beam."""
    settings: Any = situation.pipeline.nodes[situation.pipeline.aliases.get(name, name)].settings
    beam = settings.beam_size
    if beam >= BEAM:
        raise ConfigError(f"expected a beam below {BEAM}, found {beam} in {name}")
    return situation.change(name, beam_size=BEAM)


def _recognize_doubtful_again(situation: RunUnderRepair, name: str) -> Values:
    """Take the larger recognizer for the utterances of which the present one is least sure."""
    larger = _larger_than(_model_of(situation, name), situation.choices)
    values = values_of(situation.pipeline)
    route, second, select = f"{name}-doubt", f"{name}-again", f"{name}-chosen"
    _move_readers(values, name, select)
    values["nodes"] |= {
        route: {"kind": "route", "of": name, "budget": situation.choices.share},
        second: {**situation.pipeline.definitions[name], "model": larger, "when": f"{route}.escalate"},
        select: {"kind": "select", "of": [second, name]},
    }
    return values


def _add_terms(situation: RunUnderRepair, name: str) -> Values:
    """Give the recognizer a list of names and words to expect."""
    if situation.choices.terms is None:
        raise ConfigError("expected terms: FILE, the names and words that these data are about, found none")
    return situation.change(name, terms=situation.choices.terms)


def _refine_translation(situation: RunUnderRepair, _name: str) -> Values:
    """Add a round of revision by a language model, kept where its gate says that it is better."""
    values = values_of(situation.pipeline)
    output = values["outputs"]["translation"]
    models = {"model": situation.choices.refiner, "gate_model": situation.choices.gate_model}
    refined = f"{output}-refined"
    values["nodes"][refined] = {
        **{"kind": "refine", "of": output, "rounds": 1},
        **{name: value for name, value in models.items() if value is not None},
    }
    values["outputs"]["translation"] = refined
    return values


def _average_translators(situation: RunUnderRepair, name: str) -> Values:
    """Take the mean of several fine-tunings as the translator."""
    if not situation.choices.soup:
        raise ConfigError("expected soup: [MODEL, ...], fine-tunings of the translator's start, found none")
    recipe = {
        "merge_method": "linear",
        "models": [
            {"model": model, "parameters": {"weight": 1.0}}
            for model in (_model_of(situation, name), *situation.choices.soup)
        ],
        "dtype": "float32",
    }
    values = situation.change(name, model=f"{NODE}{name}-soup")
    merge = {"kind": "merge", "recipe": format_yaml(recipe)}
    values["nodes"] = {f"{name}-soup": merge, **values["nodes"]}
    return values


def _move_readers(values: Values, name: str, other: str) -> None:
    """Let everyone who reads a node read another one instead."""

    def rename(read: Any) -> Any:
        return (
            [rename(one) for one in read]
            if isinstance(read, list | tuple)
            else other
            if read == name
            else read
        )

    for node_name, node in values["nodes"].items():
        if "of" in node:
            values["nodes"][node_name] = {**node, "of": rename(node["of"])}
    values["outputs"] = {role: rename(read) for role, read in values["outputs"].items()}


REMEDIES: dict[str, Remedy] = {
    "larger recognizer": Remedy("transcript", "recognize", _take_larger_recognizer),
    "route": Remedy("transcript", "recognize", _recognize_doubtful_again),
    "wider search of transcripts": Remedy("transcript", "recognize", _search_wider),
    "terms": Remedy("transcript", "recognize", _add_terms),
    "wider search of translations": Remedy("translation", "translate", _search_wider),
    "refinement": Remedy("translation", None, _refine_translation),
    "soup": Remedy("translation", "translate", _average_translators),
}
"""Every remedy by name, in the order of tables."""
