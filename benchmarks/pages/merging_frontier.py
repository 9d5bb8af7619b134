"""Which merge method is best on three domains, and are models of other initializations mergeable?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks.common.measurements import Measurements
from benchmarks.common.tables import format_interval, format_p_value, markdown_table, one_paragraph

PROTOCOL = """\
One translator (`packaged:multi30k-en-de`) is fine-tuned for 60 updates to each of three domains:
Tatoeba's everyday sentences, captions with German in lower case, captions whose English has typing errors
(600 pairs each). A method's parameter is chosen among the values of the module by the mean BLEU of the
three development sets (80 pairs each, beam 1); test sets are decoded once, beam 1. Differences are to the
plain mean (`linear`) on the same sentences, by paired bootstrap, Holm's correction over a table. Fisher
and RegMean read the 600 pairs that each model learned from."""
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
    """A table for each domain and seed, and the barrier; parts that were not measured are left out."""
    blocks = ["# Merging's frontier", f"{_result(measurements)}."]
    seeds = [name for name in measurements.parts if name.startswith("seed ")]
    if seeds:
        blocks += ["## Three domains", one_paragraph(PROTOCOL), _overview(measurements, seeds)]
    for seed in seeds:
        results = measurements[seed]
        rows = [
            [name, c["parameter"], f"{c['value']:g}"]
            for name, c in results["chosen"].items()
            if c["parameter"]
        ]
        blocks += [f"### {seed}", markdown_table(("method", "parameter", "chosen"), rows)]
        for domain, tests in results["domains"].items():
            blocks += [
                f"#### {domain}, {seed}",
                markdown_table(HEADER, [_baseline_row(tests), *map(_row, tests)]),
            ]
    if "voices" in measurements:
        blocks += ["## Whisper, two ways of speaking", one_paragraph(VOICES)]
        blocks += _voices(measurements["voices"])
    if "re-basin" in measurements:
        blocks += ["## Two initializations", one_paragraph(BARRIER), _barrier(measurements["re-basin"])]
    return "\n\n".join(blocks)


def _overview(measurements: Measurements, seeds: list[str]) -> str:
    """Mean BLEU of the three domains, by system and seed."""
    by_seed = [_mean_by_system(measurements[seed]["domains"]) for seed in seeds]
    means = _means(measurements, seeds)
    rows = [
        [system, f"{means[system]:.2f}", *(f"{own[system]:.2f}" for own in by_seed)]
        for system in sorted(means, key=lambda name: -means[name])
    ]
    title = "Mean BLEU of the three domains, the best system first:"
    return f"{title}\n\n{markdown_table(('system', 'mean', *seeds), rows)}"


def _means(measurements: Measurements, seeds: list[str]) -> dict[str, float]:
    by_seed = [_mean_by_system(measurements[seed]["domains"]) for seed in seeds]
    return {name: sum(own[name] for own in by_seed) / len(seeds) for name in by_seed[0]}


def _mean_by_system(domains: dict[str, list[dict[str, Any]]]) -> dict[str, float]:
    sums: dict[str, float] = {}
    for tests in domains.values():
        own = {test["system"]: test["value"] for test in tests}
        own[tests[0]["baseline"]] = tests[0]["value"] - tests[0]["difference"]
        for system, value in own.items():
            sums[system] = sums.get(system, 0.0) + value / len(domains)
    return sums


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


def _clearly_better(measurements: Measurements, seeds: list[str], merged: Mapping[str, float]) -> str:
    """Which methods are better than the plain mean on some domain, corrected."""
    better = sorted(
        {
            f"{test['system']} ({domain}, {seed})"
            for seed in seeds
            for domain, tests in measurements[seed]["domains"].items()
            for test in tests
            if test["system"] in merged and test["verdict"] == "better"
        }
    )
    return f"clearly better than it: {', '.join(better) or 'none, on no domain'}"


def _result(measurements: Measurements) -> str:
    seeds = [name for name in measurements.parts if name.startswith("seed ")]
    sentences = []
    if seeds:
        means = _means(measurements, seeds)
        merged = {name: value for name, value in means.items() if not name.startswith(("start", "tuned"))}
        best = max(merged, key=merged.__getitem__)
        sentences.append(
            f"Of {len(merged)} methods {best} has the highest mean over three domains: BLEU "
            f"{merged[best]:.2f}, the plain mean {merged['linear']:.2f} (means over {len(seeds)} seeds); "
            + _clearly_better(measurements, seeds, merged)
        )
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
