"""Leaderboard of systems: scores and cost, the Pareto front, groups, and the utterances that differ most."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pydantic import Field

from components.analysis.buckets import UtteranceGroup
from components.analysis.cost import Cost
from components.comparison.dominance import count_dominating
from components.metrics.statistics.bootstrap import Estimate
from components.metrics.statistics.corpus_statistics import CorpusStatistics, draw_together
from components.metrics.statistics.significance import paired_test
from components.records import Record
from components.run_record import Score

Tables = Mapping[str, Mapping[str, CorpusStatistics]]
"""System -> metric -> statistics."""


class SystemRow(Record):
    """One system of the leaderboard; ``missing`` counts utterances without output."""

    system: str
    scores: dict[str, Score]
    cost: Cost
    missing: int = Field(ge=0)
    pareto: bool = Field(description="no other system is at least as good and at most as slow, and differs")


class Bucket(Record):
    """The ranking metric on a group of utterances, and each system's difference to the baseline there."""

    by: str
    label: str
    n: int
    values: dict[str, float]
    differences: dict[str, Estimate]


class Contrast(Record):
    """An utterance on which a system and the baseline differ most; ``gain`` in points, positive if better."""

    utterance_id: str
    system: str
    gain: float


def build_leaderboard(
    tables: Tables, costs: Mapping[str, Cost], missing: Mapping[str, int], ranking: str | None
) -> tuple[SystemRow, ...]:
    """Return one row per system, in the order of ``tables``."""
    best = pareto_front(tables, costs, ranking)
    return tuple(
        SystemRow(
            system=name,
            scores={metric: table.to_score() for metric, table in metrics.items()},
            cost=costs[name],
            missing=missing[name],
            pareto=name in best,
        )
        for name, metrics in tables.items()
    )


def pareto_front(tables: Tables, costs: Mapping[str, Cost], ranking: str | None) -> frozenset[str]:
    """Return systems that no other beats in one of quality and seconds without losing in the other."""
    if ranking is None:
        return frozenset()
    points = {}
    for name, metrics in tables.items():
        if ranking in metrics and costs[name].is_known:
            table = metrics[ranking]
            quality = table.score() if table.metric.higher_is_better else -table.score()
            points[name] = (quality, costs[name].seconds)
    counts = count_dominating(list(points.values()), (1, -1))
    return frozenset(name for name, count in zip(points, counts, strict=True) if count == 0)


def score_buckets(
    tables: Tables, groups: Sequence[UtteranceGroup], baseline: str, ranking: str | None
) -> tuple[Bucket, ...]:
    """Return the ranking metric of every system on every group with something to score."""
    if ranking is None:
        return ()
    buckets = []
    for group in groups:
        parts = {
            name: metrics[ranking].subset(group.ids) for name, metrics in tables.items() if ranking in metrics
        }
        base = parts[baseline]
        if base.ids:
            draw_together(parts.values())
            tests = {
                name: paired_test(part, base, (name, baseline))
                for name, part in parts.items()
                if name != baseline
            }
            buckets.append(
                Bucket(
                    by=group.by,
                    label=group.label,
                    n=len(base.ids),
                    values={name: part.score() for name, part in parts.items()},
                    differences={
                        name: Estimate(value=difference.difference, interval=difference.interval)
                        for name, difference in tests.items()
                    },
                )
            )
    return tuple(buckets)


def find_contrasts(
    values: Mapping[str, Mapping[str, float]], baseline: str, most: int, *, higher_is_better: bool
) -> tuple[Contrast, ...]:
    """Find per system the ``most`` utterances of largest gain over the baseline, then of largest loss.

    ``values`` maps utterance id to system to its sentence score.
    """
    systems = dict.fromkeys(name for scores in values.values() for name in scores if name != baseline)
    sign = 1.0 if higher_is_better else -1.0
    contrasts: list[Contrast] = []
    for system in systems:
        gains = [
            Contrast(utterance_id=key, system=system, gain=sign * (scores[system] - scores[baseline]))
            for key, scores in values.items()
            if system in scores and baseline in scores
        ]
        gains.sort(key=lambda contrast: (-contrast.gain, contrast.utterance_id))
        contrasts += [contrast for contrast in gains[:most] if contrast.gain > 0]
        contrasts += [contrast for contrast in gains[::-1][:most] if contrast.gain < 0]
    return tuple(contrasts)
