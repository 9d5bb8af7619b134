"""The data sets that a merge measures its models on."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from components import data
from components.errors import ConfigError, MergeError
from components.merging.config import ALL_MODELS, MergeConfig
from components.merging.methods.table import METHODS
from components.merging.recipe.recipe import Recipe

NO_SETS: Mapping[str, str] = MappingProxyType({})


class DataSets(NamedTuple):
    """Which data the models of a merge are measured on.

    Attributes:
        by_model: data set of each model by its name in the recipe; ``*`` for those that are not named.
        limit: utterances of each that are read, the first ones.
        source_language: see :func:`components.data.load`.
        target_language: see there.
    """

    by_model: Mapping[str, str] = NO_SETS
    limit: int = 256
    source_language: str | None = None
    target_language: str | None = None

    @classmethod
    def of_settings(cls, settings: MergeConfig) -> DataSets:
        """Return the data sets that the settings of a merge name."""
        return cls(settings.data, settings.data_limit, settings.source_language, settings.target_language)

    def of(self, model: str) -> str:
        """Return the data set of a model.

        Raises:
            ConfigError: It has none.
        """
        source = self.by_model.get(model, self.by_model.get(ALL_MODELS))
        if source is None:
            raise ConfigError(
                f"data: expected a data set for {model}, found sets for {sorted(self.by_model)}"
            )
        return source

    def load(self, model: str) -> data.Dataset:
        """Return the utterances of a model."""
        return data.load(
            self.of(model),
            source_language=self.source_language,
            target_language=self.target_language,
            limit=self.limit,
        )


def check_data(recipe: Recipe, sets: DataSets) -> None:
    """Refuse a method on data without any, and data for a method that reads none.

    Raises:
        MergeError: The recipe's method and the data sets do not go together.
        ConfigError: A model has no data set.
    """
    reading = [s for s in (*recipe.stages, recipe) if not s.adapters and METHODS[s.method].statistics]
    if not reading:
        if sets.by_model:
            raise MergeError(f"{recipe.where}: {recipe.method} reads no data; leave data out")
        return
    for stage in reading:
        if not sets.by_model:
            raise MergeError(
                f"{stage.where}: {stage.method} measures the models on data: expected data (a set for all, "
                "or MODEL: SET), found none"
            )
        if any(s.layers for m in stage.modules.values() for piece in m.slices for s in piece.inputs):
            raise MergeError(
                f"{stage.where}: {stage.method} merges whole models: expected no slices, found some"
            )
        for model in stage.models:
            sets.of(model)
