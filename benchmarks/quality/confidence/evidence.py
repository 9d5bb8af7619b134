"""What an estimator gains by further evidence: samples, dropout passes, forced scores, another system's text.

Its parts join those of ``confidence``; recordings without noise only, and the text.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.common.sections import Result, section_parser
from benchmarks.quality.confidence import graphs
from benchmarks.quality.confidence.calibration import measure_losses, measure_nodes
from benchmarks.quality.confidence.data import clean_manifests
from benchmarks.quality.confidence.graphs import Graph

PAGE = "confidence"
EVIDENCE = "evidence"
"""Ends the names of estimators that read more than the text itself."""
PASSES = {"sampling": {"dropout": True, "count": 10}, "beam_size": 1}
SAMPLES = {"sampling": {"count": 16, "epsilon": 0.02}}


def parser() -> argparse.ArgumentParser:
    """The options of this section."""
    section = section_parser("benchmarks.quality evidence", __doc__)
    section.add_argument(
        "--work", type=Path, default=Path("confidence-work"), help="folder of data and store"
    )
    return section


def measure(options: argparse.Namespace) -> Iterator[Result]:
    """Translations of text; transcripts; translations of speech."""
    store, manifests = options.work / "store", clean_manifests(options.work)
    translator = str(graphs.TRANSLATOR["model"])
    recognizers = [str(graphs.RECOGNIZERS[name]["model"]) for name in ("tiny", "base")]
    run = graphs.run_graph(text_graph(), "multi30k:test_2016_flickr", store, "evidence-text")
    yield Result("translated text, evidence", measure_nodes(run, store), [translator])
    dev, test = manifests["dev"], manifests["test"]
    run = graphs.run_graph(recognition_graph(dev), test, store, "evidence-spoken")
    yield Result("clean captions, evidence", measure_nodes(run, store), recognizers)
    run = graphs.run_graph(graphs.cascade_graph(dev), test, store, "evidence-cascade")
    yield Result("translated clean speech", measure_losses(run), [recognizers[1], translator])


def text_graph() -> Graph:
    """Translations with what dropout passes, samples, and forced scores under dropout say of them."""
    translator = str(graphs.TRANSLATOR["model"])
    nodes: Graph = {
        "beam": {"kind": "translate", "of": "data", **graphs.TRANSLATOR},
        "passes": {"kind": "translate", "of": "data", "model": translator, **PASSES},
        "samples": {"kind": "translate", "of": "data", "model": translator, **SAMPLES},
        "forced": {"kind": "score", "of": "beam", "metric": f"dropout_forward:{translator}"},
    }
    return nodes | _estimates(["beam", "passes", "samples", "forced"], {"dev": "multi30k:val"})


def recognition_graph(dev: Path) -> Graph:
    """Two recognizers, each the other's evidence."""
    names = ("tiny", "base")
    nodes: Graph = {name: {"kind": "recognize", **graphs.RECOGNIZERS[name]} for name in names}
    for of in (names, names[::-1]):
        nodes |= _estimates(of, {"dev": str(dev)})
    return nodes


def _estimates(of: Sequence[str], dev: dict[str, Any]) -> Graph:
    """Estimators of the first node, by its own features alone and with the other nodes as evidence."""
    nodes: Graph = {}
    for method in graphs.METHODS:
        settings = {"kind": "estimate", "method": method, **dev}
        nodes[f"{of[0]}_{method}"] = {"of": of[0], **settings}
        nodes[f"{of[0]}_{method}_{EVIDENCE}"] = {"of": list(of), **settings}
    return nodes
