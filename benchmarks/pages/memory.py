"""Does memory grow with the data?"""

from __future__ import annotations

from benchmarks.common.measurements import Measurements
from benchmarks.common.tables import markdown_table, one_paragraph

PROTOCOL = """\
`antiphon run {graph}` on the sample set repeated, each size in a fresh process; peak resident memory of the
whole process, Prefect server and report included. One run each."""


def page(measurements: Measurements) -> str:
    """One row a size."""
    values = measurements["peaks"]
    rows = [[str(r["utterances"]), f"{r['peak_mb']:,.0f}", f"{r['seconds']:.0f}"] for r in values["rows"]]
    return "\n\n".join(
        [
            "# Peak memory of a run",
            f"Memory grows {_result(measurements)}.",
            one_paragraph(PROTOCOL.format(graph=values["graph"])),
            markdown_table(["utterances", "peak memory, MB", "stages, seconds"], rows),
        ]
    )


def headline(measurements: Measurements) -> tuple[str, str]:
    """The row of the list of results."""
    return "Does memory grow with the data?", _result(measurements)


def _result(measurements: Measurements) -> str:
    rows = measurements["peaks"]["rows"]
    sizes = ", ".join(f"{row['peak_mb'] / 1000:.2f} GB at {row['utterances']:,} utterances" for row in rows)
    growth = rows[-1]["peak_mb"] / rows[0]["peak_mb"] - 1
    return f"by {growth:.0%} from the smallest size to the largest, in a graph of six nodes: {sizes}"
