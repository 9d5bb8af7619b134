"""Parameters of the flow `merge`, and the pipeline that they stand for."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import ConfigDict, Field, field_validator

from components import models
from components.merging.config import DEVICE, recipe_of
from components.merging.recipe.model_names import reference_of
from components.metrics.choices import MetricChoice
from components.pipeline.pipeline import Pipeline
from components.pipeline.reader import read_pipeline
from components.recognition.config import RecognitionConfig
from components.translation.config import TranslationConfig
from flows.parameters.base import DataSet, FlowParameters, check_language


class MergeParameters(FlowParameters):
    """What can be set on a merge."""

    model_config = ConfigDict(title="Merge")

    recipe: str = Field(
        min_length=1,
        description="mergekit's YAML: a file, or its text (with line breaks)",
        examples=["recipe.yml"],
    )
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
    device: str = Field("cpu", description=DEVICE)
    baseline: str | None = Field(
        None,
        description="model that the gate compares with; the recipe's base (else first) model if empty",
    )
    metric: Annotated[str, MetricChoice(further=("auto",))] = Field(
        "auto", description="what the gate compares; auto: wer for speech, bleu for text"
    )
    margin: float = Field(0.0, ge=0, le=100, description="points that the merged model may be worse")
    asr: RecognitionConfig = Field(
        default=RecognitionConfig(), title="Recognition", description="how speech models are scored"
    )
    mt: TranslationConfig = Field(
        default=TranslationConfig(), title="Translation", description="how text models are scored"
    )

    @property
    def data_set(self) -> DataSet | None:
        """The development data."""
        languages = self.source_language, self.target_language
        return None if self.dev is None else (self.dev, None, *languages, self.limit)

    _language = field_validator("source_language", "target_language")(check_language)


def pipeline(parameters: MergeParameters) -> Pipeline:
    """The node ``merge`` and those that translate or recognize with its model.

    With development data these are ``mt`` or ``asr`` and ``baseline``; with test data ``mt-test`` or
    ``asr-test``.
    """
    p = parameters
    languages = {"source_language": p.source_language, "target_language": p.target_language}
    measured = {"data": p.data, **languages} if p.data is not None else {}
    nodes: dict[str, dict[str, Any]] = {
        "merge": {"kind": "merge", "recipe": p.recipe, "device": p.device, **measured}
    }
    outputs: dict[str, str] = {}
    if p.dev is not None or p.test is not None:
        name, node = _decoder_node(p)
        if p.dev is not None:
            nodes[name] = {**node, "model": "node:merge"}
            nodes["baseline"] = {**node, "model": baseline_of(p)}
        if p.test is not None:
            nodes["test"] = {"kind": "data", "source": p.test, "limit": p.limit}
            nodes[f"{name}-test"] = {**node, "model": "node:merge", "of": "test"}
        outputs = {"transcript" if name == "asr" else "translation": name} if p.dev is not None else {}
    return read_pipeline({"nodes": nodes, "outputs": outputs, **languages})


def _decoder_node(parameters: MergeParameters) -> tuple[str, dict[str, Any]]:
    """The node that decodes with a model of the recipe: a recognizer or a translator."""
    from components.merging import preflight  # imports torch

    recipe = recipe_of(parameters.recipe)
    preflight.check_recipe(recipe, parameters.store)  # before a model is fetched
    first = models.resolve(reference_of(recipe.sources[0], recipe), parameters.store)
    if first.architecture.startswith("Whisper"):
        return "asr", {"kind": "recognize", **parameters.asr.model_dump()}
    return "mt", {"kind": "translate", **parameters.mt.model_dump()}


def baseline_of(parameters: MergeParameters) -> str:
    """The model that the gate compares with: as set, else the recipe's base, else its first."""
    recipe = recipe_of(parameters.recipe)
    return parameters.baseline or reference_of(recipe.sources[0], recipe)
