"""What pools of systems gain over their best member: votes by calibrated confidences, minimum Bayes risk.

Settings of the votes are chosen on 200 captions of val that no estimator was fitted on.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from antiphon import Run
from benchmarks.common.sections import Result, option
from benchmarks.common.text_statistics import count_texts
from benchmarks.quality.confidence import graphs
from benchmarks.quality.confidence.data import DEV, TEST, WORK, spoken_manifest, tuning_manifest
from benchmarks.quality.confidence.graphs import Graph
from components.metrics.table import get_metric
from components.records import NBest

PAGE = "pools"
SYSTEMS = ("base", "tiny", "sphinx")
VOTES = {
    "equal votes": {"n_best": 1},
    "equal votes, 5 best": {"n_best": 5},
    "more for base": {"n_best": 1, "weights": [2.0, 1.0, 1.0]},
}
ALPHAS, SILENCES = (0.2, 0.5, 0.8), (0.3, 0.5, 0.7)
"""Weight of votes beside confidences, and the confidence of no word."""
CALIBRATED = "calibrated votes"
SAMPLES = 32
OPTIONS = {"work": WORK, "members": option(str, "translators of other seeds", nargs="+", required=True)}


def measure(options: argparse.Namespace) -> Iterator[Result]:
    """Transcripts, then translations."""
    work, store = options.work, options.work / "store"
    dev = spoken_manifest(work, DEV)
    tuning = graphs.run_graph(vote_graph(dev), tuning_manifest(work), store, "votes-tuning")
    test = graphs.run_graph(vote_graph(dev), spoken_manifest(work, TEST), store, "votes")
    models = [str(graphs.RECOGNIZERS[name]["model"]) for name in SYSTEMS]
    values = {"val": keep_transcripts(tuning), "test": keep_transcripts(test)}
    yield Result("recognizers", values, models)
    run = graphs.run_graph(risk_graph(options.members), "multi30k:test_2016_flickr", store, "risk")
    yield Result("translators", keep_translations(run), [str(graphs.TRANSLATOR["model"])])


def vote_graph(dev: Path) -> Graph:
    """Three recognizers (the third on clean recordings alone), and every way to let them vote."""
    nodes = graphs.recognition_graph(dev, SYSTEMS, ("gradient_boosting",))
    clean = {"branches": {"clean": ["clean"]}, "otherwise": "noisy"}
    nodes["clean"] = {"kind": "route", "of": "data", "by": "domain", **clean}
    nodes["sphinx"]["when"] = "clean.clean"
    for name, settings in VOTES.items():
        nodes[node_of(name)] = {"kind": "combine", "of": list(SYSTEMS), "method": "rover", **settings}
    estimated = [f"{name}_gradient_boosting" for name in SYSTEMS]
    for alpha, silence in product(ALPHAS, SILENCES):
        nodes[node_of(f"{CALIBRATED} {alpha:g} {silence:g}")] = {
            "kind": "combine",
            "of": estimated,
            "method": "rover",
            "confidence": "calibrated",
            "voting": "average",
            "alpha": alpha,
            "null_confidence": silence,
            "n_best": 1,
        }
    return nodes


def node_of(system: str) -> str:
    """The node of a system, such as ``equal-votes``."""
    return system.replace(", ", "-").replace(" ", "-").replace(".", "")


def risk_graph(members: Sequence[str]) -> Graph:
    """Beams of three seeds, samples of the first, and minimum Bayes risk over samples and over beams."""
    beams = {"beam": str(graphs.TRANSLATOR["model"])}
    beams |= {f"seed-{number}": member for number, member in enumerate(members, 2)}
    nodes: Graph = {
        name: {"kind": "translate", "of": "data", "model": model} for name, model in beams.items()
    }
    nodes["beam"] |= graphs.TRANSLATOR
    drawn = {"sampling": {"count": SAMPLES, "epsilon": 0.02}}
    nodes["samples"] = {"kind": "translate", "of": "data", "model": beams["beam"], **drawn}
    risk = {"kind": "combine", "method": "minimum_bayes_risk"}
    for utility in ("chrf", "bleu"):
        of_samples = {"of": "samples", "n_best": SAMPLES, "scale": 0.0}
        nodes[f"samples-{utility}"] = {**risk, "utility": utility, **of_samples}
        nodes[f"beams-{utility}"] = {**risk, "utility": utility, "of": list(beams)}
    nodes["ensemble"] = {"kind": "translate", "of": "data", "model": beams["beam"], "members": list(members)}
    return nodes


def keep_transcripts(run: Run) -> dict[str, Any]:
    """Errors and words of every system on the clean recordings, with the oracles."""
    utterances = [u for u in run.utterances if u.domain == "clean"]
    systems = (*SYSTEMS, *(node for node in run.nodes if "votes" in node or node == "more-for-base"))
    texts = {node: best_texts(run, node) for node in systems}
    lists = [run.outcomes(node) for node in SYSTEMS]
    pools = {
        u.id: [h.text for own in lists if isinstance(o := own.get(u.id), NBest) for h in o.hypotheses[:5]]
        for u in utterances
    }
    by_system = {
        node: count_texts("wer", utterances, [own.get(u.id, "") for u in utterances])
        for node, own in texts.items()
    }
    return {
        "n": len(utterances),
        "statistics": by_system,
        "oracle": oracle_statistics("wer", utterances, pools),
    }


def keep_translations(run: Run) -> dict[str, Any]:
    """Statistics of BLEU and chrF of every system, with the oracle of the samples."""
    utterances = run.utterances
    texts = {node: best_texts(run, node) for node in run.nodes}
    samples = run.outcomes("samples")
    pools = {
        u.id: [h.text for h in o.hypotheses] for u in utterances if isinstance(o := samples[u.id], NBest)
    }
    return {
        "n": len(utterances),
        "statistics": {
            metric: {
                node: count_texts(metric, utterances, [own.get(u.id, "") for u in utterances])
                for node, own in texts.items()
            }
            for metric in ("bleu", "chrf")
        },
        "oracle": oracle_statistics("chrf", utterances, pools),
    }


def best_texts(run: Run, node: str) -> dict[str, str]:
    """Utterance id -> best text of a node."""
    return {key: o.best.text for key, o in run.outcomes(node).items() if isinstance(o, NBest)}


def oracle_statistics(
    name: str, utterances: Sequence[Any], pools: Mapping[str, Sequence[str]]
) -> list[list[float]]:
    """Statistics of the best candidate of each utterance, by its own score."""
    metric, rows = get_metric(name), []
    for utterance in utterances:
        candidates = list(dict.fromkeys(pools[utterance.id])) or [""]
        own = count_texts(name, [utterance] * len(candidates), candidates)
        best = max if metric.higher_is_better else min
        rows.append(best(own, key=lambda row: float(metric.score(np.asarray(row)))))
    return rows
