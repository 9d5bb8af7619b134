"""Sparse products of a pruned model when it is loaded to be searched, as its ``config.json`` says."""

from __future__ import annotations

from typing import Any

from components.errors import ModelError
from components.pruning.prune import use_layouts
from components.pruning.sparse_linear import LAYOUTS

SPARSE_LAYERS = "sparse_layers"
"""Key of ``config.json``: layer -> the layout whose product was faster where the model was pruned."""


def use_sparse_layers(model: Any, name: str) -> None:
    """Put sparse layers in the place of those that the configuration names; on a CPU.

    Raises:
        ModelError: it names what is no layer or no layout.
    """
    layouts = getattr(model.config, SPARSE_LAYERS)
    if not isinstance(layouts, dict) or not set(layouts.values()) <= set(LAYOUTS):
        raise ModelError(
            f"{name}: expected {SPARSE_LAYERS} {{layer: layout}} in its config.json with a layout of "
            f"{', '.join(LAYOUTS)}, found {layouts!r:.80}"
        )
    use_layouts(model, layouts)
