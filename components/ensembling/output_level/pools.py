"""The analysis ``pools``: the oracles of what nodes choose from, as scores and as a table of the report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from typing_extensions import override

from components import metrics
from components.analysis.analysis import Analysis, Computed
from components.analysis.table import Table
from components.analysis.texts_to_score import TextsToScore, align_texts, find_texts_to_score
from components.ensembling.output_level.oracles import choose_best, compose_best, pool_by_rank
from components.metrics.libraries import scoring_libraries
from components.metrics.metric import Metric, Segments
from components.metrics.normalizers import normalizer_for
from components.metrics.scoring_units import ScoringUnits
from components.metrics.table import label_of, metrics_of
from components.pipeline.pipeline import Node, Pipeline
from components.records import Record
from components.run_record import RunRecord, Score, StageRef
from components.storage.stages.reader import read_nbests, read_nbests_by_id
from components.storage.stages.stage_plan import StagePlan, content_of
from components.storage.store import Store

VERSION = 3
MAX_LIST = 64
"""Hypotheses of an n-best list whose oracles are scored without being asked for; a search gives no more."""
CHOSEN_BY = {"transcript": ("wer", ("wer",)), "translation": ("chrf", ("chrf", "bleu"))}
"""Output -> the metric whose sentence scores choose, and the metrics that score what is chosen."""
NOTE = (
    "What choosing could gain at most. Best candidate: of each utterance the candidate with the best "
    "{metric} against the reference, chosen sentence by sentence. Best path: the fewest errors that the "
    "words of all candidates allow, through their confusion network. Both read the references, so they bound "
    "{metric} and are no systems."
)


class PoolToScore(NamedTuple):
    """What a node chooses from.

    Attributes:
        entry: the node, as it is scored itself.
        node: the node; None for an n-best list, whose own hypotheses are the pool.
        inputs: the stages of the texts that it reads.
    """

    entry: TextsToScore
    node: Node | None
    inputs: tuple[StageRef, ...]

    @property
    def settings(self) -> dict[str, Any] | None:
        """The settings of the node, if it is not a list of its own."""
        return None if self.node is None else self.node.settings.model_dump(mode="json")

    def read(self) -> dict[str, list[str]]:
        """Utterance id -> different candidates, the first first."""
        if self.node is None:
            return {
                nbest.utterance_id: list(dict.fromkeys(each.text for each in nbest.hypotheses))
                for nbest in read_nbests(self.entry.texts)
            }
        candidates = self.node.facts.candidates
        assert candidates is not None  # find_pools takes others without a node
        lists = [read_nbests_by_id(ref) for ref in self.inputs]
        ids = dict.fromkeys(key for by_id in lists for key in by_id)
        pools = {key: candidates([own[key] for own in lists if key in own]) for key in ids}
        return {key: texts for key, texts in pools.items() if texts}


def find_pools(pipeline: Pipeline, stages: Mapping[str, StageRef]) -> list[PoolToScore]:
    """Return the nodes that choose among candidates, the n-best lists that they read, and all other lists."""
    entries = {entry.texts.stage: entry for entry in find_texts_to_score(pipeline, stages)}
    choosing = [node for node in pipeline if node.facts.candidates is not None and node.name in entries]
    lists = dict.fromkeys(name for node in choosing for name in node.of if name in entries)
    alone = (node.name for node in pipeline if 1 < node.facts.list_length <= MAX_LIST)
    for name in alone:
        if name in entries and any(len(nbest.hypotheses) > 1 for nbest in read_nbests(entries[name].texts)):
            lists[name] = None
    pools = []
    for node in choosing:
        texts = (name for name in node.of if name in stages and not pipeline.is_data(name))
        pools.append(PoolToScore(entries[node.name], node, tuple(stages[name] for name in texts)))
    names = {node.name for node in choosing}
    return [*pools, *(PoolToScore(entries[name], None, ()) for name in lists if name not in names)]


class Pools(Record):
    """The oracles of all pools of a run.

    Attributes:
        scores: of the oracles.
        rows: of the table.
        chosen_by: the metrics that chose.
    """

    scores: tuple[Score, ...] = ()
    rows: tuple[dict[str, str], ...] = ()
    chosen_by: tuple[str, ...] = ()


class PoolsRequest(NamedTuple):
    """What oracles are scored of.

    Attributes:
        pools: from :func:`find_pools`.
        target_language: of the run.
        normalizer: that transcripts are counted under.
    """

    pools: Sequence[PoolToScore]
    target_language: str | None
    normalizer: str


class PoolsAnalysis(Analysis[PoolsRequest, Pools]):
    """What choosing among candidates could gain at most, where there are references."""

    kind, file, record = "pools", "scores.json", Pools
    noun = "oracles of pools"

    @override
    def request_of(
        self, run: RunRecord, pipeline: Pipeline, store: Store, normalizer: str
    ) -> PoolsRequest | None:
        pools = find_pools(pipeline, {ref.stage: ref for ref in run.stages}) if run.metrics else []
        return PoolsRequest(pools, pipeline.languages[1], normalizer) if pools else None

    @override
    def plan(self, request: PoolsRequest, store: Store) -> StagePlan:
        pools = request.pools
        return StagePlan(
            stage=self.kind,
            kind=self.kind,
            version=f"pools/{VERSION} metrics/{metrics.version}",
            parameters={
                "target_language": request.target_language,
                "normalizer": request.normalizer,
                "pools": [[pool.entry.prefix, pool.entry.language] for pool in pools],
                "candidates": [pool.settings for pool in pools],
            },
            upstream={
                f"{number}{role}": content_of(ref)
                for number, pool in enumerate(pools)
                for role, ref in _upstream(pool)
            },
            libraries=scoring_libraries(request.normalizer),
        )

    @override
    def compute(self, request: PoolsRequest, store: Store, folder: Path) -> Computed[Pools]:
        scores: list[Score] = []
        rows: list[dict[str, str]] = []
        chosen_by: dict[str, None] = {}
        for pool in request.pools:
            own = _score_pool(pool, request.target_language, request.normalizer)
            if pool.node is not None:  # the lists that it reads are in the table alone
                scores += [
                    score.model_copy(update={"name": f"{pool.entry.prefix}{name}"})
                    for name, score in own.oracles.items()
                ]
            rows += own.rows
            chosen_by |= dict.fromkeys([own.chosen_by] if own.rows else [])
        findings = Pools(scores=tuple(scores), rows=tuple(rows), chosen_by=tuple(chosen_by))
        return Computed(findings, request.pools[0].entry.data.items)

    @override
    def tables(self, findings: Pools) -> list[Table]:
        note = NOTE.format(metric=" or ".join(map(label_of, findings.chosen_by)))
        return (
            [Table("Choosing", note, findings.rows, columns=_order_columns(findings.rows))]
            if findings.rows
            else []
        )

    @override
    def scores(self, findings: Pools) -> Mapping[str, Score]:
        return {score.name: score for score in findings.scores}


POOLS = PoolsAnalysis()


def _order_columns(rows: Sequence[Mapping[str, str]]) -> tuple[str, ...]:
    """Return the columns in their order, which JSON does not keep."""
    present = {name for row in rows for name in row}
    return tuple(name for name in ("node", "candidates", "metric", *TITLES.values()) if name in present)


def _upstream(pool: PoolToScore) -> list[tuple[str, StageRef]]:
    inputs = [(f"of{number}", ref) for number, ref in enumerate(pool.inputs)]
    return [("data", pool.entry.data), ("texts", pool.entry.texts), *inputs]


class PoolScores(NamedTuple):
    """Scores of the oracles by name, rows of the table, and the metric that chose."""

    oracles: dict[str, Score]
    rows: list[dict[str, str]]
    chosen_by: str


def _score_pool(pool: PoolToScore, target_language: str | None, normalizer: str) -> PoolScores:
    """Score a pool; nothing where there are no references, or one candidate everywhere."""
    aligned = align_texts(pool.entry, target_language)
    candidates = pool.read()
    if aligned is None or max(map(len, candidates.values()), default=0) < 2:
        return PoolScores({}, [], "")
    units, total = aligned.units, pool.entry.data.items
    available = metrics_of(aligned.output, normalizer)
    chosen_by, names = CHOSEN_BY[aligned.output]
    by_rank = pool_by_rank(candidates, units)
    texts = {"first": by_rank[0], "oracle": choose_best(by_rank, available[chosen_by], units, total)}
    if aligned.output == "transcript":
        texts["compositional"] = _compose(by_rank, units, normalizer)
    rows_of_metrics = [available[name] for name in names]
    scores = {
        role: _score_texts(units.align(own, total), units, rows_of_metrics, total, PROTOCOLS[role])
        for role, own in texts.items()
    }
    scores["result"] = units.score(rows_of_metrics, aligned.segments, total)
    mean = sum(map(len, candidates.values())) / len(candidates)
    rows = [
        {
            "node": pool.entry.texts.stage,
            "candidates": f"{mean:.1f}",
            "metric": label_of(name),
            **{title: _cell(scores.get(role, {}).get(name)) for role, title in TITLES.items()},
        }
        for name in names
    ]
    oracles = {
        f"{role}_{name}": score.model_copy(update={"name": f"{role}_{name}"})
        for role in ("oracle", "compositional")
        for name, score in scores.get(role, {}).items()
    }
    return PoolScores(oracles, rows, chosen_by)


PROTOCOLS = {"first": "", "oracle": "|oracle:best-sentence", "compositional": "|oracle:best-path"}
"""What is chosen -> the end of its signature."""
TITLES = {
    "first": "first candidate",
    "result": "chosen",
    "oracle": "best candidate",
    "compositional": "best path",
}
"""What is scored -> its column of the table."""


def _compose(by_rank: Sequence[Mapping[str, str]], units: ScoringUnits, normalizer: str) -> dict[str, str]:
    """Return the best path of each unit with a reference."""
    composed = {}
    for key in by_rank[0]:
        language = units.languages[key]
        normalize = normalizer_for(language, normalizer)
        texts = [texts[key] for texts in by_rank]
        composed[key] = compose_best(texts, units.references[key][0], language, normalize)
    return composed


def _score_texts(
    segments: Segments | None, units: ScoringUnits, rows: Sequence[Metric], total: int, protocol: str
) -> dict[str, Score]:
    if segments is None:
        return {}
    return {
        name: score.model_copy(update={"signature": f"{score.signature}{protocol}"})
        for name, score in units.score(rows, segments, total).items()
    }


def _cell(score: Score | None) -> str:
    if score is None:
        return ""
    if score.interval is None:
        return f"{score.value:.2f}"
    return f"{score.value:.2f} ({score.interval[0]:.2f} to {score.interval[1]:.2f})"
