"""`antiphon run --check`: refuses what the run would refuse, and says what it would fetch."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import typer
from rich.text import Text

from components.errors import NotWritableError
from components.models.fetch_permission import NotHereError, forbid_fetching
from components.storage.places.location import local_root
from components.storage.runs.baseline_run import refuse_accepted
from components.storage.store import Store
from flows.checks import run_checks
from flows.cli.compute.parameters.run_parameters import check_size, resolve_parameters
from flows.cli.compute.plan import PlannedSystem, plan_systems
from flows.cli.help.console import console
from flows.preset_flow import PresetFlow
from reports.terminal.tables import new_table

_UNSEEN = "settings, languages; its files once they are here"


def check_flow(
    name: str,
    config: Path | None,
    assignments: Sequence[str],
    shortcuts: Mapping[str, object],
    *,
    as_json: bool,
    yes: bool,
) -> None:
    """Refuse what a run would refuse before its first node; print what each node would fetch, what passes.

    Nothing is fetched, started or written.

    Raises:
        AntiphonError: what the run would raise.
    """
    entry, parameters = resolve_parameters(name, config, assignments, shortcuts)
    if not yes:
        entry.require_intent(parameters)
    check_size(parameters)
    _check_store(parameters.store)
    _check_name(parameters)
    with forbid_fetching():
        checks = entry.checks(parameters)
        run_checks(checks)
    systems = {}
    if isinstance(entry, PresetFlow) or entry.pipeline_of is not None:
        systems = plan_systems(name, config, assignments, shortcuts)
    missing = {key: error for planned in systems.values() for key, error in planned.missing.items()}
    if as_json:
        sizes = {key: error.size for key, error in missing.items()}
        notes = _list_notes(systems.values())
        passed = list(dict.fromkeys(check.stage for check in checks))
        typer.echo(json.dumps({"passes": passed, "to_be_fetched": sizes, "notes": notes}))
        return
    nodes = {node.name for planned in systems.values() for node in planned.graph}
    for system, planned in systems.items():
        _print_system(system, planned)
    others = dict.fromkeys(check.stage for check in checks if check.stage not in nodes)
    for line in (
        *_list_notes(systems.values()),
        *([f"passes: {', '.join(others)}"] if others else []),
        _sum_up(missing),
    ):
        console().print(Text(line))


def _check_store(url: str | None) -> None:
    """Refuse a store in a folder that cannot be written to, as the run would."""
    root = local_root(url)
    if root is None:
        return
    for folder in (root / "locks", root / "runs", root / "shards"):
        there = next(each for each in (folder, *folder.parents) if each.exists())
        if not (there.is_dir() and os.access(there, os.W_OK)):
            raise NotWritableError(
                f"store: expected a folder that you may write to, found {there}; name another by --store or "
                "ANTIPHON_STORE"
            )


def _check_name(parameters: Any) -> None:
    """Refuse the name of a finished run, as the run would."""
    if parameters.name is None:
        return
    store = Store(parameters.store)
    if parameters.replace:
        refuse_accepted(store, parameters.name, "take another name")
    elif store.backend.download_run(parameters.name):
        store.refuse_finished(parameters.name)


def _print_system(name: str, planned: PlannedSystem) -> None:
    """Print a row per node: its models, what of them would be fetched, what was checked."""
    table = new_table("node", "kind", "models", "to be fetched", "passes")
    table.title, table.title_justify = name or None, "left"
    for node in planned.graph:
        models = list(dict.fromkeys(node.models.values()))
        absent = [planned.missing[model] for model in models if model in planned.missing]
        passes = _UNSEEN if absent else "settings, languages, files" if models else "settings, languages"
        sizes = (f"{error.size / 1e9:.2f} GB" if error.size else "size not known" for error in absent)
        fetched = ", ".join(sizes) or ("nothing" if models else "")
        table.add_row(*map(Text, (node.name, node.kind.name, ", ".join(models), fetched, passes)))
    console().print(table)


def _list_notes(systems: Iterable[PlannedSystem]) -> list[str]:
    """Return what is not known of the data, which models ``auto`` are, and what no node names."""
    lines = dict[str, None]()
    for planned in systems:
        named = {model for node in planned.graph for model in node.models.values()}
        shown = {f"{error}, once" for key, error in planned.missing.items() if key in named}
        lines |= dict.fromkeys(note for note in planned.notes if note not in shown)
    return list(lines)


def _sum_up(missing: Mapping[str, NotHereError]) -> str:
    """Return the last line: how much would be fetched."""
    if not missing:
        return "The run would start. It would fetch no model; nothing was started."
    known = sum(error.size or 0 for error in missing.values())
    unknown = sum(not error.size for error in missing.values())
    size = " and ".join(
        [*([f"{known / 1e9:.2f} GB"] if known else []), *([f"{unknown} of unknown size"] if unknown else [])]
    )
    models = "1 model" if len(missing) == 1 else f"{len(missing)} models"
    return f"The run would start, and fetch {models} first: {size}. Nothing was fetched or started."
