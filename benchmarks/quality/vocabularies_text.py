"""Translators of different tokenizers: agreed text beside union, intersection and minimum Bayes risk.

A small translation model of captions and a prompted language model translate captions and plain sentences.
All coefficients were set before anything was measured.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.common.paths import data_set
from benchmarks.common.sections import Result, option
from benchmarks.common.text_statistics import count_translations
from components import data
from components.decoding.member_settings import MixingConfig
from components.ensembling.output_level.config import SystemCombinationConfig
from components.ensembling.output_level.risk.minimum_bayes_risk import rank_by_expected_utility
from components.ensembling.output_level.weighted_hypotheses import SystemNBest
from components.records import NBest, Utterance
from components.translation.config import TranslationConfig

PAGE = "vocabularies-text"
LANGUAGES = {"source_language": "en", "target_language": "de"}
MIXTURES: dict[str, dict[str, Any]] = {
    "text, 0.5 and 0.5": {"vocabulary": "text", "method": "log_linear", "coefficients": (0.5, 0.5)},
    "text, 0.8 and 0.2": {"vocabulary": "text", "method": "log_linear", "coefficients": (0.8, 0.2)},
    "union, linear": {"vocabulary": "union", "method": "linear", "coefficients": (0.5, 0.5)},
    "intersection, log-linear": {
        "vocabulary": "intersection",
        "method": "log_linear",
        "coefficients": (0.5, 0.5),
    },
}
"""System -> how its two members are mixed."""
FIRST, SECOND, RISK = "first alone", "second alone", "minimum Bayes risk"
OPTIONS = {
    "first": option("packaged:multi30k-en-de", "a translation model"),
    "second": option("packaged:qwen2.5-coder-0.5b", "a causal model, few-shot"),
    "captions": option(40, "of test_2016_flickr, the first so many"),
    "sentences": option(60, "of Tatoeba, every n-th"),
    "beam": option(3),
    "tatoeba": option(Path, "its folder"),
}


def measure(options: argparse.Namespace) -> Iterator[Result]:
    """Set -> every system's texts, their statistics, and CPU seconds."""
    sets = {
        "captions": list(data.load("multi30k:test_2016_flickr", limit=options.captions).utterances),
        "tatoeba": load_tatoeba(options.tatoeba or data_set("tatoeba"), options.sentences),
    }
    for name, utterances in sets.items():
        values = translate(utterances, options)
        yield Result(name, values, [options.first, options.second])


def load_tatoeba(folder: Path, count: int) -> list[Utterance]:
    """``count`` pairs of English and German, evenly spaced."""
    english, german = (
        (folder / f"tatoeba.deu-eng.{code}").read_text(encoding="utf-8").splitlines()
        for code in ("eng", "deu")
    )
    step = len(english) // count
    return [
        Utterance(id=f"tatoeba-{n}", text=english[n], references=(german[n],), **LANGUAGES)
        for n in range(0, step * count, step)
    ]


def translate(utterances: Sequence[Utterance], options: argparse.Namespace) -> dict[str, Any]:
    """Every system on one set."""
    from components.ensembling.token_level.factory import build_translator
    from components.translation.factory import build

    config = TranslationConfig(
        model=options.first, beam_size=options.beam, n_best=options.beam, max_tokens=96, prompt="few-shot"
    )
    second = config.model_copy(update={"model": options.second})
    translators = {FIRST: build(config), SECOND: build(second)}
    members = [options.first, options.second]
    for name, settings in MIXTURES.items():
        translators[name] = build_translator(config, members, MixingConfig(**settings))
    seconds, nbests = dict[str, float](), dict[str, list[NBest]]()
    for name, translator in translators.items():
        begun = time.process_time()
        outcomes = translator.translate(utterances)
        seconds[name] = round(time.process_time() - begun, 1)
        nbests[name] = [outcome for outcome in outcomes if isinstance(outcome, NBest)]
        assert len(nbests[name]) == len(utterances)
        print(name, f"{seconds[name]} CPU s", flush=True)
    ids = [utterance.id for utterance in utterances]
    best = {name: [nbest.best.text for nbest in own] for name, own in nbests.items()} | {
        RISK: combine(nbests)
    }
    texts = {name: dict(zip(ids, own, strict=True)) for name, own in best.items()}
    return {
        "texts": texts,
        "statistics": count_translations(utterances, texts),
        "seconds": seconds,
        "beam": options.beam,
    }


def combine(nbests: dict[str, list[NBest]]) -> list[str]:
    """Of both single systems' lists the text of least expected loss in chrF, with equal votes."""
    config = SystemCombinationConfig(method="minimum_bayes_risk", utility="chrf")
    consensus = []
    for pair in zip(nbests[FIRST], nbests[SECOND], strict=True):
        lists = [SystemNBest(str(n), nbest.hypotheses) for n, nbest in enumerate(pair)]
        consensus.append(rank_by_expected_utility(lists, config, "de")[0].text)
    return consensus
