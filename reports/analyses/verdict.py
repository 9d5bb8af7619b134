"""What came out of a run, in the sentences that stand first on its page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from components.analysis.comparing.comparison import Comparison
from components.analysis.cost import Cost
from components.attribution.cascade_attribution import AttributionReport
from components.attribution.contribution import Contribution, Share
from components.metrics.statistics.significance import Difference
from components.metrics.table import METRICS, label_of
from components.run_record import RunRecord, Score
from components.text.counted_nouns import format_count
from reports.analyses import attribution_report, degradation_report
from reports.analyses.attribution_report import format_estimate
from reports.analyses.comparison_report import describe_verdict
from reports.analyses.word_errors import MAX_LINKED, WordErrors
from reports.formatting import format_p_value
from reports.views.sections import Link, Sentence, filter_by, link_to_filter

MAIN_METRICS = ("wer", "cer", "bleu", "chrf")
"""Metrics that a verdict names: of each kind of output the first that a run has."""
SAME_SPEED = 1.1
"""Ratio of seconds below which two systems are about as fast."""


def describe_comparison(comparison: Comparison) -> list[Sentence]:
    """A sentence per system: how far it is from the baseline, whether that is sure, how fast it is."""
    costs = {row.system: row.cost for row in comparison.rows}
    names = _main_metrics([difference.metric for difference in comparison.differences])
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
        Sentence(f"{line}.") for each in degradations for line in degradation_report.summarize(each)
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


def describe_scores(run: RunRecord) -> list[Sentence]:
    """The main scores of a run with their intervals, or that nothing was scored, or how it ended."""
    if not run.completed:
        return [
            Sentence(f"The run {_ENDED.get(run.status, run.status)}: what it finished is kept and reused.")
        ]
    names = _main_metrics([name for name in run.metrics if name in METRICS])
    if not names:
        return (
            []
            if run.systems or not run.pipeline.outputs
            else [Sentence("Nothing was scored: no references.")]
        )
    scores = [run.metrics[name] for name in names]
    counted = {(score.n, score.n_total) for score in scores}
    text = ", ".join(map(_describe_score, scores))
    if len(counted) == 1:
        n, n_total = counted.pop()
        text += (
            f" on {n:,} of {n_total:,} utterances" if n < n_total else f" on {format_count(n, 'utterance')}"
        )
    return [Sentence(f"{text}.")]


_ENDED = {
    "failed": "failed",
    "cancelled": "was cancelled",
    "suspended": "is suspended",
    "paused": "is paused",
}


def _describe_score(score: Score) -> str:
    interval = "" if score.interval is None else " (95% {:.1f} to {:.1f})".format(*score.interval)
    return f"{label_of(score.name)} {score.value:.1f}{interval}"


def _main_metrics(names: Sequence[str]) -> list[str]:
    """The first metric of transcripts and the first of translations among ``names``."""
    first: dict[str, str] = {}
    for name in MAIN_METRICS:
        if name in names:
            first.setdefault(METRICS[name].output, name)
    return list(first.values())


def describe_quarantined(run: RunRecord) -> list[Sentence]:
    """How many records could not be processed, and where."""
    stages = {ref.key: ref for ref in run.stages if ref.quarantined}.values()
    total = sum(ref.quarantined for ref in stages)
    if not total:
        return []
    where = ", ".join(f"{ref.quarantined:,} in {ref.stage}" for ref in stages)
    text = f"{total:,} record{'s were' if total > 1 else ' was'} quarantined ({where})."
    return [Sentence(text, link_to_filter("See why", "quarantined"))]


def describe_blame(report: AttributionReport) -> list[Sentence]:
    """Of each metric what the stages pass on, and where most is lost."""
    return [Sentence(f"{attribution_report.summarize(blame)}.") for blame in report.blames]


def describe_contributions(contributions: Sequence[Contribution]) -> Iterator[Sentence]:
    """Of each system the part without which most is lost, and the one without which least is."""
    for contribution in contributions:
        lost = sorted(
            (share for share in contribution.shares if share.lost is not None),
            key=lambda share: -_loss_of(share),
        )
        if len(lost) > 1:
            first, last = (
                f"{format_estimate(share.lost, digits=1)} without {share.part}"
                for share in (lost[0], lost[-1])
                if share.lost is not None
            )
            name = label_of(contribution.metric)
            yield Sentence(f"{contribution.title}: most {name} is lost ({first}), least ({last}).")


def _loss_of(share: Share) -> float:
    return 0.0 if share.lost is None else share.lost.value


def suggest_first_look(errors: WordErrors) -> list[Sentence]:
    """Where to begin: the few utterances that hold half of the word errors."""
    counted = errors.concentration()
    if counted is None:
        return []
    total, ids = counted
    text = f"Half of the {total:,} word errors are in {len(ids):,} utterance{'s' * (len(ids) > 1)}."
    if len(ids) <= MAX_LINKED:
        return [Sentence(text, link_to_filter("Look there first", filter_by("id", *ids)))]
    return [Sentence(text, Link("Worst first", "#sort=wer"))]
