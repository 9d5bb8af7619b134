"""Which graphs can be replayed, and which policies their nodes can follow."""

from __future__ import annotations

from collections.abc import Mapping

from components.errors import ConfigError
from components.nodes.continuing import continuation_of
from components.serving.graph import ServedGraph
from components.simultaneous.policies import Choice, read_policies

PREFIXES = {"recognize": "speech", "translate_speech": "speech", "translate": "text"}
"""Kind of node -> the prefixes that it can work on; the outputs of other kinds need the whole utterance."""


def require_prefixes(graph: ServedGraph) -> None:
    """Refuse a graph with a node that needs whole utterances.

    Raises:
        ConfigError: which.
    """
    for served in graph.nodes.values():
        kind = served.node.kind.name
        if kind not in PREFIXES:
            raise ConfigError(
                f"{served.name}: expected nodes that can work on a prefix ({', '.join(PREFIXES)}), found "
                f"{kind}, which needs the whole utterance; leave it out"
            )


def choose_policies(written: str, graph: ServedGraph, *, appends: bool = False) -> dict[str, Choice]:
    """Read the policies of a graph's nodes, as they are written with spaces between them.

    Args:
        written: they.
        graph: the graph.
        appends: whether nothing may be taken back.

    Raises:
        ConfigError: there is no such policy or node, or a node cannot follow one.
    """
    texts = [name for name, served in graph.nodes.items() if PREFIXES[served.node.kind.name] == "text"]
    policies = read_policies(written.split(), list(graph.nodes), texts)
    back = next((choice for choice in policies.values() if choice.row.takes_back), None)
    if appends and back is not None:
        raise ConfigError(f"policy: expected one that takes nothing back, as live streams do, found {back}")
    require_policies(graph, policies)
    return policies


def require_policies(graph: ServedGraph, policies: Mapping[str, Choice]) -> None:
    """Refuse policies that nodes of a graph cannot follow.

    Raises:
        ConfigError: which.
    """
    for name, served in graph.nodes.items():
        policy = policies[name]
        if policy.row.attends and continuation_of(served.component) is None:
            raise ConfigError(
                f"{name}: expected a Whisper or an encoder-decoder translator for policy {policy}, found "
                "another: choose local_agreement"
            )
        back = next((above for above in served.follows if policies[above].row.takes_back), None)
        if back is not None and not policy.row.takes_back:
            raise ConfigError(
                f"{name}: expected policy retranslate, because {back} takes words back that it reads, found "
                f"{policy}"
            )
