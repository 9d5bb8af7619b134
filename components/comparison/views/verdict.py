"""What came out of a comparison, in the sentences that stand first on its page."""

from __future__ import annotations

from components.analysis.cost import Cost
from components.analysis.formatting import format_p_value
from components.analysis.table import Sentence
from components.comparison.comparison import Comparison
from components.comparison.views import degradation_tables
from components.comparison.views.tables import describe_verdict
from components.metrics.statistics.significance import Difference
from components.metrics.table import METRICS, label_of, main_metrics

SAME_SPEED = 1.1
"""Ratio of seconds below which two systems are about as fast."""


def describe_comparison(comparison: Comparison) -> list[Sentence]:
    """Return a sentence per system: how far it is from the baseline, whether that is sure, how fast it is."""
    costs = {row.system: row.cost for row in comparison.rows}
    names = main_metrics([difference.metric for difference in comparison.differences])
    if comparison.ranking is not None and comparison.ranking not in METRICS:
        names = [comparison.ranking, *names]  # an external score
    sentences = []
    for row in comparison.rows:
        tests = {
            test.metric: test
            for test in comparison.differences
            if (test.system, test.baseline) == (row.system, comparison.baseline)
        }
        ranked = sorted(
            (name for name in names if name in tests), key=lambda name: name != comparison.ranking
        )
        if ranked:
            base = comparison.baseline
            changes = [
                _describe_difference(tests[name], "" if number else f" than {base}")
                for number, name in enumerate(ranked)
            ]
            speed = describe_speed(costs[row.system], costs[base])
            sentences.append(Sentence(f"{row.system} is {'; '.join(filter(None, [*changes, speed]))}."))
    degradations = (each for each in comparison.degradations if each.metric == comparison.ranking)
    sentences += [
        Sentence(f"{line}.") for each in degradations for line in degradation_tables.summarize(each)
    ]
    return sentences


def _describe_difference(test: Difference, than: str) -> str:
    """``0.4 BLEU worse than A (95% -1.1 to +0.3), not told apart``."""
    gain = test.difference if test.higher_is_better else -test.difference
    change = f"{abs(gain):.1f} {label_of(test.metric)} {'better' if gain > 0 else 'worse'}{than}"
    if not gain:
        change = f"the same in {label_of(test.metric)}{than.replace(' than ', ' as ')}"
        if test.interval == (0.0, 0.0):
            return f"{change}, utterance by utterance"
    interval = "" if test.interval is None else " (95% {:+.1f} to {:+.1f})".format(*test.interval)
    if test.verdict in ("better", "worse"):
        return f"{change}{interval}, p {format_p_value(test.p_holm)}"
    return f"{change}{interval}, {describe_verdict(test)}"


def describe_speed(cost: Cost, baseline: Cost) -> str:
    """``3.1 times faster``; empty where no time was measured."""
    if not cost.seconds or not baseline.seconds:
        return ""
    ratio = baseline.seconds / cost.seconds
    if 1 / SAME_SPEED < ratio < SAME_SPEED:
        return "about as fast"
    return f"{max(ratio, 1 / ratio):.1f} times {'faster' if ratio > 1 else 'slower'}"
