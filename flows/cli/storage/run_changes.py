"""`antiphon runs rename`, `delete` and `accept`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from components.errors import AntiphonError, ConfigError
from flows.cli.help.options import FinishedRun, StoreUrl
from flows.cli.help.pages import completes
from flows.cli.help.verbosity import print_notice

if TYPE_CHECKING:
    from components.storage.store import Store


def rename(
    old: Annotated[
        str, typer.Argument(metavar="OLD", help="name of a run", autocompletion=completes("runs"))
    ],
    new: Annotated[str, typer.Argument(metavar="NEW", help="its new name")],
    store: StoreUrl = None,
) -> None:
    """Give a run another name, in its record, its report and the runs that refer to it.

    Example: `antiphon runs rename OLD talks-beam-5`.
    """
    from components.storage.runs.report_files import REPORT
    from components.storage.store import Store
    from components.storage.upkeep.run_changes import rename_run

    opened = Store(store)
    had_report = opened.backend.files.read(f"runs/{old}/{REPORT}") is not None
    changed = rename_run(opened, old, new)
    if had_report:
        write_report(opened, new, "its report still shows the old name")
    also = f"; also in {', '.join(changed)}" if changed else ""
    typer.echo(f"{old} is now {new}{also}")


def write_report(store: Store, name: str, otherwise: str) -> None:
    """Write the report of a run again; where it cannot be written say what that means, and why."""
    from tasks.stages.report_again import render_again

    try:
        render_again(name, store)
    except AntiphonError as error:
        print_notice(f"{otherwise}: {error}")


def delete(
    runs: Annotated[
        list[str], typer.Argument(metavar="RUN...", help="names of runs", autocompletion=completes("runs"))
    ],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="do not ask")] = False,
    force: Annotated[
        bool, typer.Option("--force", help="also an accepted run, or one that a comparison refers to")
    ] = False,
    store: StoreUrl = None,
) -> None:
    """Delete the record and the report of runs; their stages stay until `antiphon store prune`.

    A run that is at work is refused, and so is an accepted one without `--force`.
    """
    from components.storage.store import Store, check_run_name
    from components.storage.upkeep.prune import PruneOptions, plan_prune
    from components.storage.upkeep.run_changes import check_deletable, delete_run
    from flows.cli.help.amounts import format_size

    opened = Store(store)
    runs = list(dict.fromkeys(runs))
    for name in runs:
        if not opened.backend.has_run(check_run_name(name)):
            raise opened.missing_run_error(name)
        if not force:
            check_deletable(opened, name, runs)
    confirm(f"delete {', '.join(runs)}?", yes=yes)
    for name in runs:
        delete_run(opened, name)
        typer.echo(f"deleted {name}")
    try:
        free = plan_prune(opened, PruneOptions(grace=0.0)).bytes
    except AntiphonError as error:
        print_notice(str(error))
    else:
        typer.echo(f"antiphon store prune would free {format_size(free)}")


def accept(
    run: FinishedRun,
    note: Annotated[str, typer.Option("--note", metavar="TEXT", help="why, for people")] = "",
    undo: Annotated[bool, typer.Option("--undo", help="take the acceptance back")] = False,
    store: StoreUrl = None,
) -> None:
    """Accept a run: it becomes the baseline of its flow and data set.

    `antiphon compare OTHER` compares with it, and neither delete nor prune removes it. A table of numbers
    per utterance, without texts and sound, stays beside it: `antiphon watch NEW` compares new data with that.
    """
    from components.storage.runs.accepted_runs import accept_run, revoke_acceptance
    from components.storage.store import Store

    opened = Store(store)
    if undo:
        revoke_acceptance(opened, run)
        typer.echo(f"{run} is no longer accepted")
        return
    before = accept_run(opened, run, note)
    typer.echo(f"{run} is accepted" + (f" in the place of {before}" if before else ""))


def confirm(question: str, *, yes: bool) -> None:
    """Ask before something is removed.

    Raises:
        ConfigError: nobody can answer.
        typer.Abort: the answer is no.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise ConfigError(f"{question} expected --yes where nobody can answer, found none")
    typer.confirm(question, abort=True)
