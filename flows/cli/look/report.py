"""`antiphon report`: the report of a run, written again, or the index of all runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flows.cli.help.options import ExternalScores, StoreUrl
from flows.cli.help.pages import completes
from flows.cli.help.verbosity import print_notice

if TYPE_CHECKING:
    from components.storage.store import Store

PANEL = "Keep"


def report(
    run: Annotated[
        str | None, typer.Argument(metavar="RUN", help="name of a run", autocompletion=completes("runs"))
    ] = None,
    index: Annotated[
        bool, typer.Option("--index", help="the index of the store's runs instead, STORE/index.html")
    ] = False,
    scores: ExternalScores = None,
    store: StoreUrl = None,
) -> None:
    """Write a run's report again, and print where it is.

    With --index, write a page with all runs of the store (flow, data, models, scores, status, time), which
    sorts, filters and leads to their reports. With --scores, those that somebody else gave join.
    Examples: `antiphon report RUN`, `antiphon report --index`, `antiphon report RUN --scores esa=scores.tsv`.
    """
    from components.errors import ConfigError
    from components.metrics.scores_settings import ScoresFile
    from components.storage.store import Store
    from flows.parameters.faults import check_values
    from tasks.stages.report_again import write_store_index

    if (run is None) != index:
        raise ConfigError("report: expected the name of a run, or --index for the index of all runs")
    if scores and run is None:
        raise ConfigError("--scores: expected the name of the run that they are of, found none")
    opened = Store(store)
    if run is not None and scores:
        from components.comparison.external.added_scores import add_scores

        for note in add_scores(run, [check_values(ScoresFile, text) for text in scores], opened):
            print_notice(note)
    typer.echo(str(write_store_index(opened) if run is None else _write_again(run, opened)))


def _write_again(run: str, store: Store) -> Path:
    """Write the report again; where nothing may be written, it is the one that is there."""
    from components.errors import NotWritableError
    from tasks.stages.report_again import render_again

    try:
        return render_again(run, store)
    except NotWritableError as error:
        page = store.run_folder(run) / "report.html"
        if not page.is_file():
            raise
        print_notice(f"{error}; this is the report as the run wrote it")
        return page
