"""What explains parameters: entries of ``antiphon.help``, imported when somebody asks."""

from __future__ import annotations

from typing import Any

from components.extensions import Extensions, accept_any

HELP: Extensions[Any] = Extensions("antiphon.help", "help", accept_any)
"""``parameters``: rows of a flow's parameters; ``printing``: prints them, a template or a flow's help."""
