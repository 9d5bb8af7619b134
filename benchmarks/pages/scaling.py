"""How busy are many cards? Simulated, on what was measured of loading and of the driver."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from benchmarks.common.measurements import Measurements
from benchmarks.common.tables import format_rows, markdown_table
from benchmarks.pages.page import Page

BUSY_BAR = 0.95


def _result(measurements: Measurements) -> str:
    values = measurements["simulated"]
    basis, whole = values["basis"], values["cases"]["everything"]
    verdict = "met" if whole["busy"] >= BUSY_BAR else "missed"
    return (
        f"over {basis['hours']:,} hours of speech {basis['cards']} cards compute {whole['busy']:.1%} of the "
        f"time (aim {BUSY_BAR:.0%}, {verdict}), {_speed(basis['hours'], whole):,.0f} times real time"
    )


def _speed(hours: float, case: Any) -> float:
    """Hours of audio for each hour."""
    return hours * 3600 / float(case["seconds"])


def _blocks(measurements: Measurements) -> Iterator[str]:
    values, loading = measurements["simulated"], measurements["loading"]
    basis = values["basis"]
    yield "## What it goes on"
    yield _basis_table(basis, loading)
    yield f"## {basis['hours']:,} hours on {basis['cards']} cards"
    cases = {name: {**case, "hours": case["seconds"] / 3600} for name, case in values["cases"].items()}
    columns = {
        **{"counted": "{name}", "shards": "{shards:,}", "hours": "{hours:.2f}", "cards busy": "{busy:.3f}"},
        **{"workers lost": "{lost_workers}", "shards computed again": "{lost_shards}"},
    }
    yield format_rows(cases, columns)
    yield "## Times real time by cards, and the share of time that they compute"
    rows = [
        [f"{int(hours):,}", *(f"{_speed(float(hours), case):,.0f} ({case['busy']:.2f})" for case in cases_of)]
        for hours, cases_of in values["grid"].items()
    ]
    first = next(iter(values["grid"].values()))
    yield markdown_table(["hours of audio", *(str(case["cards"]) for case in first)], rows)


def _basis_table(basis: Any, loading: Any) -> str:
    rows = [
        ["loading a recording, as new", f"{1000 * basis['new']:.2f} ms of CPU", "measured"],
        ["the same, its digest remembered", f"{1000 * basis['again']:.2f} ms of CPU", "measured"],
        ["the driver, for each row", f"{1000 * basis['driver']:.3f} ms of CPU", "measured (growth)"],
        ["a second of audio", f"{' + '.join(map(str, basis['rates']))} s of a card, two nodes", "assumed"],
        ["a recording", f"{basis['recording']:g} s", "assumed"],
        ["until Ray has started", f"{basis['start']:g} s", "assumed"],
        ["a worker reads its model", f"{basis['model']:g} s", "assumed"],
        ["a worker is lost", f"every {basis['lost_every'] / 3600:g} h", "assumed"],
        ["another takes its place", f"after {basis['restart']:g} s", "assumed"],
    ]
    seconds = loading["audio"] / loading["recordings"]
    rows[0][2] += f" on {loading['recordings']:,} recordings of {seconds:.1f} s"
    return markdown_table(["", "costs", "is"], rows)


PAGES = {
    "scaling": Page(
        title="How busy many cards are",
        question="What do more cards bring?",
        result=_result,
        answer="{Result} (simulated)",
        text="""\
In a simulation, {result}.

The simulation cuts recordings of random lengths into shards with the cut of the program, sizes the pools of
two nodes with the sizes of the Ray engine, and lets blocks of shards go through them. Loading is done by the
processors of the machines (16 for each 8 cards) before the first shard is computed, and no faster than the
driver reads rows. Nothing of this ran on a cluster.""",
        blocks=_blocks,
    ),
}
"""Page -> its row."""
