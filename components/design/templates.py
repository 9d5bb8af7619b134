"""The templates of systems: rows of a table, each a function from models to the nodes of a graph.

A system that reads speech and writes a translation is a way to recognize and a way to translate; each way is
a row. Rows state what they need, and every choice of models and settings that fits is a candidate.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations, product
from typing import Any, Literal

from components.design.goal import ModelChoice

Nodes = dict[str, dict[str, Any]]
Task = Literal["recognize", "translate", "translate_speech"]
Tier = tuple[str, ModelChoice, Mapping[str, Any]]
"""Row, model and settings."""


@dataclass(frozen=True)
class Template:
    """A way to recognize or to translate.

    Attributes:
        name: of the row.
        task: what it does.
        summary: one line for people.
        build: models, settings, the node that is read -> nodes, the last of which gives the text.
        models: how many models it takes, small to large.
        settings: name -> its values, in the order in which they are tried.
        needs: words of the goal without which it is left out, such as data to train on.
        fits: whether models can take these places.
        tiers: models -> rows, models and settings of the ways that it chooses between; none of most.
    """

    name: str
    task: Task
    summary: str
    build: Callable[[Sequence[ModelChoice], Mapping[str, Any], str], Nodes]
    models: int = 1
    settings: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    needs: tuple[str, ...] = ()
    fits: Callable[[Sequence[ModelChoice]], bool] = lambda models: True
    tiers: Callable[[Sequence[ModelChoice]], list[Tier]] = lambda models: []

    def choices(
        self, models: Sequence[ModelChoice]
    ) -> Iterator[tuple[tuple[ModelChoice, ...], dict[str, Any]]]:
        """Yield every choice of models, small to large, with every combination of settings."""
        fitting = [model for model in models if model.task == self.task]
        for chosen in filter(self.fits, combinations(fitting, self.models)):
            for values in product(*self.settings.values()):
                yield chosen, dict(zip(self.settings, values, strict=True))


def _node(model: ModelChoice, **settings: Any) -> dict[str, Any]:
    values = {"model": model.reference, **dict(model.settings), **settings}
    if "beam_size" in values:
        values["n_best"] = min(values.get("n_best", values["beam_size"]), values["beam_size"])
    return values


def _recognize(models: Sequence[ModelChoice], settings: Mapping[str, Any], source: str) -> Nodes:
    return {"asr": {"kind": "recognize", **_node(models[0], beam_size=settings["beam"])}}


def _route(models: Sequence[ModelChoice], settings: Mapping[str, Any], source: str) -> Nodes:
    fast, good = models[:2]
    return {
        "fast": {"kind": "recognize", **_node(fast, beam_size=1)},
        "doubt": {"kind": "route", "of": "fast", "by": "mean_log_prob", "budget": settings["share"]},
        "good": {"kind": "recognize", **_node(good, beam_size=1), "when": "doubt.escalate"},
        "asr": {"kind": "select", "of": ["good", "fast"]},
    }


def _tiers(models: Sequence[ModelChoice]) -> list[Tier]:
    """Return the single recognizers that a route chooses between; the third tier searches wider."""
    return [("single", model, {"beam": beam}) for model, beam in zip(models, (1, 1, 5), strict=False)]


def _three_tiers(models: Sequence[ModelChoice], settings: Mapping[str, Any], source: str) -> Nodes:
    nodes = _route(models, settings, source)
    still = {"kind": "route", "of": "good", "by": "mean_log_prob", "budget": settings["share"]}
    best = {"kind": "recognize", **_node(models[-1], beam_size=5), "when": "still.escalate"}
    return {**nodes, "still": still, "best": best, "asr": {"kind": "select", "of": ["best", "good", "fast"]}}


def _rover(models: Sequence[ModelChoice], settings: Mapping[str, Any], source: str) -> Nodes:
    nodes: Nodes = {
        f"asr{n}": {"kind": "recognize", **_node(m, beam_size=1)} for n, m in enumerate(models, 1)
    }
    voters = [*reversed(nodes)]  # ties go to the largest
    return {**nodes, "asr": {"kind": "combine", "of": voters, "method": "rover", "voting": "average"}}


def _ensemble(kind: str, name: str) -> Callable[[Sequence[ModelChoice], Mapping[str, Any], str], Nodes]:
    def build(models: Sequence[ModelChoice], settings: Mapping[str, Any], source: str) -> Nodes:
        first, *others = reversed(models)
        node = {"kind": kind, **_node(first, beam_size=settings["beam"])}
        node["members"] = [model.reference for model in others]
        return {name: node if not source else {**node, "of": source}}

    return build


def _translate(models: Sequence[ModelChoice], settings: Mapping[str, Any], source: str) -> Nodes:
    beam = {} if models[0].settings else {"beam_size": settings["beam"]}
    return {"mt": {"kind": "translate", **_read(source), **_node(models[0], **beam)}}


def _minimum_bayes_risk(models: Sequence[ModelChoice], settings: Mapping[str, Any], source: str) -> Nodes:
    nodes: Nodes = {
        f"mt{n}": {"kind": "translate", **_read(source), **_node(m)} for n, m in enumerate(models, 1)
    }
    return {**nodes, "mt": {"kind": "combine", "of": [*reversed(nodes)], "method": "minimum_bayes_risk"}}


def _refine(models: Sequence[ModelChoice], settings: Mapping[str, Any], source: str) -> Nodes:
    draft, writer = models
    final = {
        "kind": "refine",
        "of": "draft",
        "rounds": settings["rounds"],
        "model": writer.reference,
        "gate": "forward",
        "gate_model": draft.reference,
    }
    return {"draft": {"kind": "translate", **_read(source), **_node(draft)}, "mt": final}


def _fuse(models: Sequence[ModelChoice], settings: Mapping[str, Any], source: str) -> Nodes:
    draft, writer = models
    lists = {"kind": "translate", **_read(source), **_node(draft, beam_size=settings["beam"])}
    return {"draft": lists, "mt": {"kind": "fuse", "of": "draft", "model": writer.reference}}


def _ends_with_writer(models: Sequence[ModelChoice]) -> bool:
    return bool(models[-1].settings)  # those of a language model


def _merge(models: Sequence[ModelChoice], settings: Mapping[str, Any], source: str) -> Nodes:
    first, second = models
    share = settings["share"]
    recipe = {
        "merge_method": "linear",
        "models": [
            {"model": first.reference, "parameters": {"weight": 1 - share}},
            {"model": second.reference, "parameters": {"weight": share}},
        ],
    }
    merged = ModelChoice("node:merged", "translate")
    return {
        "merged": {"kind": "merge", "recipe": json.dumps(recipe)},
        "mt": {"kind": "translate", **_read(source), **_node(merged)},
    }


def _distil(models: Sequence[ModelChoice], settings: Mapping[str, Any], source: str) -> Nodes:
    (teacher,) = models
    student = {
        "kind": "distill",
        "teachers": [teacher.reference],
        "tokenizer": teacher.reference,
        "init_layers_from": teacher.reference,
        "decoder_layers": 1,
        "data": settings["train"],
        "dev": settings["dev"],
    }
    pupil = ModelChoice("node:student", "translate")
    return {"student": student, "mt": {"kind": "translate", **_read(source), **_node(pupil, beam_size=1)}}


def _read(source: str) -> dict[str, str]:
    return {"of": source} if source else {}


def _translate_speech(models: Sequence[ModelChoice], settings: Mapping[str, Any], source: str) -> Nodes:
    return {"mt": {"kind": "translate_speech", **_node(models[0], beam_size=settings["beam"])}}


BEAMS, SHARES = (1, 5), (0.2, 0.4)
TEMPLATES: dict[str, Template] = {
    row.name: row
    for row in (
        Template("single", "recognize", "one recognizer", _recognize, settings={"beam": BEAMS}),
        Template(
            "route",
            "recognize",
            "a small one, and a larger for its doubts",
            _route,
            2,
            {"share": SHARES},
            tiers=_tiers,
        ),
        Template(
            "route3",
            "recognize",
            "three tiers, each for the doubts before",
            _three_tiers,
            3,
            {"share": SHARES},
            tiers=_tiers,
        ),
        Template("rover", "recognize", "two recognizers vote word by word", _rover, 2),
        Template("rover3", "recognize", "three recognizers vote word by word", _rover, 3),
        Template(
            "recognizer_ensemble",
            "recognize",
            "two recognizers of one vocabulary, mixed token by token",
            _ensemble("recognize", "asr"),
            2,
            {"beam": (1,)},
        ),
        Template("cascade", "translate", "one translator", _translate, settings={"beam": BEAMS}),
        Template(
            "ensemble",
            "translate",
            "two translators of one vocabulary, mixed token by token",
            _ensemble("translate", "mt"),
            2,
            {"beam": (5,)},
        ),
        Template(
            "mbr", "translate", "of one system's list the text most like all others", _minimum_bayes_risk
        ),
        Template("mbr2", "translate", "the same of two systems' lists", _minimum_bayes_risk, 2),
        Template(
            "refine",
            "translate",
            "a draft that a second model revises, behind a gate",
            _refine,
            2,
            {"rounds": (1,)},
            fits=_ends_with_writer,
        ),
        Template(
            "fuse",
            "translate",
            "of a translator's list a second model writes a text, behind a gate",
            _fuse,
            2,
            {"beam": (5,)},
            fits=_ends_with_writer,
        ),
        Template(
            "merge", "translate", "one model, the weighted mean of two", _merge, 2, {"share": (0.3, 0.5, 0.7)}
        ),
        Template("distil", "translate", "a small student of a translator", _distil, needs=("train", "dev")),
        Template(
            "direct",
            "translate_speech",
            "speech straight into the translation",
            _translate_speech,
            settings={"beam": BEAMS},
        ),
    )
}
"""Name -> template."""
