"""What does combining finished outputs cost, beside sacreBLEU's pairwise loops?"""

from __future__ import annotations

from benchmarks.common.measurements import Measurements
from benchmarks.common.tables import markdown_table, one_paragraph

PAIRS = {
    "chrF": ("minimum Bayes risk, chrF", "sacreBLEU chrF, pairwise"),
    "BLEU": ("minimum Bayes risk, BLEU", "sacreBLEU BLEU, pairwise"),
}
ROVER = "ROVER"
PROTOCOL = """\
CPU seconds for 1,000 utterances of {systems} systems with {hypotheses} hypotheses each (German captions
with words exchanged; {utterances} utterances, median of {rounds} interleaved rounds, extrapolated), one
process."""


def page(measurements: Measurements) -> str:
    """One row a method."""
    values = measurements["seconds"]
    rows = [
        [name, f"{row['median']:.2f}", f"{row['lowest']:.2f} to {row['highest']:.2f}"]
        for name, row in values["methods"].items()
    ]
    protocol = PROTOCOL.format(
        **{key: values[key] for key in ("systems", "hypotheses", "utterances", "rounds")}
    )
    return "\n\n".join(
        [
            "# Combining finished outputs: speed",
            f"{_result(measurements)}. The numbers of both are the same.",
            one_paragraph(protocol),
            markdown_table(["method", "CPU s for 1,000", "lowest to highest round"], rows),
        ]
    )


def headline(measurements: Measurements) -> tuple[str, str]:
    """The row of the list of results."""
    return "What does combining finished outputs cost?", _result(measurements)


def _result(measurements: Measurements) -> str:
    methods = measurements["seconds"]["methods"]
    times = {m: methods[theirs]["median"] / methods[ours]["median"] for m, (ours, theirs) in PAIRS.items()}
    ratios = " and ".join(f"{ratio:.0f} times less with {metric}" for metric, ratio in times.items())
    return (
        f"Minimum Bayes risk takes {ratios} than pairwise sacreBLEU, and ROVER "
        f"{methods[ROVER]['median']:.1f} CPU s for 1,000 utterances"
    )
