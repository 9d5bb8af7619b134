"""The worlds, from kept outputs: routed cascades over captions, routed recognizers over people."""

from __future__ import annotations

import time
from collections.abc import Mapping
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common.measurements import read_measurements
from benchmarks.quality.design.worlds import Mix, Node, System, World
from components.metrics.metric import align_segments
from components.metrics.statistics.bootstrap import FloatArray
from components.metrics.table import get_metric
from components.records import Hypothesis, NBest

METRIC = "bleu"
FAST, GOOD = "packaged:whisper-tiny.en", "packaged:whisper-base"
BUDGETS = tuple(round(0.1 * n, 1) for n in range(11))
EMPTY = Hypothesis(text="", score=0.0, n_tokens=0, system="none")
CAPTION_SPACE = {"budget": BUDGETS, "good": ("good-1", "good-5"), "translator": ("1/1", "4/1", "8/0.5")}
"""A translator is its beam and its length penalty, as the table names it."""


def caption_world() -> World:
    """Return the systems of the page ``search``: a routed cascade with other budgets and searches."""
    stored = read_measurements("search")
    grids = [stored[name] for name in ("search", "confirm")]
    every = [dict(zip(CAPTION_SPACE, values, strict=True)) for values in product(*CAPTION_SPACE.values())]
    settings = [each for each in every if each["budget"] or each["good"] == "good-1"]  # else none goes there
    doubts = np.concatenate([np.asarray(g["doubt"]["fast-1"]) for g in grids])
    systems = []
    for each in settings:
        key, good = each["translator"], each["good"]
        escalates = _escalates(doubts, each["budget"])
        rows = [
            np.concatenate([np.asarray(g["translated"][name][key][METRIC]) for g in grids])
            for name in ("fast-1", good)
        ]
        nodes = {
            "fast": Node("fast", _mean_seconds(grids, "seconds", "fast-1")),
            "good": Node(
                f"{good} {each['budget']}", np.where(escalates, _mean_seconds(grids, "seconds", good), 0.0)
            ),
            "de": Node(f"de {each}", _mean_seconds(grids, "translation_seconds", key)),
        }
        cheap = {**each, "budget": 0.0, "good": "good-1"}
        tiers = settings.index(cheap), settings.index({**each, "budget": 1.0})
        systems.append(
            System(np.where(escalates[:, None], *rows[::-1]), nodes, _mix(tiers, each["budget"], doubts))
        )
    return World(METRIC, systems, settings)


def _mean_seconds(grids: list[Mapping[str, Any]], table: str, name: str) -> FloatArray:
    sizes = [len(grid["ids"]) for grid in grids]
    return np.concatenate([np.full(n, grid[table][name] / n) for n, grid in zip(sizes, grids, strict=True)])


def _escalates(doubts: FloatArray, budget: float) -> FloatArray:
    return np.asarray(doubts >= (np.quantile(doubts, 1 - budget) if budget else np.inf))


def _mix(tiers: tuple[int, int], budget: float, doubts: FloatArray) -> Mix | None:
    return Mix(tiers, budget, doubts) if 0 < budget < 1 else None


def people_world(grid: Mapping[str, Any]) -> World:
    """Return routed recognizers over recordings of people: budgets, and beams of both recognizers."""
    rows = {name: np.asarray(values, np.float64) for name, values in grid["wer"].items()}
    seconds = {name: np.asarray(values) for name, values in grid["seconds"].items()}
    space = {"budget": BUDGETS, "small": grid["small"], "large": grid["large"]}
    settings = [dict(zip(space, values, strict=True)) for values in product(*space.values())]
    systems = []
    for each in settings:
        budget, small, large = each.values()
        doubts = np.asarray(grid["doubt"][small])
        escalates = _escalates(doubts, budget)
        nodes = {"fast": Node(small, seconds[small])}
        if budget:
            nodes["good"] = Node(f"{large} for {budget} of {small}", np.where(escalates, seconds[large], 0.0))
        tiers = settings.index({**each, "budget": 0.0}), settings.index({**each, "budget": 1.0})
        systems.append(
            System(np.where(escalates[:, None], rows[large], rows[small]), nodes, _mix(tiers, budget, doubts))
        )
    return World("wer", systems, settings)


def recognize_people(manifest: Path, limit: int) -> dict[str, Any]:
    """Recognize recordings one by one, and return what routes between recognizers can be made of."""
    from components import data
    from components.recognition.config import RecognitionConfig
    from components.recognition.factory import build

    utterances = data.load(str(manifest), limit=limit).utterances
    recognizers = {
        f"{name}-{beam}": (model, beam)
        for name, model, beams in (("tiny", FAST, (1, 5)), ("base", GOOD, (1, 3, 5)))
        for beam in beams
    }
    measured: dict[str, Any] = {"ids": [u.id for u in utterances], "doubt": {}, "wer": {}, "seconds": {}}
    measured |= {
        "small": [n for n in recognizers if n[0] == "t"],
        "large": [n for n in recognizers if n[0] == "b"],
    }
    wer = get_metric("wer")
    for name, (model, beam) in recognizers.items():
        component = build(RecognitionConfig(model=model, beam_size=beam, n_best=1))
        component.recognize(utterances[:1])  # loads
        texts, doubts, seconds = {}, [], []
        for utterance in utterances:
            start = time.perf_counter()
            (outcome,) = component.recognize([utterance])
            seconds.append(round(time.perf_counter() - start, 4))
            best = outcome.hypotheses[0] if isinstance(outcome, NBest) else EMPTY
            texts[utterance.id] = best.text
            doubts.append(-best.score / max(1, best.n_tokens))
        references = {u.id: [u.transcript or ""] for u in utterances}
        segments = align_segments(references, texts, "en", len(utterances))
        measured["wer"][name] = np.asarray(wer.statistics(wer.select(segments))).tolist()
        measured["doubt"][name], measured["seconds"][name] = doubts, seconds
    return measured
