"""What the tests of flows spare."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="module", autouse=True)
def without_plots(undrawn_plots: None) -> None:
    """Also those that need no server."""
