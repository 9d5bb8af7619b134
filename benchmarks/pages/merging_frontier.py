"""Which merge method is best on three domains, and are models of other initializations mergeable?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from benchmarks.common.measurements import Measurements
from benchmarks.common.tables import format_interval, format_p_value, markdown_table, one_paragraph
from benchmarks.common.text_statistics import read_statistics
from components.metrics.bootstrap import FloatArray
from components.metrics.null_distributions import correct_holm
from components.metrics.seed_bootstrap import ItemSums, TwoLevelEstimate, two_level_bootstrap
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
val each). All is recognized greedily; differences are to the plain mean on the same 100 captions of
test_2016_flickr, by paired bootstrap, Holm's correction over a table. Lower is better."""
BARRIER = """\
Cross-entropy of the references of 150 captions of val, in nats a token, of two models that were trained
alike from different random weights, of the mean of their weights, and of that mean after `git_rebasin`
has put the second model's units into the first one's order. The barrier is the loss above the two models'
mean loss."""


def page(measurements: Measurements) -> str:
    """Tables of the domains, of Whisper, and the barrier; parts that were not measured are left out."""
    blocks = ["# Merging's frontier", f"{_result(measurements)}."]
    if domains := Domains.read(measurements):
        protocol = PROTOCOL.format(seeds=len(domains.parameters), test=domains.size, resamples=RESAMPLES)
        blocks += ["## Three domains", one_paragraph(protocol), _domain_table(domains)]
        blocks += ["Parameters that were chosen, seed by seed:", _parameter_table(domains)]
    if "voices" in measurements:
        blocks += ["## Whisper, two ways of speaking", one_paragraph(VOICES)]
        blocks += _voices(measurements["voices"])
    if "re-basin" in measurements:
        blocks += ["## Two initializations", one_paragraph(BARRIER), _barrier(measurements["re-basin"])]
    return "\n\n".join(blocks)


class Domains:
    """BLEU's statistics of every seed on the three domains.

    Attributes:
        names: Of the domains.
        parameters: Those of the methods that were chosen, seed by seed.
        size: Pairs of each test set.
    """

    def __init__(self, seeds: Sequence[Mapping[str, Any]]) -> None:
        self.names = tuple(seeds[0]["statistics"])
        self.parameters = [seed["chosen"] for seed in seeds]
        tables = {d: [read_statistics(seed["statistics"][d]) for seed in seeds] for d in self.names}
        self._rows = {
            (domain, system): np.stack([own[system]["bleu"].rows for own in by_seed])
            for domain, by_seed in tables.items()
            for system in by_seed[0]
        }
        self.size = next(iter(self._rows.values())).shape[1]

    @classmethod
    def read(cls, measurements: Measurements) -> Domains | None:
        """Those that were measured; None without any."""
        seeds = [measurements[name] for name in measurements.parts if name.startswith("seed ")]
        return cls(seeds) if seeds else None

    @cached_property
    def systems(self) -> list[str]:
        """The best mean first."""
        names = {system for _, system in self._rows}
        return sorted(names, key=lambda name: (-float(self.scores(name).mean()), name))

    def scores(self, system: str, domains: Sequence[str] | None = None) -> FloatArray:
        """BLEU of each seed (seeds,), mean over domains."""
        bleu = get_metric("bleu")
        by_domain = [bleu.score(self._rows[domain, system].sum(1)) for domain in domains or self.names]
        return np.mean(by_domain, axis=0)

    def compare(self, domains: Sequence[str] | None = None) -> dict[str, Test]:
        """System -> its difference to the plain mean, mean over domains."""
        others = [system for system in self.systems if system != BASELINE]
        tests = [
            two_level_bootstrap(
                [
                    ItemSums(get_metric("bleu").score, self._rows[d, system], self._rows[d, BASELINE])
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
    header = ("system", "BLEU, mean of the domains", against)
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


def _voices(results: dict[str, Any]) -> list[str]:
    scales = ", ".join(
        f"{name} {own['value']:g}" for name, own in results["chosen"].items() if own["parameter"]
    )
    blocks = [f"`lambda` that was chosen: {scales}."]
    for name, tests in results["voices"].items():
        header = ("system", "WER, %", *HEADER[2:])
        blocks += [f"### {name}", markdown_table(header, [_baseline_row(tests), *map(_row, tests)])]
    return blocks


def _baseline_row(tests: list[dict[str, Any]]) -> list[str]:
    return [tests[0]["baseline"], f"{tests[0]['value'] - tests[0]['difference']:.2f}", "", "", ""]


HEADER = ("system", "BLEU", "difference", "95% interval", "p (Holm)")


def headline(measurements: Measurements) -> tuple[str, str]:
    """The row of the list of results."""
    return "Which merge method is best, and are models of other initializations mergeable?", _result(
        measurements
    )


def _row(test: dict[str, Any]) -> list[str]:
    interval = test["interval"]
    shown = format_interval(interval, "{:+.2f} to {:+.2f}")
    return [
        *(test["system"], f"{test['value']:.2f}", f"{test['difference']:+.2f}", shown),
        format_p_value(test["p_holm"]),
    ]


def _barrier(losses: dict[str, float]) -> str:
    middle = (losses["first"] + losses["second"]) / 2
    rows = [
        [name, f"{loss:.3f}", f"{loss - middle:+.3f}" if name.startswith("mean") else ""]
        for name, loss in losses.items()
    ]
    return markdown_table(("model", "nats a token", "barrier"), rows)


def _result_of_voices(voices: dict[str, list[dict[str, Any]]]) -> str:
    values = {name: {test["system"]: test["value"] for test in tests} for name, tests in voices.items()}
    means = [tests[0]["value"] - tests[0]["difference"] for tests in voices.values()]
    own = [row[f"tuned to {name}"] for name, row in values.items()]
    better = [
        f"{test['system']} ({name})"
        for name, tests in voices.items()
        for test in tests
        if test["verdict"] == "better" and not test["system"].startswith("tuned")
    ]
    start, mean, tuned = (
        " and ".join(f"{value:.1f}" for value in row)
        for row in ([row["start"] for row in values.values()], means, own)
    )
    return (
        f"The plain mean of Whisper tiny.en fine-tuned to {' and to '.join(voices)} has a WER of {mean} "
        f"there (before {start}, each model on its own {tuned}); clearly better than it: "
        f"{', '.join(better) or 'none'}"
    )


def _is_method(system: str) -> bool:
    return not system.startswith(("start", "tuned"))


def _result_of_domains(domains: Domains) -> str:
    merged = [system for system in domains.systems if _is_method(system)]
    parts = {"the mean of the domains": domains.compare()}
    parts |= {domain: domains.compare([domain]) for domain in domains.names}
    better = [
        f"{system} ({name})"
        for name, tests in parts.items()
        for system, (test, p) in tests.items()
        if _is_method(system) and p is not None and p < 0.05 and test.difference > 0
    ]
    best, mean = (float(domains.scores(system).mean()) for system in (merged[0], BASELINE))
    return (
        f"Of {len(merged)} methods {merged[0]} has the highest mean over three domains: BLEU {best:.2f}, the "
        f"plain mean {mean:.2f} (means over {len(domains.parameters)} seeds); clearly better than it: "
        f"{', '.join(better) or 'none, on no domain'}"
    )


def _result(measurements: Measurements) -> str:
    sentences = []
    if domains := Domains.read(measurements):
        sentences.append(_result_of_domains(domains))
    if "voices" in measurements:
        sentences.append(_result_of_voices(measurements["voices"]["voices"]))
    if "re-basin" in measurements:
        losses = measurements["re-basin"]
        middle = (losses["first"] + losses["second"]) / 2
        plain, matched = losses["mean"] - middle, losses["mean of matched"] - middle
        sentences.append(
            f"The mean of two translators of different initializations loses {plain:.2f} nats a token "
            f"against the two; after Git Re-Basin {matched:.2f}"
        )
    return ". ".join(sentences)
