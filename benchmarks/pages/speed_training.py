"""What does training over two processes cost and save?"""

from __future__ import annotations

import statistics
from typing import Any

from benchmarks.common.measurements import Measurements
from benchmarks.common.tables import markdown_table, one_paragraph

ONE, TWO, DDP = "one process", "two processes", "two processes, torch's DDP"
PROTOCOL = """\
A Marian of {parameters:,} parameters learns random sentences in bfloat16 on the CPU: batches of 2,500 tokens
in two microbatches, one thread a process, gloo. *{one}* computes both microbatches in turn, *{two}* one each,
with gradients added in the order of the microbatches ([decision 32](../decisions/0032-microbatches.md)).
Wall seconds of an update, medians of {rounds} rounds of {updates} updates in which the systems take turns
within one `torchrun`; ratios are of the same round. Weights of one and of two processes were {same} in
the end."""


def page(measurements: Measurements) -> str:
    """A row per system."""
    values = measurements["bfloat16"]
    rows = []
    for name, seconds in values["seconds"].items():
        ratio, low, high = _ratio(values, name, ONE)
        rows.append([name, f"{statistics.median(seconds):.3f}", f"{ratio:.2f}", f"{low:.2f} to {high:.2f}"])
    same = "equal to the last bit" if values["same_weights"] else "different"
    header = ["system", "s an update", "ratio to one process", "lowest to highest"]
    return "\n\n".join(
        [
            "# Speed of training over processes",
            f"{_result(values)}.",
            one_paragraph(PROTOCOL.format(**values, one=ONE, two=TWO, same=same)),
            markdown_table(header, rows),
        ]
    )


def headline(measurements: Measurements) -> tuple[str, str]:
    """The row of the list of results."""
    return "What does training over two processes save?", _result(measurements["bfloat16"])


def _ratio(values: dict[str, Any], name: str, base: str) -> tuple[float, float, float]:
    """Median, least and greatest of the ratio over the rounds."""
    pairs = zip(values["seconds"][name], values["seconds"][base], strict=True)
    ratios = sorted(own / other for own, other in pairs)
    return statistics.median(ratios), ratios[0], ratios[-1]


def _result(values: dict[str, Any]) -> str:
    saved, low, high = _ratio(values, TWO, ONE)
    against, least, most = _ratio(values, TWO, DDP)
    return (
        f"Two processes take {saved:.2f} ({low:.2f} to {high:.2f}) of the time of one on two cores, and "
        f"{against:.2f} ({least:.2f} to {most:.2f}) of that of torch's DDP"
    )
