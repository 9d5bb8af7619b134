"""``stack``: translation by a second system that reads speech and the outputs of other nodes.

With ``learn`` it stands for a graph: copies of what it reads over the data of ``learn``, and the nodes that
train its model and fit its coefficient where it has none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any

from pydantic import Field
from typing_extensions import override

from components.compute.machine import dtype_for_key
from components.errors import ConfigError
from components.nodes.facts import Carry, Facts, Items, Language, state
from components.nodes.feature_names import RECOGNIZER_FEATURES, TRANSLATOR_FEATURES
from components.nodes.kind import Kind
from components.nodes.node_context import Component, ExtraData, Item, LanguagePairs, NodeContext
from components.records import NBest, Outcome
from components.stacking.config import (
    FUSION_METHODS,
    NBEST_FUSION_VERSION,
    PROMPTED_VERSION,
    VERSION,
    StackConfig,
    StackLearningConfig,
)
from components.stacking.kinds.learning import LEARN, data_to_learn_from, learning_nodes
from components.stacking.lists.coefficient_file import read_coefficient
from components.stage_settings import Marker, TableOf, key_values

LIBRARIES = (
    *("torch", "numpy", "llvmlite", "transformers", "sentencepiece", "sacremoses", "openai-whisper", "av"),
)
VERSIONS = {"pooled": NBEST_FUSION_VERSION, "prompted": PROMPTED_VERSION}
"""Method -> its version, where it has one of its own."""
TEXTS = {"direct": 0, "pre_translation": 2, "pooled": 2}
"""Method -> how many texts it reads: a transcript, then a translation of it. Other methods read one."""


class StackSettings(StackConfig):
    """The method and its models."""

    text_model: Annotated[str | None, Marker("model", role="text")] = Field(
        None, description="late_fusion, pooled: the translator that is mixed with the direct model"
    )
    learned: Annotated[str | None, TableOf("fit_fusion", role="coefficient")] = Field(
        None,
        description="late_fusion, pooled: the fit_fusion node that gives the coefficient, if none is set",
    )
    learn: StackLearningConfig | None = Field(
        None, description="where there is no model or no coefficient: the data and the training of one"
    )

    def key_parameters(self) -> dict[str, Any]:
        """Return the settings of the method, and the arithmetic that ``dtype`` stands for."""
        return key_values(self.config, {"dtype"}) | dtype_for_key(self.dtype, self.device)

    @property
    def config(self) -> StackConfig:
        """The settings that the method itself takes."""
        return StackConfig.model_validate(self.model_dump(include=set(StackConfig.model_fields)))


class StackKind(Kind[StackSettings]):
    """What reads speech and texts by a stacked model, or learns how."""

    @override
    def check(self, settings: StackSettings, context: NodeContext) -> None:
        """Check its device and its models' names."""
        from components.stacking import checks  # noqa: PLC0415 - imports torch

        checks.check_references(settings, self.facts(settings).models.values(), context.store)


class Stack(StackKind):
    """Late fusion, pre-translation, dual source, fused n-best lists, a prompted model, or speech alone."""

    name = "stack"
    summary = "speech and texts -> text, by a second system that sees them all"
    settings = StackSettings
    reads = ("speech", "text")
    inputs = (1, 3)
    stated = state(features=("first", "second", "fused", *RECOGNIZER_FEATURES, *TRANSLATOR_FEATURES))
    items = Items(Carry.INPUTS)
    language = Language.WRITTEN
    version = VERSION
    libraries = LIBRARIES

    @override
    def facts(self, settings: StackSettings) -> Facts:
        facts = super().facts(settings)
        fuses = settings.method in FUSION_METHODS
        return replace(
            facts,
            version=VERSIONS.get(settings.method, VERSION),
            models={role: name for role, name in facts.models.items() if fuses or role != "text"},
            tables=facts.tables if fuses and settings.coefficient is None else {},
            list_length=settings.n_best,
        )

    @override
    def check_inputs(self, settings: StackSettings, context: NodeContext) -> None:
        """Check the inputs, the model and the coefficient that the method needs."""
        texts, spoken = context.types.count("text"), bool({"data", "speech"} & set(context.types))
        method, fewest = settings.method, TEXTS.get(settings.method, 1)
        if texts < fewest or (not spoken and method != "pre_translation"):
            expected = ["speech"] if method != "pre_translation" else []
            expected += ["a transcript", "its translation"][:fewest]
            reads = f"{method} reads {', '.join(expected)}, in this order, found {', '.join(context.of)}"
            hint = "; written texts pass a recognize node as they are: name one" if texts < fewest else ""
            raise ConfigError(reads + hint)
        if settings.model is None:
            raise ConfigError(f"{method} needs a model such as store:KEY or node:NAME, found none")
        if method in FUSION_METHODS and settings.text_model is None:
            raise ConfigError(f"{method} needs a text_model to mix with, found none")
        if method in FUSION_METHODS and settings.coefficient is None and settings.learned is None:
            raise ConfigError(
                f"{method} needs a coefficient, or learned: NODE of kind fit_fusion, found neither"
            )

    @override
    def validate_models(self, settings: StackSettings, context: NodeContext, pairs: LanguagePairs) -> None:
        """Check that the model is one of the method's."""
        from components.stacking import checks  # noqa: PLC0415 - imports torch

        checks.validate_model(settings, context.store, pairs)

    @override
    def extra_data(self, values: Mapping[str, Any]) -> dict[str, ExtraData]:
        """Return what it reads over the training and the development data of ``learn``."""
        return data_to_learn_from(values)

    @override
    def expand(self, name: str, values: dict[str, Any]) -> dict[str, dict[str, Any]] | None:
        """With ``learn``: return the nodes that train its model and fit its coefficient, then itself."""
        if values.get(LEARN) is None:
            return None
        return learning_nodes(name, values, StackSettings)

    @override
    def build(self, settings: StackSettings, context: NodeContext) -> Component:
        """Return the stacked system, with the coefficient that was learned."""
        from components.stacking import prompted, source_lines, translator  # noqa: PLC0415 - they need torch
        from components.stacking.lists import nbest_fusion  # noqa: PLC0415 - it needs torch

        config = settings.config
        if "coefficient" in context.tables:
            value = read_coefficient(context.table_folder("coefficient"))
            config = config.model_copy(update={"coefficient": value})
        texts = [name for name, sort in zip(context.of, context.types, strict=True) if sort == "text"]
        first, last = (texts[0], texts[-1]) if texts else ("", "")
        stacked: (
            prompted.PromptedTranslator | nbest_fusion.NBestFusionTranslator | translator.StackedTranslator
        )
        if config.method == "prompted":
            stacked = prompted.PromptedTranslator(config, context.store)
        else:
            module = nbest_fusion if config.method == "pooled" else translator
            stacked = module.build_translator(config, settings.text_model or "", context.store)

        def stack(items: Sequence[Item]) -> list[Outcome]:
            read = []
            for item in items:
                transcript = item.inputs.get(first)
                draft = item.inputs.get(last) if len(texts) > 1 else None
                nbests = [outcome if isinstance(outcome, NBest) else None for outcome in (transcript, draft)]
                read.append(source_lines.add_source_lines(config, item.utterance, *nbests))
            return stacked.translate(read)

        return stack
