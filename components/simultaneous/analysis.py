"""The analysis ``simultaneous``: latency and quality under policies, and where the latency comes from."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from typing_extensions import override

from components import metrics
from components.analysis.analysis import Analysis, Computed
from components.analysis.formatting import format_estimate
from components.analysis.table import Plot, Sentence, Table
from components.metrics.table import label_of
from components.run_record import Score, StageRef
from components.simultaneous.evaluation import Point, Simultaneous
from components.storage.stages.stage_plan import StagePlan, content_of, library_versions
from components.storage.store import Store

if TYPE_CHECKING:
    from matplotlib.figure import Figure

VERSION = "simultaneous/3"
LABELS = {"yaal": "YAAL", "laal": "LAAL", "start": "start"}
SHOWN = {"heard": ("yaal", "laal", "start"), "clock": ("yaal", "laal")}
"""Latencies in the table; the stage keeps all of them."""


class SimultaneousRequest(NamedTuple):
    """Replays that are to be made.

    Attributes:
        settings: policies and chunks, as plain values.
        data: the recordings.
        graph: digest of what decides the texts.
        seed: of the run.
        replay: makes them; the folder takes their logs, the names of which come back.
    """

    settings: Mapping[str, Any]
    data: StageRef
    graph: str
    seed: int
    replay: Callable[[Path], tuple[Simultaneous, list[str]]]


class SimultaneousAnalysis(Analysis[SimultaneousRequest, Simultaneous]):
    """Latency and quality of a system that answers while the speaker speaks."""

    kind, file, record = "simultaneous", "simultaneous.json", Simultaneous
    noun, remedy = "replays", "replay it again"

    @override
    def plan(self, request: SimultaneousRequest, store: Store) -> StagePlan:
        return StagePlan(
            stage=self.kind,
            kind=self.kind,
            version=f"{VERSION} metrics/{metrics.version}",
            parameters=dict(request.settings),
            upstream={"data": content_of(request.data)},
            inputs={"graph": request.graph},
            seed=request.seed,
            libraries=library_versions(("numpy", "sacrebleu", "jiwer")),
        )

    @override
    def compute(self, request: SimultaneousRequest, store: Store, folder: Path) -> Computed[Simultaneous]:
        found, files = request.replay(folder)
        return Computed(found, request.data.items, files)

    @override
    def verdict(self, findings: Simultaneous) -> list[Sentence]:
        if not findings.points:
            return []
        fastest = min(findings.points, key=lambda point: _latency(point, "yaal"))
        score = next(iter(fastest.scores), None)
        worth = "" if score is None else f" at {score.name} {score.value:.1f}"
        offline = next((s for s in findings.offline if score is not None and s.name == score.name), None)
        beside = "" if offline is None else f" (everything heard first: {offline.value:.1f})"
        seconds = _latency(fastest, "yaal")
        lag = f"lags {seconds:.2f} s" if math.isfinite(seconds) else "has no word before the sound has ended"
        lag = f"{fastest.title}: the {findings.output} {lag}"
        return [Sentence(f"{lag}{worth}{beside}.")]

    @override
    def tables(self, findings: Simultaneous) -> list[Table]:
        note = (
            "Seconds that the output lags behind the speaker. Heard: by the sound needed; clock: with the "
            "computing of this machine. YAAL counts what is written before the sound ends (LongYAAL of "
            "segments of long recordings), LAAL all up to the first word written at its end. NE: words taken "
            "back per word that stayed (normalized erasure). Intervals resample recordings."
        )
        curve = Plot("simultaneous", "Latency and quality", partial(_draw, findings))
        parts = Table(
            "Where the latency comes from",
            "What the mean delay of a written word, by the clock, is made of. sound: until the sound was "
            "there; policy NODE: the node had the word for good and did not write it yet; input NODE: what "
            "had been written above was not yet enough; queue: earlier chunks were still computed; NODE: "
            "computing. The parts add up.",
            tuple(_part_rows(findings)),
        )
        costs = Table(
            "What the policies cost",
            "Points lost, one thing after the other: the recognizer's errors where everything is heard first "
            "(against gold transcripts), then what each node loses by writing early. They add up. Intervals "
            "resample utterances or reference segments (paired).",
            tuple(_cost_rows(findings)),
        )
        return [Table("Simultaneous", note, tuple(_rows(findings)), (curve,)), costs, parts]


SIMULTANEOUS = SimultaneousAnalysis()


def _latency(point: Point, name: str) -> float:
    return point.heard[name].value if name in point.heard else float("inf")


def _rows(findings: Simultaneous) -> Iterator[dict[str, str]]:
    if findings.offline:
        yield {"setting": "everything heard first", **_scores(findings.offline)}
    for point in findings.points:
        row = {"setting": point.title, **_scores(point.scores)}
        for kind, of in (("heard", point.heard), ("clock", point.clock)):
            row |= {
                f"{LABELS[name]}, {kind}": format_estimate(of[name], sign=False)
                for name in SHOWN[kind]
                if name in of
            }
        if point.erasure is not None:
            row["NE"] = f"{point.erasure.value:.2f}"
        row["RTF"] = f"{point.real_time_factor:.2f}"
        yield row | {"recordings": f"{point.n} of {point.n_total}"}


def _scores(scores: tuple[Score, ...]) -> dict[str, str]:
    return {score.name: format_estimate(score, sign=False) for score in scores}


def _cost_rows(findings: Simultaneous) -> Iterator[dict[str, str]]:
    for point in findings.points:
        for metric, costs in point.costs.items():
            cells = {loss: format_estimate(cost) for loss, cost in costs.items()}
            yield {"setting": point.title, "metric": label_of(metric), **cells}


def _part_rows(findings: Simultaneous) -> Iterator[dict[str, str]]:
    for point in findings.points:
        total = sum(point.parts.values())
        parts = {name: f"{round(value, 3) + 0.0:.3f}" for name, value in point.parts.items()}  # no -0
        yield {"setting": point.title, **parts, "all": f"{total:.3f}"}


def _draw(findings: Simultaneous) -> Figure:
    from components.simultaneous.plots import draw_curve  # noqa: PLC0415 - imports matplotlib

    return draw_curve(findings)
