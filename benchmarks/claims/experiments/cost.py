"""E3d: what an ensemble costs beside its members: seconds of decoding alone, and memory."""

from __future__ import annotations

import importlib
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from shutil import copytree
from typing import Any

import numpy as np

from benchmarks.claims.outputs import Outputs
from benchmarks.claims.workspace import FLICKR16, PACKAGED, Workspace, digest_of
from benchmarks.common.tables import markdown_table
from components.claims.measuring import of_sums
from components.claims.verdict import Measured, Result
from components.compute import profiling
from components.compute.device import use_threads
from components.metrics.statistics.seed_bootstrap import ItemSums
from components.models import resolve

TITLE = "What an ensemble costs"
QUESTION = """
One, two, four and seven models of one shape (packaged:multi30k-en-de with noise on its weights, so that none
shares anything with another) translate 100 captions, beam 5, mixed at every token, each number in a process
of its own, interleaved. Seconds are CPU seconds of decoding alone: the models are loaded and have translated
20 captions before the clock starts. Memory is the peak of the process, less what it has before a model loads.
"""
SIZES, ROUNDS, SENTENCES = (1, 2, 4, 7), 8, 100
FACTORY = "components.ensembling.token_level.factory"


def run(work: Workspace, outputs: Outputs) -> None:
    """Make the models, decode, keep seconds and memory of every round."""
    models = [work.make(f"noisy-{n}", lambda folder, n=n: add_noise(folder, n)) for n in range(SIZES[-1])]
    rows = []
    for number in range(ROUNDS):
        for size in SIZES:
            key = {"cost": [digest_of(m) for m in models[:size]], "round": number, "sentences": SENTENCES}
            rows.append(
                {"round": number, "members": size} | work.cached(key, lambda: measure(models[:size]))  # noqa: B023
            )
    outputs.measurements["cost"] = rows


def add_noise(folder: Path, number: int) -> None:
    """Write the packaged model with a little noise (a thousandth of each matrix's spread)."""
    import torch
    from safetensors.torch import load_file, save_file

    copytree(resolve(PACKAGED).path, folder, copy_function=_copy_bytes)
    file = folder / "model.safetensors"
    weights, generator = load_file(file), torch.Generator().manual_seed(number)
    for name, weight in weights.items():
        if weight.is_floating_point() and weight.dim() > 1:
            noise = torch.randn(weight.shape, generator=generator) * weight.float().std() * 1e-3
            weights[name] = (weight.float() + noise).to(weight.dtype)
    save_file(weights, file, metadata={"format": "pt"})


def _copy_bytes(source: str, target: str) -> None:
    Path(target).write_bytes(Path(source).read_bytes())


def measure(models: Sequence[Path]) -> dict[str, float]:
    """CPU and wall seconds of decoding and MB of memory, in a process of its own."""
    command = [sys.executable, "-m", __name__, *map(str, models)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    cpu, wall, megabytes = map(float, done.stdout.split()[-3:])
    return {"cpu": cpu, "wall": wall, "megabytes": megabytes}


def results(outputs: Outputs) -> dict[str, Measured]:
    """Cost of the most members over as many times that of one, less 1."""
    return {
        "cost.seconds": Measured(by_metric={"ratio, CPU": _ratio(outputs, "cpu")}),
        "cost.memory": Measured(by_metric={"ratio, memory": _ratio(outputs, "megabytes")}),
    }


def _ratio(outputs: Outputs, what: str) -> Result:
    most = SIZES[-1]
    costs = np.array([_of(outputs, what, size) for size in (most, 1)])
    sums = np.stack([costs[0] / most, costs[1]], 1)[None]
    ratio = ItemSums(lambda sums: sums[..., 0] / sums[..., 1], sums, np.ones_like(sums))
    return of_sums(ratio, f"{costs.shape[1]} interleaved rounds")


def _of(outputs: Outputs, what: str, size: int) -> list[float]:
    rows: list[dict[str, Any]] = outputs.measurements["cost"]
    return [row[what] for row in rows if row["members"] == size]


def page(outputs: Outputs) -> list[str]:
    """Cost by number of members."""
    rows = []
    first = {what: float(np.median(_of(outputs, what, 1))) for what in ("cpu", "megabytes")}
    for size in SIZES:
        cells = []
        for what, pattern in (("cpu", "{:.2f}"), ("megabytes", "{:,.0f}")):
            value = float(np.median(_of(outputs, what, size)))
            cells += [pattern.format(value), f"{value / first[what]:.2f}"]
        rows.append((str(size), *cells))
    header = ("members", "CPU s of decoding", "times one", "MB above the process", "times one")
    return [f"## {SENTENCES} captions, beam 5, medians", "", markdown_table(header, rows)]


def main(models: Sequence[str]) -> None:
    """Print CPU and wall seconds of decoding and MB above what the process has without a model."""
    from tempfile import TemporaryDirectory

    with TemporaryDirectory() as folder, use_threads(1):
        work = Workspace(Path(folder), lambda text: None)
        captions = work.utterances(FLICKR16, limit=SENTENCES + 20)
        for module in ("transformers", "components.translation.factory", FACTORY):
            importlib.import_module(module)
        with profiling.measure_cost() as before:
            pass
        with profiling.measure_cost() as cost:  # ru_maxrss would be that of the process that started this one
            work.translate(captions[SENTENCES:], models)
            cpu, wall = time.process_time(), time.perf_counter()
            work.translate(captions[:SENTENCES], models)
            cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
        print(cpu, wall, (cost.peak_memory_bytes - before.peak_memory_bytes) / 1e6)


if __name__ == "__main__":
    main(sys.argv[1:])
