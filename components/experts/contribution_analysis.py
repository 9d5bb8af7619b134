"""The analysis ``expert_contribution``: what each expert of a model adds to the likelihood of references."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from pydantic import BaseModel, ConfigDict
from typing_extensions import override

from components.analysis.analysis import Analysis, Computed
from components.analysis.table import Sentence, Table
from components.attribution.contributions import CONTRIBUTION, Contributions
from components.compute.device import pick_device
from components.compute.machine import device_for_key
from components.experts import contribution as experts
from components.experts import multilingual
from components.experts.config import ExpertsConfig
from components.experts.sample_batches import Sample, list_samples
from components.metrics.libraries import LIBRARIES
from components.models import resolve
from components.models.loaders.loading import load_transformers
from components.records import Record
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

    @classmethod
    def of(cls, config: ExpertsConfig, trained: StageRef, source: str, limit: int | None) -> ExpertsRequest:
        """Return the request for the model that a training has left, over its languages."""
        return cls(
            trained=trained,
            source=source,
            source_language=config.source_language,
            targets=config.targets,
            limit=limit,
            device=config.device,
        )

    @cached_property
    def corpus(self) -> multilingual.MultilingualCorpus:
        """The sentence pairs by language."""
        return multilingual.read(self.source, self.source_language, self.targets, self.limit)

    def load(self, store: Store) -> tuple[list[Sample], Any, Any]:
        """Load the text as samples, the model and its tokenizer."""
        checkpoint = resolve(f"store:{self.trained.key}", str(store.root))
        return (
            list_samples(self.corpus.pairs),
            *load_transformers(checkpoint, "seq2seq", pick_device(self.device)),
        )

    @property
    def keyed(self) -> dict[str, object]:
        """What of it decides results beside the model and the text."""
        return {"languages": list(self.targets), "limit": self.limit, **device_for_key(self.device)}


R = TypeVar("R", bound=Record)


class ExpertsAnalysis(Analysis[ExpertsRequest, R]):
    """An analysis of a model with experts over the references of a data set.

    Attributes:
        version: of what is computed.
        libraries: that decide it.
        stage_kind: the kind of its stage; that of the analysis if empty.
    """

    version: ClassVar[str]
    libraries: ClassVar[tuple[str, ...]]
    stage_kind: ClassVar[str] = ""

    @override
    def plan(self, request: ExpertsRequest, store: Store) -> StagePlan:
        kind = self.stage_kind or self.kind
        return StagePlan(
            stage=kind,
            kind=kind,
            version=self.version,
            parameters=request.keyed,
            upstream=upstream_of(request.trained),
            inputs=request.corpus.digests,
            libraries=library_versions(self.libraries),
        )

    @override
    def device(self, request: ExpertsRequest) -> str:
        return request.device


class ExpertContribution(ExpertsAnalysis[Contributions]):
    """What each expert of a model's sparse layers adds; its stage is one of contributions."""

    kind, file, record = "expert_contribution", CONTRIBUTION.file, Contributions
    noun, remedy = CONTRIBUTION.noun, CONTRIBUTION.remedy
    version, libraries, stage_kind = "contribution-experts/2", LIBRARIES, CONTRIBUTION.kind

    @override
    def compute(self, request: ExpertsRequest, store: Store, folder: Path) -> Computed[Contributions]:
        samples, model, tokenizer = request.load(store)
        shares = experts.measure_contributions(model, tokenizer, samples)
        return Computed(Contributions(systems=tuple(shares)), len(samples))

    @override
    def verdict(self, findings: Contributions) -> list[Sentence]:
        return CONTRIBUTION.verdict(findings)

    @override
    def tables(self, findings: Contributions) -> list[Table]:
        return CONTRIBUTION.tables(findings)


EXPERT_CONTRIBUTION = ExpertContribution()
