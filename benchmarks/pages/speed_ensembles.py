"""What does an ensemble cost in time?"""

from __future__ import annotations

from benchmarks.common.measurements import Measurements
from benchmarks.common.tables import markdown_table, one_paragraph

BARS = {
    "one, float32": 0.65,
    "two, float32": 1.05,
    "four, float32": 2.1,
    "four, int8": 1.1,
}
GATE_BAR = 1.1
PROTOCOL = """\
CPU time of one thread ({capability}); Marian-size members (6 + 6 layers, width 512, random weights), batch
{batch}, beam {beam}, source {source} tokens, {length} tokens decoded, vocabulary {vocabulary:,}; the
systems take turns, and what is shown is the median of {rounds} rounds of the ratio to transformers'
`generate` of one member, with its quartiles."""
GATE = """\
Forward calls of the four members under the gate that turns to the second after half of the sentence:
{calls}. A gate whose rows disagree runs every member that any row wants."""
COMBINING = """\
Milliseconds for a step of the batch. Combining is what mixing adds to members that each normalize their own
scores (into a buffer that is used again), because a member that searches alone has to do that too; it is a
share of the members' steps with their normalization, bar 2%. *Whole* counts the members' normalizations as
combining as well."""


def page(measurements: Measurements) -> str:
    """The table of systems, then that of combining."""
    values, combining = measurements["systems"], measurements["combining"]
    rows = []
    for name, row in values["systems"].items():
        bar = f"{BARS[name]:.2f}" if name in BARS else ""
        if "of_one" in row:
            bar = f"{GATE_BAR} times one member: {row['of_one']:.2f} times"
        quartiles = f"{row['low']:.3f}-{row['high']:.3f}"
        rows.append([name, f"{row['median']:.2f}", f"{row['ratio']:.3f}", quartiles, bar])
    steps = [
        [
            *(str(row["members"]), row["combination"], f"{row['member']:.1f}", f"{row['log_softmax']:.2f}"),
            *(f"{row['mixture']:.2f}", f"{row['combining']:.1f}%", f"{row['whole']:.1f}%"),
        ]
        for row in combining["rows"]
    ]
    header = ["members", "combination", "member's step", "its log_softmax", "mixture", "combining", "whole"]
    setup = {key: value for key, value in values.items() if key not in {"systems", "calls"}}
    return "\n\n".join(
        [
            "# Speed of ensembles",
            f"{_result(measurements)}.",
            one_paragraph(PROTOCOL.format(**setup)),
            markdown_table(["system", "s", "ratio to `generate` of one", "quartiles", "bar"], rows),
            one_paragraph(GATE.format(calls=", ".join(map(str, values["calls"])))),
            f"## Combining at a vocabulary of {combining['vocabulary']:,}",
            one_paragraph(COMBINING),
            markdown_table(header, steps),
        ]
    )


def headline(measurements: Measurements) -> tuple[str, str]:
    """The row of the list of results."""
    return "What does an ensemble cost?", _result(measurements)


def _result(measurements: Measurements) -> str:
    ratios = {name: row["ratio"] for name, row in measurements["systems"]["systems"].items()}
    parts = []
    for arithmetic in ("float32", "bfloat16"):
        cells = [f"{members} {ratios[f'{members}, {arithmetic}']:.2f}" for members in ("one", "two", "four")]
        parts.append(f"{', '.join(cells)} in {arithmetic}")
    return (
        "Time over that of transformers' `generate` with one member (Marian size, CPU), by members: "
        f"{'; '.join(parts)}; four in int8 {ratios['four, int8']:.2f}"
    )
