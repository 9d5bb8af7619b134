"""Tests of the comparisons that were stated before anyone looked, and differences of all others.

Whoever tests ten systems in four metrics finds something by chance. So a family of comparisons is stated
beforehand and corrected together (Holm 1979); every other difference has an interval and no verdict.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from components.comparison.comparison_settings import ComparisonSettings, StatedComparison
from components.errors import DataError
from components.metrics.statistics.corpus_statistics import CorpusStatistics, draw_together
from components.metrics.statistics.significance import (
    Difference,
    correct_family,
    mark_untested,
    paired_test,
)
from components.text.suggestions import did_you_mean

Tables = Mapping[str, Mapping[str, CorpusStatistics]]
"""System -> metric -> statistics."""


class Pair(NamedTuple):
    """Two systems in a metric."""

    metric: str
    system: str
    versus: str


def compare_pairs(
    tables: Tables, baseline: str, ranking: str | None, settings: ComparisonSettings
) -> tuple[Difference, ...]:
    """Return every system against the baseline in every metric, and what was stated against other systems.

    Args:
        tables: statistics of the systems.
        baseline: a system.
        ranking: metric of stated comparisons that name none.
        settings: what was stated (every system in ``ranking`` if nothing; see :func:`check_stated`), and
            which test.

    Raises:
        DataError: a stated comparison in a metric that is not there.
    """
    all_pairs = [
        Pair(metric, system, baseline)
        for metric in tables[baseline]
        for system in tables
        if system != baseline and metric in tables[system]
    ]
    stated = list_stated(tables, baseline, ranking, settings)
    draw_together(table for metrics in tables.values() for table in metrics.values())
    tests = {
        pair: paired_test(
            tables[pair.system][pair.metric],
            tables[pair.versus][pair.metric],
            (pair.system, pair.versus),
            settings.test,
        )
        for pair in dict.fromkeys([*all_pairs, *stated])
    }
    corrected = dict(zip(stated, correct_family([tests[pair] for pair in stated]), strict=True))
    return tuple(corrected.get(pair) or mark_untested(test) for pair, test in tests.items())


def list_stated(
    tables: Tables, baseline: str, ranking: str | None, settings: ComparisonSettings
) -> list[Pair]:
    """Return the stated comparisons, each once; arguments and errors are those of :func:`compare_pairs`."""
    if settings.primary:
        resolved = [_resolve(comparison, tables, baseline, ranking) for comparison in settings.primary]
        return list(dict.fromkeys(resolved))
    names = [system for system in tables if system != baseline and ranking in tables[system]]
    return [Pair(ranking, system, baseline) for system in names] if ranking is not None else []


def check_stated(stated: Sequence[StatedComparison], systems: Sequence[str], baseline: str) -> None:
    """Raise unless every stated comparison is of two of the systems.

    Raises:
        DataError: it is not.
    """
    for comparison in stated:
        system, versus = comparison.system, comparison.versus or baseline
        for name in (system, versus):
            if name not in systems:
                hint = did_you_mean(name, systems)
                raise DataError(f"primary: expected one of {', '.join(systems)}, found {name!r}{hint}")
        if system == versus:
            raise DataError(f"primary: expected two systems to compare, found {system} and itself")


def _resolve(stated: StatedComparison, tables: Tables, baseline: str, ranking: str | None) -> Pair:
    pair = Pair(stated.metric or ranking or "", stated.system, stated.versus or baseline)
    for name in (pair.system, pair.versus):
        if pair.metric not in tables[name]:
            scored = ", ".join(tables[name]) or "none"
            raise DataError(
                f"primary: expected a metric that {name} is scored by ({scored}), found {pair.metric!r}; "
                "add it to metrics, or state another"
            )
    return pair
