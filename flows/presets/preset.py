"""A preset as its file says it: a graph, which of its settings are asked, and what a run of it adds."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

from pydantic import BaseModel, ConfigDict

from components.files.yaml_text import parse_yaml
from flows.parameters.faults import check_values
from flows.presets.files import FOLDER

FLAT = "*"
"""The field of a form that asks the settings of a node one by one, not as a group."""


class FormField(BaseModel):
    """A parameter that sets something of the graph.

    Attributes:
        sets: NODE, or NODE.SETTING; the node of the parameter's name if empty.
        title: in forms; that of the setting if None.
        description: what it is; that of the setting if None.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    sets: str = ""
    title: str | None = None
    description: str | None = None


class Preset(BaseModel):
    """A graph and its form.

    Attributes:
        summary: what it does, in a line.
        parameters: ``module:name`` of the model of what a run has beside the graph's settings.
        form: parameter -> the setting, or all settings, of a node; what is not asked elsewhere.
        follow: NODE.SETTING -> the NODE.SETTING whose value it takes where it has none.
        nodes: as in a file of ``antiphon run FILE.yaml``.
        until: the node that is run with what it needs; all if None.
        hooks: ``module:name`` of :class:`flows.system.Hooks`.
        run: ``module:name`` of what runs it with its parameters; :func:`flows.system.run_system` if None.
        long_run: ``module:name`` of what describes the long training that parameters of mere defaults mean.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    summary: str
    parameters: str = "flows.parameters.base:DataParameters"
    form: dict[str, FormField]
    follow: dict[str, str] = {}
    nodes: dict[str, dict[str, Any]]
    until: str | None = None
    hooks: str = "flows.system:NO_HOOKS"
    run: str | None = None
    long_run: str | None = None

    def fields(self) -> Iterator[tuple[str, str, str, FormField]]:
        """The fields of the form: parameter, node, setting ("" for all of the node's), and what is shown."""
        for parameter, field in self.form.items():
            node, _, setting = (field.sets or parameter).partition(".")
            yield parameter, node, setting, field

    def asked_elsewhere(self, node: str) -> set[str]:
        """Return the settings of a node that have a field of their own, or follow another."""
        own = {setting for _, name, setting, _ in self.fields() if name == node and setting}
        return own | {path.partition(".")[2] for path in self.follow if path.partition(".")[0] == node}


@cache
def read_preset(name: str) -> Preset:
    """Return the preset of a name.

    Raises:
        ConfigError: its file is wrong.
    """
    path = FOLDER / f"{name}.yaml"
    return check_values(Preset, parse_yaml(path.read_text(encoding="utf-8"), str(path))[0])
