"""Completion in the shell: flows, runs, nodes, parameters after ``--set``, models, metrics, choices.

All of it is read from what is there. A completion that fails completes nothing: nobody wants an error under
the cursor.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import wraps
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, get_args

import typer

from flows.cli.help.pages import HELP
from flows.registry import FLOWS

Completions = list[tuple[str, str]]
"""Words and what they are."""


def _quiet(complete: Callable[[Any, str], Iterable[tuple[str, str]]]) -> Callable[..., Completions]:
    @wraps(complete)
    def wrapper(ctx: typer.Context, incomplete: str) -> Completions:
        try:
            return [row for row in complete(ctx, incomplete) if row[0].startswith(incomplete)]
        except Exception:  # whatever it is, the user only pressed Tab
            return []

    del wrapper.__wrapped__  # typer looks at the signature
    wrapper.__annotations__ = {"ctx": typer.Context, "incomplete": str}
    return wrapper


def _first_argument(ctx: Any, name: str) -> str:
    """Return the argument before the options: while an option has no value yet it is not parsed."""
    return str(ctx.params.get(name) or ctx.args[0])


def shown_flows() -> list[str]:
    """Return the flows that have no command of their own: what `antiphon run` names."""
    commands = {entry.name for entry in entry_points(group="antiphon.commands")}
    return [name for name in FLOWS if name not in commands and name != "pipeline"]


@_quiet
def complete_flows(ctx: Any, incomplete: str) -> Iterable[tuple[str, str]]:
    """Flows, and files with pipelines."""
    yield from ((name, FLOWS[name].summary) for name in shown_flows())
    folder = "".join(incomplete.rpartition("/")[:2])  # as it is typed, with its slash
    for path in sorted(Path(folder).iterdir()):
        if path.is_dir() or path.suffix in {".yaml", ".yml"}:
            yield f"{folder}{path.name}{'/' * path.is_dir()}", ""


@_quiet
def complete_runs(ctx: Any, incomplete: str) -> Iterable[tuple[str, str]]:
    """Runs of the store."""
    from components.storage.store import Store

    return [(name, "") for name in reversed(Store(ctx.params.get("store")).backend.list_run_names())]


@_quiet
def complete_nodes(ctx: Any, incomplete: str) -> Iterable[tuple[str, str]]:
    """Nodes of the run that stands before."""
    from components.storage.runs.run_records import read_record
    from components.storage.store import Store

    store, name = Store(ctx.params.get("store")), _first_argument(ctx, "run")
    store.backend.download_run(name)
    return [(ref.stage, ref.kind) for ref in read_record(store.run_folder(name), store.stages).stages]


@_quiet
def complete_assignments(ctx: Any, incomplete: str) -> Iterable[tuple[str, str]]:
    """Parameters of the flow that stands before; after ``=`` their choices, or models."""
    from flows.registry import flow_named

    model = flow_named(_first_argument(ctx, "flow")).parameters
    rows = {row.name: row for row in HELP["parameters"].parameter_rows(model)}
    name, equals, _ = incomplete.partition("=")
    if not equals:
        return [(f"{row.name}=", row.description) for row in rows.values()]
    row = rows[name]
    values = (
        _model_names() if row.name.rpartition(".")[2] == "model" else [(choice, "") for choice in row.choices]
    )
    if row.type == "true or false":
        values = [("true", ""), ("false", "")]
    return [(f"{name}={value}", note) for value, note in values]


@_quiet
def complete_models(ctx: Any, incomplete: str) -> Iterable[tuple[str, str]]:
    """Packaged models."""
    return _model_names()


def complete_choices(module: str, name: str) -> Callable[..., Completions]:
    """Return what completes the values of a ``Literal``, whose module is imported when Tab is pressed."""

    @_quiet
    def complete(ctx: Any, incomplete: str) -> Iterable[tuple[str, str]]:
        return [(choice, "") for choice in get_args(getattr(import_module(module), name))]

    return complete


@_quiet
def complete_metrics(ctx: Any, incomplete: str) -> Iterable[tuple[str, str]]:
    """Metrics; the model of one that needs it follows its colon."""
    from components.metrics.table import METRICS

    return [(f"{name}{':' * row.needs_model}", row.label) for name, row in METRICS.items()]


@_quiet
def complete_model_metrics(ctx: Any, incomplete: str) -> Iterable[tuple[str, str]]:
    """Metrics that models compute."""
    from components.metrics.table import METRICS

    return [(f"{name}:", row.label) for name, row in METRICS.items() if row.needs_model]


def _model_names() -> Completions:
    from components.models.packages.packaged_models import ROWS

    return [(f"packaged:{row.name}", row.description) for row in ROWS]


COMPLETIONS: dict[str, Callable[..., Completions]] = {
    "run": complete_runs,
    "runs": complete_runs,
    "baseline": complete_runs,
    "model_metrics": complete_model_metrics,
    "normalizer": complete_choices("components.metrics.normalizers", "NormalizerName"),
}
"""Field of a parameters model -> what completes its flag or argument."""
