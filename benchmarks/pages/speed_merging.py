"""How fast is merging, beside mergekit and a plain loop?"""

from __future__ import annotations

from typing import Any

from benchmarks.common.measurements import Measurements
from benchmarks.common.tables import markdown_table, one_paragraph

TARGETS = {
    "linear": 3.0,
    "task_arithmetic": 3.0,
    "slerp": 2.5,
    "ties": 5.0,
    "dare_ties": 3.0,
    "dare_linear": 3.0,
}
ELEMENTWISE = ("linear", "task_arithmetic")
LOOP_TARGET = 3
PROTOCOL = """\
Three models of 540 MB in bfloat16 (271 M parameters, Llama shape, random weights), one thread; CPU seconds
without imports and peak resident memory of a process for each merge. The processes of a method follow each
other, and every number is the median of the rounds. linear: three models; slerp: two; the others: two
models and a base, density 0.5. Plain loop: reads the same files with safetensors, adds, writes. The doctor
reads every weight once more; it runs before every `antiphon merge`. Resident memory includes Python and
torch (0.27 GB). The SHA-256 of every input, which is taken once and remembered, is not counted. mergekit
pins old packages, so it has an environment of its own: `--mergekit PYTHON` or `ANTIPHON_MERGEKIT`."""
HEADER = (
    *("method", "rounds", "mergekit, CPU s", "ours, CPU s", "less CPU", "target", "plain loop, CPU s"),
    *("ours / plain", "mergekit, GB", "ours, GB", "doctor, CPU s"),
)


def page(measurements: Measurements) -> str:
    """One table for each type of weights."""
    blocks = ["# Speed of merging", f"{_result(measurements)}.", one_paragraph(PROTOCOL)]
    for dtype, methods in tables(measurements).items():
        blocks += [f"## {dtype}", markdown_table(HEADER, [_row(name, row) for name, row in methods.items()])]
    return "\n\n".join(blocks)


def headline(measurements: Measurements) -> tuple[str, str]:
    """The row of the list of results."""
    return "How fast is merging?", _result(measurements)


def tables(measurements: Measurements) -> dict[str, dict[str, Any]]:
    """Type of weights -> method -> its row; every method is a part of its own, ``bfloat16 linear``."""
    by_type: dict[str, dict[str, Any]] = {}
    for name, part in measurements.parts.items():
        dtype, method = name.split(" ")
        by_type.setdefault(dtype, {})[method] = part.results
    return by_type


def _row(name: str, row: dict[str, Any]) -> list[str]:
    target = f"{TARGETS[name]:g}x" if name in TARGETS else ""
    bound = f" (target {LOOP_TARGET})" if name in ELEMENTWISE else ""
    theirs = row.get("mergekit")
    return [
        *(name, str(row["rounds"]), f"{theirs['cpu']:.1f}" if theirs else "", f"{row['ours']['cpu']:.2f}"),
        *(f"{row['less']:.1f}x" if theirs else "", target, f"{row['plain']['cpu']:.2f}"),
        *(f"{row['of_plain']:.1f}{bound}", f"{theirs['rss'] / 1e9:.2f}" if theirs else ""),
        *(f"{row['ours']['rss'] / 1e9:.2f}", f"{row['ours']['doctor']:.2f}"),
    ]


def _result(measurements: Measurements) -> str:
    methods = tables(measurements)["bfloat16"]
    ratios = [f"{row['less']:.1f} for {name}" for name, row in methods.items() if "less" in row]
    memory = max(row["ours"]["rss"] for row in methods.values()) / 1e9
    return (
        f"Three models of 540 MB take this many times less CPU time than with mergekit 0.1.5: "
        f"{', '.join(ratios)}; in {memory:.2f} GB of memory"
    )
