"""The page of what serving costs."""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from functools import partial
from typing import Any

from benchmarks.common.measurements import Measurements
from benchmarks.common.tables import format_rows, markdown_table
from benchmarks.pages.page import Page

OWN, COMPONENT, PLAIN, HAYHOOKS = "antiphon", "component", "plain", "hayhooks"
LABELS = {OWN: "antiphon", COMPONENT: "the recognizer itself", PLAIN: "plain service", HAYHOOKS: "Hayhooks"}


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
    overhead = values["overhead"]
    facts: dict[str, Any] = {"many": many, "p50": overhead["beyond the call"]["p50"], "cpu": overhead["cpu"]}
    others = [name for name in (PLAIN, HAYHOOKS) if any(row["system"] == name for row in rows)]
    for what in ("seconds", "cpu"):
        for name in (OWN, COMPONENT):
            facts[f"{name}_{what}"] = _ratio(rows, name, many, (name, 1), what)
        for name in others:
            facts[f"{name}_{what}"] = _ratio(rows, OWN, many, (name, many), what)
    loads = [row["load"] for row in rows]
    return facts | {"others": others, "least_load": min(loads), "most_load": max(loads)}


def _beside(facts: dict[str, Any], what: str) -> str:
    """The ratios to other services, in words."""
    ratios = (f"{facts[f'{name}_{what}']:.1f} times {LABELS[name]}" for name in facts["others"])
    return " and ".join(ratios).replace("plain", "a plain")


def _result(measurements: Measurements) -> str:
    facts = _facts(measurements)
    speed = (
        f"a request costs {facts['cpu']:.0f} ms of processor more than the recognizer's call; "
        f"{facts['many']} clients at once get {facts['antiphon_seconds']:.1f} times the requests a second of "
        f"one after the other, where batches of the recognizer itself gain {facts['component_seconds']:.1f}, "
        f"and {_beside(facts, 'seconds')}"
    )
    if "texts" not in measurements.parts:
        return speed
    same, of = (sum(row[what] for row in measurements["texts"].values()) for what in ("same", "of"))
    return f"{same} of {of} texts are those of `antiphon run`; {speed}"


def _blocks(measurements: Measurements) -> list[str]:
    blocks = {
        "clients": _clients,
        "storm": partial(_storm, "A storm", "storm"),
        "heard": partial(_storm, "A storm on Whisper tiny.en", "heard"),
        **{"hostile": _hostile, "kills": _kills},
    }
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
        {
            **row,
            "system": LABELS[row["system"]],
            "rate": row["requests"] / row["seconds"],
            "by_cpu": row["requests"] / row["cpu"],
        }
        for row in values["rows"]
    ]
    gains = (
        f"{facts[f'{name}_seconds']:.1f} times by the clock and {facts[f'{name}_cpu']:.1f} by CPU second for "
        f"{LABELS[name]}"
        for name in (OWN, COMPONENT)
    )
    overhead = "; ".join(
        f"{what}: {', '.join(f'{name} {value:.1f} ms' for name, value in values['overhead'][what].items())}"
        for what in ("beyond the call", "beside the node")
    )
    return [
        "## Clients at once",
        format_rows(rows, columns),
        f"{facts['many']} at once over one after the other: {', '.join(gains)}. Over other services by the "
        f"clock: {_beside(facts, 'seconds')}.",
        f"Overhead of a request, {overhead}; processor: {facts['cpu']:.1f} ms.",
    ]


def _storm(title: str, part: str, measurements: Measurements) -> list[str]:
    values = measurements[part]
    rows = [[how, f"{count:,}"] for how, count in sorted(values["ended"].items())]
    memory = ", ".join(f"{value:.0f}" for value in values["memory_mib"])
    return [
        f"## {title}",
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
cascade of `examples/`, one request after the other and {many} at once. Speed: Whisper tiny.en, greedy, turn
by turn in one session: one client and {many}; the recognizer itself in the benchmark's process, recording by
recording and {many} in one call; {many} clients of others with the same weights in float32 by faster-whisper:
a plain FastAPI service and Hayhooks (`benchmarks/system/serving_programs`). Each has so many threads as
`--threads` says. Overhead beyond the call: a request's time less that of a call of the recognizer, which
alternate; beside the node: less the time that the server says for its recognizer. Load of the two cores,
what asks included: {least_load:.1f} to {most_load:.1f}. Storm, hostile requests and kills: a graph of a
function that gives the digest of each recording after 20 ms. Storm: of requests by {many} clients 15% are
cancelled, 10% cut in the middle, 5% sent slowly.""",
        blocks=_blocks,
    ),
}
"""Page -> its row."""
