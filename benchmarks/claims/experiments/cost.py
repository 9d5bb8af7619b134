"""E3d: what an ensemble costs beside its members: seconds of decoding alone, and memory."""

from __future__ import annotations

from pathlib import Path
from shutil import copytree
from typing import Any

import numpy as np

from benchmarks.claims.outputs import Outputs
from benchmarks.claims.workspace import FLICKR16, PACKAGED, Workspace
from benchmarks.common.tables import markdown_table
from components.claims.statistics.measuring import of_rounds
from components.claims.systems.decoding_cost import WARM, measure_apart
from components.claims.systems.workbench import digest_of
from components.claims.verdict import Measured, Result
from components.models import resolve

TITLE = "What an ensemble costs"
QUESTION = """
One, two, four and seven models of one shape (packaged:multi30k-en-de with noise on its weights, so that none
shares anything with another) translate 100 captions, beam 5, mixed at every token, each number in a process
of its own, interleaved. Seconds are CPU seconds of decoding alone: the models are loaded and have translated
20 captions before the clock starts. Memory is the peak of the process, less what it has before a model loads.
"""
SIZES, ROUNDS, SENTENCES = (1, 2, 4, 7), 8, 100


def run(work: Workspace, outputs: Outputs) -> None:
    """Make the models, decode, keep seconds and memory of every round."""
    models = [work.make(f"noisy-{n}", lambda folder, n=n: add_noise(folder, n)) for n in range(SIZES[-1])]
    captions = [u.text or "" for u in work.utterances(FLICKR16, limit=SENTENCES + WARM)]
    rows = []
    for number in range(ROUNDS):
        for size in SIZES:
            key = {"cost": [digest_of(m) for m in models[:size]], "round": number, "sentences": SENTENCES}
            rows.append(
                {"round": number, "members": size}
                | work.cached(key, lambda: measure_apart(models[:size], captions, ("en", "de")))  # noqa: B023
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


def results(outputs: Outputs) -> dict[str, Measured]:
    """Cost of the most members over as many times that of one, less 1."""
    return {
        "cost.seconds": Measured(by_metric={"ratio, CPU": _ratio(outputs, "cpu")}),
        "cost.memory": Measured(by_metric={"ratio, memory": _ratio(outputs, "megabytes")}),
    }


def _ratio(outputs: Outputs, what: str) -> Result:
    most, one = (np.asarray(_of(outputs, what, size)) for size in (SIZES[-1], 1))
    return of_rounds((most / (SIZES[-1] * one) - 1).tolist(), f"{len(one)} interleaved rounds")


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
    return [f"## {SENTENCES} captions, beam 5, medians", markdown_table(header, rows)]
