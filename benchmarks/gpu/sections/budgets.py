"""Counted without a card: kernels, waits and uploads of a decoding step on the strict device of the tests.

Needs the folder ``tests`` and pytest. Layers are few and widths tiny: what is counted per step and layer does
not depend on widths.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest

from benchmarks.gpu.context import Context
from benchmarks.gpu.row import Row


def measure(context: Context) -> Iterator[Row]:
    """Every search of the tests of budgets, and four members of one architecture."""
    from components.ensembling.token_level.combiners import LinearInterpolation
    from tests import test_device_budgets as budgets

    four = partial(budgets.mixed, combine=lambda: LinearInterpolation((0.25,) * 4), n=4)
    searches: list[tuple[str, str, Callable[..., Any]]] = [
        *((name, kind, budgets.SETUPS[name]) for name, kind in budgets.SEARCHES),
        ("four marians, linear", "beam", four),
    ]
    for name, kind, make in context.size(searches, searches[:1]):
        with pytest.MonkeyPatch.context() as patch, budgets.strict_device(patch) as device:
            costs = budgets.per_step(device, make, kind)
        yield Row(section="budgets", system=name, setting={"search": kind}, values={**costs})
        with (
            pytest.MonkeyPatch.context() as patch,
            budgets.strict_device(patch) as device,
            budgets.fixed_steps(device, patch, replays=True),
        ):
            costs = budgets.per_step(device, make, kind)
        yield Row(section="budgets", system=name, setting={"search": kind, "graphs": "on"}, values={**costs})
