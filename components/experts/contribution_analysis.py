"""The analysis ``expert_contribution``: what each expert of a model adds to the likelihood of references."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from pydantic import BaseModel, ConfigDict
from typing_extensions import override

from components.analysis.analysis import Analysis, Computed
from components.analysis.table import Sentence, Table
from components.attribution.contributions import CONTRIBUTION, Contributions
from components.compute.device import pick_device
from components.compute.machine import device_for_key
from components.experts import contribution as experts
from components.experts import multilingual
from components.experts.sample_batches import list_samples
from components.metrics.libraries import LIBRARIES
from components.models import resolve
from components.models.loaders.loading import load_transformers
from components.run_record import StageRef
from components.storage.stages.stage_plan import StagePlan, library_versions, upstream_of
from components.storage.store import Store


class ExpertsRequest(BaseModel):
    """A model with experts, and the parallel text whose likelihood they add to.

    Attributes:
        trained: the stage of the model.
        source: the parallel text.
        source_language: of it.
        targets: its target languages.
        limit: sentences per language at most.
        device: where the model computes.
    """

    model_config = ConfigDict(frozen=True)

    trained: StageRef
    source: str
    source_language: str
    targets: Sequence[str]
    limit: int | None = None
    device: str = "cpu"

    @cached_property
    def corpus(self) -> multilingual.MultilingualCorpus:
        """The sentence pairs by language."""
        return multilingual.read(self.source, self.source_language, self.targets, self.limit)

    @property
    def keyed(self) -> dict[str, object]:
        """What of it decides results beside the model and the text."""
        return {"languages": list(self.targets), "limit": self.limit, **device_for_key(self.device)}


class ExpertContribution(Analysis[ExpertsRequest, Contributions]):
    """What each expert of a model's sparse layers adds; its stage is one of contributions."""

    kind, file, record = "expert_contribution", CONTRIBUTION.file, Contributions
    noun, remedy = CONTRIBUTION.noun, CONTRIBUTION.remedy

    @override
    def plan(self, request: ExpertsRequest, store: Store) -> StagePlan:
        return StagePlan(
            stage=CONTRIBUTION.kind,
            kind=CONTRIBUTION.kind,
            version="contribution-experts/2",
            parameters=request.keyed,
            upstream=upstream_of(request.trained),
            inputs=request.corpus.digests,
            libraries=library_versions(LIBRARIES),
        )

    @override
    def device(self, request: ExpertsRequest) -> str:
        return request.device

    @override
    def compute(self, request: ExpertsRequest, store: Store, folder: Path) -> Computed[Contributions]:
        samples = list_samples(request.corpus.pairs)
        checkpoint = resolve(f"store:{request.trained.key}", str(store.root))
        model, tokenizer = load_transformers(checkpoint, "seq2seq", pick_device(request.device))
        shares = experts.measure_contributions(model, tokenizer, samples)
        return Computed(Contributions(systems=tuple(shares)), len(samples))

    @override
    def summary(self, found: Contributions) -> list[str]:
        return CONTRIBUTION.summary(found)

    @override
    def verdict(self, found: Contributions) -> list[Sentence]:
        return CONTRIBUTION.verdict(found)

    @override
    def tables(self, found: Contributions) -> list[Table]:
        return CONTRIBUTION.tables(found)


EXPERT_CONTRIBUTION = ExpertContribution()
