"""Does a translation model notice texts that it was not made for?"""

from __future__ import annotations

from benchmarks.common.measurements import Measurements
from benchmarks.common.tables import format_share, markdown_table, one_paragraph

MODEL = "packaged:multi30k-en-de"
PROTOCOL = """\
How many texts of each set are marked as unfamiliar (half of their sentences or more lie outside of the
limits of the model's `domain.json`), with Wilson's 95% interval. Beam 5, float32. The captions are of the
kind that the model was made for, and unseen."""


def page(measurements: Measurements) -> str:
    """One row a set."""
    shares = measurements["shares"]
    rows = [[name, format_share(*count(values))] for name, values in shares.items()]
    return "\n\n".join(
        [
            f"# Texts that {MODEL} was not made for",
            f"The model marks {_result(measurements)}.",
            one_paragraph(PROTOCOL),
            markdown_table(["set", "unfamiliar"], rows),
        ]
    )


def headline(measurements: Measurements) -> tuple[str, str]:
    """The row of the list of results."""
    return f"Does `{MODEL}` notice texts that it was not made for?", f"it marks {_result(measurements)}"


def count(shares: list[float]) -> tuple[int, int]:
    """Texts that are marked, and all of them."""
    return sum(share >= 0.5 for share in shares), len(shares)


def _result(measurements: Measurements) -> str:
    shares = measurements["shares"]
    captions = [count(values) for name, values in shares.items() if name.startswith("captions")]
    percent = [100 * marked / n for marked, n in captions]
    others = [f"{format_share(*count(v))} of {name}" for name, v in shares.items() if "captions" not in name]
    return f"{min(percent):.0f} to {max(percent):.0f}% of unseen captions, but {' and '.join(others)}"
