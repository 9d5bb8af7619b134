"""Where models come from: a source per scheme of references, entries of ``antiphon.sources``."""

from __future__ import annotations

from typing import Any

from components.errors import ConfigError
from components.extensions import Extensions
from components.models.sources.source import Source


def _accept(name: str, value: str, source: Any) -> Source:
    if not (isinstance(source, type) and issubclass(source, Source)):
        raise ConfigError(f"expected a Source at {value}, found {source!r:.80}")
    row: Source = source(name)
    return row


SOURCES: Extensions[Source] = Extensions("antiphon.sources", "source of models", _accept)
"""Source by the scheme of its references: ``SCHEME:NAME``."""
