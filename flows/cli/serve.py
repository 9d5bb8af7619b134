"""`antiphon serve`: a graph behind the OpenAI endpoints."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from components.errors import ConfigError
from components.serving.settings import TOKEN, ServeSettings
from components.storage.places.location import IN_STORE
from flows.cli.help.model_flags import Values, with_flags
from flows.cli.help.options import Assignments, Config, StoreUrl

PANEL = "Use"

Graph = Annotated[
    str,
    typer.Argument(
        metavar="FLOW|FILE.yaml|store:RUN", help="a preset, a file with a pipeline, or a finished run"
    ),
]


@with_flags(ServeSettings, *ServeSettings.model_fields)
def serve(
    graph: Graph,
    values: Values,
    config: Config = None,
    assignments: Assignments = None,
    store: StoreUrl = None,
) -> None:
    """Serve a graph behind the OpenAI endpoints.

    Its texts are those of `antiphon run`. Requests of many clients are computed in one batch, routes decide
    live, and what nodes have learned must be finished in the store. It ends by Ctrl-C or SIGTERM, when what
    it let in is answered (docs/use/serving.md). Examples:

    - `antiphon serve examples/routed_cascade.yaml`

    - `antiphon serve store:nightly --keep 0.05` keeps one of twenty requests as a data set

    - `antiphon serve cascade --shadow other.yaml` answers by the first, compares with the second
    """
    from flows.cli.compute.parameters.config_file import gather

    settings = gather(ServeSettings, None, [], values)
    token = os.environ.get(TOKEN) or None
    if token is None and not settings.is_local:
        raise ConfigError(
            f"--host {settings.host}: expected a token in {TOKEN}, which clients must bear where "
            "other machines can reach the server, found none"
        )
    from flows.cli.compute.parameters.run_parameters import resolve_parameters
    from flows.serving import Source, serve_graph, source_of_run

    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="antiphon: %(message)s")
    logging.getLogger("antiphon").setLevel(logging.INFO)
    logging.getLogger("python_multipart").setLevel(logging.CRITICAL)  # a client is told what is wrong
    if graph.startswith(IN_STORE):
        source = source_of_run(graph.removeprefix(IN_STORE), store)
    else:
        entry, parameters = resolve_parameters(
            graph, config, assignments or [], {"store": store} if store else {}
        )
        source = Source(Path(graph).stem, entry, parameters)
    raise typer.Exit(serve_graph(source._replace(name=settings.name or source.name), settings, token))
