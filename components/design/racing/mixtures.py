"""What a route would give, from the systems that it chooses between: nothing more is computed.

A route gives each utterance the text of one of its tiers, and a tier's text does not depend on who else goes
there. So on data that all tiers were computed on alone, the statistics of every route over them are known.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from components.design.templates import Nodes
from components.files.canonical_json import digest_of
from components.metrics.statistics.corpus_statistics import CorpusStatistics
from components.nodes.measures import RAW


class Mixture(NamedTuple):
    """What a candidate chooses between.

    Attributes:
        tiers: names of the candidates that it chooses between, cheap to dear.
        share: of the utterances of a tier, those that go to the next one.
    """

    tiers: tuple[str, ...]
    share: float


def choose_tiers(doubts: Sequence[Mapping[str, float]], share: float) -> dict[str, int]:
    """Return utterance id -> the tier that gives its text.

    Args:
        doubts: of each tier but the last: id -> doubt of its text.
        share: of the utterances of a tier, those that go to the next one.
    """
    chosen = dict.fromkeys(doubts[0], 0)
    going = list(doubts[0])
    for tier, of in enumerate(doubts, 1):
        going = sorted(going, key=lambda key: -of.get(key, np.inf))[: int(share * len(going) + 1e-9)]
        chosen |= dict.fromkeys(going, tier)
    return chosen


def mix(tables: Sequence[CorpusStatistics], chosen: Mapping[str, int]) -> CorpusStatistics | None:
    """Return the statistics of the texts that are chosen; None where they are not counted by utterance.

    Args:
        tables: of each tier, on the same utterances.
        chosen: utterance id -> tier.
    """
    first = tables[0]
    if any(table.ids != first.ids for table in tables) or not set(first.ids) <= chosen.keys():
        return None
    tiers = [chosen[key] for key in first.ids]
    rows = np.stack([table.rows for table in tables])[tiers, np.arange(len(tiers))]
    return replace(first, rows=rows)


def forecast_seconds(nodes: Nodes, share: float, tiers: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Return the seconds an utterance of each node of a route, from those of its tiers' nodes.

    Args:
        nodes: of the route, its tiers in order.
        share: of the utterances of a tier, those that go to the next one.
        tiers: of each tier's system: node -> seconds an utterance; ``asr`` recognizes.
    """
    seconds, tier = {}, 0
    for name, node in nodes.items():
        if node["kind"] == "recognize":
            seconds[name] = share**tier * tiers[tier]["asr"]
            tier += 1
        else:
            known = [of[name] for of in tiers if name != "asr" and name in of]
            seconds[name] = sum(known) / len(known) if known else 0.0
    return seconds


def set_thresholds(nodes: Nodes, confidences: Callable[[str], Sequence[float]]) -> Nodes:
    """Return the nodes with the threshold of each route that sends a share of some data.

    A share would be one of whatever data a system meets, and could not be served. Other
    routes of a user's graph stay as they are.

    Args:
        nodes: of a system.
        confidences: node -> those of its texts on the search data.
    """
    found = dict(nodes)
    for name, node in nodes.items():
        if node["kind"] == "route" and "budget" in node and node.get("by") == RAW and "dev" not in node:
            values = sorted(confidences(node["of"]))
            n = int(node["budget"] * len(values) + 1e-9)
            if 0 < n < len(values):
                below = (values[n - 1] + values[n]) / 2
            else:
                below = values[-1] + 1 if n else values[0]
            found[name] = {key: value for key, value in node.items() if key != "budget"} | {"below": below}
    return found


def identify_nodes(nodes: Nodes) -> dict[str, str]:
    """Return node -> identity of its computation: what it is and reads, whatever nodes are called."""
    found: dict[str, str] = {}

    def name_of(value: Any) -> Any:
        if isinstance(value, list):
            return [name_of(each) for each in value]
        if not isinstance(value, str):
            return value
        scheme, colon, rest = value.rpartition(":")
        head, dot, way = rest.partition(".")
        if head in nodes and scheme in ("", "node"):
            return f"{scheme}{colon}{identify(head)}{dot}{way}"
        return value

    def identify(name: str) -> str:
        if name not in found:
            found[name] = digest_of({key: name_of(value) for key, value in nodes[name].items()})
        return found[name]

    return {name: identify(name) for name in nodes}
