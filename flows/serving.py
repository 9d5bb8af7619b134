"""What is served: the graph of a file, a preset or a finished run, checked and planned as a run's is."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from starlette.routing import Route, WebSocketRoute

from components.audio import describe
from components.data.files.named_sets import SAMPLES
from components.data.foreseen import foresee_data
from components.errors import ConfigError
from components.models.weight_digests import resolve_weight_digests
from components.nodes.data import DataSettings
from components.pipeline.items.idle_nodes import remove_idle_nodes
from components.pipeline.pipeline import DATA, Node, Pipeline
from components.pipeline.planning import NodePlan, plan_nodes
from components.records import Utterance
from components.run_record import RunRecord, StageRef
from components.serving.graph import ServedGraph, build_graph, live_nodes, whole_nodes
from components.serving.http.app import make_app
from components.serving.http.server import check_address, make_server
from components.serving.keeping import Keeper
from components.serving.kept_data import KEPT, KeptRequests
from components.serving.names import list_names
from components.serving.service import Service
from components.serving.settings import ServeSettings
from components.serving.shadow import NAME, Shadow
from components.storage.places.location import find_in_store, local_root
from components.storage.stages.reader import profiles_of
from components.storage.store import Store
from components.text.languages import UNDETERMINED, is_undetermined
from flows.checks import language_pairs
from flows.parameters.base import DataParameters, FlowParameters
from flows.parameters.pipeline import PipelineParameters, systems_of
from flows.preflight import Preflight
from flows.registry import FlowEntry, flow_named, pipeline_of

_log = logging.getLogger("antiphon.serving")


class Source(NamedTuple):
    """What is to be served.

    Attributes:
        name: for clients.
        entry: its flow.
        parameters: of that.
        run: one of it that has finished, whose models and tables are served.
    """

    name: str
    entry: FlowEntry
    parameters: Any
    run: RunRecord | None = None


def source_of_run(name: str, store_url: str | None) -> Source:
    """Return what a finished run has run: with what it has learned, in the languages of all its data."""
    run = Store(store_url).load_run(name)
    entry = flow_named(run.flow)
    run = run.model_copy(update={"parameters": {**run.parameters, **_languages_of(run, entry)}})
    parameters = entry.parameters.model_validate({**run.parameters, "store": store_url})
    return Source(name, entry, parameters, run)


def _languages_of(run: RunRecord, entry: FlowEntry) -> dict[str, str]:
    """Return the source and the target language that all data of a run have and its graph leaves open."""
    data = next((ref for ref in run.stages if ref.stage == DATA), None)
    pairs = language_pairs(profiles_of(data)) if data is not None else frozenset()
    if len(pairs) != 1 or not issubclass(entry.parameters, DataParameters):
        return {}
    named = zip(("source_language", "target_language"), pipeline_of(run).languages, *pairs, strict=True)
    return {name: code for name, own, code in named if own is None and code and not is_undetermined(code)}


def check_source(source: Source) -> None:
    """Refuse what a run would refuse before it reads anything.

    Raises:
        ConfigError: every fault, a line each.
    """
    pipeline = _graph_of(source.entry, source.parameters) if source.run is None else pipeline_of(source.run)
    Preflight(pipeline, source.parameters).check()


def serve_graph(source: Source, settings: ServeSettings, token: str | None) -> int:
    """Serve a graph until a signal ends it; returns the exit code.

    Args:
        source: the graph.
        settings: of the server.
        token: that clients must bear.

    Raises:
        AntiphonError: what cannot be served.
    """
    check_address(settings)
    requests = _open_kept_requests(source, settings)
    graph = open_graph(source)
    from components.compute.device import count_torch_threads  # imports torch

    service = Service(graph, settings, count_torch_threads())
    try:
        if requests is not None:
            _add_listeners(service, requests)
        app = make_app(service, token, _routes_of(service))
        for line in _describe(service):
            _log.info(line)
        service.warm_up(_example(graph), settings.timeout)
        server = make_server(app, service)
        with suppress(SystemExit):  # uvicorn's, which has said why it cannot listen
            asyncio.run(server.serve())
    finally:
        service.close()
    return 0 if server.started else 1


def _routes_of(service: Service) -> Sequence[Route | WebSocketRoute]:
    """Return the routes beside the OpenAI endpoints."""
    if not service.settings.simultaneous:
        return ()
    from components.simultaneous.live.endpoint import make_routes

    return make_routes(service)


def _open_kept_requests(source: Source, settings: ServeSettings) -> KeptRequests | None:
    """Return where requests are kept, if they are.

    Raises:
        ConfigError: there they cannot be.
    """
    if settings.keep is None and settings.shadow is None:
        return None
    root = local_root(source.parameters.store)
    if root is None:
        raise ConfigError("keep: expected a store in a folder, found object storage; say --store FOLDER")
    requests = KeptRequests(root, source.name)
    folder = requests.folder
    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not os.access(folder, os.W_OK):
        raise ConfigError(f"keep: expected a folder that you may write to, found {folder}; say --store")
    return requests


def _add_listeners(service: Service, requests: KeptRequests) -> None:
    """Keep requests, and let a second graph answer them, as the settings say."""
    settings = service.settings
    service.listeners.append(Keeper(requests, settings, service.graph, service.measures))
    if settings.shadow is not None:
        command = [sys.executable, "-c", "from flows.cli.main import main; main()", "serve", settings.shadow]
        command += ["--store", str(requests.store), "--quiet", "--name", NAME]
        for limit in ("max_megabytes", "max_seconds", "max_characters", "timeout"):  # what was let in here
            command += [f"--{limit.replace('_', '-')}", str(getattr(settings, limit))]
        shadow = Shadow(command, service.spool, requests, service.measures, lambda: service.is_idle)
        service.listeners.append(shadow)


def _example(graph: ServedGraph) -> Utterance:
    """Return an utterance as the graph reads it."""
    source, target = graph.pipeline.languages
    recording = describe(str(SAMPLES.parent / "caption-01.flac")) if graph.hears else None
    text = None if recording is not None else "One."
    return Utterance(
        id="warm-up",
        audio=recording,
        text=text,
        source_language=source or UNDETERMINED,
        target_language=target,
    )


def _describe(service: Service) -> Iterator[str]:
    """Yield what is served, where, and what is kept."""
    settings, graph = service.settings, service.graph
    yield f"models {', '.join(list_names(graph))}; graph {graph.key[:12]}"
    models = {name: ", ".join(served.node.models.values()) for name, served in graph.nodes.items()}
    yield f"computed by {'; '.join(f'{name} {model}' for name, model in models.items() if model)}"
    for name, key in graph.pinned.items():
        yield f"{name} is what was learned in store:{key[:12]}"
    if settings.simultaneous:
        yield f"live streams at /v1/simultaneous, by {settings.policy}; their page is /simultaneous"
    stay = f"for {settings.keep_days:g} days and up to {settings.keep_megabytes} MB"
    if settings.keep is not None:
        which = (
            f"{settings.share:.0%} of requests" if settings.share else f"requests that go to {settings.keep}"
        )
        yield f"{which} are kept, recordings and texts, as the data set store:{KEPT}/{graph.name}, {stay}"
    elif settings.shadow is not None:
        yield f"texts of both graphs are kept in {KEPT}/{graph.name} of the store, {stay}; no request is kept"
    else:
        yield "no request is kept"


def open_graph(source: Source) -> ServedGraph:
    """Return a graph, its models loaded.

    Raises:
        AntiphonError: what a run of it would refuse, and what cannot compute one request alone.
    """
    parameters = source.parameters
    run = source.run
    if run is None and isinstance(parameters, DataParameters) and "data" not in parameters.model_fields_set:
        parameters = parameters.model_copy(update={"data": None})  # requests are no captions, as sample is
    pipeline = _graph_of(source.entry, parameters) if run is None else pipeline_of(run)
    finished = {} if run is None else {ref.stage: ref for ref in run.stages}
    with TemporaryDirectory() as folder:
        return _build(source.name, pipeline, parameters, finished, Store(folder))


def _graph_of(entry: FlowEntry, parameters: FlowParameters) -> Pipeline:
    if isinstance(parameters, PipelineParameters) and len(systems := systems_of(parameters)) > 1:
        raise ConfigError(f"matrix: expected one graph to serve, found {len(systems)}; set what it varies")
    return entry.pipeline(parameters)


def _build(
    name: str,
    pipeline: Pipeline,
    parameters: FlowParameters,
    finished: Mapping[str, StageRef],
    foreseen: Store,
) -> ServedGraph:
    store = Store(parameters.store)
    preflight = Preflight(pipeline, parameters)
    preflight.check()
    example = {DATA: _foresee_request(pipeline, Path(foreseen.root), foreseen)}

    def load(node: Node) -> StageRef:
        settings = node.settings
        assert isinstance(settings, DataSettings)
        source = find_in_store(settings.source, parameters.store)
        return foresee_data(source, None, pipeline.languages, settings.limit, foreseen)[0]

    sets = preflight.admit(example, load)
    for note in preflight.notes:
        _log.info(note)
    pipeline = remove_idle_nodes(preflight.pipeline, sets)
    live_nodes(pipeline)  # refuses what cannot be served
    plans = plan_nodes(pipeline, sets, parameters.store, parameters.seed, resolve_weight_digests)
    tables = {
        node.name: _find_finished(node, pipeline, plans, finished, store) for node in whole_nodes(pipeline)
    }
    return build_graph(name, pipeline, plans, tables, store)


def _foresee_request(pipeline: Pipeline, folder: Path, store: Store) -> StageRef:
    """Return a data set of one utterance that stands for requests: with what nodes read of it."""
    source, target = pipeline.languages
    readers = [node for node in pipeline if DATA in node.of]
    row: dict[str, object] = {"id": "request", "source_language": source or "und", "target_language": target}
    if any("speech" in node.kind.reads for node in readers):
        row |= {"audio": "request.wav", "duration": 1.0}
    if any("speech" not in node.kind.reads for node in readers):
        row["text"] = "request"
    file = folder / "request.jsonl"
    file.write_text(
        json.dumps({key: value for key, value in row.items() if value is not None}), encoding="utf-8"
    )
    return foresee_data(str(file), None, pipeline.languages, None, store)[0]


def _find_finished(
    node: Node,
    pipeline: Pipeline,
    plans: Mapping[str, NodePlan],
    finished: Mapping[str, StageRef],
    store: Store,
) -> StageRef:
    """Return the finished stage of a node that is made in one piece.

    Raises:
        ConfigError: it is not there; how to make it.
    """
    user_name = pipeline.user_name_of(node.name)
    if node.name in finished:
        return finished[node.name]
    if pipeline.data_of(node.name) == DATA and node.kind.mode.reads_items:
        raise ConfigError(
            f"{user_name}: expected what it learned, which it learns from all utterances of a run; "
            "run the graph and serve store:RUN, or give it dev: SET"
        )
    ref = store.find_stage(plans[node.name].stage)
    if ref is None:
        raise ConfigError(
            f"{user_name}: expected {node.name} finished in the store, found none of these settings and "
            f"data; run the graph once (antiphon run FILE --until {user_name}), then serve it"
        )
    return ref
