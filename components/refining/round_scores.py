"""The analysis ``rounds``: the score of each round, why utterances stopped, which examples changed most.

A stacked system is one round over the cascade's translation.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from typing_extensions import override

from components import metrics
from components.analysis.analysis import Analysis, Computed
from components.analysis.table import Cell, Table, link_to_utterance
from components.metrics.metric import align_segments
from components.metrics.scoring_units import ScoringUnits
from components.metrics.table import METRICS
from components.metrics.translation_quality import translation
from components.pipeline.pipeline import Pipeline
from components.records import NBest, Record
from components.refining.judging.stopping import STOP_RULES
from components.run_record import Score, StageRef
from components.storage.stages.reader import read_best_texts, read_nbests, read_utterances
from components.storage.stages.stage_plan import StagePlan, library_versions, upstream_of
from components.storage.store import Store
from components.text.languages import UNDETERMINED

CURVE = "rounds.png"
_MAX_EXAMPLES = 20
Texts = Mapping[str, str]
Values = Mapping[str, Mapping[str, float]]


def count_stop_reasons(ref: StageRef) -> dict[str, int]:
    """Count why utterances ended with the round ``ref``: by a rule's name, or ``rounds`` for the budget."""
    stopped = Counter(_stop_rule_of(outcome) or "rounds" for outcome in read_nbests(ref))
    return {name: stopped[name] for name in ("rounds", *STOP_RULES) if name in stopped}


def _stop_rule_of(outcome: NBest) -> str | None:
    decision = outcome.best.decision
    return None if decision is None else decision.stopped


def find_rounds(pipeline: Pipeline, stages: Mapping[str, StageRef], name: str) -> tuple[StageRef, ...]:
    """Return the stages of a node of rounds: its draft, then the rounds that there are.

    Args:
        pipeline: the graph.
        stages: finished stages by node.
        name: the node, as it is written.
    """
    last = pipeline.nodes[pipeline.aliases.get(name, name)]
    names = [last.of[0], *(n for n in last.of if pipeline.nodes[n].kind is last.kind), last.name]
    if last.of[0] not in stages:
        return ()
    return tuple(stages[node] for node in names if node in stages)


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
        values: for each round, utterance id -> metric -> score.
        reported: the metric.
    """
    changed = worse = 0
    sign = 1.0 if METRICS[reported].higher_is_better else -1.0
    shifts: dict[str, float] = {}
    for before, after in pairwise(values):
        for key in before.keys() & after.keys():
            change = after[key][reported] - before[key][reported]
            changed += change != 0
            worse += sign * change < 0
            shifts[key] = shifts.get(key, 0.0) + change
    return RoundChanges(changed, worse, shifts)


def _harm_rate(moved: RoundChanges, total: int, reported: str) -> Score:
    return Score(
        name="harm_rate",
        value=100.0 * moved.worse / moved.changed if moved.changed else 0.0,
        higher_is_better=False,
        n=moved.changed,
        n_total=total,
        signature=f"rounds that lowered sentence {reported}, of the utterance-rounds that changed it",
    )


class Rounds(Record):
    """What was found out of rounds.

    Attributes:
        scores: of every round, and the share of changes for the worse.
        rounds: a row per round.
        changes: a row per example that changed, the largest change first.
    """

    scores: tuple[Score, ...]
    rounds: tuple[dict[str, str], ...] = ()
    changes: tuple[dict[str, str], ...] = ()


class RoundsRequest(NamedTuple):
    """The rounds that are scored.

    Attributes:
        data: the data set.
        rounds: the draft, then the rounds.
        target: the target language of the run.
        reported: the metric.
    """

    data: StageRef
    rounds: tuple[StageRef, ...]
    target: str | None
    reported: str


class RoundsAnalysis(Analysis[RoundsRequest, Rounds]):
    """How good the text is after every round."""

    kind, file, record = "rounds", "scores.json", Rounds
    noun = "scores of rounds"

    @override
    def plan(self, request: RoundsRequest, store: Store) -> StagePlan:
        return StagePlan(
            stage=self.kind,
            kind=self.kind,
            version=f"rounds/3 metrics/{metrics.version}",
            parameters={"target_language": request.target, "reported": request.reported},
            upstream=upstream_of(request.data, *request.rounds),
            libraries=library_versions(("sacrebleu", "numpy")),
        )

    @override
    def compute(self, request: RoundsRequest, store: Store, folder: Path) -> Computed[Rounds]:
        findings = _compare_rounds(request.data, request.rounds, request.target, request.reported)
        of_rounds = [score for score in findings.scores if score.name != "harm_rate"]
        _plot_curve(of_rounds, folder / CURVE)
        return Computed(findings, request.data.items, [CURVE])

    @override
    def scores(self, findings: Rounds) -> Mapping[str, Score]:
        return {score.name: score for score in findings.scores}

    @override
    def tables(self, findings: Rounds) -> list[Table]:
        changes: list[dict[str, Cell]] = [
            {**row, "utterance": link_to_utterance(row["utterance"])} for row in findings.changes
        ]
        metric = next((name for row in changes for name in row if name.startswith("change of ")), "")
        return [
            Table(
                "Rounds",
                "ended: by that round, by each rule; seconds: wall",
                findings.rounds,
                columns=("round", "stage", "score", "accepted", "ended", "seconds"),
            ),
            Table(
                "Examples that changed most",
                rows=tuple(changes),
                columns=("utterance", metric, "first", "last") if changes else (),
            ),
        ]


ROUNDS = RoundsAnalysis()


def _compare_rounds(data: StageRef, rounds: Sequence[StageRef], target: str | None, reported: str) -> Rounds:
    referenced = [u for u in read_utterances(data) if u.references]
    language = {u.id: target or u.target_language or UNDETERMINED for u in referenced}
    units = ScoringUnits(referenced, "translation", language)
    texts = [units.split(read_best_texts(ref)) for ref in rounds]
    scores: list[Score] = []
    moved = RoundChanges(0, 0, {})
    if referenced:
        for number, round_texts in enumerate(texts):
            score = translation.translation_scores(
                units.references, round_texts, language=units.languages, n_total=units.count(data.items)
            )[reported]
            named = {"name": f"{reported}_round_{number}", "signature": units.sign(score.signature)}
            scores.append(score.model_copy(update=named))
        values = [_sentence_scores(reported, units, round_texts) for round_texts in texts]
        moved = count_changes(values, reported)
        scores.append(_harm_rate(moved, len(values[0]) * (len(rounds) - 1), reported))
    return Rounds(
        scores=tuple(scores),
        rounds=_curve_rows(rounds, scores),
        changes=_change_rows(texts, moved, reported),
    )


def _sentence_scores(metric: str, units: ScoringUnits, texts: Texts) -> Values:
    """Unit id -> ``metric`` -> score of the unit alone."""
    segments = align_segments(units.references, texts, units.languages, len(units.references))
    return {key: {metric: score} for key, score in METRICS[metric].sentence_scores(segments).items()}


def _curve_rows(rounds: Sequence[StageRef], scores: Sequence[Score]) -> tuple[dict[str, str], ...]:
    values = {s.name.rpartition("_")[2]: f"{s.value:.2f}" for s in scores}
    rows = [
        {
            "round": str(number),
            "stage": ref.stage,
            "score": values.get(str(number), ""),
            "accepted": str(sum(_is_accepted(outcome) for outcome in read_nbests(ref))),
            "ended": ", ".join(
                f"{name} {n}" for name, n in count_stop_reasons(ref).items() if name != "rounds"
            ),
            "seconds": f"{ref.seconds:.1f}",
        }
        for number, ref in enumerate(rounds)
    ]
    return tuple(rows)


def _is_accepted(outcome: NBest) -> bool:
    decision = outcome.best.decision
    return decision is not None and decision.accepted


def _change_rows(texts: Sequence[Texts], moved: RoundChanges, reported: str) -> tuple[dict[str, str], ...]:
    most = sorted(moved.shifts, key=lambda key: (-abs(moved.shifts[key]), key))
    rows = [
        {
            "utterance": key,
            f"change of {reported}": f"{moved.shifts[key]:+.1f}",
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
    axes.set(xlabel="round", ylabel=scores[0].name.partition("_")[0] if scores else "")
    figure.savefig(path, dpi=120)
