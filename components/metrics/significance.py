"""Is one system better than another? Paired tests on the same utterances, by sacreBLEU's protocol.

Paired bootstrap (Koehn 2004) and approximate randomisation (Riezler and Maxwell 2005) as in
``sacrebleu.significance`` 2.x: 1,000 resamples or 10,000 trials from numpy's default generator seeded with
12345, two-sided p = (c + 1) / (trials + 1). One deviation: two systems of equal score have p = 1, where
sacreBLEU's strict inequality gives two equal outputs p = 0.001. Intervals are 95% percentiles of the paired
bootstrap differences under both tests. Many comparisons are corrected by Holm (1979).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

import numpy as np
from pydantic import Field

from components.errors import DataError
from components.metrics.bootstrap import RESAMPLES, SEED, containing, resamples
from components.metrics.languages import Language
from components.metrics.sufficient import Statistics, recognition_statistics, translation_statistics
from components.records import Record

TRIALS = 10_000
Test = Literal["bootstrap", "randomisation"]
Sizes = np.ndarray[Any, np.dtype[np.float64]]


class Difference(Record):
    """``value`` of a system minus that of the baseline on the same ``n`` utterances.

    ``interval`` is the 95% bootstrap interval of ``difference``; ``p`` is two-sided; ``p_holm`` is
    corrected for ``family`` comparisons of this metric.
    """

    metric: str
    system: str
    baseline: str
    value: float
    baseline_value: float
    difference: float
    interval: tuple[float, float]
    p: float = Field(ge=0, le=1)
    p_holm: float = Field(ge=0, le=1)
    family: int = Field(ge=1)
    higher_is_better: bool
    n: int = Field(ge=0, description="utterances compared")
    n_total: int = Field(ge=0, description="utterances in the data set")
    signature: str

    @property
    def better(self) -> bool:
        """Whether the system is significantly better than the baseline at p < 0.05, corrected."""
        gain = self.difference if self.higher_is_better else -self.difference
        return gain > 0 and self.p_holm < 0.05


def translation_tests(
    references: Mapping[str, Sequence[str]],
    systems: Mapping[str, Mapping[str, str]],
    baseline: str,
    *,
    language: Language,
    names: Sequence[str] = ("bleu", "chrf"),
    test: Test = "bootstrap",
) -> list[Difference]:
    """Every system (name -> utterance id -> text) against ``baseline`` in BLEU, chrF and TER by ids.

    Raises:
        DataError: two systems did not translate the same utterances, or no such baseline.
    """
    total = len(references)
    tables = {
        system: translation_statistics(references, texts, language=language, n_total=total, names=names)
        for system, texts in _same_ids(systems, baseline).items()
    }
    return against(tables, baseline, test)


def recognition_tests(
    references: Mapping[str, str],
    systems: Mapping[str, Mapping[str, str]],
    baseline: str,
    *,
    language: Language,
    test: Test = "bootstrap",
) -> list[Difference]:
    """Every system (name -> utterance id -> transcript) against ``baseline`` in WER and CER by ids.

    Raises:
        DataError: two systems did not transcribe the same utterances, or no such baseline.
    """
    tables = {
        system: recognition_statistics(references, texts, language=language, n_total=len(references))
        for system, texts in _same_ids(systems, baseline).items()
    }
    return against(tables, baseline, test)


def against(
    systems: Mapping[str, Mapping[str, Statistics]], baseline: str, test: Test = "bootstrap"
) -> list[Difference]:
    """Differences of every system to ``baseline`` (both system -> metric -> statistics), metric by metric.

    Systems without a metric (no transcript, no WER) are left out there. Holm's correction runs over the
    systems of one metric.

    Raises:
        DataError: no such baseline, or statistics of different utterances or protocols.
    """
    if baseline not in systems:
        raise DataError(f"expected the baseline among the systems {', '.join(systems)}, found {baseline!r}")
    found: list[Difference] = []
    for metric, base in systems[baseline].items():
        others = {
            name: tables[metric] for name, tables in systems.items() if name != baseline and metric in tables
        }
        tested = [paired(other, base, (name, baseline), test) for name, other in others.items()]
        corrected = holm([one.p for one in tested])
        found += [
            one.model_copy(update={"p_holm": p, "family": len(tested)})
            for one, p in zip(tested, corrected, strict=True)
        ]
    return found


def paired(
    system: Statistics, baseline: Statistics, names: tuple[str, str], test: Test = "bootstrap"
) -> Difference:
    """One system against the baseline; ``names`` are theirs, in this order.

    Raises:
        DataError: the two are not of the same utterances, metric and protocol.
    """
    _check_alike(system, baseline, names)
    if not system.ids:
        raise DataError(f"expected utterances that {names[0]} and {names[1]} share, found none")
    value, base = system.score(), baseline.score()
    differences = _differences(system, baseline)
    low, high = np.percentile(differences, (2.5, 97.5))
    p = 1.0 if value == base else _P_VALUES[test](system, baseline, differences, value - base)
    return Difference(
        metric=system.name,
        system=names[0],
        baseline=names[1],
        value=value,
        baseline_value=base,
        difference=value - base,
        interval=containing((float(low), float(high)), value - base),
        p=p,
        p_holm=p,
        family=1,
        higher_is_better=system.higher_is_better,
        n=len(system.ids),
        n_total=system.n_total,
        signature=f"{system.signature}|{_PROTOCOLS[test]}|seed:{SEED}",
    )


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down p-values, in the order given: k-th smallest of m times m - k + 1, monotone."""
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    corrected = [0.0] * len(p_values)
    highest = 0.0
    for rank, place in enumerate(order):
        highest = max(highest, min(1.0, (len(order) - rank) * p_values[place]))
        corrected[place] = highest
    return corrected


def _differences(system: Statistics, baseline: Statistics) -> Sizes:
    return np.asarray(
        [system.score(system.rows[i]) - baseline.score(baseline.rows[i]) for i in resamples(len(system.ids))]
    )


def _bootstrap(system: Statistics, baseline: Statistics, differences: Sizes, observed: float) -> float:
    sizes = np.abs(differences)
    return _p_value(sizes - sizes.mean(), observed)


def _randomisation(system: Statistics, baseline: Statistics, differences: Sizes, observed: float) -> float:
    whole = baseline.rows.sum(0) + system.rows.sum(0)
    sizes = []
    for swapped in _swaps(len(system.ids)):
        mixed = swapped @ baseline.rows + ~swapped @ system.rows
        for one, other in zip(mixed.tolist(), (whole - mixed).tolist(), strict=True):
            sizes.append(abs(system.of_sum(one) - system.of_sum(other)))
    return _p_value(np.asarray(sizes), observed)


def _swaps(n: int) -> Iterator[np.ndarray[Any, np.dtype[np.bool_]]]:
    """Which utterances the two systems exchange, some trials (m, n) at a time: memory stays flat.

    Numpy draws booleans 32 at a time, so pieces of a multiple of 32 rows are the numbers of one draw.
    """
    rng = np.random.default_rng(SEED)
    for start in range(0, TRIALS, 512):
        yield rng.integers(2, size=(min(512, TRIALS - start), n), dtype=bool)


def _p_value(sizes: Sizes, observed: float) -> float:
    return (int((sizes > abs(observed)).sum()) + 1) / (len(sizes) + 1)


_P_VALUES = {"bootstrap": _bootstrap, "randomisation": _randomisation}
_PROTOCOLS = {
    "bootstrap": f"paired-bs:{RESAMPLES}",
    "randomisation": f"paired-ar:{TRIALS}|bs:{RESAMPLES}",
}


def _same_ids(systems: Mapping[str, Mapping[str, str]], baseline: str) -> Mapping[str, Mapping[str, str]]:
    if baseline not in systems:
        raise DataError(f"expected the baseline among the systems {', '.join(systems)}, found {baseline!r}")
    expected = systems[baseline].keys()
    for name, texts in systems.items():
        _check_ids(set(texts), set(expected), (name, baseline))
    return systems


def _check_alike(system: Statistics, baseline: Statistics, names: tuple[str, str]) -> None:
    _check_ids(set(system.ids), set(baseline.ids), names)
    if (system.name, system.signature) != (baseline.name, baseline.signature):
        raise DataError(
            f"expected {names[0]} and {names[1]} scored alike, found {system.name} {system.signature!r} "
            f"and {baseline.name} {baseline.signature!r}"
        )


def _check_ids(found: set[str], expected: set[str], names: tuple[str, str]) -> None:
    if found == expected:
        return
    missing, extra = sorted(expected - found), sorted(found - expected)
    parts = [
        f"{len(ids)} {what} (first {ids[0]!r})"
        for ids, what in ((missing, "missing"), (extra, "extra"))
        if ids
    ]
    raise DataError(
        f"expected {names[0]} to have the utterances of {names[1]}, found {' and '.join(parts)}; "
        "compare what both have, or run both on the same data"
    )
