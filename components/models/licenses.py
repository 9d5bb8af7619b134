"""Licences of models on the hub that restrict what they may be used for, so that a plan can say it."""

from __future__ import annotations

from collections.abc import Iterable

_GATED = "CC BY-NC-SA 4.0: no commercial use; gated: accept its licence on the hub and log in"
RESTRICTED: dict[str, str] = {
    "Unbabel/wmt22-cometkiwi-da": _GATED,
    "Unbabel/wmt23-cometkiwi-da-xl": _GATED,
    "Unbabel/wmt23-cometkiwi-da-xxl": _GATED,
    "Unbabel/XCOMET-XL": _GATED,
    "Unbabel/XCOMET-XXL": _GATED,
}
"""ORG/NAME -> its licence, in a line, as its model card says."""


def license_notes(references: Iterable[str]) -> list[str]:
    """Return a line for each of these models whose licence restricts its use."""
    lines = {}
    for reference in references:
        name = reference.removeprefix("hub:").partition("@")[0]
        if reference.startswith("hub:") and name in RESTRICTED:
            lines[reference] = f"{reference}: {RESTRICTED[name]}"
    return list(lines.values())
