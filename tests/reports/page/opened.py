"""A page in headless Chromium, from disk, with the network watched."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

playwright: Any = pytest.importorskip("playwright.sync_api", reason="needs the Python package playwright")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
MARKS = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium (Debian: apt-get install chromium)"),
]


class Opened:
    """A page that remembers what it complained about and what it asked for."""

    def __init__(
        self,
        browser: object,
        path: Path,
        width: int = 1200,
        dark: bool = False,
        fragment: str = "",
        wait: str = ".utterance",
    ) -> None:
        self.page = browser.new_page(  # type: ignore[attr-defined]
            viewport={"width": width, "height": 900}, color_scheme="dark" if dark else "light"
        )
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(path.as_uri() + fragment)
        self.page.wait_for_selector(wait)

    def wait_for(self, utterances: int) -> None:
        """Until the list holds so many (the page's policy forbids Playwright's own waiting by expression)."""
        playwright.expect(self.page.locator(".utterance")).to_have_count(utterances)

    def ids(self) -> list[str]:
        return self.page.locator(".who b").all_inner_texts()  # type: ignore[no-any-return]
