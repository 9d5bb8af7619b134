"""What each part of a system contributes to its score: leave-one-out and Shapley values with intervals.

The value of a set of parts is the score of what comes out with these parts alone. With every set known the
Shapley values are exact; where parts can only follow each other (rounds of refinement) there is one order of
joining, and a part's share is what it adds. Either way the shares sum to the score of all minus that of none,
so what *nobody* puts out is stated. Intervals are 95% percentiles over paired bootstrap resamples.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from components.errors import DataError
from components.metrics.languages import Language
from components.metrics.metric import align_segments
from components.metrics.normalizers import BY_LANGUAGE
from components.metrics.statistics.bootstrap import PROTOCOL, Estimate, bootstrap_interval
from components.metrics.statistics.corpus_statistics import (
    CorpusStatistics,
    draw_together,
    measure,
)
from components.metrics.statistics.shapley import (
    MAX_MEMBERS,
    Array,
    Coalition,
    all_coalitions,
    shapley_matrix,
)
from components.metrics.table import get_metric
from components.records import Record


class Share(Record):
    """One part: its score alone, what is lost without it, its Shapley value; None where that is not known.

    ``lost`` and ``share`` are points gained, also where less is better (WER). ``model`` is that of a
    part which is a node of its own.
    """

    part: str
    model: str = ""
    alone: Estimate | None
    lost: Estimate | None
    share: Estimate | None


class Contribution(Record):
    """The parts of one system. ``nobody`` is the score without any; ``empty`` says what is output then."""

    title: str
    metric: str
    score: Estimate
    nobody: float
    empty: str
    shares: tuple[Share, ...]
    n: int
    n_total: int
    signature: str


def measure_contribution(
    title: str, parts: Sequence[str], values: Mapping[Coalition, CorpusStatistics], *, empty: str
) -> Contribution:
    """Measure what each of ``parts`` adds, from the statistics of the output for sets of them.

    Args:
        title: of the contribution.
        parts: names of the parts.
        values: of everyone and of nobody at least; all sets for exact Shapley values (at most 6 parts), or
            the first 1, 2, ... parts for those that follow each other.
        empty: what nobody puts out, in words.

    Raises:
        DataError: everyone or nobody is missing, or outputs are of different utterances.
    """
    coalitions = list(values)
    everyone, nobody = frozenset(parts), frozenset[str]()
    ids = {table.ids for table in values.values()}
    if not {everyone, nobody} <= values.keys() or len(ids) != 1 or not next(iter(ids)):
        raise DataError(f"{title}: expected the outputs of all parts and of none, of the same utterances")
    draw_together(values.values())
    base = values[everyone]
    sign = 1.0 if base.metric.higher_is_better else -1.0
    score = np.zeros((1, len(coalitions)))
    score[0, coalitions.index(everyone)] = 1.0
    matrices = {"score": score} | {
        "alone": _alone_matrix(parts, coalitions),
        "lost": _compute_losses(parts, coalitions, sign),
        "share": _share_matrix(parts, coalitions, sign),
    }
    columns = {
        name: _estimate_rows(matrix, values) for name, matrix in matrices.items() if matrix is not None
    }
    return Contribution(
        title=title,
        metric=base.metric.name,
        score=columns["score"][0],
        nobody=values[nobody].score(),
        empty=empty,
        shares=tuple(
            Share(part=part, **{name: columns[name][row] if name in columns else None for name in _COLUMNS})
            for row, part in enumerate(parts)
        ),
        n=len(base.ids),
        n_total=base.n_total,
        signature=f"{base.signature}|contribution|{PROTOCOL}",
    )


_COLUMNS = ("alone", "lost", "share")


def _estimate_rows(matrix: Array, values: Mapping[Coalition, CorpusStatistics]) -> list[Estimate]:
    """Return each row of ``matrix`` (rows, coalitions) times the coalitions' scores."""
    used = [column for column in range(matrix.shape[1]) if matrix[:, column].any()]
    tables = [list(values.values())[column] for column in used]
    weights = matrix[:, used]
    points = weights @ np.array([table.score() for table in tables])
    resampled = weights @ np.stack([table.resampled_scores for table in tables])
    return [
        Estimate(value=float(point), interval=bootstrap_interval(row, float(point)))
        for point, row in zip(points, resampled, strict=True)
    ]


def _alone_matrix(parts: Sequence[str], coalitions: Sequence[Coalition]) -> Array | None:
    """Return (parts, coalitions) that picks the score of each part alone; None where one is not known."""
    singles = [frozenset((part,)) for part in parts]
    if not set(singles) <= set(coalitions):
        return None
    return np.stack([_indicator(coalitions, single) for single in singles])


def _compute_losses(parts: Sequence[str], coalitions: Sequence[Coalition], sign: float) -> Array | None:
    """Return (parts, coalitions): the score of everyone minus that without each part."""
    everyone = frozenset(parts)
    without = [everyone - {part} for part in parts]
    if not set(without) <= set(coalitions):
        return None
    return sign * np.stack(
        [_indicator(coalitions, everyone) - _indicator(coalitions, others) for others in without]
    )


def _share_matrix(parts: Sequence[str], coalitions: Sequence[Coalition], sign: float) -> Array | None:
    """Return (parts, coalitions): what each part adds to those before it, or else its Shapley value."""
    prefixes = [frozenset(parts[:number]) for number in range(len(parts) + 1)]
    if set(coalitions) == set(prefixes):
        steps = zip(prefixes[1:], prefixes, strict=False)
        return sign * np.stack(
            [_indicator(coalitions, after) - _indicator(coalitions, before) for after, before in steps]
        )
    if len(parts) > MAX_MEMBERS or not set(all_coalitions(parts)) <= set(coalitions):
        return None
    indicators = np.stack([_indicator(coalitions, coalition) for coalition in all_coalitions(parts)])
    return sign * (shapley_matrix(parts) @ indicators)


def _indicator(coalitions: Sequence[Coalition], coalition: Coalition) -> Array:
    """Return (coalitions,): 1 for one of them, 0 for the others."""
    indicator = np.zeros(len(coalitions))
    indicator[coalitions.index(coalition)] = 1.0
    return indicator


def statistics_of_outputs(
    outputs: Mapping[Coalition, Mapping[str, str]],
    references: Mapping[str, Sequence[str]],
    metric: str,
    *,
    language: Language,
    n_total: int,
    normalizer: str = BY_LANGUAGE,
) -> dict[Coalition, CorpusStatistics]:
    """Return the statistics of every coalition's output, over the utterances that all of them have.

    Args:
        outputs: coalition -> utterance id -> text; nobody's is empty for every utterance if it is not given.
        references: utterance id -> reference texts.
        metric: a name of :data:`~components.metrics.table.METRICS`.
        language: of the outputs, for all utterances or for each.
        n_total: utterances of the data set.
        normalizer: of transcripts.

    Raises:
        DataError: there is nothing to score.
    """
    shared = set(references).intersection(*(set(texts) for texts in outputs.values()))
    complete = {frozenset[str](): dict.fromkeys(shared, ""), **outputs}
    stated = {key: texts for key, texts in references.items() if key in shared}
    tables: dict[Coalition, CorpusStatistics] = {}
    for coalition, texts in complete.items():
        segments = align_segments(stated, {key: texts[key] for key in stated}, language, n_total)
        table = measure(get_metric(metric, normalizer), segments, n_total)
        if table is None:
            raise DataError(f"contribution: expected utterances with a reference for {metric}, found none")
        tables[coalition] = table
    return tables
