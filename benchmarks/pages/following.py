"""Do nodes run side by side?"""

from __future__ import annotations

from benchmarks.common.measurements import Measurements
from benchmarks.common.tables import markdown_table, one_paragraph

ONE, ROW, SIDE = "one program", "two in a row", "three side by side"
BAR = 1.15
PROTOCOL = """\
Graphs of programs that sleep {sleep} s for each of {shards} shards, each graph over an empty store, in
turn; with Prefect's task for every node and shard. Two programs in a row follow each other shard by shard;
three that read the same run at once. Median ratio to one program of the same round (bar: at most {bar})."""


def page(measurements: Measurements) -> str:
    """One row a graph."""
    values = measurements["seconds"]
    rows = [
        [name, ", ".join(f"{s:.1f}" for s in graph["seconds"]), f"{graph['ratio']:.3f}"]
        for name, graph in values["graphs"].items()
    ]
    return "\n\n".join(
        [
            "# Nodes follow each other",
            f"They do: {_result(measurements)}.",
            one_paragraph(PROTOCOL.format(sleep=values["sleep"], shards=values["shards"], bar=BAR)),
            markdown_table(["graph", "seconds by round", "ratio"], rows),
        ]
    )


def headline(measurements: Measurements) -> tuple[str, str]:
    """The row of the list of results."""
    return "Do nodes run side by side?", _result(measurements)


def _result(measurements: Measurements) -> str:
    graphs = measurements["seconds"]["graphs"]
    row, side = (graphs[name]["ratio"] for name in (ROW, SIDE))
    rounds = len(graphs[ONE]["seconds"])
    return (
        f"two nodes in a row take {row:.2f} of the time of one, three side by side {side:.2f} (median of "
        f"{rounds} rounds)"
    )
