"""`antiphon tune`: search over the settings of a pipeline, or show a finished search."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from components.errors import ConfigError
from flows.cli.compute.run import run_flow
from flows.cli.help.completion import complete_runs
from flows.cli.help.options import (
    AsJson,
    Assignments,
    DataSet,
    Language,
    Limit,
    Replace,
    RunName,
    StoreUrl,
)


def tune(  # noqa: PLR0913, PLR0917 - one argument per flag: typer reads them from the signature
    file: Annotated[
        Path | None, typer.Argument(metavar="FILE.yaml", help="a pipeline with `search` and `confirm`")
    ] = None,
    confirm: Annotated[
        str | None,
        typer.Option(
            "--confirm", metavar="SET", help="data that the search never sees, or a share to set aside"
        ),
    ] = None,
    objectives: Annotated[
        list[str] | None,
        typer.Option(
            "--objective", metavar="METRIC", help="METRIC, NODE.METRIC, seconds or price; at most two"
        ),
    ] = None,
    tries: Annotated[int | None, typer.Option("--tries", metavar="N", help="pipelines to try")] = None,
    parallel: Annotated[int | None, typer.Option("--parallel", metavar="N", help="tries at once")] = None,
    show: Annotated[
        str | None,
        typer.Option(
            "--show", metavar="STUDY", help="show a finished search by its name", autocompletion=complete_runs
        ),
    ] = None,
    data: DataSet = None,
    target_language: Language = None,
    limit: Limit = None,
    assignments: Assignments = None,
    store: StoreUrl = None,
    name: RunName = None,
    replace: Replace = False,
    as_json: AsJson = False,
) -> None:
    """Search over the settings of a pipeline; the winner is confirmed once on data that the search never saw.

    Every try is a pipeline: what it shares with others is computed once, and a stopped search goes on where
    it was (docs/families/tuning.md). Examples:

    - `antiphon tune examples/tune.yaml`

    - `antiphon tune talk.yaml --data dev.jsonl --confirm test.jsonl --objective de.chrf --objective seconds`

    - `antiphon tune talk.yaml --tries 60 --parallel 4 --set sampler=cma_es --set rungs=3`

    - `antiphon tune --show STUDY`
    """
    if (file is None) == (show is None):
        raise ConfigError("expected FILE.yaml or --show STUDY, one of the two")
    if show is not None:
        show_study(show, store)
        return
    shortcuts: dict[str, object] = {"confirm": confirm, "objectives": objectives or None, "tries": tries}
    shortcuts |= {"parallel": parallel, "data": data, "target_language": target_language, "limit": limit}
    shortcuts |= {"store": store, "name": name, "replace": replace or None}
    raise typer.Exit(run_flow("tune", file, assignments or [], shortcuts, as_json=as_json))


def show_study(name: str, store_url: str | None) -> None:
    """Print a finished search.

    Raises:
        ConfigError: the run is none.
    """
    from components.storage.store import Store
    from flows.cli.look.printing import print_run

    store = Store(store_url)
    run = store.load_run(name)
    if not any(ref.kind == "study" for ref in run.stages):
        raise ConfigError(f"run {name}: expected a search (antiphon tune), found a run of {run.flow}")
    print_run(run, store)
