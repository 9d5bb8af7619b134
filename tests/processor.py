"""What tests need of the processor; the summary names those that it could not run."""

from __future__ import annotations

from collections import Counter

import pytest

MISSING = "processor without "


def require(able: bool, what: str) -> None:
    """Skip the running test on a processor that lacks ``what``."""
    if not able:
        pytest.skip(f"{MISSING}{what}")


def skips(reports: list[pytest.TestReport]) -> list[str]:
    """Return a line for each test that :func:`require` has skipped, with how many of its cases for what."""
    cases: Counter[tuple[str, str]] = Counter()
    for report in reports:
        _, is_ours, what = str(report.longrepr[2]).partition(MISSING)  # type: ignore[index]
        cases[report.nodeid.partition("[")[0], what] += bool(is_ours)
    return [f"{name} ({count}): {MISSING}{what}" for (name, what), count in sorted((+cases).items())]
