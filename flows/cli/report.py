"""`antiphon report`: the report of a run, written again."""

from __future__ import annotations

from typing import Annotated

import typer

from flows.cli.options import StoreUrl


def report(
    run: Annotated[str, typer.Argument(metavar="RUN", help="name of a run")], store: StoreUrl = None
) -> None:
    """Write the HTML report and the plots of a run again, and print where they are."""
    from components.storage.store import Store
    from tasks.stages.report import render_again

    typer.echo(str(render_again(run, Store(store))))
