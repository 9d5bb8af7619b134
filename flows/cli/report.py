"""`antiphon report`: the report of a run, written again."""

from __future__ import annotations

import typer

from flows.cli.options import FinishedRun, StoreUrl


def report(run: FinishedRun, store: StoreUrl = None) -> None:
    """Write the HTML report and the plots of a run again, and print where they are."""
    from components.storage.store import Store
    from tasks.stages.report import render_again

    typer.echo(str(render_again(run, Store(store))))
