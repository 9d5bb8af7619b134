"""What does the project reach on a GPU?"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from benchmarks.common.measurements import Measurements
from benchmarks.common.tables import markdown_table, one_paragraph
from benchmarks.gpu.row import Row, Value
from benchmarks.pages.page import Page

UNMEASURED = "not yet measured"
PROTOCOL = """\
One process for each section. Times are medians over 5 rounds (3 for whole decodings) in which the systems
take turns, after a warm-up, by CUDA events; a round repeats a call to 20 ms. *Limit* is the time that the
bytes and operations of a call take at the speeds that the section *card* of the same run saw, *share* the
limit over the time. Weights are random but those of the law; exactly as many tokens are decoded as the
setting says. Texts of the law are compared with the CPU's in float32."""
BUDGETS = """\
Counted on the strict device of the tests (a device that says cuda:0 and computes on the CPU), per decoding
step, tiny widths, 1 to 2 layers: waits of the host, uploads, and kernels (views are free, attention is
one). A wait costs about as much as a few kernels, and nothing runs beside it. With graphs a replay is
counted as one kernel: what is left is started by the host one by one, however many layers a model has. A
beam's choice is replayed for all models, the steps of T5 and Llama are not."""


Reader = Callable[[Sequence[Row]], str | None]
Setting = Mapping[str, Value]


class Goal(NamedTuple):
    """What is wanted of a card, and what of it the rows say; None where they say nothing."""

    what: str
    goal: str
    reached: Reader


def _pick(rows: Iterable[Row], section: str, system: str, setting: Setting) -> list[Row]:
    """The rows of that kind; those with CUDA graphs only where the setting names them."""
    return [
        row
        for row in rows
        if (row.section, row.system) == (section, system)
        and setting.items() <= row.setting.items()
        and row.setting.get("graphs") == setting.get("graphs")
    ]


def _largest(section: str, system: str, key: str, pattern: str, setting: Setting) -> Reader:
    """The largest of what the rows of a system say under a name, and the same with CUDA graphs.

    Mostly there is one.
    """

    def read(rows: Sequence[Row]) -> str | None:
        texts = []
        for graphs, suffix in (({}, ""), ({"graphs": "on"}, " with CUDA graphs")):
            picked = _pick(rows, section, system, {**setting, **graphs})
            if values := [float(row.values[key]) for row in picked if key in row.values]:
                texts.append(pattern.format(max(values)) + suffix)
        return ", ".join(texts) or None

    return read


def _read_law(rows: Sequence[Row]) -> str | None:
    texts = [
        r for r in rows if r.section == "law" and r.setting.get("dtype") == "float32" and "of" in r.values
    ]
    if not texts:
        return None
    return f"{sum(int(r.values['equal']) for r in texts)} of {sum(int(r.values['of']) for r in texts)} texts"


LARGE: Setting = {"model": "large-v3", "dtype": "float16", "beam": 1}
MARIAN: Setting = {"dtype": "bfloat16", "batch": 8}
GOALS = (
    Goal("the same texts as the CPU, float32", "all", _read_law),
    Goal(
        "Whisper large-v3, float16, batch 8, greedy: a step",
        "2.0 ms",
        _largest("whisper", "steps", "ms_a_step", "{:.2f} ms", {**LARGE, "batch": 8}),
    ),
    Goal(
        "the same, batch 64, encoder and steps",
        "1,200 times real time",
        _largest("whisper", "encoder and steps", "times_real_time", "{:,.0f}", {**LARGE, "batch": 64}),
    ),
    *(
        Goal(
            f"{system}: time of `generate` of one",
            goal,
            _largest("ensembles", system, "of_generate", "{:.2f}", MARIAN),
        )
        for system, goal in (("one", "0.15"), ("two, linear", "0.2"), ("four, linear", "0.35"))
    ),
    Goal(
        "sparse layer: time of the best of transformers', at any size",
        "1",
        _largest("experts", "ours", "of_best", "at most {:.2f}", {"pass": "forward"}),
    ),
    Goal(
        "2:4 products at 4096 x 4096, 64 rows: times dense",
        "1.5",
        _largest("sparsity", "2:4", "times_dense", "{:.2f}", {"shape": "4096x4096", "rows": 64}),
    ),
)
SECTIONS = ("card", "law", "whisper", "ensembles", "experts", "sparsity", "training", "merging", "memory")


def _blocks(rows: Sequence[Row]) -> list[str]:
    """Goals and what was reached, the counted budgets, then every section."""
    goals = [[goal.what, goal.goal, goal.reached(rows) or UNMEASURED] for goal in GOALS]
    blocks = [
        "## Goals on an H100",
        markdown_table(["what", "goal", "reached"], goals),
        "How to measure: [On a GPU](../use/gpu.md).",
    ]
    if budgets := [row for row in rows if row.section == "budgets"]:
        blocks += ["## Counted without a card", one_paragraph(BUDGETS), _budget_table(budgets)]
    if any(row.section in SECTIONS for row in rows):
        blocks += ["## Protocol", one_paragraph(PROTOCOL)]
    for name in SECTIONS:
        if part := [row for row in rows if row.section == name]:
            blocks += [f"## Section {name}", _table(part)]
    return blocks


def _rows_of(measurements: Measurements) -> list[Row]:
    return [Row.model_validate(row) for part in measurements.parts.values() for row in part.results]


def _result(rows: Sequence[Row]) -> str:
    reached = [goal.reached(rows) for goal in GOALS]
    if not any(reached):
        waits = [float(row.values["sync"]) for row in rows if row.section == "budgets"]
        counted = (
            f"; counted on a stand-in: at most {max(waits):.3g} waits of the host a step" if waits else ""
        )
        return f"No time was taken on a card ({UNMEASURED}){counted}"
    pairs = (f"{goal.what}: {text}" for goal, text in zip(GOALS, reached, strict=True) if text)
    return "; ".join(pairs)


def _budget_table(rows: Sequence[Row]) -> str:
    cells = [
        [
            row.system,
            str(row.setting["search"]) + (", with graphs" if "graphs" in row.setting else ""),
            *(f"{row.values[key]:g}" for key in ("sync", "upload", "launch")),
        ]
        for row in rows
    ]
    return markdown_table(["what", "search", "waits a step", "uploads a step", "kernels a step"], cells)


def _table(rows: Sequence[Row]) -> str:
    header = ["system", "setting", "time (quartiles)", "limit", "share", "beside"]
    return markdown_table(header, [_cells(row) for row in rows])


def _cells(row: Row) -> list[str]:
    low, high = row.quartiles
    time = f"{1e3 * row.median:.3g} ms ({1e3 * low:.3g} to {1e3 * high:.3g})" if row.seconds else ""
    setting = ", ".join(f"{name} {value}" for name, value in row.setting.items())
    beside = ", ".join(
        f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}"
        for name, value in row.values.items()
    )
    limit = f"{1e3 * row.limit:.3g} ms" if row.limit else ""
    return [
        row.system,
        setting,
        time,
        limit,
        f"{row.share:.0%}" if row.share else "",
        beside.replace("_", " "),
    ]


PAGES = {
    "gpu": Page(
        title="On a GPU",
        question="What does it reach on a GPU?",
        read=_rows_of,
        result=_result,
        text="{result}.",
        blocks=_blocks,
    ),
}
"""Page -> its row."""
