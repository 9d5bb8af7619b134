"""Steps between a written graph and its run that few graphs need: they come by entry points when one does."""

from __future__ import annotations

from typing import Any

from components.extensions import Extensions, accept_any

GRAPH_STEPS: Extensions[Any] = Extensions("antiphon.graph_steps", "step of a graph", accept_any)
"""``auto``: models for nodes of ``model: auto``; ``numbers``: checks of nodes that decide by a number of what
they read; ``edits``: corrections by hand put into the graph."""
