"""Quality against experts removed: a translator of eight experts that differ, pruned by four rules, merged.

Dense models of four domains become experts and are trained together; what each expert matters is measured on
val; models with fewer experts translate the test set and read its references. All of a seed is one graph.
Stages are kept in WORK, so an interrupted run goes on.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from antiphon import Run, run_pipeline
from benchmarks.claims.workspace import Workspace
from benchmarks.common.sections import Result, option
from benchmarks.common.text_statistics import count_texts
from benchmarks.quality.reduced_experts.domains import write_data_sets
from benchmarks.quality.reduced_experts.graph import (
    EXPERTS,
    START,
    TRANSLATED,
    WHOLE,
    make_graph,
    model_of,
    node_of,
    systems,
)
from components.experts.contribution import reference_log_likelihoods
from components.experts.reducing.sparse_layers import find_sparse_layers
from components.experts.reducing.trace import ExpertTrace
from components.experts.sample_batches import Sample
from components.models import resolve
from components.models.loaders.loading import load_transformers
from components.models.weights import count_parameters
from components.records import NBest, Utterance

PAGE = "reduced-experts"
SUBSETS = 20
"""Random choices of half of the experts, whose losses are compared with what importance foretells."""
FORETOLD = 240
"""Texts of the test set, the first ones, as many of each domain, on which that is done."""
OPTIONS = {
    "work": option(Path, "keeps data, stages and losses", required=True),
    "steps": option(300, "updates of the training of the experts"),
    "seeds": option([1, 2, 3], "of that training", nargs="*"),
}


def measure(options: argparse.Namespace) -> Iterator[Result]:
    """Every seed."""
    torch.set_num_threads(1)
    sets = write_data_sets(options.work / "data")
    for seed in options.seeds:
        run = run_pipeline(
            {"nodes": make_graph(sets, seed, options.steps), "outputs": {"translation": "whole"}},
            data=sets.test,
            source_language="en",
            target_language="de",
            store=str(options.work / "store"),
            name=f"reduced-experts-{seed}",
            replace=True,
        )
        yield Result(f"seed {seed}", keep_outputs(run, seed, options), [START])


def keep_outputs(run: Run, seed: int, options: argparse.Namespace) -> dict[str, Any]:
    """Texts with BLEU's statistics, losses, the trace, and what removals cost; no references.

    A loss is the log-likelihood (nats) and the tokens of each reference.
    """
    losses = Losses(run, Workspace(options.work), str(options.work / "store"))
    reduced = systems(seed)
    translated = [WHOLE, *(name for name, values in reduced.items() if values["keep"] in TRANSLATED)]
    texts = {system: best_texts(run, node_of(system)) for system in translated}
    return {
        "steps": options.steps,
        "ids": [u.id for u in run.utterances],
        "domains": [u.domain for u in run.utterances],
        "texts": texts,
        "bleu": {system: count_texts("bleu", run.utterances, own) for system, own in texts.items()},
        "parameters": losses.parameters([WHOLE, *(f"REAP {keep}" for keep in range(2, EXPERTS))]),
        "losses": {system: losses.of_system(system) for system in (WHOLE, *reduced)},
        "trace": shorten_trace(read_trace(run)),
        "without": losses.without_each(),
        "subsets": losses.without_subsets(np.random.default_rng(seed)),
    }


def best_texts(run: Run, node: str) -> list[str]:
    """The translations of a node, in the order of the data."""
    outcomes = run.outcomes(node)
    return [o.best.text if isinstance(o := outcomes[u.id], NBest) else "" for u in run.utterances]


def read_trace(run: Run) -> ExpertTrace:
    """The trace of the experts that were trained."""
    return ExpertTrace.read(Path(next(ref.path for ref in run.record.stages if ref.stage == "trace")))


def shorten_trace(trace: ExpertTrace) -> list[dict[str, Any]]:
    """What the page reads of a trace, layer by layer."""
    return [
        {
            "layer": layer.name,
            "load": layer.routing.load,
            "by_domain": layer.routing.by_domain,
            "saliency": [round(value, 6) for value in layer.saliency],
            "similarity": [[round(value, 4) for value in row] for row in layer.similarity],
            "knock_out": [each.model_dump(mode="json") for each in layer.knock_out],
        }
        for layer in trace.layers
    ]


class Losses:
    """Forced passes over the references of the test set; what was computed is read again."""

    def __init__(self, run: Run, work: Workspace, store: str) -> None:
        self._work, self._store = work, store
        self._samples = [_sample_of(utterance) for utterance in run.utterances]
        self._keys: Mapping[str, str] = {ref.stage: ref.key for ref in run.record.stages}
        self._data = self._keys["data"]

    def of_system(self, system: str) -> list[list[float]]:
        """Log-likelihood (nats) and tokens of each reference."""
        key = self._keys[model_of(system)]

        def measure() -> list[list[float]]:
            return self._measure(*self._load(key), self._samples)

        return list(self._work.cached([PAGE, self._data, key, "losses"], measure))

    def parameters(self, names: list[str]) -> dict[str, int]:
        """Parameters of the models of some systems."""
        return {
            name: self._work.cached([PAGE, key, "parameters"], partial(self._count, key))
            for name in names
            for key in [self._keys[model_of(name)]]
        }

    def without_each(self) -> list[list[list[float]]]:
        """Log-likelihoods (layers, experts, FORETOLD) without each single expert, its tokens rerouted."""
        key = self._keys["experts"]

        def measure() -> list[list[list[float]]]:
            model, tokenizer = self._load(key)
            return [
                [self._log_likelihoods(model, tokenizer, {name: [expert]}) for expert in range(EXPERTS)]
                for name in find_sparse_layers(model)
            ]

        return list(self._work.cached([PAGE, self._data, key, "each", FORETOLD], measure))

    def without_subsets(self, rng: np.random.Generator) -> list[dict[str, Any]]:
        """Random halves of every layer's experts: which (layers, 4), and log-likelihoods without them."""
        key = self._keys["experts"]

        def measure() -> list[dict[str, Any]]:
            model, tokenizer = self._load(key)
            layers, subsets = find_sparse_layers(model), []
            for _ in range(SUBSETS):
                removed = {name: sorted(rng.permutation(EXPERTS)[: EXPERTS // 2].tolist()) for name in layers}
                nats = self._log_likelihoods(model, tokenizer, removed)
                subsets.append({"removed": list(removed.values()), "log_likelihoods": nats})
            return subsets

        return list(self._work.cached([PAGE, self._data, key, "subsets", SUBSETS, FORETOLD], measure))

    def _load(self, key: str) -> tuple[Any, Any]:
        return load_transformers(resolve(f"store:{key}", self._store), "seq2seq")

    def _count(self, key: str) -> int:
        return count_parameters(self._load(key)[0])

    def _measure(self, model: Any, tokenizer: Any, samples: list[Sample]) -> list[list[float]]:
        order = sorted(range(len(samples)), key=lambda n: len(samples[n].source))  # less padding
        table = np.empty((len(samples), 2))
        table[order] = reference_log_likelihoods(model, tokenizer, [samples[n] for n in order], 32)
        return [[round(nats, 3), int(tokens)] for nats, tokens in table.tolist()]

    def _log_likelihoods(self, model: Any, tokenizer: Any, removed: Mapping[str, list[int]]) -> list[float]:
        """Log-likelihoods where no token can choose some experts of some layers."""
        layers = find_sparse_layers(model)
        with ExitStack() as stack:
            for name, experts in removed.items():
                stack.enter_context(layers[name].without(experts))
            return [nats for nats, _ in self._measure(model, tokenizer, self._samples[:FORETOLD])]


def _sample_of(utterance: Utterance) -> Sample:
    text, language = utterance.text or "", utterance.target_language or ""
    return Sample(utterance.id, language, text, utterance.references[0], utterance.domain or "")
