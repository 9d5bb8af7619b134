"""The candidates of a design: every system that the templates make of the models."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import product
from typing import Any, NamedTuple

from components.design.goal import Limits, ModelChoice
from components.design.models import describe_model
from components.design.racing.mixtures import Mixture
from components.design.templates import TEMPLATES, Nodes, Template
from components.errors import ConfigError
from components.text.suggestions import suggest


class Way(NamedTuple):
    """One half of a system: its template with models and settings."""

    template: Template
    models: tuple[ModelChoice, ...]
    settings: Mapping[str, Any]

    @property
    def title(self) -> str:
        """Its name for people: ``route(tiny.en, base; share 0.2)``."""
        named = ", ".join(model.short for model in self.models)
        values = ", ".join(f"{key} {value}" for key, value in self.settings.items())
        return f"{self.template.name}({named}{f'; {values}' if values else ''})"

    @property
    def tiers(self) -> list[Way]:
        """The ways that it chooses between; none of most."""
        rows = self.template.tiers(self.models)
        return [Way(TEMPLATES[name], (model,), settings) for name, model, settings in rows]

    def build(self, source: str, goal: Mapping[str, Any]) -> Nodes:
        """Return its nodes."""
        return self.template.build(self.models, {**goal, **self.settings}, source)


class Candidate(NamedTuple):
    """A system that may be worth having.

    Attributes:
        name: for people; no two have the same.
        template: names of its rows.
        graph: as ``antiphon run`` reads it.
        models: references.
        choices: of template, models and settings, by name.
        mixture: of other candidates, whose texts it chooses between; None of most.
    """

    name: str
    template: str
    graph: dict[str, Any]
    models: tuple[str, ...]
    choices: tuple[tuple[str, str], ...]
    mixture: Mixture | None = None


def check_templates(names: Iterable[str]) -> None:
    """Refuse a template that there is not. Raises ConfigError."""
    for name in names:
        if name not in TEMPLATES:
            raise ConfigError(f"templates: there is no template {name!r}{suggest(name, TEMPLATES)}")


def list_candidates(
    models: Sequence[ModelChoice],
    *,
    is_spoken: bool,
    target: str | None,
    templates: Sequence[str],
    goal: Mapping[str, Any],
    left_out: Sequence[str] = (),
) -> list[Candidate]:
    """Return every system, in the order of the table, small models first.

    Args:
        models: that may be used.
        is_spoken: whether the data are recordings.
        target: language to be written; None: transcripts are.
        templates: names of rows; empty: all.
        goal: further words of the goal that templates need, such as ``train``.
        left_out: lines on models that may not be used.

    Raises:
        ConfigError: there is no such template, or no system can be made.
    """
    check_templates(templates)
    rows = [row for name, row in TEMPLATES.items() if not templates or name in templates]
    rows = [row for row in rows if all(goal.get(need) for need in row.needs)]
    ways = {
        task: [Way(row, *choice) for row in rows if row.task == task for choice in row.choices(models)]
        for task in ("recognize", "translate", "translate_speech")
    }
    candidates = list(_combine(ways, goal, is_spoken=is_spoken, target=target))
    if not candidates:
        found = "; ".join([", ".join(model.reference for model in models) or "none", *left_out])
        raise ConfigError(f"models: expected some of which a template makes a system, found {found}")
    return candidates


def _combine(
    ways: Mapping[str, Sequence[Way]], goal: Mapping[str, Any], *, is_spoken: bool, target: str | None
) -> Iterator[Candidate]:
    if target is None:
        for way in ways["recognize"]:
            yield _candidate([way], way.build("", goal), {"transcript": "asr"})
        return
    if not is_spoken:
        for way in ways["translate"]:
            yield _candidate([way], way.build("", goal), {"translation": "mt"})
        return
    for first, second in product(ways["recognize"], ways["translate"]):
        nodes = {**first.build("", goal), **second.build("asr", goal)}
        yield _candidate([first, second], nodes, {"transcript": "asr", "translation": "mt"})
    for way in ways["translate_speech"]:
        yield _candidate([way], way.build("", goal), {"translation": "mt"})


def _candidate(ways: Sequence[Way], nodes: Nodes, outputs: dict[str, str]) -> Candidate:
    models = dict.fromkeys(model.reference for way in ways for model in way.models)
    templates = "+".join(way.template.name for way in ways)
    choices = [("templates", templates)]
    for way in ways:
        name = way.template.name
        choices.append((f"{name}.models", ", ".join(model.reference for model in way.models)))
        choices += [(f"{name}.{key}", str(value)) for key, value in way.settings.items()]
    graph = {"nodes": nodes, "outputs": outputs}
    return Candidate(_name(ways), templates, graph, tuple(models), tuple(choices), _mixture(*ways))


def _name(ways: Sequence[Way]) -> str:
    return " + ".join(way.title for way in ways)


def _mixture(first: Way, *others: Way) -> Mixture | None:
    tiers = tuple(_name([tier, *others]) for tier in first.tiers)
    return Mixture(tiers, first.settings["share"]) if tiers else None


def licensed(models: Sequence[ModelChoice], limits: Limits) -> tuple[list[ModelChoice], list[str]]:
    """Return the models whose licence is allowed, and a line for each that is left out."""
    if not limits.licences:
        return list(models), []
    words = [word.casefold() for word in limits.licences]
    kept = [m for m in models if any(word in m.licence.casefold() for word in words)]
    left = [
        f"{m.reference}: left out, its licence is {m.licence or 'not known'}" for m in models if m not in kept
    ]
    return kept, left


def licensed_systems(systems: Sequence[Candidate], limits: Limits) -> tuple[list[Candidate], list[str]]:
    """Return the systems whose models all have an allowed licence, and lines of why not the others."""
    faults = {each.name: licensed(list(map(describe_model, each.models)), limits)[1] for each in systems}
    notes = dict.fromkeys(line for lines in faults.values() for line in lines)
    return [each for each in systems if not faults[each.name]], list(notes)


def list_alone(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Return the systems without any combination, the largest models and widest beams first."""
    return [each for each in reversed(candidates) if set(each.template.split("+")) <= {"single", "cascade"}]
