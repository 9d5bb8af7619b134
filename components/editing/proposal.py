"""A text that an edited file proposes for an utterance, before it becomes a correction."""

from __future__ import annotations

from collections.abc import Container, Iterable
from typing import NamedTuple, Protocol

from components.errors import ConfigError
from components.records import Segment
from components.text.suggestions import did_you_mean


class Ids(Container[str], Iterable[str], Protocol):
    """Ids of utterances."""


class Proposal(NamedTuple):
    """An edited text. ``segments`` are None where only the text was edited, not its times."""

    utterance_id: str
    text: str
    segments: tuple[Segment, ...] | None


def refuse_unknown_id(utterance_id: str, ids: Ids, node: str, where: str) -> None:
    """Refuse an id for which a node gave no text.

    Raises:
        ConfigError: in one line, with the id that was probably meant.
    """
    if utterance_id not in ids:
        raise ConfigError(
            f"{where}: expected an id for which {node} gave a text, found {utterance_id!r:.100}"
            f"{did_you_mean(utterance_id, ids)}"
        )
