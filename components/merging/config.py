"""Settings of a merge: a recipe (a file, its text, or keys in a pipeline's file), or the models of a soup."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from components.checkpoint_references import last_checkpoints
from components.errors import MergeError
from components.merging.recipe.reader import parse_recipe, read_recipe
from components.merging.recipe.recipe import Recipe
from components.merging.recipe.vectors import held_vectors
from components.merging.soup_recipes import uniform_soup
from components.metrics.choices import MetricChoice
from components.models import references
from components.stage_settings import DataSet, Device, Settings

NODE = f"{references.NODE}:"
ALL_MODELS = "*"
"""In the place of a model's name: every model without a data set of its own."""
DEVICE = "where methods on task or singular vectors compute: cpu, cuda, cuda:N, auto; all others on the CPU"
VERSION = 6
"""Version of the merge engine: raised when the same recipe gives other weights."""
CHOICE_VERSION = 2
"""Version of choices on development data: raised when the same candidates and scores give another choice."""


class MergeConfig(Settings):
    """Which models are merged, and how."""

    method: Literal["recipe", "uniform_soup", "greedy_soup"] = Field(
        "recipe",
        description="recipe: as it says; uniform_soup: the plain mean of models; greedy_soup: that of those "
        "which do not make it worse on dev, the best first",
    )
    recipe: str = Field(
        "",
        title="Recipe",
        description="mergekit's YAML: a file, its text (with line breaks), or its keys",
        examples=["recipe.yml"],
    )
    models: tuple[str, ...] = Field(
        (), description="soups: the candidates: models, runs (store:RUN) or checkpoints (store:RUN@STEP)"
    )
    checkpoints: int = Field(
        0,
        ge=0,
        le=50,
        description="soups: the last so many checkpoints that each of models kept, in its place",
    )
    scales: tuple[float, ...] = Field(
        (),
        description="a recipe of task vectors: factors of their scales that are tried on dev; empty = 1",
    )
    dev: Annotated[str | None, DataSet(limit="dev_limit")] = Field(
        None, description="greedy_soup and scales: development data that decide (never a test set)"
    )
    dev_limit: int = Field(200, ge=1, description="only the first so many utterances of dev")
    metric: Annotated[str, MetricChoice(further=("auto",))] = Field(
        "auto", description="what decides on dev, by greedy search; auto: wer for speech, bleu for text"
    )

    data: Annotated[dict[str, str], DataSet(limit="data_limit")] = Field(
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

    @model_validator(mode="after")
    def _check_method(self) -> MergeConfig:
        if self.method == "recipe" and (not self.recipe or self.models or self.checkpoints):
            raise ValueError(
                "expected a recipe (recipe=recipe.yml), or models and method uniform_soup or greedy_soup"
            )
        if self.method != "recipe" and (self.recipe or not self.models or self.scales):
            raise ValueError(f"expected models for {self.method}, and neither a recipe nor scales")
        if self.chooses != (self.dev is not None):
            raise ValueError(
                f"expected dev with greedy_soup or scales, and with nothing else, found dev {self.dev}"
            )
        return self

    @property
    def chooses(self) -> bool:
        """Whether development data decide what is merged."""
        return self.method == "greedy_soup" or bool(self.scales)

    @property
    def candidates(self) -> tuple[str, ...]:
        """The models of a soup."""
        if not self.checkpoints:
            return self.models
        return tuple(name for model in self.models for name in last_checkpoints(model, self.checkpoints))

    def to_recipe(self) -> Recipe:
        """Return the recipe; of a soup that of the mean of all its candidates.

        Raises:
            ConfigError, MergeError: see :func:`recipe_of`; a recipe without task vectors has no scales, or
                a soup has fewer than two candidates, or one twice.
        """
        if self.method != "recipe":
            if len(self.candidates) < 2:
                raise MergeError(
                    f"models: expected two or more for {self.method}, found {len(self.candidates)}"
                )
            return uniform_soup(self.candidates)
        recipe = recipe_of(self.recipe)
        if self.scales and not recipe.vectors:
            raise MergeError(
                f"{recipe.where}: scales: expected task vectors ({{model, minus, scale}}), found none"
            )
        return recipe

    def key_parameters(self) -> dict[str, Any]:
        """Return the text of the recipe, wherever it stands, how data are read, and how dev decides.

        Nodes have no names in it, only the order in which they are named.
        """
        recipe = self.to_recipe()
        text = recipe.text
        for name in nodes_of(recipe):
            text = text.replace(f'"{name}"', f'"{role_of(name, recipe)}"')
        languages = {"source_language": self.source_language, "target_language": self.target_language}
        reading = {"data_limit": self.data_limit, **languages} if self.data else {}
        chosen = {"choice": self.method, "scales": self.scales, "metric": self.metric} if self.chooses else {}
        return {"recipe": text, **reading, **chosen}

    def resolve_paths(self, folder: Path) -> MergeConfig:
        """Resolve the recipe where it is a file."""
        if self.method != "recipe" or is_text(self.recipe):
            return self
        return self.model_copy(update={"recipe": str(folder / Path(self.recipe).expanduser())})


def nodes_of(recipe: Recipe) -> list[str]:
    """Return the models and vectors that other nodes make, in the order in which they are named."""
    return [name for name in (*recipe.sources, *held_vectors(recipe)) if name.startswith(NODE)]


def role_of(name: str, recipe: Recipe) -> str:
    """Return the role of a model or vector: its name, or the number of the node that makes it."""
    return f"node{nodes_of(recipe).index(name) + 1}" if name.startswith(NODE) else name


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
