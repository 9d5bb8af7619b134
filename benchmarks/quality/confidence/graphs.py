"""The pipelines behind the pages on confidence, routes and pools."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from antiphon import Run, run_pipeline

Graph = dict[str, dict[str, Any]]
"""Nodes by name, as in a file."""

RECOGNIZERS: Mapping[str, Mapping[str, Any]] = {
    "tiny": {"model": "packaged:whisper-tiny.en", "entropies": True},
    "base": {"model": "packaged:whisper-base", "entropies": True},
    "sphinx": {"model": "sphinx:en-us", "backend": "pocketsphinx"},
}
METHODS = ("gradient_boosting", "logistic", "isotonic")
"""Of estimators; which one counts is chosen on held-out folds of val."""
TRANSLATOR = {"model": "packaged:multi30k-en-de", "entropies": True}


def recognition_graph(val: Path) -> Graph:
    """Each recognizer, and what estimators that were fitted on ``val`` say of it."""
    nodes: Graph = {name: {"kind": "recognize", **settings} for name, settings in RECOGNIZERS.items()}
    for name in RECOGNIZERS:
        for method in METHODS:
            nodes[f"{name}_{method}"] = {"kind": "estimate", "of": name, "method": method, "dev": str(val)}
    return nodes


def cascade_graph(val: Path) -> Graph:
    """Speech translated through Whisper base, and the loss that its errors will cost, estimated."""
    nodes: Graph = {
        "base": {"kind": "recognize", **RECOGNIZERS["base"]},
        "de": {"kind": "translate", "of": "base", **TRANSLATOR},
        "correct": {"kind": "gold", "of": "base"},
        "of_correct": {"kind": "translate", "of": "correct", **TRANSLATOR},
    }
    for method in METHODS:
        nodes[f"de_{method}"] = {
            "kind": "estimate",
            "of": ["de", "base", "of_correct"],
            "against_gold": True,
            "method": method,
            "dev": str(val),
        }
    return nodes


def text_graph(members: Sequence[str]) -> Graph:
    """Text translated greedily and by an ensemble, and how bad the greedy translation will be."""
    nodes: Graph = {
        "greedy": {"kind": "translate", "of": "data", **TRANSLATOR, "beam_size": 1, "n_best": 1},
        "beam": {"kind": "translate", "of": "data", **TRANSLATOR},
        "ensemble": {"kind": "translate", "of": "data", "model": members[0], "members": list(members[1:])},
    }
    for name in ("greedy", "beam"):
        for method in METHODS:
            nodes[f"{name}_{method}"] = {
                "kind": "estimate",
                "of": name,
                "method": method,
                "dev": "multi30k:val",
            }
    return nodes


def run_graph(nodes: Graph, data: Path | str, store: Path, name: str) -> Run:
    """Run a pipeline from English to German over a data set; what is in the store is not computed again."""
    languages = {"source_language": "en", "target_language": "de"}
    return run_pipeline(
        {"nodes": nodes}, data=str(data), store=str(store), name=name, replace=True, **languages
    )
