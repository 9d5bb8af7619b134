"""Numbers as text: durations, sizes, prices, p-values, estimates with their intervals."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from components.text.counted_nouns import format_count

if TYPE_CHECKING:
    from components.metrics.statistics.bootstrap import Estimate
    from components.run_record import Score


def format_seconds(value: float) -> str:
    """Return a measured time as text: 0.43 s, 12.4 s, 3 min 05 s, 1 h 02 min."""
    if value < 10:
        return f"{value:.2f} s"
    return f"{value:.1f} s" if value < 60 else format_duration(value)


def format_bytes(value: int) -> str:
    """Return bytes as MiB or GiB."""
    return f"{value / 2**30:.2f} GiB" if value >= 2**30 else f"{value / 2**20:.0f} MiB"


def format_memory(resident: int, cards: Mapping[str, int]) -> str:
    """Format peaks of memory: resident, and of each card that was used: ``1.20 GiB; NVIDIA L4 310 MiB``."""
    peaks = [f"{name} {format_bytes(peak)}" for name, peak in cards.items()]
    return "; ".join([format_bytes(resident), *peaks])


def format_duration(seconds: float) -> str:
    """Return the rounded seconds as text: 45 s, 3 min 20 s, 2 h 05 min."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def format_p_value(p: float | None) -> str:
    """Return a p-value as text: 0.012, <0.001; empty where there is none."""
    if p is None:
        return ""
    return "<0.001" if p < 0.001 else f"{p:.3f}"


def format_estimate(estimate: Estimate | Score, sign: bool = True, digits: int = 2) -> str:
    """Return a number with its interval, where it has one: +2.20 (+1.10 to +3.40); what rounds to 0 is +0."""
    number = f"{{:{'+' if sign else ''}z.{digits}f}}"
    return (number if estimate.interval is None else f"{number} ({number} to {number})").format(
        estimate.value, *(estimate.interval or ())
    )


def describe_too_few(n: int) -> str:
    """Return the text in place of a verdict where there are too few utterances for one."""
    return f"{format_count(n, 'utterance')}: too few to tell"


def format_rtfx(rtfx: float | None) -> str:
    """Return an RTFx as text: 0.84, 12.3, 1,250; empty where there is none."""
    if rtfx is None:
        return ""
    return f"{rtfx:,.0f}" if rtfx >= 100 else f"{rtfx:.3g}"


def format_price(price: float | None) -> str:
    """Return a price without its currency, of three significant digits: 0.00123, 1.20, 34,100."""
    if price is None:
        return ""
    return f"{price:,.0f}" if price >= 100 else f"{price:#.3g}"


def flatten_parameters(parameters: dict[str, object], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield dotted names and values of nested parameters, as ``--set`` takes them."""
    for name, value in parameters.items():
        if isinstance(value, dict) and value:
            yield from flatten_parameters(value, f"{prefix}{name}.")
        else:
            text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
            yield f"{prefix}{name}", text
