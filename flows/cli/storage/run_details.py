"""`antiphon runs show`: what was set on a run, its stages with their sizes, its scores, how to repeat it."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows.cli.help.options import AsJson, FinishedRun, StoreUrl

if TYPE_CHECKING:
    from rich.console import Console

    from components.run_record import RunRecord
    from components.storage.store import Store


def show(
    run: FinishedRun,
    config: Annotated[
        bool, typer.Option("--config", help="print what was set as YAML, for `antiphon run FLOW -c FILE`")
    ] = False,
    store: StoreUrl = None,
    as_json: AsJson = False,
) -> None:
    """Show a run: what was set, its graph, stages with sizes, scores, and the command that repeats it.

    `antiphon inspect RUN` shows what the stages hold. With `--config` only the settings are printed:
    `antiphon runs show RUN --config > again.yaml`, then `antiphon run again.yaml` (a pipeline) or
    `antiphon run FLOW -c again.yaml`.
    """
    from components.storage.store import Store
    from flows.cli.help.console import console
    from flows.python_flows.finished_runs.repetition import list_changed_settings

    opened = Store(store)
    record = opened.read_run(run)
    if config:
        from components.files.yaml_text import format_yaml

        values = list_changed_settings(record)
        sys.stdout.write(format_yaml(values) if values else "")
    elif as_json:
        sys.stdout.write(json.dumps(_as_dict(record, opened, store)) + "\n")
    else:
        _print(record, opened, store, console())


def _as_dict(run: RunRecord, store: Store, url: str | None) -> dict[str, Any]:
    from components.storage.runs.baseline_run import read_acceptance
    from flows.python_flows.finished_runs.repetition import list_changed_settings, repeat_command

    acceptance = read_acceptance(store, run.name)
    sizes = _sizes_of(run, store)
    return {
        **run.model_dump(mode="json", exclude={"parameters", "stages"}),
        "accepted": acceptance and acceptance.model_dump(mode="json"),
        "parameters": list_changed_settings(run),
        "stages": [ref.model_dump(mode="json") | {"bytes": sizes[ref.key]} for ref in run.stages],
        "command": repeat_command(run, url),
    }


def _sizes_of(run: RunRecord, store: Store) -> dict[str, int]:
    """Return the bytes of the files of each stage, by key."""
    files = store.backend.files
    return {
        ref.key: sum(facts.bytes for facts in files.list_facts(f"stages/{ref.key}").values())
        for ref in run.stages
    }


def _print(run: RunRecord, store: Store, url: str | None, out: Console) -> None:
    from rich.text import Text

    from components.storage.runs.baseline_run import read_acceptance
    from components.text.escaping import to_printable
    from flows.python_flows.finished_runs.repetition import list_changed_settings, repeat_command
    from reports.terminal.run_printing import print_scores

    acceptance = read_acceptance(store, run.name)
    accepted = f", accepted {acceptance.accepted[:10]}" if acceptance else ""
    head = (f"  {run.flow}, {run.status}{accepted}, {run.started[:16].replace('T', ' ')} UTC", "")
    out.print(Text.assemble((to_printable(run.name), "bold"), head))
    if acceptance and acceptance.note:
        out.print(Text(to_printable(f"accepted: {acceptance.note}"), "dim"))
    for name, value in list_changed_settings(run).items():
        out.print(Text.assemble((f"{name}: ", "dim"), to_printable(json.dumps(value, ensure_ascii=False))))
    _print_stages(run, store, out)
    if run.metrics:
        print_scores(run.scores, out)
    for system, other in run.systems.items():
        out.print(Text(to_printable(f"system {system}: run {other}"), "dim"))
    for note in run.notes:
        out.print(Text(to_printable(note), "dim"))
    out.print(Text.assemble(("repeat it: ", "dim"), to_printable(repeat_command(run, url))), soft_wrap=True)


def _print_stages(run: RunRecord, store: Store, out: Console) -> None:
    """Print a table of the stages: what each is and reads, its size; nodes without one have a status."""
    from rich.text import Text

    from components.analysis.formatting import format_seconds
    from components.text.escaping import to_printable
    from flows.cli.help.amounts import format_size
    from reports.terminal.tables import new_table

    table = new_table("node", "kind", "reads", "models", ">items", ">size", ">time", "stage")
    sizes, refs = _sizes_of(run, store), {ref.stage: ref for ref in run.stages}
    nodes = {node.name: node for node in run.pipeline.nodes}
    for name in dict.fromkeys([*(name for name in refs if name == "data"), *nodes, *refs]):
        node, ref = nodes.get(name), refs.get(name)
        cells = [name, ref.kind if ref else "", "", ""]
        if node is not None:
            cells = [name, node.kind, ", ".join(node.inputs), ", ".join(dict.fromkeys(node.models.values()))]
        if ref is not None:
            cells += [
                f"{ref.items:,}",
                format_size(sizes[ref.key]),
                format_seconds(ref.seconds),
                ref.key[:12],
            ]
        else:
            cells += ["", "", "", node.status if node else ""]
        table.add_row(*(Text(to_printable(cell)) for cell in cells))
    out.print(table)
