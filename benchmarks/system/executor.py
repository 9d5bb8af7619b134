"""The local engine against the executor of before, of the commit at which the store had no shards.

Both run in turn, in rounds, each run in a process of its own: the cascade over the sample set, and 2,000
short texts through twelve nodes that need no model.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

from benchmarks.common.paths import ROOT
from benchmarks.common.processes import antiphon, measure_command, own_environment
from benchmarks.common.sections import Result, option
from benchmarks.common.synthetic_texts import make_texts, write_rows

PAGE = "executor"
BEFORE = "1e076e5d"
"""The last commit before shards that stay."""
NODES = 12
STEPS = """\
def step(record):
    return record["text"].swapcase()
"""
OPTIONS = {"rounds": option(3), "texts": option(2000), "tasks": option(["texts", "cascade"])}


def measure(options: argparse.Namespace) -> Iterator[Result]:
    """What each run used, before and now, in every round."""
    with tempfile.TemporaryDirectory() as name, checkout(Path(name)) as before:
        folder = Path(name)
        (folder / "steps.py").write_text(STEPS, encoding="utf-8")
        (folder / "graph.yaml").write_text(make_graph(), encoding="utf-8")
        texts = ("run", "graph.yaml", "--data", str(folder / "texts.jsonl"))
        tasks = {"texts": texts, "cascade": ("run", "cascade", "--data", "sample")}
        for task in options.tasks:
            rounds = []
            for number in range(options.rounds):  # other texts each time: where they are cut is chance
                write_rows(folder / "texts.jsonl", make_texts(options.texts, seed=number))
                sides = (("before", before), ("now", ROOT))
                rounds.append({side: measure_run(tasks[task], folder, root) for side, root in sides})
            yield Result(task, {"texts": options.texts, "nodes": NODES, "commit": BEFORE, "rounds": rounds})


def make_graph() -> str:
    """A chain of functions with a program, a route and a choice: twelve nodes."""
    lines = ["source_language: en", "nodes:"]
    chain = ["data", *(f"step{number}" for number in range(NODES - 4))]
    call = "kind: python, file: steps.py, function: step"
    lines += [f"  {name}: {{{call}, of: {of}}}" for of, name in pairwise(chain)]
    lines += [
        f"  long: {{kind: route, of: {chain[-1]}, by: length, above: 60}}",
        f"  back: {{kind: command, run: [rev], format: text, of: {chain[-1]}, when: long.escalate}}",
        f"  choice: {{kind: select, of: [back, {chain[-1]}]}}",
        f"  last: {{{call}, of: choice}}",
        "outputs: {transcript: last}",
    ]
    return "\n".join(lines) + "\n"


def measure_run(arguments: tuple[str, ...], folder: Path, root: Path) -> dict[str, float]:
    """What a run of ``root``'s code over a fresh store used, and the files that it left there."""
    store = folder / "store"
    shutil.rmtree(store, ignore_errors=True)
    environment = own_environment(folder, root)
    environment.pop("ANTIPHON_CACHE")  # it has the models
    usage = measure_command(antiphon(*arguments, "--store", str(store)), environment, folder)
    files = sum(path.is_file() for path in store.rglob("*"))
    return {"seconds": usage.seconds, "cpu": usage.cpu, "peak": usage.driver_peak, "files": files}


@contextmanager
def checkout(folder: Path) -> Iterator[Path]:
    """Check the code of before out into a folder of its own, entry points included."""
    root = folder / "before"
    git: Any = ["git", "-C", str(ROOT), "worktree"]
    subprocess.run([*git, "add", "--detach", "--quiet", str(root), BEFORE], check=True)
    try:
        setup = [sys.executable, "-c", "from setuptools import setup; setup()", "-q", "egg_info"]
        subprocess.run(setup, cwd=root, check=True)
        yield root
    finally:
        subprocess.run([*git, "remove", "--force", str(root)], check=True)
