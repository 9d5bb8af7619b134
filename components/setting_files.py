"""Files that settings name: what reads one comes by an entry point where one is named."""

from __future__ import annotations

from typing import Any

from components.extensions import Extensions, accept_any

SETTING_FILES: Extensions[Any] = Extensions(
    "antiphon.setting_files", "reader of a setting's file", accept_any
)
"""``terms``: the rows of a term list; ``examples``: translations that a model is shown. ConfigError: a faulty
line, which it names."""
