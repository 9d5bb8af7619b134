"""Quality against seconds of a student, of the student with a route back to its teacher, and of the teacher.

For every seed one graph trains the student on its teacher's translations, learns the routes on val and
translates the test set. Kept are texts and their counts, who escalates by which number, and CPU seconds that
were measured in rounds.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import torch

from antiphon import Run, run_pipeline
from benchmarks.common.cached_recognition import CACHE
from benchmarks.common.cpu_timer import Call
from benchmarks.common.cpu_timer import measure as measure_cpu
from benchmarks.common.sections import Result, option
from benchmarks.common.text_statistics import count_translations
from components.records import NBest, Route
from components.translation.config import TranslationConfig
from components.translation.factory import build as build_translator

PAGE = "students"
TEACHER = "packaged:multi30k-en-de"
TRAINING, DEV, TEST = "multi30k:train", "multi30k:val", "multi30k:test_2016_flickr"
GREEDY = "teacher, greedy"
"""The teacher with beam 1; it teaches with beam 5."""
SIGNALS: Mapping[str, str | list[str]] = {
    "log-probability": "mean_log_prob",
    "predicted gain": ["mean_log_prob", "min_log_prob", "n_tokens"],
}
"""Name -> the numbers that decide."""
BUDGETS = (0.1, 0.2, 0.3, 0.5)
OPTIONS = {
    "work": option(CACHE / "students", "the store of the runs"),
    "limit": option(int, "captions that the student learns from; all unless set"),
    "steps": option(1500, "updates of the student"),
    "seeds": option([1, 2, 3], "of its training"),
    "test-limit": option(int, "captions of the test set; all unless set"),
    "rounds": option(2, "of the measurement of seconds"),
}


def measure(options: argparse.Namespace) -> Iterator[Result]:
    """What the teacher writes, the student and the routes of every seed, and what the first seed's cost."""
    torch.set_num_threads(1)
    runs = []
    for seed in options.seeds:
        run = run_pipeline(
            {"nodes": make_graph(options.limit, options.steps, seed)},
            data=TEST,
            limit=options.test_limit,
            store=str(options.work),
            name=f"students-{seed}",
            replace=True,
            source_language="en",
            target_language="de",
        )
        runs.append(run)
        training = {"captions": options.limit, "steps": options.steps}
        yield Result(f"seed {seed}", training | keep_texts(run, {"student": "fast"}) | keep_routes(run))
    yield Result("teachers", keep_texts(runs[0], {GREEDY: "greedy", "teacher": "teacher"}), [TEACHER])
    yield Result("seconds", measure_seconds(runs[0], options), [TEACHER])


def make_graph(limit: int | None, steps: int, seed: int) -> dict[str, dict[str, Any]]:
    """The teacher, its student, and a route for every signal and budget."""
    teacher = {"kind": "translate", "model": TEACHER, "n_best": 1}
    graph = {
        "teacher": {**teacher, "beam_size": 5},
        "greedy": {**teacher, "beam_size": 1},
        "student": _student(limit, steps, seed),
        "fast": {**teacher, "model": "node:student", "beam_size": 1},
    }
    for signal, by in SIGNALS.items():
        for budget in BUDGETS:
            name = name_route(signal, budget)
            tiers = {"of": "fast", "tiers": ["fast", "teacher"]}
            graph[name] = {"kind": "route", **tiers, "by": by, "dev": DEV, "budget": budget}
            graph[f"sent-{name}"] = {"kind": "select", "of": ["teacher"], "when": f"{name}.escalate"}
    return graph


def _student(limit: int | None, steps: int, seed: int) -> dict[str, Any]:
    """The node that trains the student."""
    return {
        "kind": "distill",
        "teacher": "teacher",
        "data": TRAINING,
        "limit": limit,
        "seed": seed,
        "dev": DEV,
        "tokenizer": TEACHER,
        "init_layers_from": TEACHER,
        "num_layers": 3,
        "decoder_layers": 1,
        "dropout": 0.1,
        "max_steps": steps,
        "lr_schedule": "linear",
        "learning_rate": 1e-3,
        "warmup_steps": 50,
        "eval_every": max(1, steps // 3),
        "eval_sentences": 100,
        "average_checkpoints": 1,
        "device": "cpu",
    }


def name_route(signal: str, budget: float) -> str:
    """The node of a route."""
    return f"{signal.replace(' ', '-')}-{round(100 * budget)}"


def keep_texts(run: Run, systems: Mapping[str, str]) -> dict[str, Any]:
    """Texts of systems (name -> node) by utterance, and their statistics."""
    texts = {
        system: {key: o.best.text for key, o in run.outcomes(node).items() if isinstance(o, NBest)}
        for system, node in systems.items()
    }
    return {"texts": texts, "statistics": count_translations(run.utterances, texts)}


def keep_routes(run: Run) -> dict[str, Any]:
    """Of every route who escalates (positions in the data), and what it said of itself on val."""
    return {
        "escalated": {
            signal: {f"{budget:g}": _escalated(run, name_route(signal, budget)) for budget in BUDGETS}
            for signal in SIGNALS
        },
        "notes": [note for note in run.record.notes if "--fit" in note],
    }


def _escalated(run: Run, route: str) -> list[int]:
    """Positions of the utterances that a route sends to the teacher."""
    branches = run.outcomes(route)
    outcomes = [branches[u.id] for u in run.utterances]
    return [n for n, way in enumerate(outcomes) if isinstance(way, Route) and way.way == "escalate"]


def measure_seconds(run: Run, options: argparse.Namespace) -> dict[str, list[float]]:
    """CPU seconds, round by round, of every system over all captions and of the teacher over some."""
    student = next(f"store:{ref.key}" for ref in run.record.stages if ref.stage == "student")
    translators = {
        name: build_translator(
            TranslationConfig(model=model, beam_size=beam, n_best=1, device="cpu"), str(options.work)
        )
        for name, model, beam in (("student", student, 1), (GREEDY, TEACHER, 1), ("teacher", TEACHER, 5))
    }
    calls: dict[str, Call] = {
        name: partial(translator.translate, run.utterances) for name, translator in translators.items()
    }
    for budget, positions in keep_routes(run)["escalated"]["log-probability"].items():
        selected = [run.utterances[n] for n in positions]
        calls[f"escalated {budget}"] = partial(translators["teacher"].translate, selected)
    return measure_cpu(calls, options.rounds)
