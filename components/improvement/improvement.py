"""The analysis ``improvement``: remedies for the errors of a run, and what became of the best."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from typing_extensions import override

from components import metrics
from components.analysis.analysis import Analysis, Computed
from components.analysis.formatting import format_estimate
from components.analysis.table import Table
from components.files.files import write_bytes
from components.improvement.forecast import Improvement, RemedyResult, Verdict
from components.improvement.remedies import format_pipeline
from components.metrics.libraries import scoring_libraries
from components.metrics.table import label_of
from components.pipeline.pipeline import Pipeline
from components.run_record import StageRef
from components.storage.stages.stage_plan import StagePlan, content_of
from components.storage.store import Store

IMPROVED = "improved.yaml"
"""The pipeline of the remedy that was run, in the folder of the stage."""
_STATUS = {"missing": "cannot be had", "untried": "not tried", "tried": "tried", "run": "run"}
_VERDICT: dict[Verdict, str] = {
    "held": "the forecast held",
    "better": "better than was forecast",
    "worse": "worse than was forecast",
    "not tested": "no forecast is tested, as the probe was all there is, or too small for one",
}


def build_rows(improvement: Improvement) -> Iterator[dict[str, str]]:
    """Yield a row per remedy, those that were tried first, by their forecast."""
    for attempt in sorted(improvement.attempts, key=_forecast_gain, reverse=True):
        cells = {
            "remedy": attempt.remedy,
            "mends": attempt.mends,
            "gains at most": "" if attempt.bound is None else format_estimate(attempt.bound, digits=1),
        }
        if attempt.forecast is not None:
            forecast = attempt.forecast
            cells["on the probe"] = format_estimate(forecast.gain, digits=1)
            if forecast.low is not None and forecast.high is not None:
                cells["forecast for the others"] = f"{forecast.low:+.1f} to {forecast.high:+.1f}"
        seconds = attempt.seconds if attempt.forecast is None else attempt.forecast.seconds
        if seconds is not None:
            cells["seconds"] = f"{seconds:,.0f}"
        what = _STATUS[attempt.status]
        yield cells | {"": f"{what}: {attempt.missing}" if attempt.missing else what}


def _forecast_gain(attempt: RemedyResult) -> float:
    return float("-inf") if attempt.forecast is None else attempt.forecast.gain.value


def summarize(improvement: Improvement) -> str:
    """Return what came of it, in a line."""
    name = label_of(improvement.metric)
    score = f"{name} {improvement.score.value:.1f} as it is"
    if improvement.budget is None:
        return f"{score}; nothing was tried: say budget"
    spent = f"{improvement.spent:,.0f} of {improvement.budget:,.0f} seconds"
    best = next((attempt.remedy for attempt in improvement.attempts if attempt.status == "run"), None)
    if best is None or improvement.improved is None or improvement.verdict is None:
        most = max(improvement.attempts, key=_forecast_gain, default=None)
        if most is None or _forecast_gain(most) <= 0:
            return f"{score}; nothing that was tried promises a gain; {spent}"
        return f"{score}; {most.remedy} promises most, and no time was left to run it; {spent}"
    gain = "" if improvement.gain is None else f"{format_estimate(improvement.gain, digits=1)} elsewhere: "
    verdict = _VERDICT[improvement.verdict]
    return f"{score}, {improvement.improved.value:.1f} with {best}; {gain}{verdict}; {spent}"


class ImprovementRequest(NamedTuple):
    """What was found, and what it was found of.

    Attributes:
        data: the data set.
        output: the stage that was to be improved.
        improvement: what was found.
        improved: the pipeline that was run, if one was.
    """

    data: StageRef
    output: StageRef
    improvement: Improvement
    improved: Pipeline | None


class ImprovementAnalysis(Analysis[ImprovementRequest, Improvement]):
    """Which remedies a run has, and what they gain."""

    kind, file, record = "improvement", "improvement.json", Improvement
    noun, remedy = "remedies", "improve the run again"

    @override
    def plan(self, request: ImprovementRequest, store: Store) -> StagePlan:
        return StagePlan(
            stage=self.kind,
            kind=self.kind,
            version=f"improvement/1 metrics/{metrics.version}",
            parameters=request.improvement.model_dump(mode="json"),
            upstream={"data": content_of(request.data), "output": content_of(request.output)},
            libraries=scoring_libraries(),
        )

    @override
    def compute(self, request: ImprovementRequest, store: Store, folder: Path) -> Computed[Improvement]:
        files = []
        if request.improved is not None:
            write_bytes(folder / IMPROVED, format_pipeline(request.improved).encode())
            files.append(IMPROVED)
        return Computed(request.improvement, request.data.items, files)

    @override
    def summary(self, findings: Improvement) -> list[str]:
        return [summarize(findings)]

    @override
    def tables(self, findings: Improvement) -> list[Table]:
        probe = f"tried on {findings.probe} of {findings.n} utterances; " if findings.probe else ""
        return [Table("Remedies", f"{probe}{findings.signature}", tuple(build_rows(findings)))]


IMPROVEMENT = ImprovementAnalysis()
