"""``estimate``: a text again, with calibrated probabilities that it and its words are right."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field, model_validator
from typing_extensions import override

from components.confidence.estimators.config import VERSION, EstimatorConfig
from components.errors import ConfigError
from components.files.digests import file_digest
from components.nodes.facts import Carry, Facts, Items, Language, Need, state
from components.nodes.kind import Kind
from components.nodes.node_context import Component, Item, NodeContext
from components.records import NBest, Outcome, Quarantined, Route
from components.stage_settings import TableOf
from components.text.text_confidence import ESTIMATES

if TYPE_CHECKING:
    from components.confidence.estimators.examples import TextFeatures
    from components.confidence.estimators.fitted_estimator import FittedEstimator

LIBRARIES = ("numpy", "lightgbm", "rapidfuzz", "sacrebleu")
"""Distributions whose versions decide features and estimates."""


class EstimateSettings(EstimatorConfig):
    """Where the estimator comes from; with ``dev`` also how it is fitted."""

    fitted: Annotated[str | None, TableOf("fit_estimator", from_dev=True)] = Field(
        None, description="a node of kind fit_estimator, which fitted the estimator"
    )
    model: str | None = Field(
        None,
        description="a finished one instead: packaged:NAME, store:KEY, store:RUN (of `run estimator`), "
        "or a path",
        examples=["packaged:whisper-base"],
    )

    @model_validator(mode="after")
    def _check_origin(self) -> EstimateSettings:
        if (self.fitted is None) == (self.model is None):
            raise ValueError(
                "expected one of model (packaged:NAME, store:KEY or a path), fitted (a node of kind "
                f"fit_estimator) and dev (a data set with references), found "
                f"{'none' if self.model is None else 'model and another'}"
            )
        fields = EstimatorConfig.model_fields.items()
        extra = [name for name, field in fields if getattr(self, name) != field.default]
        if self.model is not None and extra:
            raise ValueError(f"{extra[0]}: a setting of the fitting, and model is fitted; leave one out")
        return self

    def key_parameters(self) -> dict[str, Any]:
        """Return nothing: the fitted estimator decides."""
        return {}


def _files_of(settings: EstimateSettings) -> dict[str, str]:
    """Return the file of an estimator that is named by its path."""
    from components.confidence.estimators import sources  # noqa: PLC0415 - 0.1 s, when it is used

    return {"model": settings.model} if settings.model and sources.is_path(settings.model) else {}


class Estimate(Kind[EstimateSettings]):
    """Gives the first of its texts again; further texts and tables are compared with it."""

    name = "estimate"
    summary = "a text again, with calibrated probabilities that it and its words are right"
    settings = EstimateSettings
    reads = ("text", "table")
    inputs = (1, 16)
    stated = state(features=tuple(ESTIMATES), may_drop=True, analyses=("confidence",))
    items = Items(Carry.SOURCE, Need.ANY)
    language = Language.OF_FIRST
    version = str(VERSION)
    libraries = LIBRARIES

    @override
    def facts(self, settings: EstimateSettings) -> Facts:
        return replace(
            super().facts(settings),
            files=_files_of(settings),
            estimators=(settings.model or f"node:{settings.fitted}",),
        )

    @override
    def digests(self, settings: EstimateSettings, context: NodeContext) -> dict[str, str]:
        """Return the digest of an estimator that is packaged or in the store."""
        if settings.model is None or _files_of(settings):
            return {}
        return {"model": file_digest(_locate(settings.model, context))}

    @override
    def check_inputs(self, settings: EstimateSettings, context: NodeContext) -> None:
        """Check that the first input is the text that is estimated."""
        check_first_is_text(context)

    @override
    def check(self, settings: EstimateSettings, context: NodeContext) -> None:
        """Check that a finished estimator is there, was fitted for such texts, and reads what they have."""
        if settings.model is None:
            return
        targets = _read(settings, context).targets.values()
        names = {column.name.removeprefix("text.") for target in targets for column in target.columns}
        if not context.has_tokens and (missing := _of_tokens(names)):
            raise ConfigError(
                f"model: expected an estimator that needs no tokens, as {context.display_names[0]} gives none"
                f", found one that reads {missing[0]}; say dev: DATA SET instead, to fit one on such texts"
            )

    @override
    def build(self, settings: EstimateSettings, context: NodeContext) -> Component:
        estimator = _read(settings, context)

        def estimate(items: Sequence[Item]) -> list[Outcome | None]:
            texts = [item for item in items if isinstance(item.inputs.get(context.of[0]), NBest)]
            features = [features_of(item, context.of) for item in texts]
            complete = [
                each
                for item, each in zip(texts, features, strict=True)
                if all(isinstance(item.inputs.get(name), NBest | Route) for name in context.of)
            ]  # what was quarantined, or went another way, is not what the system does not give
            if missing := estimator.find_missing_features(complete):
                raise ConfigError(_describe_missing(missing, context))
            annotated = estimator.annotate([first_text(item, context.of) for item in texts], features)
            by_id: dict[str, NBest] = {nbest.utterance_id: nbest for nbest in annotated}
            return [by_id.get(item.utterance.id) or _pass_on(item, context) for item in items]

        return estimate


def check_first_is_text(context: NodeContext) -> None:
    """Refuse inputs whose first is no text.

    Raises:
        ConfigError: it is a table.
    """
    if context.types[:1] == ("table",):
        raise ConfigError(
            f"of: expected the text that is estimated first, found {context.display_names[0]}, a table"
        )


def first_text(item: Item, of: Sequence[str]) -> NBest:
    """Return the text of the first input, which is there."""
    nbest = item.inputs[of[0]]
    assert isinstance(nbest, NBest)
    return nbest


def features_of(item: Item, of: Sequence[str]) -> TextFeatures:
    """Return the features of the first input; further ones are named by their numbers, such as ``.2``."""
    from components.confidence.estimators.examples import TextFeatures  # noqa: PLC0415 - imports numpy
    from components.confidence.features import extract_features, extract_word_features  # noqa: PLC0415

    nbest = first_text(item, of)
    others = {str(n): item.inputs[name] for n, name in enumerate(of[1:], 2) if name in item.inputs}
    return TextFeatures(extract_features(nbest, item.utterance, others), extract_word_features(nbest, others))


def _locate(model: str, context: NodeContext) -> Path:
    from components.confidence.estimators.sources import locate_estimator  # noqa: PLC0415 - when it is used

    try:
        return locate_estimator(model, context.store)
    except ConfigError as error:
        raise ConfigError(f"model: {error}") from None


def _read(settings: EstimateSettings, context: NodeContext) -> FittedEstimator:
    """Read the estimator, and refuse one that was fitted for other texts."""
    from components.confidence.estimators.fitted_estimator import read_estimator  # noqa: PLC0415 - imports numpy

    model = settings.model
    estimator = read_estimator(context.table_folder("fitted") if model is None else _locate(model, context))
    output = "transcript" if context.transcripts else "translation"
    if estimator.of != output:
        raise ConfigError(
            f"{'fitted' if model is None else 'model'}: expected an estimator of {output}s, as "
            f"{context.of[0]} gives, found one of {estimator.of}s"
        )
    return estimator


def _of_tokens(names: Collection[str]) -> list[str]:
    """Return the features that only a text with tokens has."""
    from components.confidence.features import FEATURES  # noqa: PLC0415 - imports numpy

    return [name for name, row in FEATURES.items() if name in names and row.needs == "tokens"]


def _describe_missing(missing: Sequence[str], context: NodeContext) -> str:
    """Describe features that no text has, and what gives them."""
    from components.confidence.features import FEATURES  # noqa: PLC0415 - when something is wrong

    needs: Mapping[str, str] = {name: row.needs for name, row in FEATURES.items()}
    first = missing[0].removeprefix("text.")
    stem, _, number = first.partition(".")
    need = needs.get(first) or needs.get(f"{stem}.INPUT")
    where = f" as number {number} of `of`" if number else f" of {context.of[0]}"
    hint = f"; {first} needs {need}{where}" if need else ""
    listing = ", ".join(dict.fromkeys(name.removeprefix("text.") for name in missing))
    return (
        f"{context.name}: expected the features that the estimator was fitted with, found no {listing}{hint}"
    )


def _pass_on(item: Item, context: NodeContext) -> Quarantined | None:
    """Pass on why there is no text; None where the text went another way."""
    first = item.inputs.get(context.of[0])
    return first.model_copy(update={"stage": context.name}) if isinstance(first, Quarantined) else None
