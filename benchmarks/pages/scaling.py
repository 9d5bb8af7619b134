"""What do more machines bring? Measured to two workers, simulated beyond."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.common.measurements import Measurements
from benchmarks.common.tables import markdown_table
from benchmarks.pages.page import Page, part
from benchmarks.system.simulation import (
    STAGES,
    Basis,
    basis_from_measurements,
    costs_of,
    scale_costs,
    simulate,
)

HOURS = (10, 100, 10_000)
WORKERS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
PICTURE = "scaling.png"


def _blocks(runs: Sequence[Mapping[str, Any]]) -> list[str]:
    """What was measured, what the simulation goes on, and what it says."""
    basis = basis_from_measurements(runs[0])
    curves = simulate_curves(basis)
    return [
        _measured_table(runs),
        "The simulation goes on what was measured at one worker:",
        _basis_table(basis),
        "Simulated: times real time by workers (both stages, one after the other).",
        markdown_table(
            ["hours of audio", *map(str, WORKERS)],
            [[f"{hours:,}", *(f"{value:,.0f}" for value in curve)] for hours, curve in curves.items()],
        ),
        f"![times real time by workers]({PICTURE})",
    ]


def simulate_curves(basis: Basis) -> dict[int, list[float]]:
    """Hours of audio -> hours of it for each hour, by workers."""
    return {
        hours: [
            hours * 3600 / sum(simulate(scale_costs(basis, stage, hours), workers) for stage in STAGES)
            for workers in WORKERS
        ]
        for hours in HOURS
    }


def draw(measurements: Measurements, folder: Path) -> None:
    """The simulated curves and the measured points."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    runs = measurements["runs"]
    basis = basis_from_measurements(runs[0])
    single = 1 / sum(basis.core_seconds.values())
    figure, axes = pyplot.subplots(figsize=(7, 4.5))
    axes.plot(WORKERS, [single * n for n in WORKERS], color="0.6", linestyle=":", label="linear")
    for hours, curve in simulate_curves(basis).items():
        axes.plot(WORKERS, curve, marker=".", label=f"{hours:,} h of audio, simulated")
    walls = [run["audio"] / sum(run[stage]["wall"] for stage in STAGES) for run in runs]
    axes.plot([run["workers"] for run in runs], walls, "kx", label="measured, loading included")
    axes.set(xscale="log", yscale="log", xlabel="workers (one CPU thread each)", ylabel="times real time")
    axes.set_xticks(WORKERS, [str(n) for n in WORKERS])
    axes.legend()
    figure.savefig(folder / PICTURE, dpi=120, bbox_inches="tight", metadata={"Software": None})
    pyplot.close(figure)


def _result(runs: Sequence[Mapping[str, Any]]) -> str:
    one, two = (sum(run[stage]["wall"] for stage in STAGES) for run in runs)
    return (
        f"Two workers take {two / one:.2f} of the time of one, loading a model in each included (one round); "
        "beyond two it is simulated"
    )


def _measured_table(runs: Sequence[Mapping[str, Any]]) -> str:
    rows = []
    for stage in STAGES:
        for run in runs:
            own = run[stage]
            predicted = simulate(costs_of(runs[0], stage), run["workers"])
            seconds = (own["wall"], sum(own["shards"]), own["landed"][0], predicted)
            rows.append([stage, str(run["workers"]), *(f"{value:.1f}" for value in seconds)])
    header = ["stage", "workers", "wall s", "shards' seconds, sum", "first shard lands", "predicted wall s"]
    return markdown_table(header, rows)


def _basis_table(basis: Basis) -> str:
    rows = {
        "core-seconds of one second of audio": basis.core_seconds,
        "seconds until a worker has its model": basis.load,
        "seconds of the driver for each shard": basis.driver,
    }
    cells = [[name, *(f"{row[stage]:.4f}" for stage in STAGES)] for name, row in rows.items()]
    return markdown_table(["", *STAGES], cells)


PAGES = {
    "scaling": Page(
        title="How throughput grows with workers",
        question="What do more machines bring?",
        read=part("runs"),
        facts=lambda runs: {"items": runs[0]["items"], "audio": runs[0]["audio"]},
        result=_result,
        text="""\
{result}.

Whisper base greedy and the packaged English-German model (beam 5) on the sample set repeated ({items}
utterances, {audio:.0f} s of audio), Dask workers with one thread each, one round. Wall seconds of the
stage's task from its start to its seal; starting the cluster is not in them, loading a model in each worker
is. Predicted: the simulation below, given the shard times, loading and driver seconds of one worker.""",
        blocks=_blocks,
        draw=draw,
    ),
}
"""Page -> its row."""
