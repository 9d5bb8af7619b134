"""`antiphon confidence`: how good the confidences of a finished run are."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from flows.cli.help.completion import complete_nodes
from flows.cli.help.options import AsJson, FinishedRun, StoreUrl


def confidence(
    run: FinishedRun,
    node: Annotated[
        str | None,
        typer.Option(
            "--node", metavar="NAME", help="only this node, such as asr", autocompletion=complete_nodes
        ),
    ] = None,
    store: StoreUrl = None,
    as_json: AsJson = False,
) -> None:
    """Measure how good the confidences of a finished run's texts are, against its references.

    Of each node: does the confidence of a word or a text say how often it is right (ECE, NCE), does it tell
    right from wrong (AUROC, risk over coverage), does it go with WER or chrF (Kendall, Pearson); with 95%
    intervals. The raw log-probability is measured in every run, beside it the estimates of nodes of kind
    `estimate` (docs/evaluation/confidence.md). Examples:

    - `antiphon confidence RUN`

    - `antiphon confidence RUN --node asr --json` has the curves and the bins of the plots, too
    """
    from components.confidence.evaluation.analysis import build_tables
    from components.confidence.evaluation.finished_run import measure_run
    from components.storage.store import Store
    from flows.cli.help.console import console
    from reports.terminal.analysis_printing import print_tables

    opened = Store(store)
    signals = measure_run(opened.load_run(run), opened, node)
    print_tables(build_tables(signals), console())
    if as_json:
        typer.echo(json.dumps({"run": run, "signals": [row.model_dump(mode="json") for row in signals]}))
