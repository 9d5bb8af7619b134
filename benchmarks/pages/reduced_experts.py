"""How much quality is left with fewer experts, and does a measure of importance beat chance?"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.common.measurements import Measurements
from benchmarks.common.tables import format_interval, format_p_value, markdown_table, one_paragraph
from benchmarks.pages.page import Page
from benchmarks.quality.reduced_experts.domains import SENTENCES, TEST, VAL
from benchmarks.quality.reduced_experts.graph import DRAWS, EXPERTS, KEPT, METHODS, TOP_K, TRANSLATED, WHOLE
from benchmarks.quality.reduced_experts.study import MEASURES, RESAMPLES, Metric, Study
from components.experts.reducing.clusters import RANDOM
from components.experts.routing_plots import shorten_layer_name
from components.metrics.statistics.bootstrap import Estimate
from components.metrics.statistics.null_distributions import correct_holm
from components.metrics.statistics.seed_bootstrap import TwoLevelEstimate

PICTURE = "reduced-experts.png"
HALF = EXPERTS // 2
LIMITS = """\
One small model, upcycled so that each expert has a twin that began alike and can take over much of what
it did, and far from converged on sentences. Few seeds say little about the spread of seeds: the 95%
intervals of three cover 92 to 98% (docs/evaluation/comparing.md). Nothing here is a verdict on models of
billions of parameters, for which these measures were made."""
SYSTEMS = (*METHODS, RANDOM)
METRICS: dict[Metric, str] = {
    "loss": f"loss above that of all {EXPERTS}, nats a token",
    "bleu": f"BLEU above that of all {EXPERTS}",
}
"""Metric -> what its axis shows."""
RANKS = """\
Spearman's correlation of what val says with what the test set loses (its first {texts} texts), 0 being
chance. *Single experts*: the {experts} experts of a layer, each removed alone; mean over {layers} layers,
which are resampled. *Random halves*: {halves} random choices of {half} experts in every layer of each seed,
by the importance of what is removed, summed (all but knock-out as shares of their layer); the choices are
resampled. *REAP times frequency*, gate times norm summed over the tokens, was looked at afterward."""
DIFFER = """\
*Cosine*: of the outputs of two experts for the same tokens, mean over pairs; *of twins*: of the two that
began as one dense model's block. *Domain*: mutual information of expert and domain over the entropy of
the domains, 0 to 1. *Matter*: of the experts of all seeds, those without which the likelihood of val
falls beyond its 95% interval. Means over seeds."""


def _facts(study: Study) -> dict[str, int]:
    counts: dict[str, int] = {"sentences": SENTENCES, "experts": EXPERTS, "top_k": TOP_K}
    counts |= {"val": VAL * len(study.domains), "test": TEST * len(study.domains), "draws": DRAWS}
    return counts | {"steps": study.seeds[0]["steps"], "seeds": len(study.seeds), "resamples": RESAMPLES}


def _blocks(study: Study) -> list[str]:
    """The curve, the comparison with chance, domains, and what importance foretells."""
    halves, texts = np.shape([each["log_likelihoods"] for each in study.seeds[0]["subsets"]])
    layers = len(study.seeds) * len(study.seeds[0]["trace"])
    ranks = RANKS.format(experts=EXPERTS, layers=layers, halves=halves, half=HALF, texts=texts)
    return [
        f"![loss and BLEU by experts kept]({PICTURE})",
        "Bars are the intervals of the tables; those of *random* are left out.",
        "## Do the experts differ?",
        one_paragraph(DIFFER),
        _layer_table(study),
        "## Loss above that of all experts, nats a token",
        _curve_table(study, "loss", KEPT, "{:+.3f}"),
        "## BLEU, and its difference from that of all experts",
        _curve_table(study, "bleu", TRANSLATED, "{:+.2f}"),
        "## Against random removal",
        "Loss less that of random removal of as many, nats a token; below zero is better. p, by Holm "
        f"over the {len(METHODS)} methods, is of {HALF} experts kept, the comparison that was stated "
        "before.",
        _chance_table(study),
        _halves(study),
        _tokens(study),
        f"## Domains, {HALF} experts kept",
        f"Loss (nats a token) and BLEU of all {EXPERTS}, then the loss above it of fewer.",
        _domain_table(study),
        "## Does importance foretell what removing costs?",
        one_paragraph(ranks),
        _rank_table(study),
        "## Limits",
        one_paragraph(LIMITS),
    ]


def draw(measurements: Measurements, folder: Path) -> None:
    """Loss and BLEU by experts kept, a line for each method."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    study = _study(measurements)
    figure, panels = pyplot.subplots(1, 2, figsize=(9.5, 4))
    for axes, (metric, title) in zip(panels, METRICS.items(), strict=True):
        numbers = KEPT if metric == "loss" else TRANSLATED
        for shift, system in zip(np.linspace(-0.14, 0.14, len(SYSTEMS)), SYSTEMS, strict=True):
            estimates = [study.compare(metric, f"{system} {keep}", WHOLE) for keep in numbers]
            values = np.array([e.difference for e in estimates])
            ends = np.array([e.interval or (e.difference, e.difference) for e in estimates]).T
            if system == RANDOM:
                axes.plot(numbers, values, ".:", color="0.6", label=system)
                continue
            axes.errorbar(
                np.array(numbers) + shift, values, abs(ends - values), marker=".", capsize=2, label=system
            )
        axes.axhline(0, color="0.8", linewidth=0.8)
        axes.set(xlabel="experts kept in every layer", ylabel=title, xticks=numbers)
        axes.invert_xaxis()
    panels[0].legend()
    figure.tight_layout()
    figure.savefig(folder / PICTURE, dpi=120, metadata={"Software": None})
    pyplot.close(figure)


def _study(measurements: Measurements) -> Study:
    names = [name for name in measurements.parts if name.startswith("seed ")]
    return Study([measurements[name] for name in names])


def _layer_table(study: Study) -> str:
    n = EXPERTS * len(study.seeds)
    rows = [
        [
            shorten_layer_name(layer.name),
            *(f"{value:.2f}" for value in (layer.similarity, layer.twins, layer.domain)),
            f"{layer.matter} of {n}",
        ]
        for layer in study.layers()
    ]
    return markdown_table(("layer", "cosine", "of twins", "domain", "matter"), rows)


def _curve_table(study: Study, metric: Metric, kept: Sequence[int], pattern: str) -> str:
    parameters = study.seeds[0]["parameters"]
    whole = study.compare(metric, WHOLE, WHOLE).values
    digits = 3 if metric == "loss" else 2
    first = [str(EXPERTS), f"{parameters[WHOLE] / 1e6:.1f} M", f"{np.mean(whole):.{digits}f}"]
    rows = [[*first, *[""] * (len(SYSTEMS) - 1)]]
    for keep in kept:
        estimates = [study.compare(metric, f"{system} {keep}", WHOLE) for system in SYSTEMS]
        size = f"{parameters[f'REAP {keep}'] / 1e6:.1f} M"
        rows.append([str(keep), size, *(_cell(estimate, pattern) for estimate in estimates)])
    return markdown_table(("kept", "parameters", *SYSTEMS), rows)


def _chance_table(study: Study) -> str:
    rows = []
    for keep in KEPT:
        estimates = [study.compare("loss", f"{method} {keep}", f"{RANDOM} {keep}") for method in METHODS]
        p_values = correct_holm([e.p for e in estimates]) if keep == HALF else [None] * len(estimates)
        cells = []
        for estimate, p in zip(estimates, p_values, strict=True):
            cell = _cell(estimate, "{:+.3f}")
            cells.append(f"{cell}, p {format_p_value(p)}" if keep == HALF else cell)
        rows.append([str(keep), *cells])
    return markdown_table(("kept", *METHODS), rows)


def _halves(study: Study) -> str:
    n = len(study.seeds[0]["subsets"])
    counts = {name: study.random_halves_that_cost_less(f"{name} {HALF}") for name in METHODS}
    listed = "; ".join(f"{name} {', '.join(map(str, by_seed))}" for name, by_seed in counts.items())
    return f"Of {n} further random halves, these cost less on the same texts, seed by seed: {listed}."


def _tokens(study: Study) -> str:
    shares = ", ".join(f"{name} {share:.0%}" for name, share in study.token_shares().items())
    return f"Importance is measured by tokens, of which the domains have in val: {shares}."


def _domain_table(study: Study) -> str:
    rows = []
    for domain in study.domains:
        estimates = [study.compare("loss", f"{name} {HALF}", WHOLE, (domain,)) for name in SYSTEMS]
        loss, bleu = (np.mean(study.compare(m, WHOLE, WHOLE, (domain,)).values) for m in METRICS)
        first = [domain, f"{loss:.3f}", f"{bleu:.1f}"]
        rows.append([*first, *(_cell(estimate, "{:+.3f}") for estimate in estimates)])
    return markdown_table(("domain", "loss", "BLEU", *SYSTEMS), rows)


def _rank_table(study: Study) -> str:
    rows = [[name, _estimate(study.agreement(name)), _estimate(study.foresight(name))] for name in MEASURES]
    return markdown_table(("importance on val by", "single experts", "random halves"), rows)


def _cell(estimate: TwoLevelEstimate, pattern: str) -> str:
    """A difference with its interval, and what would have been seen where that holds zero."""
    interval = format_interval(estimate.interval, f" ({pattern} to {pattern})")
    low, high = estimate.interval or (0.0, 0.0)
    seen = f", seen {pattern.replace('+', '').format(estimate.detectable)}" if low <= 0 <= high else ""
    return pattern.format(estimate.difference) + interval + seen


def _estimate(estimate: Estimate) -> str:
    return f"{estimate.value:.2f}{format_interval(estimate.interval, ' ({:.2f} to {:.2f})')}"


def _result(study: Study) -> str:
    whole = float(np.mean(study.compare("loss", WHOLE, WHOLE).values))
    costs = {name: study.compare("loss", f"{name} {HALF}", WHOLE).difference for name in SYSTEMS}
    listed = ", ".join(f"{cost:.3f} {_WORDS[name]}" for name, cost in costs.items())
    alone, summed = study.agreement("knock-out"), study.foresight("knock-out")
    return (
        f"Without {EXPERTS - HALF} of the {EXPERTS} experts of every layer a translator of four domains "
        f"loses {listed} (nats a token, of {whole:.2f}); {_better_than_chance(study)}. What val loses "
        "without an expert foretells what the test set loses without it with a rank correlation of "
        f"{_estimate(alone)} within a layer, and without a random half of all experts, summed, of "
        f"{_estimate(summed)}."
    )


_WORDS = {"REAP": "by REAP", "frequency": "by frequency", "knock-out": "by knock-out"}
_WORDS |= {"merged": "where alike ones are merged", RANDOM: "at random"}


def _better_than_chance(study: Study) -> str:
    tests = {name: study.compare("loss", f"{name} {HALF}", f"{RANDOM} {HALF}") for name in METHODS}
    p_values = dict(zip(tests, correct_holm([test.p for test in tests.values()]), strict=True))
    clear = [name for name, p in p_values.items() if p is not None and p < 0.05]
    groups = {
        "better than chance": [name for name in clear if tests[name].difference < 0],
        "worse than chance": [name for name in clear if tests[name].difference > 0],
        "not told from chance": [name for name in tests if name not in clear],
    }
    return "; ".join(f"{verdict}: {', '.join(names)}" for verdict, names in groups.items() if names)


PAGES = {
    "reduced-experts": Page(
        title="Quality against experts removed",
        question="What is lost with fewer experts, and does measured importance beat chance?",
        read=_study,
        facts=_facts,
        result=_result,
        text="""\
**{result}**

`packaged:multi30k-en-de` (6.3 million parameters, 3+3 layers) and three models that were fine-tuned from
it (to captions from German to English, to Tatoeba's everyday sentences, {sentences} pairs, and to these
the other way) become {experts} experts in every layer, each model two, of which {top_k} compute a token;
routers begin with texts of the four domains, and the model is trained on all of them for {steps} updates
with each of {seeds} seeds (the dense models are shared). Importance is measured on {val} pairs of val,
quality on {test} other pairs, as many of each domain: cross-entropy of the references (nats a token) and
BLEU of greedy translations (cased, 13a), means over domains. *REAP*, *frequency* (of use) and
*knock-out* keep the experts of each layer that have the most of it, *merged* makes alike ones one,
*random* is {draws} draws of each seed; nothing is trained afterward. Differences are on the same texts,
with 95% intervals over seeds and texts together ({resamples:,} resamples); where that holds zero, "seen"
is the smallest true difference that such a test finds in 80% of cases.""",
        blocks=_blocks,
        draw=draw,
    ),
}
"""Page -> its row."""
