"""What does pruning a translation model cost in BLEU, and which of its products are then sparse?"""

from __future__ import annotations

from typing import Any

from benchmarks.common.measurements import Measurements
from benchmarks.common.tables import format_p_value, markdown_table, one_paragraph

DENSE = "dense"
PROTOCOL = """\
`{model}`, all its linear layers but the tied output pruned by magnitude, nothing trained afterwards, {test}
with beam {beam}, {n} of {n_total} sentences. Differences to the dense model with 95% intervals of the
paired bootstrap. Development BLEU: greedy, {judged} sentences. Products: for each layer what was measured
to be faster, a sparse product or a dense one whose weights are laid out in advance
([speed](speed-experts.md) has the times). BLEU `{signature}`."""


def page(measurements: Measurements) -> str:
    """One row a pattern."""
    values = measurements["scores"]
    setup = {key: value for key, value in values.items() if key not in {"systems", "texts"}}
    rows = [_row(name, row) for name, row in values["systems"].items()]
    return "\n\n".join(
        [
            "# Pruning a translation model",
            f"{_result(measurements)}.",
            one_paragraph(PROTOCOL.format(**setup)),
            markdown_table(["weights", "BLEU (95%)", "difference", "dev BLEU", "products"], rows),
        ]
    )


def headline(measurements: Measurements) -> tuple[str, str]:
    """The row of the list of results."""
    return "What does pruning cost?", _result(measurements)


def _row(name: str, row: dict[str, Any]) -> list[str]:
    interval = " ({:.1f} to {:.1f})".format(*row["interval"]) if row["interval"] else ""
    cells = [name, f"{row['bleu']:.1f}{interval}"]
    if name == DENSE:
        return [*cells, "", "", ""]
    layouts = ", ".join(f"{count} {layout}" for layout, count in row["layouts"].items())
    return [*cells, _difference(row), f"{row['dev_before']:.1f} → {row['dev_after']:.1f}", layouts]


def _difference(row: dict[str, Any]) -> str:
    interval = row["difference_interval"]
    text = f"{row['difference']:+.1f}"
    text += " ({:+.1f} to {:+.1f})".format(*interval) if interval else ""
    return text + (f", p {format_p_value(row['p_holm'])}" if "p_holm" in row else "")


def _result(measurements: Measurements) -> str:
    systems = measurements["scores"]["systems"]
    half, two_four, blocks = (
        systems[name]["difference"] for name in ("single, 50% kept", "2:4", "block, 90% kept")
    )
    return (
        f"Without training afterwards half of the single weights cost {-half:.1f} BLEU, 2:4 {-two_four:.1f}, "
        f"a tenth of the blocks {-blocks:.1f}; on a CPU no time is saved where a model is left"
    )
