"""Faults of a pipeline file: one line each with its place, all reported at once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from components.errors import ConfigError
from components.files.yaml_text import Places, at_place
from components.pipeline.pipeline import join_keys


@dataclass
class Faults:
    """The faults found so far.

    Attributes:
        where: the file.
        lines: key path -> line of the file, or the flag that set it.
        messages: the faults.
        source_keys: node that another stands for -> the keys where the user wrote it.
    """

    where: str = ""
    lines: Places = field(default_factory=dict)
    messages: list[str] = field(default_factory=list)
    source_keys: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def add(self, path: Iterable[str], message: str) -> None:
        """Add a fault at a key of the file, or at the nearest key above it that has a line."""
        at = tuple(path)
        if at[:1] == ("nodes",) and len(at) > 1 and at[1] in self.source_keys:
            node, origin = at[1], self.source_keys[at[1]]
            message = join_keys(origin) + message[len(node) :] if message.startswith(node) else message
            at = (*origin, *at[2:])
        while at and at not in self.lines:
            at = at[:-1]
        self.messages.append(at_place(self.where, self.lines.get(at), message))

    def raise_if_any(self) -> None:
        """Raise ConfigError with every fault, a line each, if there are any."""
        if self.messages:
            raise ConfigError("\n".join(dict.fromkeys(self.messages)))
