"""Systems that differ in the strength of one perturbation alone: curves over an axis of strengths."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from components.perturbation.config import PerturbationConfig
from components.perturbation.strengths import STRENGTHS


@dataclass(frozen=True)
class Conditions:
    """What a system's graph is set to.

    Attributes:
        strengths: NODE.SETTING of perturbations -> amount; None is no perturbation.
        settings: NODE.SETTING of everything else that was set -> value, as text.
    """

    strengths: Mapping[str, float | None]
    settings: Mapping[str, str]


def read_conditions(nodes: Mapping[str, tuple[str, Mapping[str, object]]]) -> Conditions:
    """Return what the nodes of a graph are set to: strengths of perturbations, and everything else.

    Args:
        nodes: name -> kind, and its settings as NAME or OUTER.INNER -> value.
    """
    strengths: dict[str, float | None] = {}
    settings: dict[str, str] = {}
    for name, (kind, values) in nodes.items():
        settings[f"{name}.kind"] = kind
        for key, value in values.items():
            if kind != "perturb" or key not in STRENGTHS:
                settings[f"{name}.{key}"] = str(value)
        if kind == "perturb":
            for key in STRENGTHS:
                value = values.get(key, PerturbationConfig.model_fields[key].default)
                strengths[f"{name}.{key}"] = None if value is None else float(str(value))
    return Conditions(strengths, settings)


class Curve(NamedTuple):
    """A curve's label, and its systems with their strengths, weakest first."""

    label: str
    systems: tuple[tuple[float | None, str], ...]


def find_curves(axis: str, conditions: Mapping[str, Conditions]) -> list[Curve]:
    """Return groups of systems that differ on this axis alone, with two different amounts or more."""
    groups: dict[tuple[tuple[str, str], ...], list[tuple[float | None, str]]] = {}
    for system, of in conditions.items():
        if axis in of.strengths:
            rest = {**of.settings, **{k: str(v) for k, v in of.strengths.items() if k != axis}}
            groups.setdefault(tuple(sorted(rest.items())), []).append((of.strengths[axis], system))
    groups = {rest: members for rest, members in groups.items() if _is_curve([x for x, _ in members])}
    varying = _varying_settings([dict(rest) for rest in groups])
    worse = STRENGTHS[axis.rpartition(".")[2]].worse
    return [
        Curve(
            _label({key: dict(rest).get(key, "") for key in varying}),
            tuple(sorted(members, key=lambda member: -np.inf if member[0] is None else worse * member[0])),
        )
        for rest, members in groups.items()
    ]


def _is_curve(strengths: Sequence[float | None]) -> bool:
    numbers = [strength for strength in strengths if strength is not None]
    return len(set(numbers)) > 1 and len(set(strengths)) == len(strengths)


def _varying_settings(groups: Sequence[Mapping[str, str]]) -> list[str]:
    keys = dict.fromkeys(key for group in groups for key in group)
    return [key for key in keys if len({group.get(key) for group in groups}) > 1]


def _label(varying: Mapping[str, str]) -> str:
    """The values by which a curve differs from the others; models without the part before the colon."""
    values = {key: value.rpartition(":")[2] or "default" for key, value in varying.items()}
    if len(values) == 1:
        return next(iter(values.values()))
    return ", ".join(f"{key.rpartition('.')[2]} {value}" for key, value in values.items()) or "all"
