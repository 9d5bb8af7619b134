"""What an estimator gains by more evidence: dropout passes, forced scores, the recognizer's doubt.

Its parts join those of ``confidence``: translations of text, and of recordings without noise.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from benchmarks.common.sections import Result
from benchmarks.quality.confidence import graphs
from benchmarks.quality.confidence.calibration import measure_losses, measure_nodes
from benchmarks.quality.confidence.data import WORK, clean_manifests
from benchmarks.quality.confidence.graphs import Graph

PAGE = "confidence"
EVIDENCE = "evidence"
"""Ends the names of estimators that read more than the text itself."""
PASSES = {"sampling": {"dropout": True, "count": 10}, "beam_size": 1}
OPTIONS = {"work": WORK}


def measure(options: argparse.Namespace) -> Iterator[Result]:
    """Translations of speech, then translations of text, which take ten times as long."""
    store, manifests = options.work / "store", clean_manifests(options.work)
    translator, recognizer = str(graphs.TRANSLATOR["model"]), str(graphs.RECOGNIZERS["tiny"]["model"])
    graph = graphs.cascade_graph(manifests["dev"], "tiny")
    run = graphs.run_graph(graph, manifests["test"], store, "evidence-cascade")
    yield Result("translated clean speech", measure_losses(run, "tiny"), [recognizer, translator])
    run = graphs.run_graph(text_graph(), "multi30k:test_2016_flickr", store, "evidence-text")
    yield Result("translated text, evidence", measure_nodes(run, store), [translator])


def text_graph() -> Graph:
    """Translations with what dropout passes, and forced scores under dropout, say of them."""
    translator = str(graphs.TRANSLATOR["model"])
    nodes: Graph = {
        "beam": {"kind": "translate", "of": "data", **graphs.TRANSLATOR},
        "passes": {"kind": "translate", "of": "data", "model": translator, **PASSES},
        "forced": {"kind": "score_texts", "of": "beam", "metric": f"dropout_forward:{translator}"},
    }
    evidence = list(nodes)
    for method in graphs.METHODS:
        settings = {"kind": "estimate", "method": method, "dev": "multi30k:val", "dev_limit": 500}
        nodes[f"beam_{method}"] = {"of": "beam", **settings}
        nodes[f"beam_{method}_{EVIDENCE}"] = {"of": evidence, **settings}
    return nodes
