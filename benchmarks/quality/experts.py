"""An expert model against dense ones, on three target languages at once: trainings, scores, routers.

Every model that is missing in --work is trained first (one thread, resumable): the budgets are in MODELS.
"""

# ruff: noqa: E501 - the prose of the report
from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from benchmarks.common.paths import RESULTS
from benchmarks.common.tables import format_interval, format_p_value
from components import data
from components.experts import multilingual, routing_stats
from components.experts.config import ExpertsConfig
from components.experts.multilingual_learner import MultilingualLearner
from components.experts.routing_plots import shorten_layer_name
from components.experts.routing_stats import LayerRoutingStats
from components.experts.sample_batches import Sample
from components.metrics.significance import translation_tests
from components.metrics.translation import translation_scores
from components.models import resolve
from components.models.loading import load_transformers
from components.models.weights import count_parameters
from components.records import NBest
from components.training.trainer import train
from components.translation.config import TranslationConfig
from components.translation.factory import build

OUT = RESULTS / "experts.md"
LANGUAGES = ("de", "fr", "cs")
COMMON: dict[str, Any] = {
    "data": "multi30k:train",
    "dev": "multi30k:val",
    "num_layers": 2,
    "vocab_size": 5000,
    "dropout": 0.1,
    "batch_tokens": 1200,
    "eval_every": 250,
    "eval_sentences": 150,
    "average_checkpoints": 2,
    "patience": 1000,
    "max_steps": 1000,
    "seed": 1,
}
EXPERTS = {"num_experts": 8, "ffn_dim": 256}
MODELS: dict[str, dict[str, Any]] = {
    "dense-active": {"num_experts": 0, "ffn_dim": 512},
    "dense-total": {"num_experts": 0, "ffn_dim": 2048, "learning_rate": 0.001, "warmup_steps": 400},
    "experts": EXPERTS,
    "base": {"num_experts": 0, "ffn_dim": 256, "max_steps": 500},
    "upcycled": {
        **EXPERTS,
        "init_from": "base",
        "max_steps": 500,
        "warmup_steps": 100,
        "learning_rate": 0.001,
    },
    "unbalanced": {**EXPERTS, "balance_loss": "none", "max_steps": 500},
}
"""What differs from COMMON. ``base`` is only there to be upcycled; ``unbalanced`` stops at 500 updates."""


def train_missing(name: str, work: Path, missing: bool) -> Path | None:
    """The folder of a model, trained if it is missing and that is asked for."""
    folder = work / name
    if not (folder / "model" / "config.json").is_file():
        if not missing:
            return None
        settings = {**COMMON, **MODELS[name]}
        if "start" in settings:
            settings["start"] = str(train_missing(settings["start"], work, missing))
        train(ExpertsConfig.model_validate(settings), folder, lambda row: print(row), MultilingualLearner)
    return folder / "model"


def translate(folder: Path, source: str, limit: int | None) -> dict[str, dict[str, str]]:
    """Best translations by language and utterance id, beam 5 of our decoder."""
    translator = build(
        TranslationConfig(model=str(folder), beam_size=5, n_best=1, batch_size=64, device="cpu")
    )
    translations: dict[str, dict[str, str]] = {}
    for language in LANGUAGES:
        utterances = data.load(source, target_language=language, limit=limit).utterances
        requests = [u.model_copy(update={"target_language": language}) for u in utterances]
        outcomes = translator.translate(requests)
        translations[language] = {o.utterance_id: o.best.text for o in outcomes if isinstance(o, NBest)}
    return translations


def observe_routers(folder: Path, source: str, limit: int) -> dict[str, LayerRoutingStats]:
    """What the routers do with references of a data set."""
    model, tokenizer = load_transformers(resolve(str(folder)), "seq2seq")
    corpus = multilingual.read(source, "en", LANGUAGES, limit)
    samples = [
        Sample(f"{language}-{n}", language, *pair)
        for language, rows in corpus.pairs.items()
        for n, pair in enumerate(rows)
    ]
    counters = routing_stats.empty_stats_of(model, LANGUAGES)
    for _ in routing_stats.observe_routing(model, tokenizer, samples, counters):
        pass
    return counters.summarize()


def score_table(
    texts: Mapping[str, Mapping[str, Mapping[str, str]]], source: str, limit: int | None
) -> list[str]:
    """BLEU with intervals, and paired tests against the expert model."""
    lines = ["| model | " + " | ".join(LANGUAGES) + " |", "|---|" + "---|" * len(LANGUAGES)]
    cells: dict[str, list[str]] = {name: [] for name in texts}
    tests = []
    for language in LANGUAGES:
        utterances = data.load(source, target_language=language, limit=limit).utterances
        references = {u.id: u.references for u in utterances}
        for name, outputs in texts.items():
            bleu = translation_scores(
                references, outputs[language], language=language, n_total=len(utterances)
            )["bleu"]
            cells[name].append(f"{bleu.value:.1f}{format_interval(bleu.interval, ' ({:.1f}–{:.1f})')}")
        systems = {name: outputs[language] for name, outputs in texts.items()}
        tests += translation_tests(references, systems, "experts", language=language, names=["bleu"])
        for test in tests[-len(systems) + 1 :]:
            interval = format_interval(test.interval, " [{:+.1f}, {:+.1f}]")
            cells[test.system][-1] += f", {test.difference:+.1f}{interval} p {format_p_value(test.p_holm)}"
    lines += [f"| {name} | {' | '.join(row)} |" for name, row in cells.items()]
    return [*lines, "", f"Signature: `{bleu.signature}`, {bleu.n} of {bleu.n_total} sentences."]


def balance_table(stats_by_model: Mapping[str, Mapping[str, LayerRoutingStats]]) -> list[str]:
    lines = [
        "| model | layer | load, % | CV | idle experts | entropy | language information |",
        "|---" * 7 + "|",
    ]
    for name, layers in stats_by_model.items():
        for layer, stats in layers.items():
            total = sum(stats.load) or 1
            load = " ".join(f"{100 * n / total:.0f}" for n in stats.load)
            lines.append(
                f"| {name} | {shorten_layer_name(layer)} | {load} | {stats.variation:.2f} | {stats.idle} | {stats.entropy:.2f} "
                f"| {stats.specialization:.3f} |"
            )
    return lines


def specialist_table(layers: Mapping[str, LayerRoutingStats]) -> list[str]:
    """For every layer the language and the kind of token of which each expert has the largest surplus."""
    lines = ["| layer | " + " | ".join(f"expert {e}" for e in range(8)) + " |", "|---|" + "---|" * 8]
    for name, layer in layers.items():
        cells = []
        for e in range(len(layer.load)):
            best = []
            for table in (layer.by_language, layer.by_class):
                share = {key: counts[e] / sum(counts) for key, counts in table.items() if sum(counts) >= 100}
                key = max(share, key=lambda k: share[k])
                best.append(f"{key} {100 * share[key]:.0f}%")
            cells.append(", ".join(best))
        lines.append(f"| {shorten_layer_name(name)} | " + " | ".join(cells) + " |")
    return lines


def curve_table(work: Path, names: Sequence[str]) -> list[str]:
    """Development BLEU (greedy, 50 sentences of each language) by updates."""
    steps = list(range(COMMON["eval_every"], COMMON["max_steps"] + 1, COMMON["eval_every"]))
    lines = [
        "| model | parameters | " + " | ".join(map(str, steps)) + " |",
        "|---|---|" + "---|" * len(steps),
    ]
    for name in names:
        rows = (work / name / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
        by_step = {row["step"]: row for row in map(json.loads, rows)}
        model, _ = load_transformers(resolve(str(work / name / "model")), "seq2seq")
        cells = [f"{by_step[s]['dev_bleu']:.1f}" if s in by_step else "–" for s in steps]
        lines.append(f"| {name} | {count_parameters(model) / 1e6:.1f} M | {' | '.join(cells)} |")
    return lines


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.quality experts", description=__doc__)
    parser.add_argument("--work", type=Path, default=Path("experts-work"), help="folder of the trainings")
    parser.add_argument("--test", default="multi30k:test_2016_flickr")
    parser.add_argument("--limit", type=int, help="test sentences at most")
    parser.add_argument("--train", choices=MODELS, help="train this one, if it is missing, and stop")
    parser.add_argument("--ready", action="store_true", help="use the models that are there, train none")
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    if options.train:
        train_missing(options.train, options.work, missing=True)
        return
    folders = {name: train_missing(name, options.work, not options.ready) for name in MODELS}
    there = {name: folder for name, folder in folders.items() if folder is not None}
    compared = [name for name in ("experts", "dense-active", "dense-total", "upcycled") if name in there]
    texts = {name: translate(there[name], options.test, options.limit) for name in compared}
    watched = {
        name: observe_routers(there[name], "multi30k:val", 200)
        for name in ("experts", "unbalanced", "upcycled")
        if name in there
    }
    missing = ", ".join(name for name in MODELS if name not in there)
    lines = [
        "# Experts against dense models: Multi30k, English to German, French and Czech at once",
        "",
        f"`python -m benchmarks.quality experts{' --limit ' + str(options.limit) if options.limit else ''}`. "
        "One seed. 2 + 2 layers, width 256, joint vocabulary of 5,000 pieces, 1,200 pieces a batch, AdamW 2e-3, "
        "1,000 updates (far from convergence, and from the packaged bilingual model's 39). `experts`: 8 of width 256 in every layer, k = 2, Switch balance loss 0.01, z-loss 0.001. "
        "`dense-active`: width 512, the size that a token sees; `dense-total`: width 2,048, the size that is "
        "stored, at 1e-3 after 400 warm-up updates (at 2e-3 after 300 it did not learn: dev loss 3.69 after 800 "
        "updates against 2.91). `upcycled`: a dense model of width 256 after 500 updates, then 500 as experts at "
        "1e-3: 1,000 in all. `unbalanced`: as `experts` without the balance loss, stopped at 500.",
        "",
        *([f"Not trained when this was written: {missing}.", ""] if missing else []),
        f"## BLEU on {options.test.removeprefix('multi30k:')}, beam 5, with 95% intervals; then the difference to "
        "`experts` [95% interval], paired bootstrap, p by Holm over the models",
        "",
        *score_table(texts, options.test, options.limit),
        "",
        "## Development BLEU by updates (greedy, 50 sentences a language; `upcycled` counts from its start)",
        "",
        *curve_table(options.work, list(there)),
        "",
        "## Load of the routers (200 val sentences a language, references forced)",
        "",
        "CV: standard deviation over mean of the loads. Idle: under a tenth of an equal share. Entropy: of the "
        "router's distribution, 1 = even. Language information: mutual information of expert and target "
        "language over the entropy of the languages, 0 to 1.",
        "",
        *balance_table(watched),
        "",
        "## What the experts of `experts` specialise in: the language and the kind of token that goes there most",
        "",
        "The share is of that language's (that kind's) slots in the layer; 12.5% is even.",
        "",
        *specialist_table(watched["experts"]),
    ]
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))
