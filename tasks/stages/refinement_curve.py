"""The ``rounds`` stage: the score of each round, why utterances stopped, and which examples changed most.

A stacked system is one round over the cascade's translation.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from prefect import task
from prefect.client.schemas.objects import State

from components import metrics
from components.files.files import read_json, write_json
from components.metrics.metric import align_segments
from components.metrics.scoring_units import ScoringUnits
from components.metrics.table import METRICS
from components.metrics.translation_quality import translation
from components.pipeline.pipeline import Pipeline
from components.records import NBest
from components.refining.stopping import STOP_RULES
from components.run_record import Score, StageRef
from components.storage.stages.reader import read_best_texts, read_nbests, read_utterances
from components.storage.stages.stage_plan import StagePlan, library_versions, upstream_of
from components.storage.stages.whole_stage import TABLES, Product, compute_once
from components.storage.store import Store
from components.text.languages import UNDETERMINED
from reports.plots import refinement_curve
from tasks.artifacts import publish_plots, publish_table
from tasks.task_options import NOT_STORED, as_prefect_state

SCORES, CURVE = "scores.json", "rounds.png"
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


@task(name="rounds", **NOT_STORED)
def score_rounds(
    data: StageRef, rounds: tuple[StageRef, ...], target: str | None, reported: str, store_url: str | None
) -> StageRef | State[StageRef]:
    """Score every round by ``reported``, the share of changes for the worse, and make the tables."""
    plan = StagePlan(
        stage="rounds",
        version=f"rounds/3 metrics/{metrics.version}",
        parameters={"target_language": target, "reported": reported},
        upstream=upstream_of(data, *rounds),
        libraries=library_versions(("sacrebleu", "numpy")),
    )

    def work(folder: Path) -> Product:
        scores, tables = _compare_rounds(data, rounds, target, reported)
        refinement_curve.plot_refinement_curve([s for s in scores if s.name != "harm_rate"], folder / CURVE)
        write_json(folder / SCORES, {"scores": [s.model_dump(mode="json") for s in scores]})
        write_json(folder / TABLES, {"tables": tables})
        return Product([SCORES, TABLES, CURVE], items=data.items)

    ref = compute_once(Store(store_url), plan, work)
    publish_plots([Path(ref.path) / CURVE])
    for number, table in enumerate(read_json(Path(ref.path) / TABLES)["tables"]):
        publish_table(table["rows"], ("rounds", "changed-most")[number], table["title"])
    return as_prefect_state(ref)


def read_rounds(ref: StageRef) -> dict[str, Score]:
    """Return the scores of a ``rounds`` stage by name."""
    values = read_json(Path(ref.path) / SCORES)["scores"]
    return {score.name: score for score in map(Score.model_validate, values)}


Table = dict[str, object]


def _compare_rounds(
    data: StageRef, rounds: Sequence[StageRef], target: str | None, reported: str
) -> tuple[list[Score], list[Table]]:
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
    return scores, [_curve_table(rounds, scores), _changes_table(texts, moved, reported)]


def _sentence_scores(metric: str, units: ScoringUnits, texts: Texts) -> Values:
    """Unit id -> ``metric`` -> score of the unit alone."""
    segments = align_segments(units.references, texts, units.languages, len(units.references))
    return {key: {metric: score} for key, score in METRICS[metric].sentence_scores(segments).items()}


def _curve_table(rounds: Sequence[StageRef], scores: Sequence[Score]) -> Table:
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
    return {"title": "Rounds", "note": "ended: by that round, by each rule; seconds: wall", "rows": rows}


def _is_accepted(outcome: NBest) -> bool:
    decision = outcome.best.decision
    return decision is not None and decision.accepted


def _changes_table(texts: Sequence[Texts], moved: RoundChanges, reported: str) -> Table:
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
    return {"title": "Examples that changed most", "note": "", "rows": rows[:_MAX_EXAMPLES]}
