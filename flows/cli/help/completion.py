"""Completion in the shell: flows, runs, nodes, parameters after ``--set``, models, metrics, choices.

All of it is read from what is there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from importlib import import_module
from pathlib import Path
from typing import Any, get_args

from flows.cli.help.options import list_shown_flows
from flows.cli.help.parameters import parameter_rows
from flows.registry import FLOWS, flow_named

Completions = Iterable[tuple[str, str]]
"""Words and what they are."""


def complete(what: str, ctx: Any, incomplete: str) -> Completions:
    """Return the words that may stand at a place, whatever they begin with.

    Args:
        what: a row of ``COMPLETIONS``, or ``module:NAME`` of a ``Literal``, whose choices they are.
        ctx: typer's context, with the arguments before.
        incomplete: the word's beginning.
    """
    module, _, name = what.partition(":")
    if name:
        return [(choice, "") for choice in get_args(getattr(import_module(module), name))]
    return COMPLETIONS[what](ctx, incomplete)


def _first_argument(ctx: Any, name: str) -> str:
    """Return the argument before the options: while an option has no value yet it is not parsed."""
    return str(ctx.params.get(name) or ctx.args[0])


def _complete_flows(ctx: Any, incomplete: str) -> Completions:
    """Return flows, and files with pipelines."""
    yield from ((name, FLOWS[name].summary) for name in list_shown_flows())
    folder = "".join(incomplete.rpartition("/")[:2])  # as it is typed, with its slash
    for path in sorted(Path(folder).iterdir()):
        if path.is_dir() or path.suffix in {".yaml", ".yml"}:
            yield f"{folder}{path.name}{'/' * path.is_dir()}", ""


def _complete_runs(ctx: Any, incomplete: str) -> Completions:
    """Return runs of the store, the last first."""
    from components.storage.store import Store

    return [(name, "") for name in reversed(Store(ctx.params.get("store")).backend.list_run_names())]


def _complete_nodes(ctx: Any, incomplete: str) -> Completions:
    """Return nodes of the run that stands before."""
    from components.storage.runs.run_records import read_record
    from components.storage.store import Store

    store, name = Store(ctx.params.get("store")), _first_argument(ctx, "run")
    store.backend.download_run(name)
    return [(ref.stage, ref.kind) for ref in read_record(store.run_folder(name), store.stages).stages]


def _complete_assignments(ctx: Any, incomplete: str) -> Completions:
    """Return parameters of the flow that stands before; after ``=`` their choices, or models."""
    model = flow_named(_first_argument(ctx, "flow")).parameters
    rows = {row.name: row for row in parameter_rows(model)}
    name, equals, _ = incomplete.partition("=")
    if not equals:
        return [(f"{row.name}=", row.description) for row in rows.values()]
    row = rows[name]
    values: Completions = [(choice, "") for choice in row.choices]
    if row.name.rpartition(".")[2] == "model":
        values = _complete_models(ctx, incomplete)
    elif row.type == "true or false":
        values = [("true", ""), ("false", "")]
    return [(f"{name}={value}", note) for value, note in values]


def _complete_models(ctx: Any, incomplete: str) -> Completions:
    """Return the packaged models."""
    from components.models.packages.packaged_models import ROWS

    return [(f"packaged:{row.name}", row.description) for row in ROWS]


def _complete_metrics(ctx: Any, incomplete: str) -> Completions:
    """Return metrics; the model of one that needs it follows its colon."""
    from components.metrics.table import METRICS

    return [(f"{name}{':' * row.needs_model}", row.label) for name, row in METRICS.items()]


def _complete_model_metrics(ctx: Any, incomplete: str) -> Completions:
    """Return metrics that models compute."""
    return [row for row in _complete_metrics(ctx, incomplete) if row[0].endswith(":")]


COMPLETIONS: dict[str, Callable[[Any, str], Completions]] = {
    "flows": _complete_flows,
    "runs": _complete_runs,
    "nodes": _complete_nodes,
    "assignments": _complete_assignments,
    "models": _complete_models,
    "metrics": _complete_metrics,
    "model_metrics": _complete_model_metrics,
}
