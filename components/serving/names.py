"""The names that a graph is served by: its own, and one for each of its outputs."""

from __future__ import annotations

from components.serving.graph import ServedGraph
from components.serving.http.faults import RequestError
from components.text.suggestions import did_you_mean

TRANSCRIPT, TRANSLATION = "transcript", "translation"


def list_names(graph: ServedGraph) -> dict[str, str | None]:
    """Return the names, each with the output that it stands for; that of the graph itself leaves it open."""
    return {graph.name: None, **{f"{graph.name}/{role}": role for role in graph.outputs}}


def output_of(graph: ServedGraph, name: str | None, *wanted: str) -> str:
    """Return the output that a request asks for.

    Args:
        graph: the graph.
        name: of the model, as the client says it; None: the graph.
        wanted: outputs that the endpoint is for, the best first.

    Raises:
        RequestError: there is no such model, or it has no such output.
    """
    names = list_names(graph)
    if name is not None and name not in names:
        known, hint = ", ".join(names), did_you_mean(name, names)
        message = f"model: expected one of {known}, found {name[:100]!r}{hint}"
        raise RequestError(404, message, "model_not_found", param="model")
    role = None if name is None else names[name]
    if role is not None:
        return role
    found = next((role for role in wanted if role in graph.outputs), None)
    if found is None:
        message = (
            f"model: expected a graph with a {wanted[0]}, found one with {', '.join(graph.outputs)} alone"
        )
        raise RequestError(404, message, "no_such_output", param="model")
    return found
