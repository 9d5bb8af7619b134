"""What does routing by a confidence gain?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from benchmarks.common.measurements import Measurements
from benchmarks.common.tables import format_share, markdown_table, one_paragraph
from benchmarks.pages.page import Page
from components.metrics.statistics.bootstrap import FloatArray
from components.metrics.table import get_metric
from components.routing.cost_quality import find_cuts, trace_curve
from components.routing.guarantee import bound_share_of_all
from components.routing.rung_outputs import RungOutputs

SHARE = 0.3
"""The share that escalates in the tables."""
RISK, CONFIDENCE, BAD_WER = 0.1, 0.95, 0.2
SPLITS, CALIBRATION = 1000, 500
RESAMPLES, _PER_BATCH, SEED = 2000, 250, 21
TITLES = {
    "tiny.en to base": "Whisper tiny.en, the doubtful ones to base",
    "greedy to ensemble": "Greedy translation, the doubtful ones to an ensemble",
}
GUARANTEE = """\
`guarantee: {{risk: {risk}, confidence: {confidence}, bad: "wer > {bad}"}}`: at most {risk:.0%} of all
utterances stay with tiny.en although more than {bad:.0%} of their words are wrong. {splits:,} times the
captions are drawn in another order, each in one of its three versions; the threshold is learned on
{calibration} of them. The signal is expected WER ({signal}). The guarantee is about the population that the
development data are drawn from: here all recordings. On the recordings of the captions that were not drawn it
is seen through a second sample, which has too many bad ones just where the first had too few, so that the
share of splits in which it is seen to hold is lower."""


class Study(NamedTuple):
    """What was measured, and what the guarantee gave."""

    measurements: Measurements
    recordings: Mapping[str, Any]
    verification: Verification

    @classmethod
    def read(cls, measurements: Measurements) -> Study:
        """Take the recordings and verify their guarantee."""
        recordings = measurements["tiny.en to base"]
        return cls(measurements, recordings, verify_guarantee(recordings, best_signal(recordings)))


def _blocks(study: Study) -> list[str]:
    """Both pairs of rungs, then the guarantee."""
    escalated = ("cheap", f"{SHARE:.0%} escalated", "all escalated")
    header = ["signal", *escalated, "gained", "random", "oracle", "area"]
    blocks = []
    for part, title in TITLES.items():
        if part in study.measurements:
            results = study.measurements[part]
            rows = [_row(name, results) for name in results["doubts"]]
            n = f"{len(results['groups']):,} of {results['n_total']:,} utterances"
            n += f"; {results['metric']} of the corpus."
            blocks += [f"## {title}", n, markdown_table(header, rows)]
    return [*blocks, "## The guarantee", *_guarantee(study.recordings, study.verification)]


def _result(study: Study) -> str:
    low, value, high = gained_shares(study.recordings, best_signal(study.recordings))
    of_all, of_others = study.verification.count_held()
    return (
        f"With {SHARE:.0%} of the recordings sent from tiny.en to base, {value:.0%} ({low:.0%} to "
        f"{high:.0%}) of what base gains is gained; a guarantee of {CONFIDENCE:.0%} held in "
        f"{of_all / SPLITS:.1%} of {SPLITS:,} splits ({of_others / SPLITS:.1%} on what was not drawn)."
    )


def best_signal(results: Mapping[str, Any]) -> str:
    """The calibrated signal that the tables begin with: the first of the methods."""
    return next(name for name in results["doubts"] if name != "log-probability")


def outputs_of(results: Mapping[str, Any]) -> RungOutputs:
    """The statistics of both rungs."""
    cheap, expensive = np.asarray(results["cheap"]), np.asarray(results["expensive"])
    return RungOutputs(get_metric(results["metric"]), cheap, expensive)


def gained_shares(results: Mapping[str, Any], signal: str) -> tuple[float, float, float]:
    """Low end, value and high end of the gained share at :data:`SHARE`, over resampled captions."""
    outputs, doubts = outputs_of(results), np.asarray(results["doubts"][signal])
    groups = np.unique(np.asarray(results["groups"]), return_inverse=True)[1]
    n_groups = int(groups.max()) + 1
    rng = np.random.default_rng(SEED)
    resampled = []
    for _ in range(RESAMPLES // _PER_BATCH):
        drawn = rng.integers(0, n_groups, (_PER_BATCH, n_groups))
        counts = np.stack([np.bincount(row, minlength=n_groups) for row in drawn])
        resampled.append(_gained(outputs, doubts, counts[:, groups].astype(float)))
    low, high = np.percentile(np.concatenate(resampled), (2.5, 97.5))
    return float(low), float(_gained(outputs, doubts, np.ones((1, len(groups))))[0]), float(high)


def _gained(outputs: RungOutputs, doubts: FloatArray, weights: FloatArray) -> FloatArray:
    """The gained share (resamples,) where utterances count as often as ``weights`` (resamples, n) say."""
    order = np.argsort(-doubts, kind="stable")
    escalates = np.empty(weights.shape, bool)
    escalates[:, order] = np.cumsum(weights[:, order], axis=1) <= SHARE * weights.sum(1, keepdims=True)
    sums = weights @ outputs.cheap
    cheap, mixed, expensive = (
        outputs.metric.score(rows)
        for rows in (sums, sums + (weights * escalates) @ outputs.changes, sums + weights @ outputs.changes)
    )
    return np.asarray((mixed - cheap) / (expensive - cheap))


def _row(name: str, results: Mapping[str, Any]) -> list[str]:
    outputs = outputs_of(results)
    curve = trace_curve(find_cuts(np.asarray(results["doubts"][name])), outputs)
    point = min(curve.points, key=lambda each: abs(each.share - SHARE))
    cheap, expensive = curve.ends
    low, value, high = gained_shares(results, name)

    def share(quality: float) -> str:
        return f"{(quality - cheap) / (expensive - cheap):.0%}"

    random = sorted((share(end) for end in point.band), key=lambda text: float(text[:-1]))
    return [
        _plain(name),
        f"{cheap:.2f}",
        f"{point.quality:.2f}",
        f"{expensive:.2f}",
        f"{value:.0%} ({low:.0%} to {high:.0%})",
        f"{share(point.random)} ({random[0]} to {random[1]})",
        share(point.oracle),
        "" if curve.area is None else f"{curve.area:.2f}",
    ]


class Verification(NamedTuple):
    """What a guarantee gave in every split: shares of recordings that stay and are bad, and that stay."""

    of_all: FloatArray
    of_others: FloatArray
    stayed: FloatArray

    def count_held(self) -> tuple[int, int]:
        """Splits in which the limit held among all recordings, and among those that were not drawn."""
        return int((self.of_all <= RISK).sum()), int((self.of_others <= RISK).sum())


def verify_guarantee(results: Mapping[str, Any], signal: str) -> Verification:
    """Learn the threshold on captions that are drawn, and look at the others and at all."""
    doubts, counts = np.asarray(results["doubts"][signal]), np.asarray(results["cheap"])
    bad = get_metric("wer").score(counts) > 100 * BAD_WER
    groups = np.unique(np.asarray(results["groups"]), return_inverse=True)[1]
    versions = np.argsort(groups, kind="stable").reshape(int(groups.max()) + 1, -1)
    rng = np.random.default_rng(SEED)
    rows = []
    for _ in range(SPLITS):
        shuffled = rng.permutation(len(versions))
        own = versions[shuffled[:CALIBRATION], rng.integers(0, versions.shape[1], CALIBRATION)]
        cuts = find_cuts(doubts[own])
        size = bound_share_of_all(cuts, bad[own], RISK, CONFIDENCE)
        threshold = -np.inf if size is None else doubts[own][cuts.order[size - 1]] if size else np.inf
        stays = doubts < threshold
        others = np.isin(groups, shuffled[CALIBRATION:])
        rows.append([(stays & bad).mean(), (stays & bad)[others].mean(), stays.mean()])
    return Verification(*np.asarray(rows).T)


def _guarantee(results: Mapping[str, Any], verification: Verification) -> list[str]:
    of_all, of_others = verification.count_held()
    settings = {
        "risk": RISK,
        "confidence": CONFIDENCE,
        "bad": BAD_WER,
        "splits": SPLITS,
        "calibration": CALIBRATION,
        "signal": _plain(best_signal(results)),
    }
    rows = [
        ["all recordings", format_share(of_all, SPLITS), *_mean_and_most(verification.of_all)],
        ["those not drawn", format_share(of_others, SPLITS), *_mean_and_most(verification.of_others)],
    ]
    header = ["risk of", "splits in which the limit held", "mean risk", "largest"]
    stayed = f"{verification.stayed.mean():.0%} of the recordings stayed with tiny.en."
    return [one_paragraph(GUARANTEE.format(**settings)), markdown_table(header, rows), stayed]


def _mean_and_most(risks: FloatArray) -> list[str]:
    return [f"{risks.mean():.1%}", f"{risks.max():.1%}"]


def _plain(name: str) -> str:
    return name.replace("_", " ")


PAGES = {
    "routing": Page(
        title="Routing by confidence",
        question="What does routing by a confidence gain?",
        read=Study.read,
        facts=lambda study: {"share": SHARE},
        result=_result,
        text="""\
**{result}**

Speech: the 1,000 captions of test_2016_flickr, spoken by two voices of Festival Lite in turn, each
without noise and with pink noise at 10 and 5 dB. Text: the same captions; the ensemble is the packaged
model with seeds 1 and 5 of `python -m benchmarks.claims run seeds`. Estimators (expected WER, expected
chrF) were fitted on val: 300 captions spoken in the same way; its 1,014 texts. *Gained*: the share of
what escalating everything gains, at {share:.0%} escalated, the most doubtful by the number first; in
brackets 95% of 2,000 resamples of captions. *Random*: the same share drawn at random, 95% of 1,000 draws.
*Area*: between the curve and random routing, as a share of that between an oracle that knows the gains
and random.""",
        blocks=_blocks,
    ),
}
"""Page -> its row."""
