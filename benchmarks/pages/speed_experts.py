"""Are sparse experts fast on a CPU?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from benchmarks.common.measurements import Measurements
from benchmarks.common.tables import format_rows, markdown_table, one_paragraph
from benchmarks.pages.page import Page, part

THEIRS = ("eager", "grouped_mm", "batched_mm")
SPARSE = """\
Two of eight experts do a quarter of the arithmetic. The column *ours / all* shows how much of the time is
left: {left} with 512 tokens or more, where products are bound by arithmetic. One token
reads the weights of its two experts only; a few dozen tokens together need nearly all experts, so all
weights are read and little is saved."""


def _blocks(measurements: Measurements) -> list[str]:
    """Inference, training, then sparsity in a tensor and in an ensemble."""
    inference = measurements["inference"]
    tensor = {
        "what": "{what}",
        "tokens": "{tokens}",
        "arithmetic left": "{arithmetic:.2f}",
        "time left of plain": "{plain:.2f}",
        "time left of prepacked": "{packed:.2f}",
    }
    ensemble = [
        [str(tuple(row["weights"])), ", ".join(map(str, row["calls"])), f"{row['time']:.2f}"]
        for row in measurements["ensemble"]
    ]
    return [
        "## Inference (ours: sorted, prepacked weights)",
        _inference_table(inference["rows"]),
        one_paragraph(SPARSE.format(left=_span(inference["rows"], "of_all", 512))),
        "## Training (forward and backward). Bar: never above 1",
        _training_table(measurements["training"]["rows"]),
        "## In a tensor: arithmetic left against time left (2048 x 512, float32; dense = 1)",
        format_rows(measurements["tensor"], tensor),
        "## In an ensemble: a member of zero weight is not run (2 Marian models, 8 sentences, 20 tokens)",
        markdown_table(["weights", "calls of the first and second", "time"], ensemble),
    ]


def _result(measurements: Measurements) -> str:
    rows = measurements["inference"]["rows"]
    by_type = [[row for row in rows if row["arithmetic"] == name] for name in ("float32", "bfloat16")]
    spans = [_span(part, "of_best") for part in (*by_type, measurements["training"]["rows"])]
    float32, bfloat16, training = spans
    of_all = _span(rows, "of_all", 512)
    return (
        f"Inference takes {float32} of the time of transformers' best Mixtral implementation in float32 and "
        f"{bfloat16} in bfloat16 (1 to 8,192 tokens), {of_all} of running all experts at 512 and more; "
        f"training {training}"
    )


def _span(rows: Sequence[dict[str, Any]], key: str, tokens: int = 1) -> str:
    """Least and greatest of a column, of lines with ``tokens`` or more, as ``0.17 to 0.22``."""
    values = [row[key] for row in rows if row["tokens"] >= tokens and row[key] is not None]
    return f"{min(values):.2f} to {max(values):.2f}" if values else "not measured"


def _inference_table(rows: Sequence[dict[str, Any]]) -> str:
    header = ["d", "arithmetic", "tokens", "ours ms", *(f"{name} ms" for name in THEIRS), "ours / best"]
    header += ["ours / all", "ours / dense", "transformers' best / all"]
    cells = [
        [
            *(str(row["d"]), row["arithmetic"], str(row["tokens"])),
            *(_number(row["ms"].get(name)) for name in ("packed", *THEIRS)),
            f"**{row['of_best']:.2f}**",
            *(_number(row[key]) for key in ("of_all", "of_dense", "theirs_of_all")),
        ]
        for row in rows
    ]
    return markdown_table(header, cells)


def _training_table(rows: Sequence[dict[str, Any]]) -> str:
    return format_rows(
        rows,
        {
            "d": "{d}",
            "arithmetic": "{arithmetic}",
            "tokens": "{tokens}",
            "ours ms": "{ms[ours]:.1f}",
            "eager ms": "{ms[eager]:.1f}",
            "grouped_mm ms": "{ms[grouped_mm]:.1f}",
            "ours / best": "**{of_best:.2f}**",
        },
    )


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


PAGES = {
    "speed-experts": Page(
        title="Experts: speed",
        question="Are sparse experts fast on a CPU?",
        facts=part("inference"),
        result=_result,
        text="""\
{result}.

{experts} experts of which each token takes {top_k}, inner width 4 d, gated SiLU, one thread, shared
weights, each line in a process of its own. Milliseconds of CPU time are medians over rounds: 15 up to 64
tokens, 25 at 512, 2 or 3 above (where calls of a second and more are not warmed up). Ratios are medians of
per-round ratios, to the best of transformers' implementations (`batched_mm` up to 8 tokens; above it is 10
times slower and more). *All* runs every expert for every token (not at d 1024 with 8,192 tokens: memory);
*dense* is a block of the active size (k experts wide) with plain linear layers. Bars (float32): 0.55 of the
best at 8 to 64 tokens, 0.75 at 512, 0.9 at 8,192, 1.0 at 1; 0.25 of *all* at 512 and more; 1.25 of *dense*
at 2,048 and more. bfloat16: never above 1.""",
        blocks=_blocks,
    ),
}
"""Page -> its row."""
