"""Copies of files behind URLs: who keeps them is an entry point, and is imported when a URL is named."""

from __future__ import annotations

from typing import Any

from components.extensions import Extensions, accept_methods

COPIES: Extensions[Any] = Extensions(
    "antiphon.copies", "keeper of copies", accept_methods("look_up", "fetch", "find_fetched", "use_copy")
)
"""The functions of :mod:`components.files.locations.fetched_files`."""
