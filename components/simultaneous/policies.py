"""Policies: how much of a hypothesis for a prefix of the input is written.

Rows of a table; each is a function of what a node has said so far. Units are words, or characters of
languages that are written without spaces. All but ``retranslate`` never take anything back.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from typing import NamedTuple

from components.errors import ConfigError
from components.text.suggestions import suggest

Units = Sequence[str]
HISTORY_SECONDS = 25.0
"""Sound that a recognizer hears at most: less than Whisper's window, so that a chunk more still fits."""
FRAMES_PER_SECOND = 50
"""Of sound, as policies count them: positions of Whisper's encoder."""
_WRITTEN = re.compile(r"(?:(?P<node>[^=:]+)=)?(?P<name>[a-z_]+)(?::(?P<number>\d+))?")


@dataclass
class Progress:
    """What a node has said of an input that grows.

    Attributes:
        hypotheses: for each prefix so far, its n-best list, the best text first, in units.
        written: units that are written already.
        read: units of the input that are known: words of a text, chunks of sound.
        length: of the input that is at work: words of a text, frames of sound.
        attended: of each unit of the present hypothesis the latest word, counted from 0, or frame that a
            token of it attended to most; where the policy needs it.
    """

    hypotheses: list[list[Units]] = field(default_factory=list)
    written: int = 0
    read: int = 0
    length: float = 0.0
    attended: Sequence[float] = ()

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
        meaning: of the number; empty where it is not used.
        text_number: its number where none is set, of a node that reads text, where it is another.
        attends: whether it needs to know what the node attended to.
        takes_back: whether what is written may be taken back.
    """

    summary: str
    commit: Callable[[Progress, int], int]
    number: int
    least: int
    meaning: str
    text_number: int | None = None
    attends: bool = False
    takes_back: bool = False


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
    return len(progress.best)


def _alignatt(progress: Progress, number: int) -> int:
    safe = sum(1 for _ in takewhile(lambda at: at < progress.length - number, progress.attended))
    return min(safe, len(progress.best) - 1)  # of the last one more may come: a part of the word, a mark


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
    "alignatt": Policy(
        "until a token attends to the last N frames (20 ms) of the sound, or words of the text (Papi et al. "
        "2023)",
        _alignatt,
        number=25,
        least=0,
        meaning="frames or words at the end",
        text_number=1,
        attends=True,
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
    "fixed": Policy("everything at once", _fixed, number=0, least=0, meaning=""),
    "retranslate": Policy(
        "everything at once, and taken back where the next hypothesis differs (Arivazhagan et al. 2020)",
        _fixed,
        number=0,
        least=0,
        meaning="",
        takes_back=True,
    ),
}
"""Name -> policy."""
DEFAULT = "local_agreement"


class Choice(NamedTuple):
    """A policy with its number."""

    name: str
    number: int

    def __str__(self) -> str:
        return f"{self.name}:{self.number}" if self.row.meaning else self.name

    @property
    def row(self) -> Policy:
        """Of the table."""
        return POLICIES[self.name]

    def commit(self, progress: Progress) -> int:
        """Return how many units of the present hypothesis are written now, no fewer than before."""
        allowed = self.row.commit(progress, self.number)
        return max(progress.written, min(allowed, len(progress.best)))


def read_policies(
    written: Sequence[str], nodes: Sequence[str], texts: Collection[str] = ()
) -> dict[str, Choice]:
    """Read policies as they are written: ``NAME``, ``NAME:N``, ``NODE=NAME:N``.

    Args:
        written: a policy for all nodes, and for single ones; a later one replaces an earlier one.
        nodes: of the graph.
        texts: those that read text.

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
        number = None if match["number"] is None else int(match["number"])
        if number is not None and number < row.least:
            raise ConfigError(f"policy {name}: expected at least {row.least} {row.meaning}, found {number}")
        if match["node"] is not None and match["node"] not in nodes:
            known = suggest(match["node"], nodes)
            raise ConfigError(f"policy: there is no node {match['node']!r}{known}")
        targets = nodes if match["node"] is None else [match["node"]]
        for target in targets:
            usual = row.number if row.text_number is None or target not in texts else row.text_number
            chosen[target] = Choice(name, usual if number is None else number)
    return chosen
