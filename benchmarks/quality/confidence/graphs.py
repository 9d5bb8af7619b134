"""The pipelines behind the pages on confidence, routes and pools."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from antiphon import Run, run_pipeline
from benchmarks.quality.confidence.data import DEV_RECORDINGS

Graph = dict[str, dict[str, Any]]
"""Nodes by name, as in a file."""

RECOGNIZERS: Mapping[str, Mapping[str, Any]] = {
    "tiny": {"model": "packaged:whisper-tiny.en", "entropies": True},
    "base": {"model": "packaged:whisper-base", "entropies": True},
    "sphinx": {"model": "sphinx:en-us", "backend": "pocketsphinx"},
}
METHODS = ("gradient_boosting", "logistic", "isotonic")
"""Of estimators."""
TRANSLATOR = {"model": "packaged:multi30k-en-de", "entropies": True}


def recognition_graph(
    dev: Path, names: Sequence[str] = ("tiny", "base"), methods: Sequence[str] = METHODS
) -> Graph:
    """Recognizers, and what estimators that were fitted on ``dev`` say of each."""
    nodes: Graph = {name: {"kind": "recognize", **RECOGNIZERS[name]} for name in names}
    for name in names:
        for method in methods:
            nodes[f"{name}_{method}"] = {"kind": "estimate", "of": name, "method": method, **learned_on(dev)}
    return nodes


def cascade_graph(dev: Path, recognizer: str = "base") -> Graph:
    """Speech translated through a recognizer, and whether its errors will cost more than 10 chrF."""
    nodes: Graph = {
        recognizer: {"kind": "recognize", **RECOGNIZERS[recognizer]},
        "de": {"kind": "translate", "of": recognizer, **TRANSLATOR},
        "correct": {"kind": "oracle", "of": recognizer},
        "of_correct": {"kind": "translate", "of": "correct", **TRANSLATOR},
    }
    for method in METHODS:
        nodes[f"de_{method}"] = {
            "kind": "estimate",
            "of": ["de", recognizer, "of_correct"],
            "against_gold": True,
            "method": method,
            **learned_on(dev),
        }
    return nodes


def text_graph() -> Graph:
    """Text translated greedily and by a beam, and how bad each translation will be."""
    greedy = {**TRANSLATOR, "beam_size": 1, "n_best": 1}
    nodes: Graph = {
        "greedy": {"kind": "translate", "of": "data", **greedy},
        "beam": {"kind": "translate", "of": "data", **TRANSLATOR},
    }
    for name in ("greedy", "beam"):
        for method in METHODS:
            values = {"kind": "estimate", "of": name, "method": method, "dev": "multi30k:val"}
            nodes[f"{name}_{method}"] = values
    return nodes


def ensemble_node(members: Sequence[str]) -> Graph:
    """An ensemble of translators over the data, by the mean of their probabilities."""
    return {
        "ensemble": {"kind": "translate", "of": "data", "model": members[0], "members": list(members[1:])}
    }


def learned_on(dev: Path) -> dict[str, Any]:
    """The keys of a node that is learned on spoken captions of val."""
    return {"dev": str(dev), "dev_limit": DEV_RECORDINGS}


def run_graph(nodes: Graph, data: Path | str, store: Path, name: str) -> Run:
    """Run a pipeline from English to German over a data set; what is in the store is not computed again."""
    languages = {"source_language": "en", "target_language": "de"}
    return run_pipeline(
        {"nodes": nodes}, data=str(data), store=str(store), name=name, replace=True, **languages
    )
