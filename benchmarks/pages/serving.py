"""The page of what serving costs."""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from typing import Any

from benchmarks.common.measurements import Measurements
from benchmarks.common.tables import format_rows, markdown_table
from benchmarks.pages.page import Page

OWN, PLAIN = "antiphon", "plain"


def _ratio(
    rows: Iterable[dict[str, Any]], system: str, clients: int, over: tuple[str, int], what: str
) -> float:
    """Median over the rounds of one case's requests a second (or by CPU second) over those of another."""
    rates = {(row["system"], row["clients"], row["round"]): row["requests"] / row[what] for row in rows}
    rounds = sorted({number for *_, number in rates})
    return statistics.median(rates[system, clients, n] / rates[(*over, n)] for n in rounds)


def _facts(measurements: Measurements) -> dict[str, Any]:
    values = measurements["clients"]
    rows, many = values["rows"], max(row["clients"] for row in values["rows"])
    facts: dict[str, Any] = {"many": many, "p50": values["overhead_ms"]["p50"]}
    for what in ("seconds", "cpu"):
        facts[f"batching_{what}"] = _ratio(rows, OWN, many, (OWN, 1), what)
        facts[f"plain_{what}"] = _ratio(rows, OWN, many, (PLAIN, many), what)
    loads = [row["load"] for row in rows]
    return facts | {"least_load": min(loads), "most_load": max(loads)}


def _result(measurements: Measurements) -> str:
    facts = _facts(measurements)
    speed = (
        f"the overhead of a request is {facts['p50']:.0f} ms at the median; {facts['many']} clients at once "
        f"get {facts['batching_seconds']:.1f} times the requests a second of one after the other, and "
        f"{facts['plain_seconds']:.1f} times those of a plain service"
    )
    if "texts" not in measurements.parts:
        return speed
    same, of = (sum(row[what] for row in measurements["texts"].values()) for what in ("same", "of"))
    return f"{same} of {of} texts are those of `antiphon run`; {speed}"


def _blocks(measurements: Measurements) -> list[str]:
    blocks = {"clients": _clients, "storm": _storms, "hostile": _hostile, "kills": _kills}
    return [
        block
        for name, describe in blocks.items()
        if name in measurements.parts
        for block in describe(measurements)
    ]


def _clients(measurements: Measurements) -> list[str]:
    facts, values = _facts(measurements), measurements["clients"]
    columns = {
        "system": "{system}",
        "clients": "{clients}",
        "requests": "{requests}",
        "requests a second": "{rate:.2f}",
        "by CPU second": "{by_cpu:.2f}",
        "median s": "{p50:.2f}",
        "load": "{load:.1f}",
    }
    rows = [
        {**row, "rate": row["requests"] / row["seconds"], "by_cpu": row["requests"] / row["cpu"]}
        for row in values["rows"]
    ]
    overhead = ", ".join(f"{name} {value:.1f} ms" for name, value in values["overhead_ms"].items())
    return [
        "## Clients at once",
        format_rows(rows, columns),
        f"By CPU second, which other work changes less: {facts['batching_cpu']:.1f} times one client, "
        f"{facts['plain_cpu']:.1f} times the plain service. Overhead: {overhead}.",
    ]


def _storms(measurements: Measurements) -> list[str]:
    values = measurements["storm"]
    rows = [[how, f"{count:,}"] for how, count in sorted(values["ended"].items())]
    memory = ", ".join(f"{value:.0f}" for value in values["memory_mib"])
    return [
        "## A storm",
        markdown_table(["how requests ended", "count"], rows),
        f"The server's memory after each quarter: {memory} MiB; requests in flight afterwards: "
        f"{values['in_flight_afterwards']:.0f}.",
    ]


def _hostile(measurements: Measurements) -> list[str]:
    values = measurements["hostile"]
    statuses = [[kind, ", ".join(map(str, found))] for kind, found in values["statuses"].items()]
    closed, slow = values["slow_headers_closed"]
    return [
        "## Hostile requests",
        markdown_table(["request", "answers"], statuses),
        f"{values['requests']} requests; {closed} of {slow} connections with unfinished headers closed; "
        f"{values['more_mib']:.0f} MiB more at most, {values['tracebacks']} tracebacks in the log; a good "
        f"request afterwards: {values['good_afterwards']}.",
    ]


def _kills(measurements: Measurements) -> list[str]:
    values = measurements["kills"]
    return [
        "## Kills",
        f"{values['kills']} times SIGKILL while every request is kept and four clients ask: "
        f"{values['answered']} requests answered, {values['kept']} kept, {values['faulty']} faulty rows.",
    ]


PAGES = {
    "serving": Page(
        title="What serving costs",
        question="What does serving cost, and what does one batch for many clients gain?",
        result=_result,
        facts=_facts,
        text="""\
Measured: {result}.

The sample set, sent by `httpx` (texts: by the `openai` package) from another process. Texts: the routed
cascade of `examples/`, one request after the other and {many} at once. Speed: Whisper tiny.en, greedy;
turn by turn in one session: one client, {many} clients, and {many} clients of a plain FastAPI service
over faster-whisper with the same weights in float32 (`benchmarks/system/serving_programs/plain.py`), each
with one thread. The overhead is a request's time at the client less the recognizer's own call. The
machine has two cores and was busy with other work (load {least_load:.0f} to {most_load:.0f}), so ratios
count. Storm, hostile requests and kills: a graph of a function that gives the digest of each recording
after 20 ms. Storm: of requests by {many} clients 15% are cancelled, 10% cut in the middle, 5% sent
slowly.""",
        blocks=_blocks,
    ),
}
"""Page -> its row."""
