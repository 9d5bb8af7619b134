"""How much faster is greedy search when a student proposes tokens?"""

from __future__ import annotations

import statistics
from typing import Any

from benchmarks.common.measurements import Measurements
from benchmarks.common.tables import markdown_table, one_paragraph

BASE = "one, batch 1, greedy"
PROTOCOL = """\
CPU seconds of one thread, float32: the first {sentences} captions of test_2016_flickr ({tokens} tokens,
ends included), greedy; after a round that warms up, the median of {rounds} rounds in which all systems take
turns in one process; ratios are medians over the rounds. *One*: `packaged:multi30k-en-de` (6 M parameters,
3 decoder layers); *four*: {copies} copies of it, mixed with equal weights, as an ensemble of its size costs.
The draft model is its student with one decoder layer. *Ratio*: time over that of the same system's greedy
search, below 1 is faster; for transformers (default settings) over its own `generate`. *Calls*: of the
model (each member), and of the draft model. *Equal*: sentences with the tokens of greedy search."""


def page(measurements: Measurements) -> str:
    """One row per system."""
    values: dict[str, Any] = measurements["systems"]
    rows = []
    for name, row in values["systems"].items():
        calls = f"{row['calls']:,}" if row["calls"] else ""
        draft_calls = f"{row['draft_calls']:,}" if row["draft_calls"] else ""
        ratio, low, high = _ratio(values, name)
        spread = f"{low:.2f} to {high:.2f}"
        rows.append(
            [
                *(
                    name,
                    f"{statistics.median(row['seconds']):.2f}",
                    f"{ratio:.2f}",
                    spread,
                    calls,
                    draft_calls,
                ),
                f"{row['equal']} of {values['sentences']}",
            ]
        )
    header = ["system", "CPU s", "ratio", "lowest to highest", "calls", "draft calls", "equal"]
    setup = {key: value for key, value in values.items() if key != "systems"}
    return "\n\n".join(
        [
            "# Speed of speculative decoding",
            f"{_result(measurements)}.",
            one_paragraph(PROTOCOL.format(**setup)),
            markdown_table(header, rows),
        ]
    )


def headline(measurements: Measurements) -> tuple[str, str]:
    """The row of the list of results."""
    return "Is greedy search faster when a student proposes tokens?", _result(measurements)


def _base_of(name: str) -> str:
    if name.startswith("transformers"):
        return "transformers, batch 1, generate"
    return name.rsplit(", ", 1)[0] + ", greedy"


def _ratio(values: dict[str, Any], name: str) -> tuple[float, float, float]:
    """Median, lowest and highest over the rounds of the time over that of greedy search."""
    seconds, base = (values["systems"][each]["seconds"] for each in (name, _base_of(name)))
    ratios = [a / b for a, b in zip(seconds, base, strict=True)]
    return statistics.median(ratios), min(ratios), max(ratios)


def _result(measurements: Measurements) -> str:
    values = measurements["systems"]
    parts = [
        f"{label} {_ratio(values, name)[0]:.2f}"
        for label, name in (
            ("one model", "one, batch 1, draft of 4"),
            ("four as one", "four, batch 1, draft of 4"),
            ("transformers' assisted generation", "transformers, batch 1, assisted generation"),
        )
    ]
    calls = values["systems"]["one, batch 1, draft of 4"]["calls"] / values["systems"][BASE]["calls"]
    return (
        f"Time of greedy search with a draft of 4 tokens over that without, sentence by sentence: "
        f"{', '.join(parts)}; calls of the model: {calls:.2f} of those without"
    )
