"""Error attribution by oracle substitution: what each stage of a system loses of the final score.

Stages are replaced by their gold output, and everything below them runs again. A **gap** is the score with
one part gold minus the score as it is. **Shapley values** (Shapley 1953) share among the parts what all of
them gain when they are gold together: they add up to all-gold minus as-it-is. The last stage is not a player:
its gold output is the reference, which scores the ceiling whatever came before. What is missing when
everything above it is gold is its **remainder**. A stage without parts (a translation that is revised below)
is replaced as a whole and is no player either. ``retention`` is the percentage of the quality given to a
stage that it passes on. That of the last stage, and with it the stage that loses most, is known only where
the score of a human is: no translator reaches the metric's ceiling against one reference, a human as little.
With it the percentages multiply to score over human score, and the stage that keeps least is the culprit.
Intervals are 95% percentiles over paired bootstrap resamples of utterances.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np

from components.errors import DataError
from components.metrics.statistics.bootstrap import PROTOCOL, Estimate, FloatArray, bootstrap_interval
from components.metrics.statistics.corpus_statistics import CorpusStatistics, draw_together
from components.metrics.statistics.shapley import all_coalitions, shapley_matrix
from components.records import Record

GoldParts = frozenset[str]
"""Names of the parts that are replaced by their gold output, a coalition of the game."""
NO_LOSS = 1e-9
"""Points, or percent, that are none but for rounding."""


class PartAttribution(Record):
    """Points lost to one part: ``gap`` is gained when it alone is gold, ``shapley`` its share of all."""

    part: str
    gap: Estimate
    shapley: Estimate


class StageAttribution(Record):
    """Points gained with a stage's gold output; ``retention`` is the percentage of quality that it passes on.

    Of the last stage ``gap`` is the remainder: what it misses of the ceiling with all above it gold; its
    ``retention`` is None where no human's score is known. ``translates``: its gold output is the reference.
    """

    stage: str
    gap: Estimate
    retention: Estimate | None
    translates: bool = True


class Attribution(Record):
    """Where a system loses quality, stage by stage in order.

    ``all_gold`` is the score with all ``parts`` gold. ``ceiling`` is a human's score (``is_human``) or else
    the metric's best; only of a human's there is a ``culprit``, the stage that passes on least.
    """

    metric: str
    score: Estimate
    all_gold: Estimate
    stages: tuple[StageAttribution, ...]
    parts: tuple[PartAttribution, ...]
    ceiling: float
    is_human: bool
    culprit: str | None
    n: int
    n_total: int
    signature: str

    @property
    def last_lossy(self) -> StageAttribution:
        """The last translating stage that loses anything: part of what it lacks no human reaches."""
        lossy = [stage for stage in self.stages if stage.translates and stage.gap.value > NO_LOSS]
        return (lossy or self.stages)[-1]


def attribute(
    values: Mapping[GoldParts, CorpusStatistics],
    stages: Mapping[str, Sequence[str]],
    last: str,
    *,
    ceiling: float | None = None,
) -> Attribution:
    """Attribute what a perfect score lacks to the parts of ``stages`` and to the stage ``last`` below them.

    Args:
        values: statistics of the output for the sets of replaced parts that :func:`list_gold_parts`
            lists, of a metric where more is better.
        stages: stage -> its parts, from the first stage to the last but one; of one without parts the stage
            itself is the part.
        last: name of the stage whose output is scored.
        ceiling: a human's score against the same references, where it is known.

    Raises:
        DataError: a set of parts is missing, or outputs are of different utterances.
    """
    parts = list_parts(stages)
    _check(values, stages)
    base = values[frozenset()]
    best = base.metric.ceiling if ceiling is None else ceiling
    point = _attribution_numbers(
        {gold: np.array([table.score()]) for gold, table in values.items()}, stages, last, best
    )
    draw_together(values.values())
    resampled = _attribution_numbers(
        {gold: table.resampled_scores for gold, table in values.items()}, stages, last, best
    )

    def estimate(name: str) -> Estimate:
        value = float(point[name][0])
        return Estimate(value=value, interval=bootstrap_interval(resampled[name], value))

    attributions = tuple(
        StageAttribution(
            stage=stage,
            gap=estimate(f"gap {stage}"),
            retention=None if stage == last and ceiling is None else estimate(f"retention {stage}"),
            translates=stage == last or not stages[stage],
        )
        for stage in (*stages, last)
    )
    return Attribution(
        metric=base.metric.name,
        score=estimate("score"),
        all_gold=estimate("gold"),
        stages=attributions,
        parts=tuple(
            PartAttribution(part=part, gap=estimate(f"part {part}"), shapley=estimate(f"shapley {part}"))
            for part in parts
        ),
        ceiling=best,
        is_human=ceiling is not None,
        culprit=None if ceiling is None else _find_culprit(attributions),
        n=len(base.ids),
        n_total=base.n_total,
        signature=f"{base.signature}|oracle-substitution|ceiling:{best:g}{' human' * (ceiling is not None)}"
        f"|{PROTOCOL}",
    )


def _find_culprit(stages: Sequence[StageAttribution]) -> str | None:
    """Return the stage that passes on least; None where none loses anything."""
    retention = {stage.stage: stage.retention.value for stage in stages if stage.retention is not None}
    worst = min(retention, key=lambda stage: retention[stage])
    return worst if retention[worst] < 100 - NO_LOSS else None


def list_parts(stages: Mapping[str, Sequence[str]]) -> list[str]:
    """Return all parts of the stages, the players of the Shapley game."""
    return [part for parts in stages.values() for part in parts]


def list_gold_parts(stages: Mapping[str, Sequence[str]]) -> list[GoldParts]:
    """List the sets whose outputs an attribution needs: all sets, each stage alone, all down to it."""
    parts = list_parts(stages)
    sets = [frozenset(members) for size in range(len(parts) + 1) for members in combinations(parts, size)]
    above: GoldParts = frozenset()
    for stage, replaced in stages.items():
        above |= frozenset(replaced or (stage,))
        sets += [frozenset(replaced or (stage,)), above]
    return list(dict.fromkeys(sets))


def _attribution_numbers(
    score: Mapping[GoldParts, FloatArray], stages: Mapping[str, Sequence[str]], last: str, ceiling: float
) -> dict[str, FloatArray]:
    """Every number of an attribution, from the scores (m,) of all sets on the utterances or on resamples."""
    parts = list_parts(stages)
    base = score[frozenset()]
    numbers = {"score": base, "gold": score[frozenset(parts)]}
    numbers |= {f"part {part}": score[frozenset((part,))] - base for part in parts}
    if parts:
        shares = shapley_matrix(parts) @ np.stack([score[gold] for gold in all_coalitions(parts)])
        numbers |= {f"shapley {part}": share for part, share in zip(parts, shares, strict=True)}
    above: GoldParts = frozenset()
    for stage, replaced in stages.items():
        gold = frozenset(replaced or (stage,))
        numbers[f"gap {stage}"] = score[gold] - base
        before, above = score[above], above | gold
        numbers[f"retention {stage}"] = _percentage(before, score[above])
    return numbers | {
        f"gap {last}": ceiling - score[above],
        f"retention {last}": _percentage(score[above], np.full_like(score[above], ceiling)),
    }


def _percentage(part: FloatArray, whole: FloatArray) -> FloatArray:
    return np.asarray(np.divide(100.0 * part, whole, out=np.full_like(part, 100.0), where=whole > 0))


def _check(values: Mapping[GoldParts, CorpusStatistics], stages: Mapping[str, Sequence[str]]) -> None:
    for gold in list_gold_parts(stages):
        if gold not in values:
            raise DataError(
                f"expected the output with {', '.join(sorted(gold)) or 'nothing'} gold, found none"
            )
    ids = {table.ids for table in values.values()}
    if len(ids) != 1 or not next(iter(ids)):
        raise DataError("expected the same utterances, at least one, whatever is replaced; found others")
