"""`antiphon inspect`: a run, one of its nodes, or one utterance through all of them."""

from __future__ import annotations

from typing import Annotated

import typer

from components.errors import ConfigError
from components.text.suggestions import did_you_mean
from components.text.table_cells import nfc
from flows.cli.help.options import FinishedRun, StoreUrl
from flows.cli.help.pages import completes

PANEL = "Keep"


def inspect(
    run: FinishedRun,
    node: Annotated[
        str | None,
        typer.Option(
            "--node",
            "--stage",
            metavar="NAME",
            help="only this node, such as mt or data",
            autocompletion=completes("nodes"),
        ),
    ] = None,
    utterance: Annotated[str | None, typer.Option("--utterance", metavar="ID", help="one utterance")] = None,
    store: StoreUrl = None,
) -> None:
    """Show a run, what a node made, or one utterance in all nodes.

    Examples: `antiphon inspect RUN`, with `--node mt`, with `--utterance ID`.
    """
    _print_inspection(run, node, utterance, store)


def _print_inspection(name: str, node: str | None, utterance: str | None, store_url: str | None) -> None:
    """Print what was asked for on standard output.

    Raises:
        ConfigError: the run has no such node of records or tables.
        DataError: the run has no such utterance.
    """
    from components.storage.stages.reader import read_quarantined
    from components.storage.store import Store
    from flows.cli.help.console import console
    from flows.cli.look.printing import print_run
    from reports.page.report_view import sections_of_stage, view_of
    from reports.terminal import run_printing, stage_printing, utterance_printing
    from reports.terminal.analysis_printing import print_tables

    store = Store(store_url)
    run = store.load_run(name)
    view = view_of(run, store)
    data = next((ref for ref in run.stages if ref.stage == "data"), None)
    shown = {ref.stage: tables for ref in run.stages if (tables := sections_of_stage(ref))}
    if node is not None and node not in view.outcomes and (data is None or node != "data"):
        tables, ref = shown.get(node, []), next((ref for ref in run.stages if ref.stage == node), None)
        bad = list(read_quarantined(ref)) if ref is not None else []
        if tables or bad:
            print_tables(tables, console())
            if bad:
                run_printing.print_quarantined(node, bad, len(bad), name, console())
            return
        known = list(dict.fromkeys([*(["data"] if data else []), *view.outcomes, *shown]))
        recorded = run.pipeline.node(node)
        if recorded is None:
            hint = did_you_mean(node, known)
        else:
            hint = ", which no utterance reached" if recorded.status == "skipped" else ", which gives neither"
        raise ConfigError(
            f"--node: expected a node with records or tables, one of {', '.join(known) or 'none'}; found "
            f"{node!r}{hint}"
        )
    utterance = utterance and nfc(utterance)
    refused = {} if data is None else {record.utterance_id: record for record in read_quarantined(data)}
    if utterance in refused and view.row(utterance) is None:
        run_printing.print_quarantined("data", [refused[utterance]], 1, name, console())
    elif utterance is not None:
        utterance_printing.print_utterance(view, utterance, console(), node)
    elif node == "data" and data is not None:
        stage_printing.print_data(view, refused.values(), console())
    elif node is not None:
        stage_printing.print_stage(view, node, console())
    else:
        print_run(run, store)
