from __future__ import annotations

import io

from rich.console import Console

from components.analysis.cost import MIN_FOR_P95, Latency
from reports.terminal.latency_printing import print_latencies
from tasks.execution.latency import summarize_latency


def lines_of(latencies: dict[str, Latency]) -> list[str]:
    out = Console(file=io.StringIO(), width=120, no_color=True)
    print_latencies(latencies, out)
    return [" ".join(line.split()) for line in out.file.getvalue().splitlines()]  # type: ignore[attr-defined]


def test_a_row_for_each_node_and_no_percentile_of_a_few_requests() -> None:
    enough = summarize_latency([0.25] * MIN_FOR_P95, 50.0)
    few = summarize_latency([1.0, 2.0, 6.0])
    lines = lines_of({"[red]asr": enough, "all": few})
    assert "node utterances p50 p95 mean RTFx" in lines
    assert f"[red]asr {MIN_FOR_P95} 0.250 s 0.250 s 0.250 s 10" in lines
    assert any(line.startswith("all 3 2.000 s 3.000 s") for line in lines)
    assert lines[-1] == f"p95 needs {MIN_FOR_P95} utterances"
    assert not any(line.startswith("p95 needs") for line in lines_of({"asr": enough}))
