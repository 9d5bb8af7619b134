"""What the preset ``merge`` asks: the data that decide whether a merged model is kept, and the baseline."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, field_validator

from components import models
from components.errors import ConfigError
from components.merging.config import MergeConfig
from components.merging.recipe.model_names import reference_of
from components.metrics.choices import MetricChoice
from flows.parameters.base import DataSet, FlowParameters, Nodes, check_language


class MergeParameters(FlowParameters):
    """The data sets, and what the gate compares."""

    data: str | None = Field(
        None, description="data set that methods which measure the models (fisher, regmean) read"
    )
    dev: str | None = Field(None, description="data set that the gate decides by; empty = no gate")
    test: str | None = Field(
        None, title="Test data", description="data set to score an accepted model on; never decides"
    )
    limit: int | None = Field(None, ge=1, description="only the first so many utterances")
    source_language: str | None = Field(None, description="the data's own if empty")
    target_language: str | None = Field(None, description="the data's own if empty")
    baseline: str | None = Field(
        None,
        description="model that the gate compares with; the recipe's base (else first) model if empty",
    )
    metric: Annotated[str, MetricChoice(further=("auto",))] = Field(
        "auto", description="what the gate compares; auto: wer for speech, bleu for text"
    )
    margin: float = Field(0.0, ge=0, le=100, description="points that the merged model may be worse")

    @property
    def data_set(self) -> DataSet | None:
        """The development data."""
        languages = self.source_language, self.target_language
        return None if self.dev is None else (self.dev, None, *languages, self.limit)

    _language = field_validator("source_language", "target_language")(check_language)

    @property
    def languages(self) -> dict[str, str | None]:
        """Source and target language, where they are set."""
        return {"source_language": self.source_language, "target_language": self.target_language}

    @property
    def baseline_model(self) -> str:
        """The model that the gate compares with: as set, else the recipe's base, else its first."""
        recipe = self._settings().to_recipe()
        return self.baseline or reference_of(recipe.sources[0], recipe)

    def replace_nodes(self, nodes: Nodes) -> Nodes:
        """Return the node ``merge`` and those that translate or recognize with its model.

        With development data these are ``mt`` or ``asr`` and ``baseline``; with test data ``mt-test`` or
        ``asr-test``.
        """
        measured = {} if self.data is None else {"data": self.data}
        chosen = {"dev": self.dev, "metric": self.metric} if self._chooses() else {}
        languages = self.languages if measured or chosen else {}
        made: Nodes = {"merge": {**nodes["merge"], **measured, **chosen, **languages}}
        if self.dev is None and self.test is None:
            return made
        name = self._find_decoder()
        if self.dev is not None:
            made["baseline"] = {**nodes[name], "model": self.baseline_model}
            made[name] = {**nodes[name], "model": "node:merge"}  # last: the texts of the run are its
        if self.test is not None:
            made["test"] = {"kind": "data", "source": self.test, "limit": self.limit}
            made[f"{name}-test"] = {**nodes[name], "model": "node:merge", "of": "test"}
        return made

    def _chooses(self) -> bool:
        """Return whether the development data also decide what is merged."""
        if (vars(self)["method"] != "greedy_soup") and not vars(self)["scales"]:
            return False
        if self.dev is None:
            raise ConfigError(
                "dev: expected development data that decide what is merged, found none; set dev"
            )
        return True

    def _settings(self) -> MergeConfig:
        """Return the settings of the merge: the fields that the preset's form adds."""
        names = ("method", "recipe", "models", "checkpoints", "scales")
        return MergeConfig.model_validate(
            {name: vars(self)[name] for name in names} | ({"dev": self.dev} if self._chooses() else {})
        )

    def _find_decoder(self) -> str:
        """Return the node that decodes with a model of the recipe: ``asr`` or ``mt``."""
        from components.merging import preflight  # imports torch

        recipe = self._settings().to_recipe()
        preflight.check_recipe(recipe, self.store)  # before a model is fetched
        first = models.resolve(reference_of(recipe.sources[0], recipe), self.store)
        return "asr" if first.architecture.startswith("Whisper") else "mt"
