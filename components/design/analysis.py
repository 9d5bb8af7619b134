"""The analysis ``design``: what a search over graphs found."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from typing_extensions import override

from components import metrics
from components.analysis.analysis import Analysis, Computed
from components.analysis.table import Sentence, Table
from components.design.study import Design
from components.design.tables import design_tables, recommend, summarize
from components.run_record import StageRef
from components.storage.stages.stage_plan import StagePlan, content_of, library_versions
from components.storage.store import Store

VERSION = "design/3"


class DesignRequest(NamedTuple):
    """A design.

    Attributes:
        goal: all that decides it, as plain values.
        search, confirm: the data.
        keys: digests of what else decides it, such as the files of models.
        seed: of draws.
        find: finds it.
    """

    goal: Mapping[str, Any]
    search: StageRef
    confirm: StageRef
    keys: Mapping[str, str]
    seed: int
    find: Callable[[], Design]


class DesignAnalysis(Analysis[DesignRequest, Design]):
    """Which systems are worth having; what was computed of one that was stopped is found again."""

    kind, file, record = "design", "design.json", Design
    noun, remedy = "a design", "run it again"

    @override
    def plan(self, request: DesignRequest, store: Store) -> StagePlan:
        return StagePlan(
            stage=self.kind,
            kind=self.kind,
            version=f"{VERSION} metrics/{metrics.version}",
            parameters=dict(request.goal),
            upstream={"search": content_of(request.search), "confirm": content_of(request.confirm)},
            inputs=dict(request.keys),
            seed=request.seed,
            libraries=library_versions(("numpy", "optuna", "scipy")),
        )

    @override
    def compute(self, request: DesignRequest, store: Store, folder: Path) -> Computed[Design]:
        design = request.find()
        return Computed(design, len(design.candidates))

    @override
    def verdict(self, findings: Design) -> list[Sentence]:
        sentences = [findings.caution, recommend(findings), f"{summarize(findings)}."]
        return [Sentence(each) for each in sentences if each]

    @override
    def tables(self, findings: Design) -> list[Table]:
        return design_tables(findings)


DESIGN = DesignAnalysis()
