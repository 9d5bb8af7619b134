"""E13: sparse experts against dense models, on three target languages at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.claims.merging import dev_scores
from benchmarks.claims.outputs import Outputs
from benchmarks.claims.workspace import DEV, FLICKR16, Workspace
from benchmarks.common.tables import markdown_table
from components.claims.statistics.measuring import by_metrics, over_tasks
from components.claims.systems.workbench import digest_of
from components.claims.verdict import Measured, Result
from components.experts import multilingual, routing_stats
from components.experts.config import VERSION, ExpertsConfig
from components.experts.multilingual_learner import MultilingualLearner
from components.experts.routing_plots import shorten_layer_name
from components.experts.routing_stats import LayerRoutingStats
from components.experts.sample_batches import Sample
from components.metrics.statistics.corpus_statistics import CorpusStatistics
from components.models import resolve
from components.models.loaders.loading import load_transformers
from components.models.weights import count_parameters

TITLE = "Sparse experts against dense models"
QUESTION = """
Models of 2 + 2 layers learn to translate English into German, French and Czech for 1,000 updates. One has
eight experts of width 256 in every layer, of which two compute a token; a dense one has the width that a
token sees (512), another the width that is stored (2,048). Are the experts better than the dense model of
the same cost per token? The learning rate (0.001 or 0.002) is chosen on val for the experts and for the
dense model that they are compared with. Upcycled experts are copies of a dense model of 500 updates, trained
for 500 more.
"""
SEEDS = (1, 2, 3)
LANGUAGES = ("de", "fr", "cs")
COMMON: dict[str, Any] = {
    "num_layers": 2,
    "vocab_size": 5000,
    "dropout": 0.1,
    "batch_tokens": 1200,
    "max_steps": 1000,
    "eval_every": 250,
    "eval_sentences": 150,
    "average_checkpoints": 2,
}
SPARSE = {"num_experts": 8, "ffn_dim": 256}
EXPERTS, ACTIVE, STORED, UPCYCLED = "8 experts", "dense, active size", "dense, stored size", "upcycled"
UNBALANCED = "8 experts without balance loss"
COMPARED: dict[str, dict[str, Any]] = {EXPERTS: SPARSE, ACTIVE: {"num_experts": 0, "ffn_dim": 512}}
"""The models whose learning rate is chosen."""
RATES = (0.001, 0.002)
ROUTED = 200
"""Sentences of val, in each language, on which routers are observed."""


def train_models(work: Workspace, seeds: Sequence[int] = SEEDS) -> dict[tuple[str, float], dict[int, Path]]:
    """Models by system, learning rate and seed."""
    models: dict[tuple[str, float], dict[int, Path]] = {}
    for system, shape in COMPARED.items():
        for rate in RATES:
            name = f"{'experts' if shape['num_experts'] else 'dense-512'}-{rate}"
            models[system, rate] = {
                s: _train(work, f"{name}-{s}", seed=s, learning_rate=rate, **shape) for s in seeds
            }
    low = RATES[0]
    stored = {"num_experts": 0, "ffn_dim": 2048, "learning_rate": low}
    models[STORED, low] = {s: _train(work, f"dense-2048-{s}", seed=s, **stored) for s in seeds}
    half = {"max_steps": COMMON["max_steps"] // 2}
    models[UPCYCLED, low] = {}
    for seed in seeds:
        base = _train(work, f"dense-256-{seed}", seed=seed, **half, num_experts=0, ffn_dim=256)
        go_on = {**SPARSE, **half, "init_from": str(base), "warmup_steps": 100, "learning_rate": low}
        models[UPCYCLED, low][seed] = _train(work, f"upcycled-{seed}", seed=seed, **go_on)
    if 1 in seeds:
        free = {**SPARSE, "balance_loss": "none", "learning_rate": low}
        models[UNBALANCED, low] = {1: _train(work, "unbalanced-1", seed=1, **free)}
    return models


def _train(work: Workspace, name: str, **settings: Any) -> Path:
    return work.train(name, learner=MultilingualLearner, config=ExpertsConfig, **{**COMMON, **settings})


def run(work: Workspace, outputs: Outputs) -> None:
    """Train, choose rates on val, translate into three languages, observe routers."""
    models = train_models(work)
    on_val = {
        key: [float(np.mean(dev_scores(work, model, LANGUAGES))) for model in by_seed.values()]
        for key, by_seed in models.items()
    }
    outputs.measurements["val"] = [[*key, [round(x, 2) for x in scores]] for key, scores in on_val.items()]
    systems = {
        system: models[max((key for key in models if key[0] == system), key=lambda key: np.mean(on_val[key]))]
        for system in dict.fromkeys(system for system, _ in models)
    }
    for language in LANGUAGES:
        utterances = work.utterances(FLICKR16, ("en", language))
        for system, by_seed in systems.items():
            for seed, model in by_seed.items():
                texts = work.translate(utterances, [model])
                data, first = data_of(language), seed == SEEDS[0]
                outputs.add_translations(data, utterances, system, seed, texts, language, keep_texts=first)
    outputs.measurements["parameters"] = {s: _count_parameters(by_seed[1]) for s, by_seed in systems.items()}
    outputs.measurements["routers"] = {
        system: _observe_once(work, systems[system][1]) for system in (EXPERTS, UNBALANCED, UPCYCLED)
    }


def _observe_once(work: Workspace, model: Path) -> dict[str, Any]:
    return dict(work.cached(["routers", VERSION, digest_of(model), ROUTED], lambda: observe_routers(model)))


def _count_parameters(model: Path) -> int:
    return count_parameters(load_transformers(resolve(str(model)), "seq2seq")[0])


def observe_routers(folder: Path) -> dict[str, Any]:
    """What the routers do with references of val, layer by layer."""
    model, tokenizer = load_transformers(resolve(str(folder)), "seq2seq")
    corpus = multilingual.read(f"multi30k:{DEV}", "en", LANGUAGES, ROUTED)
    samples = [
        Sample(f"{language}-{n}", language, *pair)
        for language, rows in corpus.pairs.items()
        for n, pair in enumerate(rows)
    ]
    counters = routing_stats.empty_stats_of(model, LANGUAGES)
    for _ in routing_stats.observe_routing(model, tokenizer, samples, counters):
        pass
    return {layer: stats.model_dump(mode="json") for layer, stats in counters.summarize().items()}


def data_of(language: str) -> str:
    """The test set's name in the outputs."""
    return f"{FLICKR16} {language}"


def results(outputs: Outputs) -> dict[str, Measured]:
    """The registered comparison."""

    def of(system: str, language: str, metric: str) -> list[CorpusStatistics]:
        return [outputs.statistics(data_of(language), system, seed, metric) for seed in SEEDS]

    def test(metric: str) -> Result:
        return over_tasks([(of(EXPERTS, x, metric), of(ACTIVE, x, metric)) for x in LANGUAGES])

    return {"experts.against_active_size": by_metrics(("bleu", "chrf"), test)}


def page(outputs: Outputs) -> list[str]:
    """BLEU by language, learning rates, routers."""
    routers = {
        system: {layer: LayerRoutingStats.model_validate(stats) for layer, stats in layers.items()}
        for system, layers in outputs.measurements["routers"].items()
    }
    val = [
        (system, f"{rate:g}", f"{np.mean(scores):.2f} ({', '.join(f'{x:.1f}' for x in scores)})")
        for system, rate, scores in outputs.measurements["val"]
    ]
    return [
        f"## BLEU on {FLICKR16}, beam 5, mean over seeds (their range)",
        markdown_table(("system", "parameters", "seeds", *LANGUAGES, "mean"), _score_rows(outputs)),
        "## Learning rates, by greedy BLEU on 200 sentences of val (mean over languages; seed by seed)",
        markdown_table(("system", "rate", "BLEU"), val),
        f"## Routers of seed 1 ({ROUTED} val sentences a language, references forced)",
        "Variation: standard deviation over mean of the loads. Idle: experts with under a tenth of an equal "
        "share. Entropy: of the router's distribution, 1 = even. Language information: mutual information of "
        "expert and target language over the entropy of the languages, 0 to 1.",
        markdown_table(
            ("system", "layer", "load, %", "variation", "idle", "entropy", "language information"),
            _router_rows(routers),
        ),
    ]


def _score_rows(outputs: Outputs) -> Iterator[tuple[str, ...]]:
    for system in outputs.names(data_of(LANGUAGES[0])):
        seeds = outputs.seeds(system)
        scores = [[outputs.statistics(data_of(x), system, s).score() for s in seeds] for x in LANGUAGES]
        cells = [f"{np.mean(v):.2f} ({min(v):.1f} to {max(v):.1f})" for v in scores]
        size = f"{outputs.measurements['parameters'][system] / 1e6:.1f} M"
        yield system, size, str(len(seeds)), *cells, f"{np.mean(scores):.2f}"


def _router_rows(routers: Mapping[str, Mapping[str, LayerRoutingStats]]) -> Iterator[tuple[str, ...]]:
    for system, layers in routers.items():
        for layer, stats in layers.items():
            total = sum(stats.load) or 1
            load = " ".join(f"{100 * n / total:.0f}" for n in stats.load)
            numbers = f"{stats.variation:.2f}", str(stats.idle), f"{stats.entropy:.2f}"
            yield system, shorten_layer_name(layer), load, *numbers, f"{stats.specialization:.3f}"
