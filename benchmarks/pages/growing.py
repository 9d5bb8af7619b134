"""Pages of data that grow, and of runs that are killed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from benchmarks.common.measurements import Measurements
from benchmarks.common.tables import format_rows, markdown_table
from benchmarks.pages.page import Page

DRIVER_BAR, MEMORY_BAR, MORE_BAR, AGAIN_BAR = 0.05, 1.1, 0.02, 0.01
KILLED_BAR = 2.0
ONE, ROW, SIDE = "one node", "two in a row", "three side by side"
SIDE_BAR = 1.15
GROWN = {
    "again": "the same once more",
    "block": "+1% rows at one place",
    "blocks": "+1% rows at ten places",
    "scattered": "+1% rows one by one",
}
RUNS = {
    "database": "{start} rows, which makes Prefect's database",
    "start": "{start} rows",
    "start again": "{start} rows once more",
    "small": "{small:,} rows",
    "large": "{large:,} rows",
}
ANTIPHON, RAY_DATA, CURATOR = "Antiphon on Ray", "Ray Data", "NeMo Curator"


def say(value: float, bar: float, pattern: str = "{:.2f}") -> str:
    """``0.98 (aim 1.15, met)``: a value that is to be at most the bar."""
    return f"{pattern.format(value)} (aim {bar:g}, {'met' if value <= bar else 'missed'})"


def growth_of(values: Any) -> dict[str, float]:
    """The driver's milliseconds a row, and its memory at ten times the rows."""
    runs, (_, large) = values["runs"], values["rows"]
    start, whole = runs["start"], runs["large"]
    return {
        "driver": 1000 * (whole["driver_cpu"] - start["driver_cpu"]) / large,
        "memory": whole["driver_peak"] / runs["small"]["driver_peak"],
    }


def share_of(runs: Any, name: str, usage: str) -> float:
    """What a run took, ``seconds`` or ``cpu``, of the first, both without what starting takes.

    A run that computes something is compared without a run over a few rows, one that computes nothing without
    that of the same once more.
    """
    idle = runs["start again" if name == "again" else "start"]
    return float((runs[name][usage] - idle[usage]) / (runs["large"][usage] - runs["start"][usage]))


def _growth(measurements: Measurements) -> str:
    ratios, runs = growth_of(measurements["ray"]), measurements["local"]["runs"]
    again, more = (share_of(runs, name, "seconds") for name in ("again", "block"))
    return (
        f"on Ray the driver takes {say(ratios['driver'], DRIVER_BAR, '{:.3f}')} ms of CPU a row and, at ten "
        f"times the rows, {say(ratios['memory'], MEMORY_BAR)} of the memory; on the local engine a rerun "
        f"takes {say(again, AGAIN_BAR, '{:.3f}')} of the seconds of the first run, 1% more rows at one place "
        f"{say(more, MORE_BAR, '{:.3f}')}"
    )


def _growth_blocks(measurements: Measurements) -> Iterator[str]:
    for engine in measurements.parts:
        values = measurements[engine]
        small, large = values["rows"]
        names = {name: text.format(start=20, small=small, large=large) for name, text in RUNS.items()} | GROWN
        yield f"## Engine {engine}"
        yield format_rows(
            {names[name]: {**run, "mb": run["driver_peak"] / 1e6} for name, run in values["runs"].items()},
            {
                "run": "{name}",
                "seconds": "{seconds:.1f}",
                "CPU s, all": "{cpu:.1f}",
                "CPU s, driver": "{driver_cpu:.1f}",
                "peak of the driver, MB": "{mb:,.0f}",
                "shards in the store": "{shards:,}",
            },
        )
        ratios = growth_of(values)
        bars = {"again": AGAIN_BAR, "block": MORE_BAR, "blocks": MORE_BAR, "scattered": MORE_BAR}
        rows = [["driver, ms of CPU a row", f"{ratios['driver']:.3f}", "", f"{DRIVER_BAR}"]]
        rows += [["driver's memory, at ten times the rows", f"{ratios['memory']:.3f}", "", f"{MEMORY_BAR}"]]
        for name, bar in bars.items():
            shares = [f"{share_of(values['runs'], name, usage):.4f}" for usage in ("cpu", "seconds")]
            rows.append([GROWN[name], *shares, f"{bar}"])
        yield markdown_table(["ratio", "CPU", "seconds", "aim: at most"], rows)


def _kills(measurements: Measurements) -> str:
    parts = [measurements[name] for name in measurements.parts]
    kills = sum(sum(values["kills"].values()) for values in parts)
    again = max(_again_per_kill(values) for values in parts)
    wrong, lost = (sum(values[name] for values in parts) for name in ("wrong", "lost"))
    return (
        f"{kills} kills at random cost {say(again, KILLED_BAR)} shards each that are computed again; shards "
        f"with wrong bytes: {wrong}; rows lost: {lost}"
    )


def _again_per_kill(values: Mapping[str, Any]) -> float:
    return float(values["again"]) / max(sum(values["kills"].values()), 1)


def _kills_blocks(measurements: Measurements) -> list[str]:
    rows = {
        name: {
            **measurements[name],
            "killed": ", ".join(f"{n} {sort}" for sort, n in sorted(measurements[name]["kills"].items())),
            "each": _again_per_kill(measurements[name]),
        }
        for name in measurements.parts
    }
    return [
        format_rows(
            rows,
            {
                "engine": "{name}",
                "killed": "{killed}",
                "runs to the end": "{rounds}",
                "shards of a run": "{shards:,}",
                "computed again": "{again:,}",
                "for each kill": "{each:.2f}",
                "wrong": "{wrong}",
                "rows lost": "{lost}",
            },
        )
    ]


def _side_by_side(measurements: Measurements) -> str:
    texts = []
    for engine in measurements.parts:
        row, side = (measurements[engine]["graphs"][name]["ratio"] for name in (ROW, SIDE))
        texts.append(f"{say(row, SIDE_BAR)} on {engine}, three at once {side:.2f}")
    return f"of the time of one node two in a row take {'; '.join(texts)}"


def _side_by_side_blocks(measurements: Measurements) -> Iterator[str]:
    for engine in measurements.parts:
        graphs = {
            name: {**graph, "seconds": ", ".join(f"{s:.1f}" for s in graph["seconds"])}
            for name, graph in measurements[engine]["graphs"].items()
        }
        yield f"## Engine {engine}"
        columns = {"graph": "{name}", "seconds by round": "{seconds}", "ratio": "{ratio:.3f}"}
        yield format_rows(graphs, columns)


def _checkpoint(measurements: Measurements) -> str:
    again = {name: sum(measurements[name]["again"].values()) for name in measurements.parts}
    own, total = again[ANTIPHON], 3 * measurements[ANTIPHON]["pieces"]
    others = "".join(f", {name} {count}" for name, count in again.items() if name != ANTIPHON)
    return f"after a SIGKILL in the middle Antiphon begins {own} of {total} computations again{others}"


def _checkpoint_blocks(measurements: Measurements) -> list[str]:
    rows = []
    for name in measurements.parts:
        values = measurements[name]
        cells = [f"{values['again'][node]} of {values['begun'][node]}" for node in values["again"]]
        rows.append([name, *cells, str(sum(values["again"].values()))])
    header = ["system", "first node: again, of those begun", "second", "third", "together"]
    return [markdown_table(header, rows)]


PAGES = {
    "growth": Page(
        title="What a run costs as its data grow",
        question="What does a run cost as its data grow?",
        result=_growth,
        text="""\
Measured: {result}.

Synthetic texts of 4 to 20 words through a `python` node, a route, a program and a `select`, whose work is
next to nothing: what is left is what running costs. Each run is a process of its own; the driver is that
process and, on Ray, the process that drives Ray beside it. Ratios are without what a run over 20 rows takes:
Python, Prefect's server and Ray start in that. CPU time is that of all processes that the run waits for
(Ray's own workers are not among them). Rows at one place make the shard that they fall into new as well: 1.7%
of the rows are computed. Rows one by one touch nearly every shard.""",
        blocks=_growth_blocks,
    ),
    "kills": Page(
        title="What random kills cost",
        question="What does a kill cost?",
        result=_kills,
        text="""\
Measured: {result}.

A chain of three nodes over texts, of which each shard takes a fraction of a second, is killed with SIGKILL at
random moments while it computes: workers of Ray, the process that drives Ray, the run, and runs on the local
engine. A run that was killed is typed again. What was computed again is counted by a log that the nodes'
function appends to; bytes are compared with those of a run that nobody disturbed.""",
        blocks=_kills_blocks,
    ),
    "side-by-side": Page(
        title="Nodes run side by side",
        question="Do nodes run side by side?",
        result=_side_by_side,
        text="""\
Measured: {result}.

Graphs of functions that sleep once for each shard, each graph over an empty store, in turn; on Ray the
cluster is there before the clock starts, the workers of a graph are not. A node has one worker in every graph
(`replicas: 1`): alone it would have all of them. Median ratio to one node of the same round.""",
        blocks=_side_by_side_blocks,
    ),
    "checkpoint": Page(
        title="What a kill in the middle costs, beside other engines",
        question="What is computed again after a kill, beside other engines?",
        result=_checkpoint,
        text="""\
Measured: {result}.

A chain of three nodes over pieces of data, the last of which takes most of the time. The driver is killed
with SIGKILL when half of all calls were made, and the same command is typed again. Ray Data runs alone with
its `CheckpointConfig`, a piece a block; NeMo Curator 1.4 (on Ray Data) with its `checkpoint_path`, a piece a
source. Both note what has come out at the end of the chain; what earlier nodes did for a piece that had not
is done again.""",
        blocks=_checkpoint_blocks,
    ),
}
"""Page -> its row."""
