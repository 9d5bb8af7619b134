"""What came out of a comparison, in the sentences that stand first wherever it is shown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from components.analysis.cost import Cost
from components.analysis.formatting import describe_too_few, format_p_value, format_seconds
from components.analysis.table import Sentence
from components.comparison.comparison import Comparison
from components.comparison.views import degradation_tables
from components.comparison.views.tables import count_digits, describe_detectable
from components.metrics.statistics.significance import Difference
from components.metrics.table import label_of, main_metrics

SAME_SPEED = 1.1
"""Ratio of seconds below which two systems are about as fast."""
BRIEF = 5.0
"""Seconds of computing below which a moment's load of the machine can be all of a ratio."""


def describe_comparison(comparison: Comparison) -> list[Sentence]:
    """Return the verdict on each system: better than the baseline or not, how sure, how fast.

    Comparisons with others come first where they were stated in advance.
    """
    costs = {row.system: row.cost for row in comparison.rows}
    names = main_metrics([difference.metric for difference in comparison.differences])
    if comparison.ranking is not None and comparison.ranking not in names:
        names = [comparison.ranking, *names]  # an external score, or a metric that was asked for
    sentences = [
        Sentence(f"{describe_difference(test)}.")
        for test in comparison.differences
        if test.baseline != comparison.baseline and test.verdict != "not tested"
    ]
    for row in comparison.rows:
        tests = {
            test.metric: test
            for test in comparison.differences
            if (test.system, test.baseline) == (row.system, comparison.baseline)
        }
        ranked = [tests[name] for name in tests if name in names or tests[name].family]
        ranked.sort(key=lambda test: (not test.family, test.metric != comparison.ranking))
        if ranked:
            sentences.append(Sentence(" ".join(_describe_system(ranked, costs))))
    degradations = (each for each in comparison.degradations if each.metric == comparison.ranking)
    sentences += [
        Sentence(f"{line}.") for each in degradations for line in degradation_tables.summarize(each)
    ]
    return sentences


def _describe_system(tests: list[Difference], costs: Mapping[str, Cost]) -> Iterator[str]:
    """Yield sentences on a system: the verdicts of tests, else the first score, other scores, its speed."""
    first, count = tests[0], sum(test.family > 0 for test in tests) or 1
    for test in tests[:count]:
        yield f"{describe_difference(test)}."
    if others := tests[count:]:
        yield f"Other scores: {', '.join(map(_describe_change, others))}."
    speed = describe_speed(costs[first.system], costs[first.baseline])
    if speed:
        yield f"{first.system} is {speed}."


def describe_difference(test: Difference) -> str:
    """Return a test in words: ``A is better than B: +0.4 BLEU (95% +0.1 to +0.7), p 0.010``."""
    system, baseline = test.system, test.baseline
    if not test.difference and test.interval == (0.0, 0.0):
        return f"{system} and {baseline} have the same {label_of(test.metric)}, utterance by utterance"
    change = _describe_change(test)
    if test.verdict in ("better", "worse"):
        return f"{system} is {test.verdict} than {baseline}: {change}, p {format_p_value(test.p_holm)}"
    if test.verdict == "too few":
        same = f"{system} and {baseline} have the same {label_of(test.metric)}; "
        few = describe_too_few(test.n)
        return f"{same}{few}" if not test.difference else f"{few} {system} from {baseline}: {change}"
    if test.verdict == "not tested":
        return f"{system} against {baseline}, not tested: {change}"
    return f"No significant difference between {system} and {baseline}: {change}{describe_detectable(test)}"


def _describe_change(test: Difference) -> str:
    """Return ``-0.4 BLEU (95% -1.1 to +0.3)``, or ``the same BLEU``."""
    if test.interval == (0.0, 0.0):
        return f"the same {label_of(test.metric)}"
    digits = count_digits(test.metric, (test.difference, *(test.interval or ())))
    change, *interval = (f"{number:+z.{digits}f}" for number in (test.difference, *(test.interval or ())))
    return f"{change} {label_of(test.metric)}" + (f" (95% {' to '.join(interval)})" if interval else "")


def describe_speed(cost: Cost, baseline: Cost) -> str:
    """Return ``3.1 times faster``, with both times where one is brief; empty where no time was measured."""
    if not (cost.is_known and baseline.is_known and cost.seconds and baseline.seconds):
        return ""
    ratio = baseline.seconds / cost.seconds
    if 1 / SAME_SPEED < ratio < SAME_SPEED:
        return "about as fast"
    speed = f"{max(ratio, 1 / ratio):.1f} times {'faster' if ratio > 1 else 'slower'}"
    if min(cost.seconds, baseline.seconds) >= BRIEF:
        return speed
    own, other = format_seconds(cost.seconds), format_seconds(baseline.seconds)
    return f"{speed} ({own} and {other}: too brief to rely on)"
