"""What can be set on a merge: the recipe, as a file, as its text, or as it stands in a pipeline's file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

from components.errors import AntiphonError
from components.merging.recipe import Recipe, from_text, read

VERSION = 3
"""Of the merging: raised when the same recipe gives other weights."""


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

    @field_validator("recipe")
    @classmethod
    def _readable(cls, value: str) -> str:
        try:
            recipe_of(value)
        except AntiphonError as error:
            raise ValueError(str(error)) from None
        return value


def recipe_of(text: str) -> Recipe:
    """A recipe from a file, or from its text. Raises ConfigError or MergeError with the line."""
    return from_text(text) if "\n" in text.strip() else read(Path(text).expanduser())
