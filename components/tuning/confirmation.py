"""How much of what a search gained is chance: the winner on data that the search never saw."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from components.errors import ConfigError
from components.metrics.statistics.bootstrap import Estimate, FloatArray, bootstrap_interval
from components.metrics.statistics.corpus_statistics import CorpusStatistics
from components.metrics.statistics.paired_gain import paired_gain
from components.metrics.statistics.significance import paired_test
from components.pipeline.seen_data import Contents, content_of
from components.records import Utterance
from components.tuning.forecast import GainForecast, judge
from components.tuning.study import Confirmation

MAX_NAMED = 3
"""Utterances that an error names."""


def refuse_overlap(confirm: Sequence[Utterance], seen: Mapping[str, Iterable[Utterance]]) -> None:
    """Refuse data to confirm on that a search sees, by its sound or its source text, whatever the ids are.

    Args:
        confirm: the data to confirm on.
        seen: name -> utterances of each data set that the search reads.

    Raises:
        ConfigError: an utterance is in both.
    """
    for name, utterances in seen.items():
        contents = Contents(utterances)
        both = [utterance.id for utterance in confirm if utterance in contents]
        if both:
            named = ", ".join(both[:MAX_NAMED]) + (" ..." if len(both) > MAX_NAMED else "")
            raise ConfigError(
                f"confirm: expected utterances that the search does not see, found {len(both)} of "
                f"{len(confirm)} that are in {name}: {named}; take others"
            )


def set_aside(utterances: Sequence[Utterance], size: int, seed: int) -> tuple[list[int], list[int]]:
    """Draw utterances to confirm on; those of one sound or one text stay together, so it may be some more.

    Args:
        utterances: all of the data.
        size: of the part to confirm on.
        seed: of the draw.

    Returns:
        The positions to search on, and those to confirm on, both ascending.
    """
    alike: dict[tuple[object, ...], list[int]] = {}
    for position in np.random.default_rng(seed).permutation(len(utterances)).tolist():
        alike.setdefault(content_of(utterances[position]), []).append(position)
    confirm: list[int] = []
    for positions in alike.values():
        if len(confirm) >= size:
            break
        confirm += positions
    return sorted(set(range(len(utterances))) - set(confirm)), sorted(confirm)


def confirm_winner(
    search: tuple[CorpusStatistics, CorpusStatistics],
    confirmed: tuple[CorpusStatistics, CorpusStatistics],
    forecast: GainForecast | None = None,
) -> Confirmation:
    """Compare the winner's score and gain on search data with those on data that the search never saw.

    Gains are resampled in pairs, the two data sets independently of each other.

    Args:
        search: statistics of the winner and of the pipeline as written on the search data.
        confirmed: the same on the other data.
        forecast: of the winner's gain, by the search.
    """
    sign = 1 if search[0].metric.higher_is_better else -1
    (search_gain, searched), (confirmed_gain, measured) = (
        paired_gain(winner, written) for winner, written in (search, confirmed)
    )
    written = confirmed[1].subset(confirmed[0].ids)
    tested = paired_test(confirmed[0].subset(written.ids), written, ("winner", "as written"))
    scores = [(sign * winner.score(), sign * winner.resampled_scores) for winner, _ in (search, confirmed)]
    return Confirmation(
        metric=search[0].metric.name,
        search=search[0].to_score(),
        confirmed=confirmed[0].to_score(),
        optimism=_difference(*scores),
        search_gain=search_gain,
        confirmed_gain=confirmed_gain,
        tested=tested.verdict,
        gain_optimism=_difference((search_gain.value, searched), (confirmed_gain.value, measured)),
        forecast=forecast,
        verdict=judge(forecast, confirmed_gain.value),
    )


def _difference(first: tuple[float, FloatArray], second: tuple[float, FloatArray]) -> Estimate:
    """Return the difference of two numbers of independent data sets, from resamples of each."""
    value = first[0] - second[0]
    if not (first[1].size and second[1].size):
        return Estimate(value=value, interval=None)
    # All tables are drawn from one stream of random numbers: one turned round is independent of the other.
    return Estimate(value=value, interval=bootstrap_interval(first[1] - np.roll(second[1], 1), value))
