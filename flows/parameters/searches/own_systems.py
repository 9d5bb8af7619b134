"""A user's file as a template of a design: its graph, with every setting that its `search` allows."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from components.design.candidates import Candidate
from components.errors import ConfigError
from components.pipeline.pipeline import NODE
from components.pipeline.reading.reader import KEYS, read_pipeline
from components.tuning.search import draw_settings
from flows.parameters.base import DataParameters
from flows.parameters.faults import check_values
from flows.parameters.pipeline import PipelineParameters
from flows.parameters.pipeline_files import read_file, resolve_file_paths
from flows.parameters.searches.tune import TuneParameters, check_search

SHARED = ("data", "source_language", "target_language", "price_per_hour", "store", "seed")
"""Parameters of a design that its files take over."""


def list_own_systems(file: str, design: DataParameters, confirm: str, tries: int) -> list[Candidate]:
    """Return the systems of a file: all of them, or ``tries`` that are drawn.

    Args:
        file: as ``antiphon run`` or ``antiphon tune`` takes it.
        design: its parameters.
        confirm: data that the search never sees.
        tries: at most.

    Raises:
        ConfigError: a line per fault of the file.
    """
    path = Path(file)
    values, places = read_file(path)
    values = resolve_file_paths(values, path)
    shared = {name: getattr(design, name) for name in SHARED} | {"folder": str(path.parent.resolve())}
    is_searched = "search" in values
    model = TuneParameters if is_searched else PipelineParameters
    own = check_values(model, {**values, **({"confirm": confirm} if is_searched else {})})
    own = own.model_copy(update=shared)
    outputs = read_pipeline(_graph_of(own.graph_values, file), file, places, path.parent).outputs
    points, graphs = [dict[str, Any]()], [own.graph_values]
    if isinstance(own, TuneParameters):
        metric = "chrf" if "translation" in outputs else "wer"
        searched = own.model_copy(update={"objectives": (metric,), "sampler": "auto"})
        space = check_search(searched, file, places).space
        points = draw_settings(space, tries, design.seed)
        graphs = [space.apply(own.graph_values, point) for point in points]
    return [_candidate(path, graph, point) for graph, point in zip(graphs, points, strict=True)]


def _graph_of(values: Mapping[str, Any], file: str) -> dict[str, Any]:
    if "matrix" in values:
        raise ConfigError(f"{file}: matrix: expected search in its place, found a matrix")
    return {key: value for key, value in values.items() if key in KEYS}


def _candidate(file: Path, graph: Mapping[str, Any], point: Mapping[str, Any]) -> Candidate:
    own = _graph_of(graph, str(file))
    pipeline = read_pipeline(own, str(file), folder=file.parent)
    written = {last: name for name, last in pipeline.aliases.items()}
    outputs = {output: written.get(node, node) for output, node in pipeline.outputs.items()}
    models = [model for node in pipeline.nodes.values() for model in node.models.values()]
    settings = ", ".join(f"{key} {value}" for key, value in point.items())
    return Candidate(
        name=f"{file.stem}({settings})" if settings else file.stem,
        template=file.stem,
        graph={**own, "outputs": outputs, "folder": str(file.parent.resolve())},
        models=tuple(dict.fromkeys(model for model in models if not model.startswith(NODE))),
        choices=(("templates", file.stem), *((f"{file.stem}.{key}", str(v)) for key, v in point.items())),
    )
