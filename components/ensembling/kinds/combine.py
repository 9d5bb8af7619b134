"""``combine``: one text from the outputs of several nodes, by ROVER, minimum Bayes risk or reranking."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field
from typing_extensions import override

from components import neural_metrics
from components.ensembling.output_level.config import (
    COEFFICIENTS_FILE,
    SYSTEM_COMBINATION_VERSION,
    SystemCombinationConfig,
)
from components.errors import ConfigError
from components.files.files import read_json
from components.metrics.metric_names import split_metric
from components.metrics.normalizers import check_normalizer, libraries_of_normalizer
from components.nodes.facts import Carry, Facts, Items, Language, Need, state
from components.nodes.kind import Kind
from components.nodes.node_context import Component, Item, LanguagePairs, NodeContext
from components.records import NBest, Outcome, Quarantined, Utterance
from components.run_record import StageRef
from components.stage_settings import TableOf
from components.storage.shards.tallies import NO_VALUES, features_in
from components.storage.stages.reader import read_tallies

if TYPE_CHECKING:
    from components.ensembling.output_level.weighted_hypotheses import TextScorer
    from components.metrics.metric import Metric


class CombineSettings(SystemCombinationConfig):
    """Settings of the combination, and the node that learned the coefficients of reranking."""

    tuned: Annotated[str | None, TableOf("fit_reranker", from_dev=True)] = Field(
        None, description="reranking: a node of kind fit_reranker, which learned coefficients"
    )


def models_of(settings: CombineSettings) -> dict[str, str]:
    """Return the language model whose log-probability is a feature, and the model of the utility."""
    models: dict[str, str | None] = {}
    if settings.method == "reranking":
        models["language_model"] = settings.language_model
    if settings.method != "rover":
        models["utility"] = split_metric(settings.utility)[1]
    return {role: name for role, name in models.items() if name is not None}


def reads_source(settings: CombineSettings) -> bool:
    """Return whether the model of the utility reads the source."""
    if "utility" not in models_of(settings):
        return False
    from components.metrics.table import get_model_metric  # noqa: PLC0415 - imports numpy and jiwer

    return "source" in get_model_metric(settings.utility).needs


def _libraries_of(settings: CombineSettings) -> tuple[str, ...]:
    own = ("numpy", "sacrebleu", "rapidfuzz", "openai-whisper", *libraries_of_normalizer(settings.normalizer))
    return (*own, "torch", "transformers") if models_of(settings) else own


def _candidates(settings: CombineSettings, nbests: Sequence[NBest]) -> list[str]:
    """Return the texts of the hypotheses that take part."""
    texts = [h.text for nbest in nbests for h in nbest.hypotheses[: settings.n_best]]
    return list(dict.fromkeys(texts))


class Combine(Kind[CombineSettings]):
    """Combines texts of one language. Systems count, vote and break ties in the order of ``of``."""

    name = "combine"
    summary = "finished texts -> text: ROVER, minimum Bayes risk, reranking"
    settings = CombineSettings
    reads = ("text",)
    inputs = (1, 64)
    stated = state(
        features=("systems", "agreement", "unanimous", "expected_utility", "share:", "lm", "reranking")
    )
    items = Items(Carry.INPUTS, Need.ANY)
    language = Language.SAME
    version = str(SYSTEM_COMBINATION_VERSION)
    learns: ClassVar[bool] = False
    """Whether it learns the coefficients of reranking, which are then none of its settings."""

    @override
    def facts(self, settings: CombineSettings) -> Facts:
        return replace(
            super().facts(settings),
            libraries=_libraries_of(settings),
            models=models_of(settings),
            device="auto" if models_of(settings) else "cpu",
            reads_source=reads_source(settings),
            weights=settings.weights,
            candidates=None if self.learns else partial(_candidates, settings),
        )

    @override
    def parameters(self, settings: CombineSettings, context: NodeContext) -> dict[str, Any]:
        values = settings.key_parameters()
        for role in ("language_model", "tuned", *(("coefficients",) if self.learns else ())):
            del values[role]
        version = {"neural_metrics": neural_metrics.version} if "utility" in models_of(settings) else {}
        return values | {"utility": split_metric(settings.utility)[0], **version}

    @override
    def check_inputs(self, settings: CombineSettings, context: NodeContext) -> None:
        """Refuse a single text unless its list, such as samples, is put into another order."""
        if len(context.of) == 1 and (settings.method == "rover" or settings.n_best == 1):
            raise ConfigError(
                "of: expected 2 to 64 nodes, found 1, whose list only minimum_bayes_risk and reranking with "
                "n_best above 1 put into another order"
            )

    @override
    def check(self, settings: CombineSettings, context: NodeContext) -> None:
        """Check the number of votes, the coefficients of reranking and the language model's name."""
        from components.ensembling.output_level import system_combination  # noqa: PLC0415 - imports numpy and sacrebleu

        check_normalizer(settings.normalizer)
        system_combination.check_combination(
            settings, context.of, learned=self.learns or settings.tuned is not None
        )
        self.check_utility(settings, context)
        super().check(settings, context)

    def check_utility(self, settings: CombineSettings, context: NodeContext) -> None:
        """Refuse a utility that reads a source for transcripts, which have none."""
        if reads_source(settings) and context.transcripts:
            raise ConfigError(
                f"utility: expected one that reads no source for transcripts, such as wer, found "
                f"{split_metric(settings.utility)[0]}, which scores translations"
            )

    @override
    def validate_models(self, settings: CombineSettings, context: NodeContext, pairs: LanguagePairs) -> None:
        """Check that the utility's model computes the metric that it is named for."""
        self.utility_metric(settings, context)

    @override
    def build(self, settings: CombineSettings, context: NodeContext) -> Component:
        """Return the method, with the coefficients that were learned."""
        from components.ensembling.output_level import system_combination  # noqa: PLC0415 - imports numpy and sacrebleu
        from components.ensembling.output_level.risk.mbr_utilities import UtilityMetric  # noqa: PLC0415 - as above

        if settings.tuned is not None:
            learned = read_json(context.table_folder("tuned") / COEFFICIENTS_FILE)["coefficients"]
            settings = settings.model_copy(update={"coefficients": learned})
        model = self.language_model(settings, context)
        metric = self.utility_metric(settings, context)
        sees_source = reads_source(settings)

        def combine_item(item: Item) -> Outcome:
            source = item.utterance.text or ""
            if sees_source and not source.strip():
                return _quarantine_without_source(item, settings, context)
            return system_combination.combine_outputs(
                item.utterance.id,
                outcomes_of(item, context),
                settings,
                language_of_texts(item.utterance, sees_source=sees_source),
                model,
                None if metric is None else UtilityMetric(metric, source),
            )

        return lambda items: [combine_item(item) for item in items]

    def language_model(self, settings: CombineSettings, context: NodeContext) -> TextScorer | None:
        """Return the language model whose log-probability is a feature, if there is one."""
        if "language_model" not in models_of(settings):
            return None
        from components.models.loaders import language_model  # noqa: PLC0415 - imports torch

        return language_model.load_language_model(str(settings.language_model), context.store)

    def utility_metric(self, settings: CombineSettings, context: NodeContext) -> Metric | None:
        """Return the metric of the utility, if a model computes it."""
        if "utility" not in models_of(settings):
            return None
        from components.metrics.table import bind_metric  # noqa: PLC0415 - imports torch

        return bind_metric(settings.utility, context.store, "auto")

    @override
    def notes(
        self, settings: CombineSettings, context: NodeContext, ref: StageRef, data: StageRef | None
    ) -> list[str]:
        """Say for how many utterances some of the inputs were missing."""
        systems = features_in(read_tallies(ref)).get("systems", NO_VALUES)
        counted = len(context.of) - settings.weights.count(0.0)
        fewer = sum(n for number, n in systems.counts.items() if number < counted)
        note = f"{ref.stage}: {fewer} of {systems.n} utterances had outputs of fewer than {counted} inputs"
        return [note] if fewer else []


def _quarantine_without_source(item: Item, settings: CombineSettings, context: NodeContext) -> Quarantined:
    name = split_metric(settings.utility)[0]
    detail = (
        f"expected the text that was translated, which {name} reads, found none; take a utility that reads "
        "none, such as chrf"
    )
    return Quarantined(utterance_id=item.utterance.id, stage=context.name, reason="no source", detail=detail)


def language_of_texts(utterance: Utterance, *, sees_source: bool) -> str:
    """Return the language of the texts that are combined, beside their source or without it."""
    return (utterance.target_language if sees_source else None) or utterance.source_language


def outcomes_of(item: Item, context: NodeContext) -> dict[str, Outcome | None]:
    """Return what each system gave for an item, by its number."""
    outcomes = [item.inputs.get(name) for name in context.of]
    return {
        str(number): outcome if isinstance(outcome, NBest | Quarantined) else None
        for number, outcome in enumerate(outcomes, 1)
    }
