"""Names of metrics as users write them; imports nothing."""

from __future__ import annotations


def split_metric(text: str) -> tuple[str, str | None]:
    """Split ``NAME`` or ``NAME:MODEL`` into the name and the model's reference."""
    name, colon, model = text.partition(":")
    return name, model if colon else None
