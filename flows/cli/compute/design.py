"""`antiphon design`: data and limits in, the systems worth having out; or why not others."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from components.errors import ConfigError
from flows.cli.compute.flow_command import COMMON
from flows.cli.compute.run import run_flow
from flows.cli.help.model_flags import Values, with_flags
from flows.cli.help.options import AsJson, Assignments
from flows.cli.help.pages import completes
from flows.parameters.searches.design import DesignParameters

FLAGS = ("data", "confirm", "models", "templates", "budget", "objectives", "target_language", "limit")

PANEL = "Build"


@with_flags(
    DesignParameters,
    *FLAGS,
    *COMMON,
    spelled={"objectives": ("--objective",), "models": ("--model",), "templates": ("--template",)},
)
def design(
    values: Values,
    file: Annotated[Path | None, typer.Argument(metavar="GOAL.yaml", help="data, models, limits")] = None,
    explain: Annotated[
        str | None,
        typer.Option(
            "--explain",
            metavar="RUN",
            help="say why systems of a finished design are not on its front",
            autocompletion=completes("runs"),
        ),
    ] = None,
    system: Annotated[
        str | None, typer.Option("--system", metavar="TEXT", help="explain: only those whose name has this")
    ] = None,
    assignments: Assignments = None,
    as_json: AsJson = False,
) -> None:
    """Find the systems worth having: every graph that templates make of the models is a candidate.

    All are tried on a little of the data and the better ones on more; what they share is computed once. The
    front of score and cost is claimed on data that the search never saw, and is kept as files that
    `antiphon run`, `serve` and `deploy` take (docs/families/design.md). Examples:

    - `antiphon design goal.yaml`

    - `antiphon design --data talks.jsonl --target-language de --budget 600`

    - `antiphon design goal.yaml --set limits.p95=3 --template route --template single`

    - `antiphon design --explain RUN --system rover`
    """
    if explain is not None:
        _explain(explain, system, values.get("store"), as_json=as_json)
        return
    if file is None and not values.get("data"):
        raise ConfigError("expected GOAL.yaml, --data SET or --explain RUN, found none of them")
    raise typer.Exit(run_flow("design", file, assignments or [], values, as_json=as_json))


def _explain(name: str, system: str | None, store_url: object, *, as_json: bool) -> None:
    from components.design.analysis import DESIGN
    from components.design.tables import explain
    from components.storage.store import Store

    store = Store(None if store_url is None else str(store_url))
    run = store.load_run(name)
    ref = next((ref for ref in run.stages if ref.kind == DESIGN.kind), None)
    if ref is None:
        raise ConfigError(f"run {name}: expected a finished design, found a run of {run.flow}, {run.status}")
    lines = explain(DESIGN.read(store.localize(ref)), system)
    for line in lines:
        typer.echo(line)
    if as_json:
        typer.echo(json.dumps({"run": name, "explained": lines}))
