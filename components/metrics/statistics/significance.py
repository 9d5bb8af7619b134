"""Is one system better than another? Two-sided paired tests on the same utterances.

Paired bootstrap (Koehn 2004) and approximate randomization (Riezler and Maxwell 2005) with the draws of
``sacrebleu.significance`` 2.x: 10,000 resamples or trials from numpy's default generator seeded with 12345
(its ``n_samples=10000``). Both draw differences as they would be if there were none: resampled differences
less the observed d, or those of outputs exchanged at random; p = (1 + #{at least as large as |d|}) / (1 +
trials). sacreBLEU's own p is kept beside it: its bootstrap asks |d*| - mean|d*| > |d|, which is one-sided
where d is clear of zero and rejects 10.7% of true nulls at 5%, and its strict > gives one differing sentence
of 1,000 the smallest p there is (docs/decisions/0022). Intervals are 95% percentiles of the paired bootstrap
differences under both tests. Below 50 utterances the bootstrap is too liberal, so ``auto`` is randomization
there (docs/evaluation/comparing.md). Comparisons that were stated before are corrected together by Holm
(1979); others are not tested: they have an interval, and no verdict. Beside every difference
stands the smallest true one that would have been found. Of fewer than 10 utterances nothing is said.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from pydantic import Field

from components.errors import DataError
from components.metrics.choices import Test, TestChoice
from components.metrics.languages import Language
from components.metrics.statistics.bootstrap import (
    PROTOCOL,
    RESAMPLES,
    FloatArray,
    Interval,
    bootstrap_interval,
)
from components.metrics.statistics.corpus_statistics import CorpusStatistics, text_statistics
from components.metrics.statistics.null_distributions import (
    TRIALS,
    choose_test,
    compute_p_values,
    correct_holm,
)
from components.records import Record

DETECTABLE_ERRORS = 1.959964 + 0.841621
"""Standard errors of the smallest effect that a two-sided test at 5% finds in 80% of cases."""
Verdict = Literal["better", "worse", "no significant difference", "not tested", "too few"]


class Difference(Record):
    """``value`` of a system minus that of the baseline on the same ``n`` utterances.

    ``interval`` is the 95% bootstrap interval of ``difference``; ``p`` is two-sided; ``p_holm`` is corrected
    for ``family`` comparisons; ``p_sacrebleu`` is what sacreBLEU's function gives; ``detectable`` is the
    smallest true difference that the test finds in 80% of cases. All are None of too few utterances.
    ``verdict`` is that of ``p_holm`` at 0.05; a comparison that was not stated before is not tested and has
    none.
    """

    metric: str
    system: str
    baseline: str
    test: Test
    value: float
    baseline_value: float
    difference: float
    interval: Interval | None
    p: float | None = Field(ge=0, le=1)
    p_holm: float | None = Field(ge=0, le=1)
    p_sacrebleu: float | None = Field(ge=0, le=1)
    detectable: float | None = Field(ge=0)
    verdict: Verdict
    family: int = Field(ge=0, description="comparisons corrected together; 0 if it was not tested")
    higher_is_better: bool
    n: int = Field(ge=0, description="utterances compared")
    n_total: int = Field(ge=0, description="utterances in the data set")
    signature: str

    @property
    def better(self) -> bool:
        """Whether the system is significantly better than the baseline at p < 0.05, corrected."""
        return self.verdict == "better"


def compare_texts(
    references: Mapping[str, Sequence[str]],
    systems: Mapping[str, Mapping[str, str]],
    baseline: str,
    *,
    language: Language,
    names: Sequence[str] = ("bleu", "chrf"),
    test: TestChoice = "auto",
) -> list[Difference]:
    """Return every system (name -> utterance id -> text) against ``baseline`` in each metric of ``names``.

    Raises:
        DataError: two systems have not the same utterances, or no such baseline.
    """
    total = len(references)
    tables = {
        system: text_statistics(references, texts, language=language, n_total=total, names=names)
        for system, texts in _same_ids(systems, baseline).items()
    }
    return compare_to_baseline(tables, baseline, test)


def compare_to_baseline(
    systems: Mapping[str, Mapping[str, CorpusStatistics]], baseline: str, test: TestChoice = "auto"
) -> list[Difference]:
    """Compare every system to ``baseline`` (both system -> metric -> statistics), metric by metric.

    Systems without a metric (no transcript, no WER) are left out there. Holm's correction runs over the
    systems of one metric.

    Raises:
        DataError: no such baseline, or statistics of different utterances or protocols.
    """
    if baseline not in systems:
        raise DataError(f"expected the baseline among the systems {', '.join(systems)}, found {baseline!r}")
    differences: list[Difference] = []
    for metric, base in systems[baseline].items():
        others = {
            name: tables[metric] for name, tables in systems.items() if name != baseline and metric in tables
        }
        differences += correct_family(
            [paired_test(other, base, (name, baseline), test) for name, other in others.items()]
        )
    return differences


def correct_family(differences: Sequence[Difference]) -> list[Difference]:
    """Correct p-values of comparisons that were stated together for their number; then judge them."""
    p_values = correct_holm([difference.p for difference in differences])
    return [
        _with_corrected_p(difference, p, len(differences))
        for difference, p in zip(differences, p_values, strict=True)
    ]


def mark_untested(difference: Difference) -> Difference:
    """Return a comparison that nobody stated before: its interval stands, its p decides nothing."""
    verdict = "too few" if difference.p is None else "not tested"
    return difference.model_copy(update={"p_holm": None, "family": 0, "verdict": verdict})


def _with_corrected_p(difference: Difference, p: float | None, family: int) -> Difference:
    value = difference.difference
    gain = value if difference.higher_is_better else -value
    verdict: Verdict = "no significant difference"
    if p is None:
        verdict = "too few"
    elif p < 0.05:
        verdict = "better" if gain > 0 else "worse"
    return difference.model_copy(update={"p_holm": p, "family": family, "verdict": verdict})


def paired_test(
    system: CorpusStatistics, baseline: CorpusStatistics, names: tuple[str, str], test: TestChoice = "auto"
) -> Difference:
    """Return one system against the baseline; ``names`` are theirs, in this order.

    Raises:
        DataError: the two are not of the same utterances, metric and protocol.
    """
    _check_alike(system, baseline, names)
    if not system.ids:
        raise DataError(f"expected utterances that {names[0]} and {names[1]} share, found none")
    system = system.subset(baseline.ids)
    chosen = choose_test(test, len(system.ids))
    value, base = system.score(), baseline.score()
    resampled = system.resampled_scores - baseline.resampled_scores
    p, sacrebleu_p = compute_p_values(system, baseline, chosen, value - base, resampled)
    difference = Difference(
        metric=system.metric.name,
        system=names[0],
        baseline=names[1],
        test=chosen,
        value=value,
        baseline_value=base,
        difference=value - base,
        interval=bootstrap_interval(resampled, value - base),
        p=p,
        p_holm=p,
        p_sacrebleu=sacrebleu_p,
        detectable=detectable_effect(resampled),
        verdict="too few",
        family=1,
        higher_is_better=system.metric.higher_is_better,
        n=len(system.ids),
        n_total=system.n_total,
        signature=f"{system.signature}|{PROTOCOLS[chosen]}|two-sided|{PROTOCOL}",
    )
    return _with_corrected_p(difference, p, 1)


PROTOCOLS: dict[Test, str] = {
    "bootstrap": f"paired-bs:{RESAMPLES}",
    "randomization": f"paired-ar:{TRIALS}",
}
"""How tests are signed."""


def _same_ids(systems: Mapping[str, Mapping[str, str]], baseline: str) -> Mapping[str, Mapping[str, str]]:
    if baseline not in systems:
        raise DataError(f"expected the baseline among the systems {', '.join(systems)}, found {baseline!r}")
    expected = systems[baseline].keys()
    for name, texts in systems.items():
        _check_ids(set(texts), set(expected), (name, baseline))
    return systems


def _check_alike(system: CorpusStatistics, baseline: CorpusStatistics, names: tuple[str, str]) -> None:
    _check_ids(set(system.ids), set(baseline.ids), names)
    if (system.metric.name, system.signature) != (baseline.metric.name, baseline.signature):
        raise DataError(
            f"expected {names[0]} and {names[1]} scored alike, found {system.metric.name} "
            f"{system.signature!r} and {baseline.metric.name} {baseline.signature!r}"
        )


def _check_ids(ids: set[str], expected: set[str], names: tuple[str, str]) -> None:
    if ids == expected:
        return
    missing, extra = sorted(expected - ids), sorted(ids - expected)
    parts = [
        f"{len(keys)} {what} (first {keys[0]!r})"
        for keys, what in ((missing, "missing"), (extra, "extra"))
        if keys
    ]
    raise DataError(
        f"expected {names[0]} to have the utterances of {names[1]}, found {' and '.join(parts)}; "
        "compare what both have, or run both on the same data"
    )


def detectable_effect(resampled: FloatArray) -> float | None:
    """Return the smallest true difference that would be found, from resampled ones; None of none."""
    return DETECTABLE_ERRORS * float(resampled.std()) if resampled.size else None
