"""`antiphon tune`: search over the settings of a pipeline, or show a finished search."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from components.errors import ConfigError
from flows.cli.compute.flow_command import COMMON
from flows.cli.compute.run import print_result, run_flow
from flows.cli.help.model_flags import Values, with_flags
from flows.cli.help.options import AsJson, Assignments
from flows.cli.help.pages import completes
from flows.parameters.searches.tune import TuneParameters

PANEL = "Build"

FLAGS = ("confirm", "objectives", "tries", "parallel", "data", "target_language", "limit")


@with_flags(TuneParameters, *FLAGS, *COMMON, spelled={"objectives": ("--objective",)})
def tune(
    values: Values,
    file: Annotated[
        Path | None, typer.Argument(metavar="FILE.yaml", help="a pipeline with `search` and `confirm`")
    ] = None,
    show: Annotated[
        str | None,
        typer.Option(
            "--show",
            metavar="STUDY",
            help="show a finished search by its name",
            autocompletion=completes("runs"),
        ),
    ] = None,
    assignments: Assignments = None,
    as_json: AsJson = False,
) -> None:
    """Search for the best settings; confirm them on unseen data.

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
        raise typer.Exit(show_study(show, values.get("store"), as_json=as_json))
    raise typer.Exit(run_flow("tune", file, assignments or [], values, as_json=as_json))


def show_study(name: str, store_url: object, *, as_json: bool) -> int:
    """Print a finished search; returns the exit code.

    Raises:
        ConfigError: the run is none.
    """
    from components.storage.store import Store

    url = None if store_url is None else str(store_url)
    run = Store(url).load_run(name)
    if not any(ref.kind == "study" for ref in run.stages):
        raise ConfigError(f"run {name}: expected a search (antiphon tune), found a run of {run.flow}")
    return print_result(run, url, as_json=as_json)
