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
from components.metrics.bootstrap import RESAMPLES, SEED, Estimate, bootstrap_interval
from components.metrics.corpus_statistics import (
    CorpusStatistics,
    recognition_statistics,
    translation_statistics,
)
from components.metrics.languages import Language
from components.metrics.shapley import MAX_MEMBERS, Array, Coalition, all_coalitions, shapley_matrix
from components.records import Record


class Share(Record):
    """One part: its score alone, what is lost without it, its share; None where that is not known for all.

    ``lost`` and ``share`` are points gained, also where less is better (WER).
    """

    part: str
    alone: Estimate | None
    lost: Estimate | None
    share: Estimate | None


class Contribution(Record):
    """The parts of one system. ``nobody`` is the score without any part, which is what ``empty`` says."""

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
    """The table of ``parts``, from the statistics of the output for sets of them.

    Args:
        values: of everyone and of nobody at least; all sets for exact Shapley values (at most 6 parts), or
            the first 1, 2, ... parts for those that follow each other.
        empty: what nobody puts out, in words.

    Raises:
        DataError: everyone or nobody is missing, or outputs are of different utterances.
    """
    known = list(values)
    everyone, nobody = frozenset(parts), frozenset[str]()
    ids = {one.ids for one in values.values()}
    if not {everyone, nobody} <= values.keys() or len(ids) != 1 or not next(iter(ids)):
        raise DataError(f"{title}: expected the outputs of all parts and of none, of the same utterances")
    base = values[everyone]
    sign = 1.0 if base.higher_is_better else -1.0
    score = np.zeros((1, len(known)))
    score[0, known.index(everyone)] = 1.0
    columns = {"score": score} | {
        "alone": _alone(parts, known),
        "lost": _lost(parts, known, sign),
        "share": _share(parts, known, sign),
    }
    found = {name: _estimates(matrix, values) for name, matrix in columns.items() if matrix is not None}
    return Contribution(
        title=title,
        metric=base.name,
        score=found["score"][0],
        nobody=values[nobody].score(),
        empty=empty,
        shares=tuple(
            Share(part=part, **{name: found[name][row] if name in found else None for name in _COLUMNS})
            for row, part in enumerate(parts)
        ),
        n=len(base.ids),
        n_total=base.n_total,
        signature=f"{base.signature}|contribution|bs:{RESAMPLES}|seed:{SEED}",
    )


_COLUMNS = ("alone", "lost", "share")


def _estimates(matrix: Array, values: Mapping[Coalition, CorpusStatistics]) -> list[Estimate]:
    """Each row of ``matrix`` times the sets' scores."""
    used = [place for place in range(matrix.shape[1]) if matrix[:, place].any()]
    tables = [list(values.values())[place] for place in used]
    weights = matrix[:, used]
    points = weights @ np.array([one.score() for one in tables])
    drawn = weights @ np.stack([one.resample_scores() for one in tables])
    return [
        Estimate(value=float(point), interval=bootstrap_interval(row, float(point)))
        for point, row in zip(points, drawn, strict=True)
    ]


def _alone(parts: Sequence[str], known: Sequence[Coalition]) -> Array | None:
    wanted = [frozenset((part,)) for part in parts]
    if not set(wanted) <= set(known):
        return None
    return np.stack([_unit(known, one) for one in wanted])


def _lost(parts: Sequence[str], known: Sequence[Coalition], sign: float) -> Array | None:
    everyone = frozenset(parts)
    without = [everyone - {part} for part in parts]
    if not set(without) <= set(known):
        return None
    return sign * np.stack([_unit(known, everyone) - _unit(known, one) for one in without])


def _share(parts: Sequence[str], known: Sequence[Coalition], sign: float) -> Array | None:
    firsts = [frozenset(parts[:number]) for number in range(len(parts) + 1)]
    if set(known) == set(firsts):
        steps = zip(firsts[1:], firsts, strict=False)
        return sign * np.stack([_unit(known, after) - _unit(known, before) for after, before in steps])
    if len(parts) > MAX_MEMBERS or not set(all_coalitions(parts)) <= set(known):
        return None
    units = np.stack([_unit(known, one) for one in all_coalitions(parts)])
    return sign * (shapley_matrix(parts) @ units)


def _unit(known: Sequence[Coalition], one: Coalition) -> Array:
    found = np.zeros(len(known))
    found[known.index(one)] = 1.0
    return found


def statistics_of_outputs(
    outputs: Mapping[Coalition, Mapping[str, str]],
    references: Mapping[str, Sequence[str]],
    metric: str,
    *,
    language: Language,
    n_total: int,
) -> dict[Coalition, CorpusStatistics]:
    """The statistics of every set's output (texts by utterance id), over the utterances that all have.

    ``metric`` is bleu, chrf or ter of translations, wer or cer of transcripts (their first reference counts).
    Nobody's output, where it is not given, is empty for every utterance.

    Raises:
        DataError: there is nothing to score.
    """
    shared = set(references).intersection(*(set(texts) for texts in outputs.values()))
    given = {frozenset[str](): dict.fromkeys(shared, ""), **outputs}
    known = {key: refs for key, refs in references.items() if key in shared}
    found: dict[Coalition, CorpusStatistics] = {}
    for one, texts in given.items():
        chosen = {key: texts[key] for key in known}
        if metric in ("wer", "cer"):
            spoken = {key: texts[0] for key, texts in known.items()}
            tables = recognition_statistics(spoken, chosen, language=language, n_total=n_total)
        else:
            tables = translation_statistics(
                known, chosen, language=language, n_total=n_total, names=(metric,)
            )
        if metric not in tables:
            raise DataError(f"contribution: expected utterances with a reference for {metric}, found none")
        found[one] = tables[metric]
    return found
