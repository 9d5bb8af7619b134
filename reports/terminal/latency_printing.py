"""Prints measured latencies: a row per node, and one of all nodes together."""

from __future__ import annotations

from collections.abc import Mapping

from rich.console import Console
from rich.text import Text

from components.analysis.cost import MIN_FOR_P95, Latency
from components.analysis.formatting import format_rtfx
from components.text.escaping import to_printable
from reports.terminal.tables import new_table


def print_latencies(latencies: Mapping[str, Latency], console: Console) -> None:
    """Print seconds per utterance by name."""
    table = new_table("node", ">utterances", ">p50", ">p95", ">mean", ">RTFx")
    for name, latency in latencies.items():
        table.add_row(
            Text(to_printable(name), "bold"),
            f"{latency.n:,}",
            f"{latency.p50:.3f} s",
            "" if latency.p95 is None else f"{latency.p95:.3f} s",
            f"{latency.seconds / latency.n:.3f} s",
            format_rtfx(latency.rtfx),
        )
    console.print(table)
    if any(latency.p95 is None for latency in latencies.values()):
        console.print(Text(f"p95 needs {MIN_FOR_P95} utterances", "dim"))
