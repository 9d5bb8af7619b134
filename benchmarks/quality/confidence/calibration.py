"""How good confidences are: words and transcripts of speech, translations of speech and of text."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from antiphon import Run
from benchmarks.common.sections import Result
from benchmarks.quality.confidence import graphs
from benchmarks.quality.confidence.data import DEV, TEST, WORK, human_manifest, spoken_manifest
from components.confidence.evaluation.calibration import measure_calibration
from components.confidence.evaluation.discrimination import measure_discrimination
from components.confidence.evaluation.quality import SignalQuality, measure_quality
from components.confidence.evaluation.scored_texts import NodeTexts, read_node_texts
from components.confidence.evaluation.trials import Trials
from components.metrics.metric import Segments
from components.metrics.table import get_metric
from components.records import Hypothesis, NBest
from components.text.text_confidence import confidence_of

PAGE = "confidence"
NOISES = ("clean", "10 dB", "5 dB")
LOSS = 10.0
"""Points of chrF that a bad translation loses by the recognizer's errors."""
OPTIONS = {"work": WORK}


def measure(options: argparse.Namespace) -> Iterator[Result]:
    """Speech, by noise; human recordings; translations of speech; translations of text."""
    work, store = options.work, options.work / "store"
    dev, test = spoken_manifest(work, DEV), spoken_manifest(work, TEST)
    recognizers = [str(graphs.RECOGNIZERS[name]["model"]) for name in ("tiny", "base")]
    run = graphs.run_graph(graphs.recognition_graph(dev), test, store, "spoken")
    yield Result("spoken captions", measure_by_noise(run, store), recognizers)
    run = graphs.run_graph(graphs.recognition_graph(dev), human_manifest(work), store, "human")
    yield Result("human recordings", measure_nodes(run, store), recognizers)
    run = graphs.run_graph(graphs.cascade_graph(dev), test, store, "cascade")
    translator = str(graphs.TRANSLATOR["model"])
    yield Result("translated speech", measure_losses(run), [recognizers[1], translator])
    run = graphs.run_graph(graphs.text_graph(), "multi30k:test_2016_flickr", store, "text")
    yield Result("translated text", measure_nodes(run, store), [translator])


def measure_nodes(run: Run, store: Path) -> list[dict[str, Any]]:
    """The qualities of all estimates of a run."""
    return [row for node in _estimated(run, store) for row in _qualities(node, node.texts)]


def measure_by_noise(run: Run, store: Path) -> dict[str, list[dict[str, Any]]]:
    """Noise -> the qualities of all estimates of its recordings; "all" of all."""
    noise_of = {u.id: u.domain for u in run.utterances}
    rows: dict[str, list[dict[str, Any]]] = {name: [] for name in ("all", *NOISES)}
    for node in _estimated(run, store):
        for name in rows:
            texts = [text for text in node.texts if name in ("all", noise_of[text.id])]
            rows[name] += _qualities(node, texts)
    return rows


def _estimated(run: Run, store: Path) -> Iterator[NodeTexts]:
    names = {node.name for node in run.record.pipeline.nodes if node.kind == "estimate"}
    return read_node_texts(run.record, str(store), names)


def _qualities(node: NodeTexts, texts: list[Any]) -> list[dict[str, Any]]:
    rows = measure_quality(node.node, texts, node.output, bad_below=node.bad_below, estimated_only=True)
    return [without_curve(row) for row in rows]


def without_curve(row: SignalQuality) -> dict[str, Any]:
    """A quality as it is kept: the curves of risk stand in the run's own report."""
    return row.model_dump(mode="json", exclude={"curve"})


def measure_losses(run: Run, recognizer: str = "base") -> dict[str, Any]:
    """How well estimates and raw log-probabilities tell translations that lost more than :data:`LOSS`."""
    utterances = [u for u in run.utterances if u.references]
    best = {name: _best(run, name) for name in run.nodes}
    ids = [u.id for u in utterances if u.id in best["de"] and u.id in best["of_correct"]]
    references = {u.id: u.references for u in utterances}
    own, gold = (_chrf(ids, best[name], references) for name in ("de", "of_correct"))
    lost = (gold - own > LOSS).astype(float)
    signals = {
        "translator's log-probability": [confidence_of(best["de"][i]) or 0.0 for i in ids],
        "recognizer's log-probability": [confidence_of(best[recognizer][i]) or 0.0 for i in ids],
        **{name: [1 - best[f"de_{name}"][i].features["p_bad"] for i in ids] for name in graphs.METHODS},
    }
    captions = [i.rsplit("-", 1)[0] for i in ids]
    number = {name: n for n, name in enumerate(dict.fromkeys(captions))}
    groups = np.asarray([number[name] for name in captions])
    rows = {}
    for name, values in signals.items():
        trials = Trials(np.asarray(values), lost, groups, len(number))
        measures = {**measure_discrimination(trials), **measure_calibration(trials)}
        rows[name] = {
            key: estimate.model_dump(mode="json")
            for key, value in measures.items()
            if (estimate := value.estimate()) is not None
        }
    return {"n": len(ids), "n_total": len(utterances), "lost": float(lost.mean()), "signals": rows}


def _best(run: Run, node: str) -> Mapping[str, Hypothesis]:
    outcomes = run.outcomes(node)
    return {key: outcome.best for key, outcome in outcomes.items() if isinstance(outcome, NBest)}


def _chrf(ids: list[str], best: Mapping[str, Hypothesis], references: Mapping[str, tuple[str, ...]]) -> Any:
    segments = Segments(
        ids=tuple(ids),
        hypotheses=tuple(best[i].text for i in ids),
        languages=("de",) * len(ids),
        references=tuple(references[i] for i in ids),
        sources=("",) * len(ids),
    )
    scores = get_metric("chrf").sentence_scores(segments)
    return np.asarray([scores[i] for i in ids])
