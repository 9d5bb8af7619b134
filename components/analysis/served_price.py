"""What the served models of a run were paid for: what they counted, and the user's table of prices."""

from __future__ import annotations

from collections.abc import Iterable

from components.analysis.served_prices import read_prices
from components.compute.profiling import add_usage
from components.run_record import StageRef, Usage


def price_of_served(stages: Iterable[StageRef]) -> float | None:
    """Return the price of what the stages of a run asked served models for; None where a price is not known.

    Translators, recognizers, refiners, fusers, judges and gates count, and answers for what was quarantined.
    Not counted are the requests of one token by which a server is looked at.

    Args:
        stages: of the run, each once.
    """
    usage: Usage = {}
    for ref in stages:
        usage = add_usage(usage, ref.usage)
    names = {reference: reference.partition(":")[2] for reference in usage}
    prices = read_prices()
    if not usage or any(name not in prices for name in names.values()):
        return None
    return sum(prices[names[reference]].of(counts) for reference, counts in usage.items())
