"""What does minimum Bayes risk over hundreds of samples cost, and what do its fast forms lose?"""

from __future__ import annotations

from typing import Any

from benchmarks.common.measurements import Measurements
from benchmarks.common.tables import markdown_table, one_paragraph

FORMS = ("exact", "aggregated", "pruned")
NAIVE = "sacreBLEU, pairwise"
LABELS = {"chrf": "chrF", "bleu": "BLEU"}
PROTOCOL = """\
CPU seconds an utterance, one process: German captions, each in 256 or 1,024 samples in which up to six words
were exchanged ({utterances} utterances, median of {rounds} interleaved rounds). sacreBLEU's loop was run for
16 candidates against all and is given for all in proportion. Winner: in how many utterances a form finds the
candidate that the exact form finds, or an equal one. Loss: how far the expected utility of its winner is
below
that of the exact form's, at most and on average."""


def page(measurements: Measurements) -> str:
    """One table per utility, one row per size and form."""
    first: dict[str, Any] = measurements["chrf-256"]
    protocol = PROTOCOL.format(utterances=first["utterances"], rounds=first["rounds"])
    tables = []
    for utility, label in LABELS.items():
        rows = [row for size in (256, 1024) for row in _rows(measurements[f"{utility}-{size}"], size)]
        columns = ["samples", "form", "CPU s", "lowest to highest round", "winner", "loss", "candidates left"]
        tables += [f"## {label}", markdown_table(columns, rows)]
    return "\n\n".join(
        [
            "# Minimum Bayes risk over samples: speed",
            f"{_result(measurements)}.",
            one_paragraph(protocol),
            *tables,
        ]
    )


def headline(measurements: Measurements) -> tuple[str, str]:
    """The row of the list of results."""
    return "What does minimum Bayes risk over 1,024 samples cost?", _result(measurements)


def _rows(values: dict[str, Any], size: int) -> list[list[str]]:
    rows = []
    for name, taken in values["seconds"].items():
        row = [
            f"{size:,}",
            name,
            f"{taken['median']:.3f}",
            f"{taken['lowest']:.3f} to {taken['highest']:.3f}",
        ]
        if name in FORMS:
            losses, left = values["losses"][name], values["left"][name]
            winners = sum(loss < 1e-9 for loss in losses)
            row += [f"{winners} of {len(losses)}", f"{max(losses):.2f}, {sum(losses) / len(losses):.3f}"]
            row.append(f"{sum(left) / len(left):.0f}")
        rows.append(row + [""] * (7 - len(row)))
    return rows


def _result(measurements: Measurements) -> str:
    texts = []
    for utility, label in LABELS.items():
        seconds = {name: row["median"] for name, row in measurements[f"{utility}-1024"]["seconds"].items()}
        ratios = ", ".join(
            f"{form} {seconds[NAIVE] / seconds[form]:,.0f} times faster" for form in FORMS if form in seconds
        )
        texts.append(f"{label}: {ratios}")
    return f"Than sacreBLEU's loop over 1,024 samples, {'; '.join(texts)}"
