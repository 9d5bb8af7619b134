"""``combine``: one text from the outputs of several nodes, by ROVER, minimum Bayes risk or reranking."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from components.ensembling.output_level.config import (
    COEFFICIENTS_FILE,
    SYSTEM_COMBINATION_VERSION,
    SystemCombinationConfig,
)
from components.files import read_json
from components.metrics.normalizers import check_normalizer, libraries_of_normalizer
from components.nodes.kind import Component, Item, Kind, Site
from components.records import NBest, Outcome, Quarantined
from components.run_record import StageRef
from components.storage.reader import read_nbests

if TYPE_CHECKING:
    from components.ensembling.output_level.weighted_hypotheses import TextScorer


class CombineSettings(SystemCombinationConfig):
    """Settings of the combination, and the node that learned the coefficients of reranking."""

    tuned: str | None = Field(None, description="reranking: a node of kind tune, which learned coefficients")


class Combine(Kind[CombineSettings]):
    """Combines texts of one language. Systems count, vote and break ties in the order of ``of``."""

    name = "combine"
    summary = "finished texts -> text: ROVER, minimum Bayes risk, reranking"
    settings = CombineSettings
    reads = ("text",)
    inputs = (2, 64)
    joins = True
    needs_inputs = True
    made_by: ClassVar = {"tuned": "tune"}
    same_language = True
    passes = True

    def version(self, settings: CombineSettings) -> str:
        """Return the version of the methods."""
        return str(SYSTEM_COMBINATION_VERSION)

    def libraries(self, settings: CombineSettings) -> tuple[str, ...]:
        """Return the libraries of metrics and normalization, and those of a language model."""
        libraries: tuple[str, ...] = ("numpy", "sacrebleu", "rapidfuzz", "openai-whisper")
        libraries += libraries_of_normalizer(settings.normalizer)
        return (*libraries, "torch", "transformers") if self.models(settings) else libraries

    def models(self, settings: CombineSettings) -> dict[str, str]:
        """Return the language model whose log-probability is a feature."""
        name = settings.language_model
        return {} if settings.method != "reranking" or name is None else {"language_model": name}

    def tables(self, settings: CombineSettings) -> dict[str, str]:
        """Return the node that learned the coefficients."""
        return {"tuned": settings.tuned} if settings.tuned else {}

    def device(self, settings: CombineSettings) -> str:
        """Return the device of the language model."""
        return "auto" if self.models(settings) else "cpu"

    def parameters(self, settings: CombineSettings, site: Site) -> dict[str, Any]:
        """Return everything but the language model and the node that learned the coefficients."""
        values = settings.model_dump(mode="json", exclude={"language_model", "tuned"})
        return values | settings.newer_key_parameters()

    def check(self, settings: CombineSettings, site: Site) -> None:
        """Check the number of votes, the coefficients of reranking and the language model's name."""
        from components.ensembling.output_level import system_combination  # noqa: PLC0415 - imports numpy and sacrebleu

        check_normalizer(settings.normalizer)
        system_combination.check_combination(settings, site.of, learned=settings.tuned is not None)
        if self.models(settings):
            from components import models  # noqa: PLC0415 - imports torch

            models.check(str(settings.language_model), site.store)

    def build(self, settings: CombineSettings, site: Site) -> Component:
        """Return the method, with the coefficients that were learned."""
        from components.ensembling.output_level import system_combination  # noqa: PLC0415 - imports numpy and sacrebleu

        if settings.tuned is not None:
            learned = read_json(site.table_folder("tuned") / COEFFICIENTS_FILE)["coefficients"]
            settings = settings.model_copy(update={"coefficients": learned})
        model = self.language_model(settings, site)

        def combine(items: Sequence[Item]) -> list[Outcome]:
            return [
                system_combination.combine_outputs(
                    item.utterance.id,
                    {str(number): _outcome_of(item, name) for number, name in enumerate(site.of, 1)},
                    settings,
                    item.utterance.source_language,
                    model,
                )
                for item in items
            ]

        return combine

    def language_model(self, settings: CombineSettings, site: Site) -> TextScorer | None:
        """Return the language model whose log-probability is a feature, if there is one."""
        if not self.models(settings):
            return None
        from components.ensembling.output_level import language_model  # noqa: PLC0415 - imports torch

        return language_model.load_language_model(str(settings.language_model), site.store)

    def notes(self, settings: CombineSettings, site: Site, ref: StageRef, data: StageRef | None) -> list[str]:
        """Say for how many utterances some of the inputs were missing."""
        systems = [nbest.best.features["systems"] for nbest in read_nbests(ref)]
        counted = len(site.of) - settings.weights.count(0.0)
        fewer = sum(number < counted for number in systems)
        note = f"{ref.stage}: {fewer} of {len(systems)} utterances had outputs of fewer than {counted} inputs"
        return [note] if fewer else []


def _outcome_of(item: Item, name: str) -> Outcome | None:
    outcome = item.inputs.get(name)
    return outcome if isinstance(outcome, NBest | Quarantined) else None
