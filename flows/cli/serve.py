"""`antiphon serve`: a graph behind the OpenAI endpoints."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from components.errors import ConfigError
from components.serving.settings import TOKEN, ServeSettings
from components.storage.places.location import IN_STORE
from flows.cli.help.model_flags import Values, with_flags
from flows.cli.help.options import Assignments, Config, StoreUrl
from flows.cli.help.verbosity import Verbosity, verbosity

if TYPE_CHECKING:
    from flows.serving import Source

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

    - `antiphon serve cascade --set target_language=de --shadow other.yaml` compares with a second graph
    """
    from flows.cli.compute.parameters.config_file import gather

    settings = gather(ServeSettings, None, [], values)
    token = os.environ.get(TOKEN) or None
    if token is None and not settings.is_local:
        raise ConfigError(
            f"--host {settings.host}: expected a token in {TOKEN}, which clients must bear where "
            "other machines can reach the server, found none"
        )
    from flows.serving import check_source, serve_graph

    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="antiphon: %(message)s")
    logging.getLogger("antiphon").setLevel(
        logging.WARNING if verbosity() == Verbosity.QUIET else logging.INFO
    )
    logging.getLogger("python_multipart").setLevel(logging.CRITICAL)  # a client is told what is wrong
    if settings.shadow is not None:
        check_source(_find_source(settings.shadow, None, [], store))
    source = _find_source(graph, config, assignments or [], store)
    raise typer.Exit(serve_graph(source._replace(name=settings.name or source.name), settings, token))


def _find_source(graph: str, config: Path | None, assignments: Sequence[str], store: str | None) -> Source:
    from components.storage.store import Store
    from flows.cli.compute.parameters.run_parameters import resolve_parameters
    from flows.registry import FLOWS
    from flows.serving import Source, source_of_run

    if graph.startswith(IN_STORE):
        return source_of_run(graph.removeprefix(IN_STORE), store)
    if graph not in FLOWS and "/" not in graph and Store(store).backend.has_run(graph):
        raise ConfigError(f"expected a preset, a file or store:RUN, found a run's name; say store:{graph}")
    entry, parameters = resolve_parameters(graph, config, assignments, {"store": store} if store else {})
    return Source(Path(graph).stem, entry, parameters)
