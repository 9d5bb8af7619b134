"""Which merge method is best on three domains, and are models of other initializations mergeable?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from benchmarks.common.measurements import Measurements
from benchmarks.common.tables import format_interval, format_p_value, markdown_table, one_paragraph
from benchmarks.common.text_statistics import read_statistics
from benchmarks.pages.merged_pairs import Pairs
from benchmarks.pages.page import Page
from components.metrics.statistics.bootstrap import FloatArray
from components.metrics.statistics.null_distributions import correct_holm
from components.metrics.statistics.seed_bootstrap import ItemSums, TwoLevelEstimate, two_level_bootstrap
from components.metrics.table import get_metric

RESAMPLES = 2000
BASELINE = "linear"
Test = tuple[TwoLevelEstimate, float | None]
"""A difference, and its p after Holm's correction."""
PROTOCOL = """\
One translator (`packaged:multi30k-en-de`) is fine-tuned for 60 updates to each of three domains:
Tatoeba's everyday sentences, captions with German in lower case, captions whose English has typing errors
(600 pairs each). A method's parameter is chosen among the values of the module by the mean BLEU of the
three development sets (80 pairs each, beam 1); test sets ({test} pairs each) are decoded once, beam 1. Scores
are means over the {seeds} seeds of the fine-tunings (and their range). Differences are to the plain mean
(`linear`) of the same seed on the same sentences, with 95% intervals over seeds and sentences together
({resamples:,} resamples), p by Holm over a column. Fisher and RegMean read the 600 pairs that each model
learned from."""
VOICES = """\
Whisper tiny.en is fine-tuned for 40 updates of 4 recordings to each of two ways of speaking: captions by
espeak-ng's voice en-us, and captions by flite's voice rms in white noise at 5 dB (160 captions of Multi30k's
train each, others for each). `lambda` is 0.5 or 1, by the mean WER of two development sets (40 captions of
val each). All is recognized greedily; {test} captions of test_2016_flickr for each way. WER, means over
{seeds} seeds of the fine-tunings (and their range); differences and p as above. Lower is better."""


def _blocks(measurements: Measurements) -> list[str]:
    """Tables of the domains, of Whisper, and the barrier; parts that were not measured are left out."""
    blocks = []
    for title, protocol, domains in (
        ("Three domains", PROTOCOL, Domains.read(measurements)),
        ("Whisper, two ways of speaking", VOICES, Domains.read(measurements, "voices", "wer")),
    ):
        if domains:
            sizes = {"seeds": len(domains.parameters), "test": domains.size, "resamples": RESAMPLES}
            blocks += [f"## {title}", one_paragraph(protocol.format(**sizes)), _domain_table(domains)]
            blocks += ["Parameters that were chosen, seed by seed:", _parameter_table(domains)]
    if pairs := Pairs.read(measurements):
        blocks += ["## Other initializations", pairs.protocol, pairs.table()]
    return blocks


class Domains:
    """A metric's statistics of every seed on several domains.

    Attributes:
        metric: BLEU, or the WER.
        names: Of the domains.
        parameters: Those of the methods that were chosen, seed by seed.
        size: Pairs of each test set.
    """

    def __init__(self, seeds: Sequence[Mapping[str, Any]], metric: str) -> None:
        self.metric = get_metric(metric)
        self.names = tuple(seeds[0]["statistics"])
        self.parameters = [seed["chosen"] for seed in seeds]
        tables = {d: [read_statistics(seed["statistics"][d]) for seed in seeds] for d in self.names}
        self._rows = {
            (domain, system): np.stack([own[system][metric].rows for own in by_seed])
            for domain, by_seed in tables.items()
            for system in by_seed[0]
        }
        self.size = next(iter(self._rows.values())).shape[1]

    @classmethod
    def read(cls, measurements: Measurements, part: str = "seed", metric: str = "bleu") -> Domains | None:
        """Those that were measured, by parts ``part`` 1, 2 ...; None without any."""
        seeds = [measurements[name] for name in measurements.parts if name.startswith(f"{part} ")]
        return cls(seeds, metric) if seeds else None

    @cached_property
    def systems(self) -> list[str]:
        """The best mean first."""
        names = {system for _, system in self._rows}
        sign = -1 if self.metric.higher_is_better else 1
        return sorted(names, key=lambda name: (sign * float(self.scores(name).mean()), name))

    def scores(self, system: str, domains: Sequence[str] | None = None) -> FloatArray:
        """Score of each seed (seeds,), mean over domains."""
        by_domain = [self.metric.score(self._rows[domain, system].sum(1)) for domain in domains or self.names]
        return np.mean(by_domain, axis=0)

    def compare(self, domains: Sequence[str] | None = None) -> dict[str, Test]:
        """System -> its difference to the plain mean, mean over domains."""
        others = [system for system in self.systems if system != BASELINE]
        tests = [
            two_level_bootstrap(
                [
                    ItemSums(self.metric.score, self._rows[d, system], self._rows[d, BASELINE])
                    for d in domains or self.names
                ],
                resamples=RESAMPLES,
            )
            for system in others
        ]
        corrected = correct_holm([test.p for test in tests])
        return dict(zip(others, zip(tests, corrected, strict=True), strict=True))


def _domain_table(domains: Domains) -> str:
    columns = [domains.compare(), *(domains.compare([domain]) for domain in domains.names)]
    parts = [None, *([domain] for domain in domains.names)]
    rows = []
    for system in domains.systems:
        cells = [system]
        for part, tests in zip(parts, columns, strict=True):
            scores = domains.scores(system, part)
            cells += [f"{scores.mean():.2f} ({scores.min():.1f} to {scores.max():.1f})"]
            cells += [_cell(*tests[system]) if system in tests else ""]
        rows.append(cells)
    against = "against the mean"
    mean = f"{domains.metric.label}, mean of the domains"
    header = ("system", mean, against)
    return markdown_table((*header, *(c for d in domains.names for c in (d, against))), rows)


def _cell(test: TwoLevelEstimate, p: float | None) -> str:
    interval = format_interval(test.interval, " ({:+.2f} to {:+.2f})")
    return f"{test.difference:+.2f}{interval}, p {format_p_value(p)}"


def _parameter_table(domains: Domains) -> str:
    rows = [
        [name, own["parameter"], *(f"{by_method[name]['value']:g}" for by_method in domains.parameters)]
        for name, own in domains.parameters[0].items()
        if own["parameter"]
    ]
    seeds = (f"seed {n}" for n in range(1, len(domains.parameters) + 1))
    return markdown_table(("method", "parameter", *seeds), rows)


def _is_method(system: str) -> bool:
    return not system.startswith(("start", "tuned"))


def _better_than_mean(domains: Domains) -> str:
    """The methods that are told from the plain mean, for the better, and where."""
    parts = {"the mean of all": domains.compare()}
    parts |= {domain: domains.compare([domain]) for domain in domains.names}
    better = [
        f"{system} ({name})"
        for name, tests in parts.items()
        for system, (test, p) in tests.items()
        if _is_method(system) and p is not None and p < 0.05
        if (test.difference > 0) == domains.metric.higher_is_better
    ]
    return ", ".join(better) or "none"


def _result_of_domains(domains: Domains) -> str:
    merged = [system for system in domains.systems if _is_method(system)]
    best, mean = (float(domains.scores(system).mean()) for system in (merged[0], BASELINE))
    return (
        f"Of {len(merged)} methods {merged[0]} has the highest mean over three domains: BLEU {best:.2f}, the "
        f"plain mean {mean:.2f} (means over {len(domains.parameters)} seeds); clearly better than it: "
        f"{_better_than_mean(domains)}"
    )


def _result_of_voices(domains: Domains) -> str:
    mean, start, tuned = (
        " and ".join(f"{domains.scores(system.format(v), [v]).mean():.1f}" for v in domains.names)
        for system in (BASELINE, "start", "tuned to {}")
    )
    return (
        f"The plain mean of Whisper tiny.en fine-tuned to {' and to '.join(domains.names)} has a WER of "
        f"{mean} there (before {start}, each model on its own {tuned}; means over "
        f"{len(domains.parameters)} seeds); clearly better than it: {_better_than_mean(domains)}"
    )


def _result(measurements: Measurements) -> str:
    sentences = []
    if domains := Domains.read(measurements):
        sentences.append(_result_of_domains(domains))
    if voices := Domains.read(measurements, "voices", "wer"):
        sentences.append(_result_of_voices(voices))
    if pairs := Pairs.read(measurements):
        sentences.append(pairs.result())
    return ". ".join(sentences)


PAGES = {
    "merging-frontier": Page(
        title="Merging's frontier",
        question="Which merge method is best, and are models of other initializations mergeable?",
        result=_result,
        text="{result}.",
        blocks=_blocks,
    ),
}
"""Page -> its row."""
