"""Settings of a merge: the recipe, as a file, as its text, or as keys in a pipeline's file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

from components.merging.recipe.reader import parse_recipe, read_recipe
from components.merging.recipe.recipe import Recipe

VERSION = 3
"""Version of the merge engine: raised when the same recipe gives other weights."""


class MergeConfig(BaseModel):
    """Which models are merged, and how."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    recipe: str = Field(
        title="Recipe",
        min_length=1,
        description="mergekit's YAML: a file, its text (with line breaks), or its keys",
    )

    @field_validator("recipe", mode="before")
    @classmethod
    def _as_text(cls, value: Any) -> Any:
        return json.dumps(value, indent=1, ensure_ascii=False) if isinstance(value, dict) else value


def is_text(recipe: str) -> bool:
    """Whether the setting holds the text of a recipe rather than the path of its file."""
    return "\n" in recipe.strip()


def recipe_of(text: str) -> Recipe:
    """Read a recipe from a file, or parse it from its text.

    Raises:
        ConfigError: The file cannot be read or is no YAML; the message names the line.
        MergeError: A key or value is not one of mergekit's; the message names the line.
    """
    return parse_recipe(text) if is_text(text) else read_recipe(Path(text).expanduser())
