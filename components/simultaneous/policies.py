"""Policies: how much of a hypothesis for a prefix of the input is written, never to be taken back.

Rows of a table; each is a function of what a node has said so far. Units are words, or characters of
languages that are written without spaces.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from typing import NamedTuple

from components.errors import ConfigError
from components.text.suggestions import suggest

Units = Sequence[str]
HISTORY_SECONDS = 25.0
"""Sound that a recognizer hears at most: less than Whisper's window, so that a chunk more still fits."""
_WRITTEN = re.compile(r"(?:(?P<node>[^=:]+)=)?(?P<name>[a-z_]+)(?::(?P<number>\d+))?")


@dataclass
class Progress:
    """What a node has said of an input that grows.

    Attributes:
        hypotheses: for each prefix so far, its n-best list, the best text first, in units.
        written: units that are written already.
        read: units of the input that are known: words of a text, chunks of sound.
    """

    hypotheses: list[list[Units]] = field(default_factory=list)
    written: int = 0
    read: int = 0

    @property
    def best(self) -> Units:
        """The present hypothesis."""
        return self.hypotheses[-1][0]


class Policy(NamedTuple):
    """A row.

    Attributes:
        summary: one line with its source.
        commit: progress and the row's number -> units of the present hypothesis that may be written in all.
        number: its number where none is set.
        least: of the number.
        meaning: of the number.
    """

    summary: str
    commit: Callable[[Progress, int], int]
    number: int
    least: int
    meaning: str


def common_prefix(texts: Sequence[Units]) -> int:
    """Return how many units all texts have in common at their beginning."""
    return sum(1 for _ in takewhile(lambda units: len(set(units)) == 1, zip(*texts, strict=False)))


def _local_agreement(progress: Progress, number: int) -> int:
    latest = [lists[0] for lists in progress.hypotheses[-number:]]
    return common_prefix(latest) if len(latest) == number else 0


def _shared_prefix(progress: Progress, number: int) -> int:
    return common_prefix(progress.hypotheses[-1][:number])


def _hold(progress: Progress, number: int) -> int:
    return len(progress.best) - number


def _wait_k(progress: Progress, number: int) -> int:
    return progress.read - number + 1


def _fixed(progress: Progress, number: int) -> int:
    del number
    return len(progress.best)


POLICIES: dict[str, Policy] = {
    "local_agreement": Policy(
        "what the last N hypotheses begin with alike (Liu et al. 2020; Polak et al. 2022)",
        _local_agreement,
        number=2,
        least=2,
        meaning="hypotheses that agree",
    ),
    "shared_prefix": Policy(
        "what the N best of the present list begin with alike (Polak et al. 2022)",
        _shared_prefix,
        number=5,
        least=2,
        meaning="hypotheses of the list",
    ),
    "hold": Policy(
        "all but the last N units (hold-n, Liu et al. 2020)",
        _hold,
        number=2,
        least=0,
        meaning="units held back",
    ),
    "wait_k": Policy(
        "N units behind the input (Ma et al. 2019): words of a text, chunks of sound",
        _wait_k,
        number=3,
        least=1,
        meaning="units behind the input",
    ),
    "fixed": Policy("everything at once", _fixed, number=0, least=0, meaning="not used"),
}
"""Name -> policy."""
DEFAULT = "local_agreement"


class Choice(NamedTuple):
    """A policy with its number."""

    name: str
    number: int

    def __str__(self) -> str:
        return self.name if self.name == "fixed" else f"{self.name}:{self.number}"

    def commit(self, progress: Progress) -> int:
        """Return how many units of the present hypothesis are written now, no fewer than before."""
        allowed = POLICIES[self.name].commit(progress, self.number)
        return max(progress.written, min(allowed, len(progress.best)))


def read_policies(written: Sequence[str], nodes: Sequence[str]) -> dict[str, Choice]:
    """Read policies as they are written: ``NAME``, ``NAME:N``, ``NODE=NAME:N``.

    Args:
        written: a policy for all nodes, and for single ones; a later one replaces an earlier one.
        nodes: of the graph.

    Raises:
        ConfigError: there is no such policy or node, or the number is too small.
    """
    chosen = dict.fromkeys(nodes, Choice(DEFAULT, POLICIES[DEFAULT].number))
    for text in written:
        match = _WRITTEN.fullmatch(text)
        if match is None:
            raise ConfigError(f"policy: expected NAME, NAME:N or NODE=NAME:N, found {text!r}")
        name = match["name"]
        if name not in POLICIES:
            raise ConfigError(
                f"policy: expected one of {', '.join(POLICIES)}, found {name!r}{suggest(name, POLICIES)}"
            )
        row = POLICIES[name]
        number = row.number if match["number"] is None else int(match["number"])
        if number < row.least:
            raise ConfigError(f"policy {name}: expected at least {row.least} {row.meaning}, found {number}")
        if match["node"] is not None and match["node"] not in nodes:
            known = suggest(match["node"], nodes)
            raise ConfigError(f"policy: there is no node {match['node']!r}{known}")
        targets = nodes if match["node"] is None else [match["node"]]
        chosen |= dict.fromkeys(targets, Choice(name, number))
    return chosen
