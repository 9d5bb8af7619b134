"""Running the `antiphon` command with fake components in a process of its own, to be killed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parents[2]
FAKES = ROOT / "tests" / "flows" / "fakes.py"
ITEMS = 640  # ten shards of 64


def manifest(folder: Path, items: int = ITEMS) -> Path:
    """Text-only data: stage 1 is data, stage 2 is mt."""
    path = folder / "manifest.jsonl"
    rows = [
        {"id": f"u{n:04d}", "text": f"a dog {n}", "source_language": "en", "target_language": "de"}
        for n in range(items)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def command(folder: Path, store: Path, *more: str) -> list[str]:
    data = ("--data", str(manifest(folder)), "--store", str(store))
    return [sys.executable, str(FAKES), "run", "cascade", *data, "--json", *more]


def environment(folder: Path, settings: Mapping[str, str]) -> dict[str, str]:
    home = {"PREFECT_HOME": str(folder / "prefect"), "PYTHONPATH": str(ROOT)}
    return {**os.environ, "FAKE_CALLS": str(folder / "calls"), **home, **settings}


def start(folder: Path, store: Path, **settings: str) -> subprocess.Popen[str]:
    """Begin a run in the background."""
    return subprocess.Popen(
        command(folder, store),
        env=environment(folder, settings),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(folder: Path, store: Path, *more: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run to the end."""
    return subprocess.run(
        command(folder, store, *more),
        env=environment(folder, settings),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )


def result(done: subprocess.CompletedProcess[str]) -> dict[str, dict[str, object]]:
    """The stages by name, from the last line of standard output."""
    assert done.returncode == 0, done.stderr[-3000:]
    stages = json.loads(done.stdout.splitlines()[-1])["stages"]
    return {stage["stage"]: stage for stage in stages}


def calls(folder: Path) -> list[str]:
    path = folder / "calls"
    return path.read_text().splitlines() if path.exists() else []


def wait_for_calls(process: subprocess.Popen[str], folder: Path, number: int) -> None:
    """Until the components have been called so often."""
    deadline = time.monotonic() + 120
    while len(calls(folder)) < number:
        assert process.poll() is None, process.communicate()[1][-3000:]
        assert time.monotonic() < deadline, "the run does not get on"
        time.sleep(0.02)
