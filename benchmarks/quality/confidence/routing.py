"""What routing by a confidence gains: tiny.en -> base, and greedy -> ensemble translation.

Kept are the statistics of both rungs' outputs and the numbers that decide, of the development and the test
set, so that curves, budgets and guarantees are computed by the page.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from typing import Any

from antiphon import Run
from benchmarks.common.sections import Result, option
from benchmarks.common.text_statistics import count_texts
from benchmarks.quality.confidence import graphs
from benchmarks.quality.confidence.data import DEV, TEST, WORK, spoken_manifest
from components.metrics.table import get_metric
from components.records import NBest, Utterance
from components.text.text_confidence import confidence_of

PAGE = "routing"
RAW = "log-probability"
OPTIONS = {
    "work": WORK,
    "members": option(str, "models of the ensemble, such as store:KEY", nargs="+", required=True),
}


def measure(options: argparse.Namespace) -> Iterator[Result]:
    """Speech, then text."""
    work, store = options.work, options.work / "store"
    dev = spoken_manifest(work, DEV)
    run = graphs.run_graph(graphs.recognition_graph(dev), spoken_manifest(work, TEST), store, "spoken")
    signals = {f"tiny_{method}": "expected_wer" for method in graphs.METHODS}
    models = [str(graphs.RECOGNIZERS[name]["model"]) for name in ("tiny", "base")]
    yield Result("tiny.en to base", keep_rungs(run, ("tiny", "base"), "wer", signals), models)
    graph = {**graphs.text_graph(), **graphs.ensemble_node(options.members)}
    run = graphs.run_graph(graph, "multi30k:test_2016_flickr", store, "text")
    signals = {f"greedy_{method}": "expected_chrf" for method in graphs.METHODS}
    translator = str(graphs.TRANSLATOR["model"])
    yield Result("greedy to ensemble", keep_rungs(run, ("greedy", "ensemble"), "chrf", signals), [translator])


def keep_rungs(run: Run, tiers: tuple[str, str], metric: str, signals: Mapping[str, str]) -> dict[str, Any]:
    """Statistics of both rungs, and the doubt of every signal, of the utterances that both have.

    Args:
        run: with both rungs over all utterances.
        tiers: the cheap node and the expensive one.
        metric: what they are compared by.
        signals: node of an estimate -> the feature that it gives.
    """
    best = {
        node: {key: o.best for key, o in run.outcomes(node).items() if isinstance(o, NBest)}
        for node in (*tiers, *signals)
    }
    cheap, expensive = tiers
    is_error = not get_metric(metric).higher_is_better
    utterances = [u for u in run.utterances if all(u.id in best[node] for node in (*tiers, *signals))]
    doubts = {RAW: [-(confidence_of(best[cheap][u.id]) or 0.0) for u in utterances]}
    for node, feature in signals.items():
        sign = 1 if is_error else -1
        doubts[node.partition("_")[2]] = [sign * best[node][u.id].features[feature] for u in utterances]
    texts = {node: [best[node][u.id].text for u in utterances] for node in tiers}
    return {
        "metric": metric,
        "n_total": len(run.utterances),
        "groups": [group_of(u) for u in utterances],
        "domains": [u.domain or "" for u in utterances],
        "doubts": {name: [round(value, 6) for value in values] for name, values in doubts.items()},
        "cheap": count_texts(metric, utterances, texts[cheap]),
        "expensive": count_texts(metric, utterances, texts[expensive]),
    }


def group_of(utterance: Utterance) -> str:
    """The caption that a recording is of: its versions with noise are one item."""
    return utterance.id.rsplit("-", 1)[0] if utterance.audio is not None else utterance.id
