from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.reports.page.opened import ARGUMENTS, CHROMIUM, playwright


@pytest.fixture(scope="module")
def browser() -> Iterator[object]:
    """Chromium, for a module only: while it is open, Playwright's loop runs in this thread."""
    with playwright.sync_playwright() as session:
        running = session.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield running
        running.close()
