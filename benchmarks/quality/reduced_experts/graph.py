"""The graph of one seed: dense models of the domains, experts, their trace, fewer experts, translations."""

from __future__ import annotations

from typing import Any

from benchmarks.quality.reduced_experts.domains import DataSets

START = "packaged:multi30k-en-de"
EXPERTS, TOP_K = 8, 2
KEPT = (7, 6, 5, 4, 3, 2)
"""Experts of each layer that are left; no fewer than compute a token."""
TRANSLATED = (6, 4, 2)
"""Of those, whose models translate the test set; the loss is of all."""
DRAWS = 3
"""Models that keep experts at random, of each seed and number that is kept."""
METHODS: dict[str, dict[str, Any]] = {
    "REAP": {"by": "reap"},
    "frequency": {"by": "frequency"},
    "knock-out": {"by": "knock_out"},
    "merged": {"method": "merge"},
}
WHOLE = "all 8 experts"
FINE_TUNING = {
    "kind": "train",
    "source_language": "en",
    "target_language": "de",
    "learning_rate": 5e-4,
    "warmup_steps": 20,
    "lr_schedule": "linear",
    "average_checkpoints": 1,
    "patience": 1000,
    "eval_sentences": 60,
    "device": "cpu",
}


def make_graph(sets: DataSets, seed: int, steps: int) -> dict[str, dict[str, Any]]:
    """The nodes; :func:`node_of` says which of them a system is."""
    nodes = _dense_models(sets)
    nodes["sparse"] = {
        "kind": "upcycle",
        "models": [START, "node:back", "node:talk", "node:talk-back"],
        "num_experts": EXPERTS,
        "top_k": TOP_K,
        "router": "hidden",
        "prompts": sets.prompts,
    }
    nodes["experts"] = {
        **FINE_TUNING,
        "kind": "train_experts",
        "init_from": "node:sparse",
        "data": sets.mixed,
        "dev": sets.val,
        "num_experts": EXPERTS,
        "top_k": TOP_K,
        "dropout": 0.1,
        "batch_tokens": 1500,
        "max_steps": steps,
        "eval_every": max(1, steps // 3),
        "seed": seed,
    }
    nodes["held"] = {"kind": "data", "source": sets.val}
    nodes["trace"] = {
        "kind": "trace_experts",
        "of": "held",
        "model": "node:experts",
        "batch_size": 50,
        "similarity_tokens": 2000,
        "knock_out": True,
        "knock_out_texts": 1_000_000,
        "device": "cpu",
    }
    nodes["whole"] = _translate("experts")
    for name, values in systems(seed).items():
        model = f"{node_of(name)}-model"
        nodes[model] = {"kind": "reduce_experts", "model": "node:experts", "trace": "trace", **values}
        if values["keep"] in TRANSLATED:
            nodes[node_of(name)] = _translate(model)
    return nodes


def _dense_models(sets: DataSets) -> dict[str, dict[str, Any]]:
    """A dense model of each domain but the packaged one's; seeds share them."""
    back = {"init_from": START, "batch_tokens": 2000, "max_steps": 200, "learning_rate": 1e-3}
    talk = {"init_from": START, "batch_tokens": 1000, "max_steps": 60}
    nodes = {
        "back": ("captions back", back),
        "talk": ("sentences", talk),
        "talk-back": ("sentences back", {**talk, "init_from": "node:back"}),
    }
    return {
        node: {
            **FINE_TUNING,
            **values,
            "eval_every": values["max_steps"],
            "data": sets.dense[domain][0],
            "dev": sets.dense[domain][1],
        }
        for node, (domain, values) in nodes.items()
    }


def systems(seed: int) -> dict[str, dict[str, Any]]:
    """System -> how its model is reduced."""
    named = {
        f"{method} {keep}": {**values, "keep": keep} for method, values in METHODS.items() for keep in KEPT
    }
    drawn = {
        f"random {draw} {keep}": {"by": "random", "seed": 100 * seed + draw, "keep": keep}
        for draw in range(1, DRAWS + 1)
        for keep in KEPT
    }
    return named | drawn


def node_of(system: str) -> str:
    """The node whose translations are a system's."""
    return "whole" if system == WHOLE else system.lower().replace(" ", "-")


def model_of(system: str) -> str:
    """The node that makes a system's model."""
    return "experts" if system == WHOLE else f"{node_of(system)}-model"


def _translate(model: str) -> dict[str, Any]:
    return {
        "kind": "translate",
        "of": "data",
        "model": f"node:{model}",
        "beam_size": 1,
        "n_best": 1,
        "batch_size": 64,
        "device": "cpu",
    }
