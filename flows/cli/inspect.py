"""`antiphon inspect`: a run, one of its stages, or one utterance through all of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import typer

from components.errors import ConfigError
from flows.cli.options import StoreUrl


def inspect(
    run: Annotated[str, typer.Argument(metavar="RUN", help="name of a run")],
    stage: Annotated[str | None, typer.Option("--stage", help="only this stage, such as mt or data")] = None,
    utterance: Annotated[str | None, typer.Option("--utterance", metavar="ID", help="one utterance")] = None,
    store: StoreUrl = None,
) -> None:
    """Show a run: its stages and scores, what a stage produced, or all about one utterance.

    Examples: `antiphon inspect RUN`, with `--stage mt`, with `--utterance ID`.
    """
    _show(run, stage, utterance, store)


def _show(name: str, stage: str | None, utterance: str | None, store_url: str | None) -> None:
    """Print what was asked for on standard output.

    Raises:
        ConfigError: the run has no such stage of records.
        DataError: the run has no such utterance.
    """
    from components.storage.reader import quarantined
    from components.storage.store import Store
    from flows.cli.printing import console, print_run
    from reports import terminal
    from reports.report_view import view_of

    store = Store(store_url)
    run = store.load_run(name)
    view = view_of(run, store)
    data = next((ref for ref in run.stages if ref.stage == "data"), None)
    if stage is not None and stage not in view.outcomes and (data is None or stage != "data"):
        known = ", ".join([*(["data"] if data else []), *view.outcomes]) or "none"
        raise ConfigError(f"--stage: expected a stage of records, one of {known}; found {stage!r}")
    if utterance is not None:
        chosen = {name: found for name, found in view.outcomes.items() if stage in (None, name)}
        terminal.print_utterance(replace(view, outcomes=chosen), utterance, console())
    elif stage == "data" and data is not None:
        terminal.print_data(view, quarantined(data), console())
    elif stage is not None:
        terminal.print_stage(view, stage, console())
    else:
        print_run(run, store)
