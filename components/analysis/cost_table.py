"""Costs as texts: time, RTFx, latency, prices, memory, parameters."""

from __future__ import annotations

from collections.abc import Sequence

from components.analysis.cost import Cost
from components.analysis.formatting import format_memory, format_price, format_rtfx, format_seconds
from components.analysis.table import Table

COST_NOTE = (
    "RTFx: seconds of audio per second of computing, total by total, in batches, models loaded. p50 and p95: "
    "seconds of one utterance at a time (antiphon measure RUN --latency). "
    "Prices are in the currency of price_per_hour and "
    "include served models whose prices are known (docs/families/served.md)."
)


def build_cost_table(costs: Sequence[Cost]) -> list[dict[str, str]]:
    """Build a row per system, with the columns that any of them fills; always time, memory and calls."""
    rows = [_describe(cost) for cost in costs]
    empty = {name for name in rows[0] if name in _OPTIONAL and not any(row[name] for row in rows)}
    return [{name: text for name, text in row.items() if name not in empty} for row in rows]


_OPTIONAL = ("RTFx", "p50", "p95", "price/audio hour", "price/1M characters")


def _describe(cost: Cost) -> dict[str, str]:
    latency = cost.latency
    return {
        "time": format_seconds(cost.seconds) if cost.is_known else "unknown",
        "RTFx": format_rtfx(cost.rtfx),
        "p50": "" if latency is None else f"{latency.p50:.3f}",
        "p95": "" if latency is None or latency.p95 is None else f"{latency.p95:.3f}",
        "price/audio hour": format_price(cost.price_of_audio_hour),
        "price/1M characters": format_price(cost.price_of_million_characters),
        "memory": format_memory(cost.peak_memory_bytes, cost.card_memory),
        "parameters": "" if cost.parameters is None else f"{cost.parameters / 1e6:,.1f} M",
        "calls": f"{cost.calls:,}",
    }


def summarize_cost(cost: Cost) -> str:
    """Summarize what is known of a cost: ``RTFx 3.2, p50 0.41 s, price/audio hour 0.38``; "" of nothing."""
    row = _describe(cost)
    units = {"p50": " s", "p95": " s"}
    return ", ".join(f"{name} {row[name]}{units.get(name, '')}" for name in _OPTIONAL if row[name])


def build_cost_section(cost: Cost | None) -> list[Table]:
    """Build the table of what a run cost as a whole; none of a comparison, which has its own."""
    return [] if cost is None else [Table("Cost", COST_NOTE, tuple(build_cost_table([cost])))]
