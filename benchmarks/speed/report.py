"""How long a report of 5,000 utterances takes to open: ``python -m benchmarks.speed report``.

A made-up cascade (the texts of the reports' tests, with audio, n-best lists and tokens) is written as its
report and opened from disk in headless Chromium, a new browser profile each time. Ready is when the first
page of utterances is drawn and a key has moved to the first of them; a search, when its result is drawn.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from playwright.sync_api import sync_playwright

from benchmarks.common.paths import RESULTS
from benchmarks.common.tables import markdown_table
from reports.page import html_page
from tests.reports.example_runs import cascade

PAGE = RESULTS / "speed-report.md"
BAR = 2.0  # seconds until it is ready


def main(arguments: list[str]) -> None:
    """Measure and write the page."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed report")
    parser.add_argument("--utterances", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        begun = time.perf_counter()
        page = html_page.write_html(cascade(Path(folder), options.utterances), Path(folder) / "report.html")
        wrote = time.perf_counter() - begun
        data = sum(times.stat().st_size for times in page.with_name("report-data").glob("*"))
        sizes = (page.stat().st_size / 2**20, data / 2**20)
        with sync_playwright() as session:
            rounds = [_time_round(session, page, options.utterances) for _ in range(options.rounds + 1)][1:]
    text = _format_page(options, rounds, wrote, sizes)
    PAGE.write_text(text, encoding="utf-8")
    print(text)


def _time_round(session: Any, path: Path, n: int) -> dict[str, float]:
    """Seconds of each act in a browser of its own."""
    browser = session.chromium.launch(
        executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
    )
    page = browser.new_page(viewport={"width": 1200, "height": 900})
    found: dict[str, float] = {}

    def timed(name: str, act: Callable[[], object], ready: str) -> None:
        begun = time.perf_counter()
        act()
        while not page.evaluate(ready):  # the page forbids what wait_for_function evaluates
            time.sleep(0.005)
        found[name] = time.perf_counter() - begun

    def opened() -> None:
        page.goto(path.as_uri())
        page.wait_for_selector(".utterance")
        page.keyboard.press("j")

    drawn = "document.querySelectorAll('.utterance').length"
    focused = "document.activeElement.closest('.utterance') !== null"
    timed("open: drawn and a key answered", opened, f"{drawn} === 50 && {focused}")
    timed(
        "first search (reads the index)", lambda: page.fill("#filter", f"caption-{n - 1}"), f"{drawn} === 1"
    )
    timed("back to all", lambda: page.fill("#filter", ""), f"{drawn} === 50")
    timed(
        "sort by WER",
        lambda: page.select_option("#sort", "wer"),
        "document.querySelector('.utterance b').textContent !== 'caption-0000'",
    )
    browser.close()
    return found


def _format_page(
    options: argparse.Namespace, rounds: list[dict[str, float]], wrote: float, sizes: tuple[float, float]
) -> str:
    rows = [
        (
            name,
            f"{median(times[name] for times in rounds):.2f} s",
            f"{max(times[name] for times in rounds):.2f} s",
        )
        for name in rounds[0]
    ]
    first = [times["open: drawn and a key answered"] for times in rounds]
    verdict = "met" if max(first) < BAR else "missed"
    return (
        f"# How long a report of {options.utterances:,} utterances takes to open\n\n"
        f"Written by `python -m benchmarks.speed report --rounds {options.rounds}`: a made-up cascade with "
        "audio, n-best lists and tokens, opened from disk in headless Chromium on two cores, in "
        f"{options.rounds} new browsers (and one before them that is not counted). "
        f"Page {sizes[0]:.2f} MiB, data beside it {sizes[1]:.1f} MiB, written in {wrote:.1f} s.\n\n"
        + markdown_table(("act", "median", "slowest"), rows)
        + f"\n\nAim: ready in under {BAR:g} s, {verdict} in the slowest round.\n"
    )
