"""Steps between a written graph and its run that few graphs need: they come by entry points when one does."""

from __future__ import annotations

from typing import Any

from components.extensions import Extensions, accept_any

GRAPH_STEPS: Extensions[Any] = Extensions("antiphon.graph_steps", "step of a graph", accept_any)
"""``bags``: trainings of bagged ensembles; ``development``: copies of nodes over data sets that others learn
from; ``auto``: models for nodes of ``model: auto``; ``numbers``: checks of nodes that decide by a number of
what they read; ``edits``: hand-made corrections; ``zero_weights``: inputs that have no vote, which are not
run; ``learning_data``: checks of the data that nodes learn from; ``seen_data``: which of it is scored."""
DEV_KEYS = ("dev", "dev_limit")
"""Keys of nodes of kinds that are learned: the data set, and how many utterances of it at most."""
