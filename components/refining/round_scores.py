"""The analysis ``rounds``: the score of each round, why utterances stopped, which examples changed most.

A stacked system is one round over the cascade's translation.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from typing_extensions import override

from components import metrics
from components.analysis.analysis import Analysis, Computed
from components.analysis.table import Cell, Table, link_to_utterance
from components.analysis.texts_to_score import align_records
from components.metrics.libraries import scoring_libraries
from components.metrics.table import METRICS
from components.pipeline.pipeline import Pipeline
from components.records import NBest, Record
from components.refining.finished_rounds import RoundsRequest, count_stop_reasons, find_requests
from components.run_record import RunRecord, Score, StageRef
from components.storage.stages.reader import read_nbests, read_nbests_by_id, read_quarantined, read_utterances
from components.storage.stages.stage_plan import StagePlan, upstream_of
from components.storage.store import Store

CURVE = "rounds.png"
_HARM_RATE = "harm_rate"
_MAX_EXAMPLES = 20
Texts = Mapping[str, str]
Values = Mapping[str, float]


@dataclass(frozen=True)
class RoundChanges:
    """Changes of sentence scores from one round to the next.

    Attributes:
        changed: how many there were.
        worse: how many were for the worse.
        shifts: their sum by utterance id.
    """

    changed: int
    worse: int
    shifts: dict[str, float]


def count_changes(values: Sequence[Values], reported: str) -> RoundChanges:
    """Count the changes from round to round.

    Args:
        values: for each round, utterance id -> sentence score.
        reported: the metric.
    """
    changed = worse = 0
    sign = 1.0 if METRICS[reported].higher_is_better else -1.0
    shifts: dict[str, float] = {}
    for before, after in pairwise(values):
        for key in before.keys() & after.keys():
            change = after[key] - before[key]
            changed += change != 0
            worse += sign * change < 0
            shifts[key] = shifts.get(key, 0.0) + change
    return RoundChanges(changed, worse, shifts)


def _harm_rate(moved: RoundChanges, total: int, reported: str, prefix: str) -> Score:
    verb = "lowered" if METRICS[reported].higher_is_better else "raised"
    return Score(
        name=f"{prefix}{_HARM_RATE}",
        value=100.0 * moved.worse / moved.changed,
        higher_is_better=False,
        n=moved.changed,
        n_total=total,
        signature=f"rounds that {verb} sentence {reported}, of the utterance-rounds that changed it",
    )


class NodeRounds(Record):
    """What was found out of the rounds of one node.

    Attributes:
        prefix: of the names of its scores; none of an output.
        scores: of every round, and the share of changes for the worse where there are changes.
        rounds: a row per round.
        changes: a row per example that changed, the largest change first.
    """

    prefix: str
    scores: tuple[Score, ...]
    rounds: tuple[dict[str, str], ...] = ()
    changes: tuple[dict[str, str], ...] = ()


class Rounds(Record):
    """What was found out of rounds, node by node."""

    nodes: tuple[NodeRounds, ...]


class RoundsAnalysis(Analysis[Sequence[RoundsRequest], Rounds]):
    """How good the text is after every round of every node of rounds."""

    kind, file, record = "rounds", "scores.json", Rounds
    noun = "scores of rounds"

    @override
    def request_of(
        self, run: RunRecord, pipeline: Pipeline, store: Store, normalizer: str
    ) -> list[RoundsRequest] | None:
        return find_requests(pipeline, {ref.stage: ref for ref in run.stages}, normalizer) or None

    @override
    def plan(self, request: Sequence[RoundsRequest], store: Store) -> StagePlan:
        return StagePlan(
            stage=self.kind,
            kind=self.kind,
            version=f"rounds/7 metrics/{metrics.version}",
            parameters={
                "nodes": [[n.protocol.model_dump(), n.reported, n.prefix, len(n.rounds)] for n in request]
            },
            upstream={
                f"{number}{role}": content
                for number, each in enumerate(request)
                for role, content in upstream_of(each.data, *each.rounds, each.reached).items()
            },
            libraries=scoring_libraries(request[0].protocol.normalizer),
        )

    @override
    def compute(self, request: Sequence[RoundsRequest], store: Store, folder: Path) -> Computed[Rounds]:
        nodes = tuple(map(_compare_rounds, request))
        files = []
        for each in nodes:
            if each.scores:
                files.append(f"{each.prefix}{CURVE}")
                curve = [score for score in each.scores if not score.name.endswith(_HARM_RATE)]
                _plot_curve(curve, folder / files[-1])
        return Computed(Rounds(nodes=nodes), request[0].data.items, files)

    @override
    def scores(self, findings: Rounds) -> Mapping[str, Score]:
        return {score.name: score for each in findings.nodes for score in each.scores}

    @override
    def tables(self, findings: Rounds) -> list[Table]:
        return [table for each in findings.nodes for table in _build_tables(each)]


def _build_tables(findings: NodeRounds) -> list[Table]:
    changes: list[dict[str, Cell]] = [
        {**row, "utterance": link_to_utterance(row["utterance"])} for row in findings.changes
    ]
    metric = next((name for row in changes for name in row if name.startswith("change of ")), "")
    title = f" ({findings.prefix[:-1]})" if findings.prefix else ""
    curve = Table(
        f"Rounds{title}",
        "accepted: in that round; ended: by that round, by each rule, or as the body gave no text; "
        "seconds: wall",
        findings.rounds,
        columns=("round", "stage", "score", "accepted", "ended", "seconds"),
    )
    if not changes:
        return [curve]
    columns = ("utterance", metric, "first", "last")
    return [curve, Table(f"Examples that changed most{title}", rows=tuple(changes), columns=columns)]


ROUNDS = RoundsAnalysis()


def _compare_rounds(request: RoundsRequest) -> NodeRounds:
    data, rounds, protocol, reported, prefix, whole = request
    utterances = list(read_utterances(data))
    (metric,) = (metric for metric in protocol.counted if metric.name == reported)
    reached = {
        each.utterance_id for read in (read_nbests, read_quarantined) for each in read(request.reached)
    }
    outcomes: dict[str, NBest] = {}
    decided: dict[str, NBest] = {}  # what the rounds gave, without drafts, whose decisions are others'
    scores: list[Score] = []
    rows: list[dict[str, str]] = []
    texts: list[Texts] = []
    values: list[Values] = []
    going, failed = set[str](), 0
    for number, ref in enumerate(rounds):
        given = {key: outcome for key, outcome in read_nbests_by_id(ref).items() if key in reached}
        outcomes = given if whole is None else {**outcomes, **given}
        decided = {} if number == 0 else given if whole is None else {**decided, **given}
        failed += len(going - given.keys()) if whole else 0
        going = {key for key, outcome in given.items() if not number or not _has_stopped(outcome)}
        best = {key: outcome.best for key, outcome in outcomes.items()}
        aligned = align_records(utterances, best, protocol.languages, data.items)
        score = ""
        if aligned is not None:
            own = aligned.units.score([metric], aligned.segments, data.items)[reported]
            scores.append(own.model_copy(update={"name": f"{prefix}{reported}_round_{number}"}))
            score = f"{own.value:.2f}"
            texts.append(dict(zip(aligned.segments.ids, aligned.segments.hypotheses, strict=True)))
            values.append(metric.sentence_scores(aligned.segments))
        rows.append(_row(number, ref, score, decided.values(), failed))
    moved = count_changes(values, reported)
    if moved.changed:
        scores.append(_harm_rate(moved, len(values[0]) * (len(rounds) - 1), reported, prefix))
    changes = _change_rows(texts, moved, reported)
    return NodeRounds(prefix=prefix, scores=tuple(scores), rounds=tuple(rows), changes=changes)


def _has_stopped(outcome: NBest) -> bool:
    decision = outcome.best.decision
    return decision is not None and decision.stopped is not None


def _row(number: int, ref: StageRef, score: str, outcomes: Collection[NBest], failed: int) -> dict[str, str]:
    reasons = count_stop_reasons(outcomes) | ({"no text": failed} if failed else {})
    decisions = [
        each.best.decision for each in outcomes
    ]  # of who has stopped the last one, of an earlier round
    return {
        "round": str(number),
        "stage": ref.stage,
        "score": score,
        "accepted": str(sum(d is not None and d.accepted and d.round == number for d in decisions)),
        "ended": ", ".join(f"{name} {n}" for name, n in reasons.items() if name != "rounds"),
        "seconds": f"{ref.seconds:.1f}",
    }


def _change_rows(texts: Sequence[Texts], moved: RoundChanges, reported: str) -> tuple[dict[str, str], ...]:
    most = sorted(moved.shifts, key=lambda key: (-abs(moved.shifts[key]), key))
    rows = [
        {
            "utterance": key,
            f"change of {reported}": f"{moved.shifts[key]:+z.1f}",
            "first": texts[0][key],
            "last": texts[-1][key],
        }
        for key in most
        if texts[0][key] != texts[-1].get(key, texts[0][key])
    ]
    return tuple(rows[:_MAX_EXAMPLES])


def _plot_curve(scores: Sequence[Score], path: Path) -> None:
    """Plot one metric of rounds 0, 1, ... with its 95% intervals, as PNG."""
    figure = Figure(figsize=(6, 3.6), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    values = [score.value for score in scores]
    ends = [score.interval or (score.value, score.value) for score in scores]
    errors = [[value - low for value, (low, _) in zip(values, ends, strict=True)]]
    errors.append([high - value for value, (_, high) in zip(values, ends, strict=True)])
    axes.errorbar(range(len(values)), values, yerr=errors, marker="o", capsize=3)
    axes.set_xticks(range(len(values)))
    axes.set(xlabel="round", ylabel=scores[0].name.removesuffix("_round_0"))
    figure.savefig(path, dpi=120)
