"""The analysis ``gate``: a test whether a merged model is good enough to be used."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from pydantic import Field
from typing_extensions import override

from components import metrics
from components.analysis.analysis import Analysis, Computed
from components.analysis.table import Sentence, Table
from components.errors import DataError
from components.metrics.libraries import scoring_libraries
from components.metrics.statistics.significance import Difference, compare_texts
from components.metrics.table import METRICS
from components.records import Record
from components.run_record import StageRef
from components.storage.stages.reader import read_best_texts, read_utterances
from components.storage.stages.stage_plan import StagePlan, content_of
from components.storage.store import Store
from components.text.languages import UNDETERMINED


class Verdict(Record):
    """The result: the merged model against the baseline on development data."""

    accepted: bool
    margin: float = Field(ge=0, description="how much worse the merged model may be")
    difference: Difference

    def __str__(self) -> str:
        """Return one line for people."""
        d = self.difference
        word = "accepted" if self.accepted else "rejected"
        sure = "too few to tell"
        if d.interval is not None and d.p is not None:
            low, high = d.interval
            sure = f"95% {low:+.2f} to {high:+.2f}, p = {d.p:.3f} by {d.test}"
        return (
            f"{word}: {d.metric} {d.value:.2f} against {d.baseline_value:.2f} of {d.baseline} on {d.n} of "
            f"{d.n_total} development utterances ({d.difference:+.2f}, {sure}; margin {self.margin:g})"
        )


class GateRequest(NamedTuple):
    """Two decodings of development data; the merged model passes unless it is worse by ``margin``.

    Attributes:
        data: the development data.
        merged: texts of the merged model.
        baseline: texts of the baseline.
        name: the baseline's name.
        metric: what is compared.
        margin: points that the merged model may be worse.
    """

    data: StageRef
    merged: StageRef
    baseline: StageRef
    name: str
    metric: str
    margin: float


class QualityGate(Analysis[GateRequest, Verdict]):
    """Whether a merged model is not worse than a baseline."""

    kind, file, record = "gate", "verdict.json", Verdict
    noun = "a verdict"

    @override
    def plan(self, request: GateRequest, store: Store) -> StagePlan:
        refs = {"data": request.data, "merged": request.merged, "baseline": request.baseline}
        return StagePlan(
            stage=self.kind,
            kind=self.kind,
            version=f"gate/3 metrics/{metrics.version}",
            parameters={"metric": request.metric, "margin": request.margin, "baseline": request.name},
            upstream={role: content_of(ref) for role, ref in refs.items()},
            libraries=scoring_libraries(),
        )

    @override
    def compute(self, request: GateRequest, store: Store, folder: Path) -> Computed[Verdict]:
        verdict = _decide(request)
        return Computed(verdict, verdict.difference.n)

    @override
    def verdict(self, findings: Verdict) -> list[Sentence]:
        return [Sentence(f"{findings}.")]

    @override
    def tables(self, findings: Verdict) -> list[Table]:
        return []


GATE = QualityGate()


def _decide(request: GateRequest) -> Verdict:
    name, metric = request.name, request.metric
    systems = {"merged": read_best_texts(request.merged), name: read_best_texts(request.baseline)}
    nothing = dict.fromkeys(
        systems["merged"].keys() | systems[name].keys(), ""
    )  # of what one could not write
    judged = [utterance for utterance in read_utterances(request.data) if utterance.id in nothing]
    references: dict[str, tuple[str, ...]]
    if METRICS[metric].output == "transcript":
        references = {u.id: (u.transcript,) for u in judged if u.transcript is not None}
        language = {u.id: u.source_language for u in judged}
    else:
        references = {u.id: u.references for u in judged if u.references}
        language = {u.id: u.target_language or UNDETERMINED for u in judged}
    known = {
        system: {key: text for key, text in (nothing | texts).items() if key in references}
        for system, texts in systems.items()
    }
    tests = compare_texts(references, known, name, language=language, names=(metric,))
    if not tests:
        raise DataError(
            f"gate: expected development utterances that {metric} can score, found none among {len(judged)}; "
            "give development data with reference texts, or set another metric"
        )
    difference = tests[0]
    gain = difference.difference if difference.higher_is_better else -difference.difference
    return Verdict(accepted=gain >= -request.margin, margin=request.margin, difference=difference)
