"""An analysis: how long the texts of ``shout`` are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from typing_extensions import override

from components.analysis.analysis import Analysis, Computed
from components.analysis.table import Table
from components.records import Record
from components.run_record import StageRef
from components.storage.stages.reader import read_best_texts
from components.storage.stages.stage_plan import StagePlan, content_of
from components.storage.store import Store


class Lengths(Record):
    """What was found out, in characters."""

    mean: float


class LengthAnalysis(Analysis[StageRef, Lengths]):
    """How long the texts of a stage are."""

    kind, file, record = "lengths", "lengths.json", Lengths

    @override
    def request_of(self, run: Any, pipeline: Any, store: Store, normalizer: str) -> StageRef | None:
        return next((ref for ref in run.stages if ref.kind == "shout"), None)

    @override
    def plan(self, request: StageRef, store: Store) -> StagePlan:
        upstream = {"texts": content_of(request)}
        return StagePlan(stage=self.kind, kind=self.kind, version="lengths/1", upstream=upstream)

    @override
    def compute(self, request: StageRef, store: Store, folder: Path) -> Computed[Lengths]:
        texts = read_best_texts(request)
        return Computed(Lengths(mean=sum(map(len, texts.values())) / len(texts)), items=len(texts))

    @override
    def tables(self, findings: Lengths) -> list[Table]:
        return [Table("Lengths of what was shouted", rows=({"characters": f"{findings.mean:.1f}"},))]


LENGTHS = LengthAnalysis()
