"""`antiphon store`: how large it is, whether it is intact, what can go."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from components.errors import ConfigError, StoreError
from flows.cli.help.options import AsJson, StoreUrl
from flows.cli.help.pages import completes
from flows.cli.help.verbosity import print_notice

if TYPE_CHECKING:
    from components.storage.upkeep.prune import Pruned
    from components.storage.upkeep.usage import Usage

PANEL = "Keep"

store_app = typer.Typer(
    no_args_is_help=True,
    help="Show what the store holds; verify and prune it.",
)


@store_app.command()
def usage(store: StoreUrl = None, as_json: AsJson = False) -> None:
    """Show how many bytes belong to which run and kind of stage, and to nobody.

    `antiphon store prune` frees the latter. Examples: `antiphon store usage`, with `--json`.
    """
    from components.storage.store import Store
    from components.storage.upkeep.usage import measure_usage

    opened = Store(store)
    measured = measure_usage(opened)
    if as_json:
        sys.stdout.write(json.dumps(_usage_json(opened.backend.url, measured)) + "\n")
        return
    _print_usage(opened.backend.url, measured)


@store_app.command()
def verify(
    run: Annotated[
        str | None,
        typer.Argument(
            metavar="[RUN]", help="only this run and its stages", autocompletion=completes("runs")
        ),
    ] = None,
    repair: Annotated[
        bool, typer.Option("--repair", help="set damaged stages aside, so that they are computed again")
    ] = False,
    store: StoreUrl = None,
    as_json: AsJson = False,
) -> None:
    """Read every file of every stage again and compare it with its seal; exit code 1 if something differs.

    So are the record of every run, its report, plots and texts. `--repair` moves damaged stages aside (prune
    removes them later): the next run that needs one computes it again.

    Examples: `antiphon store verify`, `antiphon store verify RUN --repair`.
    """
    from components.storage.layout import LAYOUT
    from components.storage.store import Store
    from components.storage.upkeep.verification import set_stage_aside, verify_store
    from components.text.counted_nouns import format_count

    opened = Store(store)
    if opened.backend.files.read(LAYOUT) is None:
        raise ConfigError(f"--store: expected a store, found none in {opened.backend.url}; check the path")
    verification = verify_store(opened, run)
    repaired = []
    for key in [fault.key for fault in verification.faults if repair and fault.key]:
        try:
            set_stage_aside(opened, key)
            repaired.append(key)
        except StoreError as error:  # a process is at work on it
            print_notice(str(error))
    if as_json:
        values = verification._asdict() | {
            "faults": [fault._asdict() for fault in verification.faults],
            "repaired": repaired,
        }
        sys.stdout.write(json.dumps(values) + "\n")
    else:
        for fault in verification.faults:
            of = f" (of {', '.join(fault.runs)})" if fault.runs else ""
            aside = "; set aside, to be computed again" if fault.key in repaired else ""
            typer.echo(f"{fault.what}{of}: {fault.detail}{aside}")
        runs, stages = format_count(verification.runs, "run"), format_count(verification.stages, "stage")
        unfinished = format_count(verification.unfinished, "stage")
        typer.echo(
            f"{runs} and {stages} verified, {unfinished} unfinished, {len(verification.faults)} damaged"
        )
    raise typer.Exit(1 if verification.faults else 0)


@store_app.command()
def prune(
    keep_runs: Annotated[
        int | None, typer.Option("--keep-runs", metavar="N", min=0, help="delete runs but the newest N")
    ] = None,
    older_than: Annotated[
        str | None,
        typer.Option("--older-than", metavar="AGE", help="delete runs older than 30d, 12h, 2w ..."),
    ] = None,
    grace: Annotated[
        str, typer.Option("--grace", metavar="AGE", help="leave what was changed within this time")
    ] = "1h",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="only say what would go")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="do not ask")] = False,
    store: StoreUrl = None,
    as_json: AsJson = False,
) -> None:
    """Remove stages that no run refers to, and what killed processes left; runs only if asked to.

    Never removed are: what a run refers to, directly or not; accepted runs; what an interrupted run was
    working on; what a running process reads or writes. Safe beside runs that are at work. With both
    `--keep-runs` and `--older-than` a run goes only if both say so. Examples:

    - `antiphon store prune --dry-run`

    - `antiphon store prune --older-than 30d --keep-runs 10 --yes`
    """
    from components.storage.store import Store
    from components.storage.upkeep.prune import PruneOptions, plan_prune
    from components.storage.upkeep.prune import prune as remove
    from flows.cli.help.amounts import parse_age
    from flows.cli.storage.run_changes import confirm

    opened = Store(store)
    age = None if older_than is None else parse_age(older_than, "--older-than")
    options = PruneOptions(keep_runs, age, parse_age(grace, "--grace"))
    pruned = plan_prune(opened, options)
    if not dry_run and (pruned.stages or pruned.runs or pruned.files):
        confirm(f"remove {_describe(pruned)}?", yes=yes)
        pruned = remove(opened, options)
    elif not dry_run:
        opened.backend.tidy()  # the locks of dead processes, which nobody is asked about
    if as_json:
        sys.stdout.write(json.dumps(pruned._asdict() | {"dry_run": dry_run}) + "\n")
        return
    _print_pruned(pruned, "would remove" if dry_run else "removed", grace)


def _describe(pruned: Pruned) -> str:
    from components.text.counted_nouns import format_count
    from flows.cli.help.amounts import format_size

    stages, runs = format_count(len(pruned.stages), "stage"), format_count(len(pruned.runs), "run")
    files = format_count(len(pruned.files), "leftover file")
    return f"{stages}, {runs} and {files}, {format_size(pruned.bytes)}"


def _print_pruned(pruned: Pruned, verb: str, grace: str) -> None:
    from components.text.counted_nouns import format_count

    for name in pruned.runs:
        typer.echo(f"{verb} run {name}")
    typer.echo(f"{verb} {_describe(pruned)}")
    if pruned.recent:
        recent = format_count(len(pruned.recent), "stage")
        typer.echo(f"left {recent} that no run refers to, changed within {grace} (--grace 0)")
    if pruned.in_use:
        typer.echo(f"left {format_count(len(pruned.in_use), 'stage')} that came into use meanwhile")


def _usage_json(url: str, usage: Usage) -> dict[str, object]:
    from flows.server.database import measure_database

    database = measure_database()
    return {
        "store": url,
        **usage._asdict(),
        "runs": [run._asdict() for run in usage.runs],
        "kinds": [kind._asdict() for kind in usage.kinds],
        "unreferenced": {"bytes": usage.unreferenced[0], "stages": usage.unreferenced[1]},
        "prefect_database": {"path": str(database.path), "bytes": database.bytes},
    }


def _print_usage(url: str, usage: Usage) -> None:
    from rich.text import Text

    from components.files.digests import cache_folder
    from components.storage.store_files import LocalFiles
    from components.text.counted_nouns import format_count
    from components.text.escaping import to_printable
    from flows.cli.help.amounts import format_size
    from flows.cli.help.console import console
    from flows.server.database import measure_database
    from reports.terminal.tables import new_table

    out = console()
    runs = new_table("run", ">own", ">shared", ">report")
    kinds = new_table("kind", ">stages", ">size")
    for run in usage.runs:
        runs.add_row(Text(to_printable(run.name)), *map(format_size, (run.own, run.shared, run.files)))
    for kind in usage.kinds:
        kinds.add_row(Text(to_printable(kind.kind)), f"{kind.stages:,}", format_size(kind.bytes))
    out.print(Text(f"{url}: {format_size(usage.bytes)}", "bold"))
    for table in (runs, kinds):
        if table.row_count:
            out.print(table)
    free, count = usage.unreferenced
    database = measure_database()
    cache = LocalFiles(cache_folder())
    models = sum(
        facts.bytes for name in ("packaged", "converted") for facts in cache.list_facts(name).values()
    )
    lines = {
        f"{format_count(count, 'stage')} that no run refers to": free,
        "of runs at work, or interrupted": usage.at_work,
        "left by killed processes, set aside": usage.leftovers,
        "recordings of imported runs": usage.audio,
        "requests kept by antiphon serve": usage.requests,
        "locks and notes": usage.locks,
        "models in the cache of this machine": models,
        f"Prefect's history of local runs: {database.path}": database.bytes,
    }
    for label, size in lines.items():
        out.print(Text(to_printable(f"{format_size(size):>9}  {label}")), soft_wrap=True)
    for name in usage.unknown:
        out.print(Text(to_printable(f"run {name}: its record is damaged; what it refers to is not known")))
