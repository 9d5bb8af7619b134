"""Speed and price of a system, by hand."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from components.analysis.cost import Cost
from components.analysis.cost_table import build_cost_table, summarize_cost
from components.analysis.formatting import format_price, format_rtfx
from flows.registry import flow_named
from tasks.execution.latency import summarize_latency


def speech(**values: object) -> Cost:
    fields = {"seconds": 360.0, "real_time_factor": 0.1, "peak_memory_bytes": 2**30, "calls": 10}
    return Cost.model_validate(fields | values)


def text(**values: object) -> Cost:
    return Cost.model_validate(
        {"seconds": 36.0, "peak_memory_bytes": 2**30, "calls": 10, "characters": 50_000} | values
    )


def test_prices_are_of_the_time_that_it_takes() -> None:
    """An hour of audio takes 0.1 h at 1.20; a million characters take 20 x 36 s = 0.2 h."""
    assert speech().rtfx == pytest.approx(10.0)
    assert speech(price_per_hour=1.2).price_of_audio_hour == pytest.approx(0.12)
    assert text(price_per_hour=1.2).price_of_million_characters == pytest.approx(0.24)
    assert (speech().price_of_audio_hour, text(price_per_hour=1.2).price_of_audio_hour) == (None, None)
    assert speech(price_per_hour=1.2).price_of_million_characters is None


def test_a_table_has_the_columns_that_a_system_fills() -> None:
    plain, priced = build_cost_table([speech(), speech(price_per_hour=1.2)])
    assert list(plain) == ["time", "RTFx", "price/audio hour", "memory", "parameters", "calls"]
    assert (plain["price/audio hour"], priced["price/audio hour"]) == ("", "0.120")
    assert list(build_cost_table([text()])[0]) == ["time", "memory", "parameters", "calls"]
    measured = text(latency=summarize_latency([0.2] * 30), price_per_hour=3.0)
    assert summarize_cost(measured) == "p50 0.200 s, p95 0.200 s, price/1M characters 0.600"
    assert summarize_cost(text()) == ""


def test_numbers_have_three_digits() -> None:
    assert [format_rtfx(value) for value in (None, 0.8412, 12.34, 1250.4)] == ["", "0.841", "12.3", "1,250"]
    assert [format_price(value) for value in (None, 0.001234, 1.2, 34100.4)] == [
        "", "0.00123", "1.20", "34,100",
    ]  # fmt: skip


def test_a_price_is_positive() -> None:
    assert flow_named("cascade").parameters.model_validate({"price_per_hour": 1.2}).price_per_hour == 1.2
    for price in (0, -1, "inf"):
        with pytest.raises(ValidationError, match="price_per_hour"):
            flow_named("cascade").parameters.model_validate({"price_per_hour": price})
