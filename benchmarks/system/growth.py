"""What a run costs as its data grow: synthetic texts through four nodes whose work is next to nothing.

Each run is a process of its own. A run over 20 texts says what starting costs (Python, Prefect's server,
Ray), which is taken off the seconds of the others; one before it makes Prefect's database, as none of the
others does.
"""

from __future__ import annotations

import argparse
import random
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.common.processes import antiphon, measure_command, own_environment
from benchmarks.common.sections import Result, option
from benchmarks.common.synthetic_texts import make_texts, write_rows

PAGE = "growth"
START = 20
"""Texts of the run that says what starting costs."""
GRAPH = """\
source_language: en
nodes:
  upper: {kind: python, file: steps.py, function: upper, of: data}
  long: {kind: route, of: upper, by: length, above: 60}
  reversed: {kind: command, run: [rev], format: text, of: upper, when: long.escalate}
  result: {kind: select, of: [reversed, upper]}
outputs: {transcript: result}
"""
STEPS = """\
def upper(record):
    return record["text"].upper()
"""
OPTIONS = {
    "rows": option([20_000, 200_000], nargs=2),
    "engines": option(["local", "ray"]),
    "rounds": option(3, "of the short runs"),
}


def measure(options: argparse.Namespace) -> Iterator[Result]:
    """What the runs over the growing data set used, by engine."""
    for engine in options.engines:
        with tempfile.TemporaryDirectory() as folder:
            yield Result(
                engine, {"rows": options.rows, "runs": measure_engine(engine, options, Path(folder))}
            )


def measure_engine(engine: str, options: argparse.Namespace, folder: Path) -> dict[str, dict[str, float]]:
    """What each run used: a new one at each size, then the largest once more, and with 1% of rows more.

    The short ones, whose seconds are little more than those of starting, are done in rounds: their medians.
    """
    (folder / "graph.yaml").write_text(GRAPH, encoding="utf-8")
    (folder / "steps.py").write_text(STEPS, encoding="utf-8")
    small, large = options.rows
    rows = list(make_texts(large))
    written: dict[str, list[Any]] = {}

    def run(data: list[Any], store: str, *, fresh: bool) -> dict[str, float]:
        manifest = folder / f"{store}.jsonl"
        if written.get(store) is not data:  # an unchanged rerun reads an unchanged file
            write_rows(manifest, data)
        written[store] = data
        if fresh:
            shutil.rmtree(folder / store, ignore_errors=True)
        command = antiphon("run", "graph.yaml", "--data", str(manifest), "--store", store)
        usage = measure_command(command, own_environment(folder) | {"ANTIPHON_ENGINE": engine}, folder)
        return {**usage._asdict(), "shards": len(list((folder / store / "shards").glob("*/*.jsonl")))}

    runs = {
        "database": run(rows[:START], "few", fresh=True),
        "small": run(rows[:small], "many", fresh=True),
        "large": run(rows, "many", fresh=True),
    }
    rounds: dict[str, list[dict[str, float]]] = {}
    for number in range(options.rounds):
        grown = {}
        for name, places in (("block", 1), ("blocks", 10)):
            more = list(make_texts(large // 100, seed=8 + number, prefix=f"{name}{number}-"))
            grown[name] = rows = insert_rows(rows, more, places)
        for name, data, store, fresh in (
            ("start", rows[:START], "few", True),
            ("start again", rows[:START], "few", False),
            ("block", grown["block"], "many", False),
            ("again", grown["block"], "many", False),
            ("blocks", grown["blocks"], "many", False),
        ):
            rounds.setdefault(name, []).append(run(data, store, fresh=fresh))
            print(engine, name, rounds[name][-1], flush=True)
    more = list(make_texts(large // 100, seed=7, prefix="scattered"))
    scattered = run(insert_rows(rows, more, len(more)), "many", fresh=False)
    medians = {name: {key: median(one[key] for one in of) for key in of[0]} for name, of in rounds.items()}
    return runs | medians | {"scattered": scattered}


def insert_rows(rows: list[Any], more: list[Any], places: int) -> list[Any]:
    """Put rows into others, at so many random places."""
    draw = random.Random(places)
    size = -(-len(more) // places)
    starts = sorted(draw.sample(range(len(rows)), places))
    out, done = [], 0
    for number, start in enumerate(starts):
        out += rows[done:start] + more[number * size : (number + 1) * size]
        done = start
    return out + rows[done:]
