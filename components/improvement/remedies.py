"""What can be done about the errors of a run: one table of remedies, each a change of its pipeline.

A remedy mends one stage of an error attribution, so what that stage loses bounds what the remedy can gain.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple

from components.errors import AntiphonError, ConfigError
from components.pipeline.pipeline import NODE, Pipeline
from components.pipeline.reader import read_pipeline
from components.pipeline.recommended_models import has_model
from components.pipeline.rewriting import definition_of, values_of
from components.pipeline.substitution import Chain
from components.yaml_text import format_yaml

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
Mended = Literal["transcript", "translation"]
"""The stage of the error attribution that a remedy works on."""
Values = dict[str, Any]
"""A pipeline as it is written in a file."""


class Choices(NamedTuple):
    """What the user chose for remedies; None or empty where it is left to Antiphon.

    Attributes:
        recognizer: the larger recognizer.
        share: of the utterances that are recognized again, in (0, 1).
        refiner: the language model that revises translations.
        gate_model: the model by which a revision is judged.
        terms: file of terms.
        soup: models to be averaged with the translator.
    """

    recognizer: str | None = None
    share: float = 0.3
    refiner: str | None = None
    gate_model: str | None = None
    terms: str | None = None
    soup: tuple[str, ...] = ()


class Situation(NamedTuple):
    """What a remedy starts from: the pipeline of a run, what can be corrected in it, and choices."""

    pipeline: Pipeline
    chain: Chain
    choices: Choices

    def nodes_of(self, kind: str, names: tuple[str, ...]) -> dict[str, Mapping[str, Any]]:
        """The written nodes of a kind that some nodes are, or depend on for their model or text.

        Raises:
            ConfigError: there is none.
        """
        written = {definition_of(self.pipeline, name) for name in names}
        found = {
            name: values
            for name, values in self.pipeline.definitions.items()
            if name in written and values.get("kind") == kind
        }
        if not found:
            raise ConfigError(
                f"expected a node of kind {kind}, found none among {', '.join(sorted(written))}"
            )
        return found


class Remedy(NamedTuple):
    """One thing that can be done.

    Attributes:
        mends: the stage that it works on.
        summary: one line for people.
        apply: gives the changed pipeline; raises ConfigError where it cannot be done, and says what it needs.
    """

    mends: Mended
    summary: str
    apply: Callable[[Situation], Values]


class Proposal(NamedTuple):
    """A remedy for one run: its pipeline, or why it cannot be had."""

    remedy: str
    mends: Mended
    summary: str
    pipeline: Pipeline | None
    missing: str = ""


def propose(situation: Situation) -> list[Proposal]:
    """Return every remedy, with its pipeline where it can be had for this run."""
    return [_propose(name, remedy, situation) for name, remedy in REMEDIES.items()]


def format_pipeline(pipeline: Pipeline) -> str:
    """Return a pipeline as a file that ``antiphon run`` reads."""
    values = {name: value for name, value in values_of(pipeline).items() if value is not None}
    return format_yaml(json.loads(json.dumps(values)))


def _propose(name: str, remedy: Remedy, situation: Situation) -> Proposal:
    try:
        pipeline = read_pipeline(remedy.apply(situation), folder=situation.pipeline.folder)
    except AntiphonError as error:
        return Proposal(name, remedy.mends, remedy.summary, None, str(error))
    return Proposal(name, remedy.mends, remedy.summary, pipeline)


def _larger_than(model: str, choices: Choices) -> str:
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


def _take_larger_recognizer(situation: Situation) -> Values:
    values = values_of(situation.pipeline)
    for name, node in situation.nodes_of("recognize", situation.chain.transcripts).items():
        values["nodes"][name] = {**node, "model": _larger_than(str(node.get("model")), situation.choices)}
    return values


def _search_transcripts_wider(situation: Situation) -> Values:
    return _widen(situation, "recognize", situation.chain.transcripts)


def _search_translations_wider(situation: Situation) -> Values:
    return _widen(situation, "translate", (situation.chain.output,))


def _widen(situation: Situation, kind: str, names: tuple[str, ...]) -> Values:
    values = values_of(situation.pipeline)
    nodes = situation.nodes_of(kind, names)
    for name, node in nodes.items():
        settings: Any = situation.pipeline.nodes[situation.pipeline.aliases.get(name, name)].settings
        beam = settings.beam_size
        if beam >= BEAM:
            raise ConfigError(f"expected a beam below {BEAM}, found {beam} in {name}")
        values["nodes"][name] = {**node, "beam_size": BEAM}
    return values


def _recognize_doubtful_again(situation: Situation) -> Values:
    values = values_of(situation.pipeline)
    for name, node in situation.nodes_of("recognize", situation.chain.transcripts).items():
        larger = _larger_than(str(node.get("model")), situation.choices)
        doubt, again, chosen = f"{name}-doubt", f"{name}-again", f"{name}-chosen"
        _move_readers(values, name, chosen)
        values["nodes"] |= {
            doubt: {"kind": "route", "of": name, "budget": situation.choices.share},
            again: {**node, "model": larger, "when": f"{doubt}.escalate"},
            chosen: {"kind": "select", "of": [again, name]},
        }
    return values


def _add_terms(situation: Situation) -> Values:
    if situation.choices.terms is None:
        raise ConfigError("expected terms: FILE, the names and words that these data are about, found none")
    values = values_of(situation.pipeline)
    for name, node in situation.nodes_of("recognize", situation.chain.transcripts).items():
        values["nodes"][name] = {**node, "terms": situation.choices.terms}
    return values


def _refine_translation(situation: Situation) -> Values:
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


def _average_translators(situation: Situation) -> Values:
    if not situation.choices.soup:
        raise ConfigError("expected soup: [MODEL, ...], fine-tunings of the translator's start, found none")
    values = values_of(situation.pipeline)
    for name, node in situation.nodes_of("translate", (situation.chain.output,)).items():
        models = [str(node.get("model")), *situation.choices.soup]
        recipe = {
            "merge_method": "linear",
            "models": [{"model": model, "parameters": {"weight": 1.0}} for model in models],
            "dtype": "float32",
        }
        values["nodes"] = {
            f"{name}-soup": {"kind": "merge", "recipe": format_yaml(recipe)},
            **values["nodes"],
            name: {**node, "model": f"{NODE}{name}-soup"},
        }
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
    "larger recognizer": Remedy(
        "transcript", "the next larger recognizer of its family for everything", _take_larger_recognizer
    ),
    "route": Remedy(
        "transcript",
        "the larger recognizer for the utterances of which the present one is least sure",
        _recognize_doubtful_again,
    ),
    "wider search of transcripts": Remedy(
        "transcript", f"a beam of {BEAM} in recognition", _search_transcripts_wider
    ),
    "terms": Remedy("transcript", "a list of names and words that the recognizer expects", _add_terms),
    "wider search of translations": Remedy(
        "translation", f"a beam of {BEAM} in translation", _search_translations_wider
    ),
    "refinement": Remedy(
        "translation",
        "a round of revision by a language model, kept where its gate says that it is better",
        _refine_translation,
    ),
    "soup": Remedy("translation", "the mean of several fine-tunings as the translator", _average_translators),
}
"""Every remedy by name, in the order of tables."""
