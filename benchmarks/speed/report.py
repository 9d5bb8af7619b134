"""How long a report of 5,000 utterances takes to open.

A made-up cascade (the texts of the reports' tests, with audio, n-best lists and tokens) is written as its
report and opened from disk in headless Chromium, a new browser profile each time. Ready is when the first
page of utterances is drawn and a key has moved to the first of them; a search, when its result is drawn.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.common.sections import Result, option
from benchmarks.pages.running import OPEN, SEARCH

PAGE = "speed-report"
PATIENCE = 120.0
"""Seconds after which an act that shows nothing ends the benchmark."""
OPTIONS = {"utterances": option(5000), "rounds": option(5)}


def measure(options: argparse.Namespace) -> Iterator[Result]:
    """Seconds of each act, a new browser each round; a first round does not count."""
    from playwright.sync_api import sync_playwright

    from reports.page import html_page
    from tests.reports.example_runs import cascade

    with tempfile.TemporaryDirectory() as folder:
        begun = time.perf_counter()
        page = html_page.write_html(cascade(Path(folder), options.utterances), Path(folder) / "report.html")
        wrote = time.perf_counter() - begun
        data = sum(file.stat().st_size for file in page.with_name("report-data").glob("*"))
        sizes = {"page": page.stat().st_size / 2**20, "data": data / 2**20, "wrote": wrote}
        with sync_playwright() as session:
            rounds = [_time_round(session, page, options.utterances) for _ in range(options.rounds + 1)][1:]
    columns = {name: [times[name] for times in rounds] for name in rounds[0]}
    acts = {
        name: {"median": median(column), "slowest": max(column), "rounds": column}
        for name, column in columns.items()
    }
    size = {"utterances": options.utterances, "rounds": options.rounds}
    yield Result("seconds", {**size, **sizes, "acts": acts})


def _time_round(session: Any, path: Path, n: int) -> dict[str, float]:
    """Seconds of each act in a browser of its own."""
    browser = session.chromium.launch(
        executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
    )
    page = browser.new_page(viewport={"width": 1200, "height": 900})
    seconds: dict[str, float] = {}

    def timed(name: str, act: Callable[[], object], ready: str) -> None:
        begun = time.perf_counter()
        act()
        while not page.evaluate(ready):  # the page forbids what wait_for_function evaluates
            if time.perf_counter() - begun > PATIENCE:
                raise TimeoutError(f"{name}: expected {ready} within {PATIENCE:g} s; {n} utterances")
            time.sleep(0.005)
        seconds[name] = time.perf_counter() - begun

    def opened() -> None:
        page.goto(path.as_uri())
        page.wait_for_selector(".utterance")
        page.keyboard.press("j")

    drawn = "document.querySelectorAll('.utterance').length"
    focused = "document.activeElement.closest('.utterance') !== null"
    timed(OPEN, opened, f"{drawn} === 50 && {focused}")
    timed(SEARCH, lambda: page.fill("#filter", f"caption-{n - 1}"), f"{drawn} === 1")
    timed("back to all", lambda: page.fill("#filter", ""), f"{drawn} === 50")
    timed(
        "sort by WER",
        lambda: page.select_option("#sort", "wer"),
        "document.querySelector('.utterance b').textContent !== 'caption-0000'",
    )
    browser.close()
    return seconds
