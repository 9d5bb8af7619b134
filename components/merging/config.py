"""Settings of a merge: the recipe, as a file, as its text, or as keys in a pipeline's file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

from components.merging.recipe.reader import parse_recipe, read_recipe
from components.merging.recipe.recipe import Recipe
from components.stage_settings import Device

ALL_MODELS = "*"
"""In the place of a model's name: every model without a data set of its own."""
DEVICE = "where methods on task or singular vectors compute: cpu, cuda, cuda:N, auto; all others on the CPU"
VERSION = 6
"""Version of the merge engine: raised when the same recipe gives other weights."""


class MergeConfig(BaseModel):
    """Which models are merged, and how."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    recipe: str = Field(
        title="Recipe",
        min_length=1,
        description="mergekit's YAML: a file, its text (with line breaks), or its keys",
        examples=["recipe.yml"],
    )

    data: dict[str, str] = Field(
        {},
        description="what methods that measure the models (fisher, regmean) measure them on: a data set for "
        "all, or one for each model of the recipe by its name there",
    )
    data_limit: int = Field(256, ge=1, description="only the first so many utterances of each data set")
    device: Device = Field("cpu", description=DEVICE)
    source_language: str | None = Field(None, description="of the data; its own if empty")
    target_language: str | None = Field(None, description="of the data; its own if empty")

    @field_validator("data", mode="before")
    @classmethod
    def _for_all_models(cls, value: Any) -> Any:
        return {ALL_MODELS: value} if isinstance(value, str) else value

    @field_validator("recipe", mode="before")
    @classmethod
    def _as_text(cls, value: Any) -> Any:
        return json.dumps(value, indent=1, ensure_ascii=False) if isinstance(value, dict) else value

    def key_parameters(self) -> dict[str, Any]:
        """Return the text of the recipe, wherever it stands, and how data are read, if any are."""
        languages = {"source_language": self.source_language, "target_language": self.target_language}
        reading = {"data_limit": self.data_limit, **languages} if self.data else {}
        return {"recipe": recipe_of(self.recipe).text, **reading}


def is_text(recipe: str) -> bool:
    """Return whether the setting holds the text of a recipe rather than the path of its file."""
    return "\n" in recipe.strip()


def recipe_of(text: str) -> Recipe:
    """Read a recipe from a file, or parse it from its text.

    Raises:
        ConfigError: The file cannot be read or is no YAML; the message names the line.
        MergeError: A key or value is not one of mergekit's; the message names the line.
    """
    return parse_recipe(text) if is_text(text) else read_recipe(Path(text).expanduser())
