"""No violations of axe-core, and nothing clipped: every page, wide and narrow, light and dark."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from components.analysis.table import Link, Sentence, Table
from components.storage.runs.run_listing import RunEntry
from reports.page import html_page, index_page
from tests.reports.example_runs import HOSTILE, cascade, routed
from tests.reports.page.opened import MARKS, Opened
from tests.reports.page.test_reading import labeled, two_systems
from tests.reports.views.test_sections import with_members

axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs axe-playwright-python")
pytestmark = MARKS

CLIPPED = """() => {
  const clipped = [], walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const parent = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !parent.checkVisibility() || parent.closest("script, style, .skip, option")) continue;
    const range = document.createRange();
    range.selectNodeContents(walker.currentNode);
    for (const box of range.getClientRects()) {
      for (let above = parent; above; above = above.parentElement) {
        const frame = above === document.body ? { left: 0, right: document.documentElement.clientWidth } : above.getBoundingClientRect();
        const hides = above === document.body || getComputedStyle(above).overflowX !== "visible";
        if (hides && (box.left < frame.left - 1 || box.right > frame.right + 1)) clipped.push(walker.currentNode.data.trim() + " in " + above.className);
      }
    }
  }
  return [...new Set(clipped)];
}"""  # noqa: E501 - a script
"""Texts that lie outside of a box that hides them, or of the page."""


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A page of every sort."""
    folder = tmp_path_factory.mktemp("pages")
    view = labeled(folder)
    view = with_members(replace(view, utterances=view.utterances[:5]))
    single = replace(
        view,
        verdict=[Sentence("WER 6.4.", Link("Look there first", "#filter=wer%3E50"))],
        sections=[
            Table("Blame", HOSTILE, ({"stage": "asr", "costs": "+1.2 (-3.0 to +4.0)"},), protocol="x" * 300)
        ],
        texts=["texts/talk.en.srt"],
    )
    runs = [
        RunEntry("base", "completed", "2026-11-26T16:36:00+00:00", view.run),
        RunEntry("torn", "damaged", "2026-11-26T16:36:00+00:00"),
        RunEntry(
            "x" * 90, "failed", "2026-11-26T16:36:00+00:00", view.run.model_copy(update={"flow": HOSTILE})
        ),
    ]
    return {
        "cascade": html_page.write_html(single, folder / "cascade.html"),
        "compare": html_page.write_html(two_systems(folder), folder / "compare.html"),
        "routed": html_page.write_html(routed(folder), folder / "routed.html"),
        "index": index_page.write_index(runs, folder),
    }


def violations(page: object) -> list[tuple[str, str, str]]:
    """What axe-core complains about: rule, first element, why."""
    faults = axe.Axe().run(page).response["violations"]
    return [(f["id"], f["nodes"][0]["html"][:200], f["nodes"][0]["failureSummary"]) for f in faults]


@pytest.mark.parametrize("name", ["cascade", "compare", "routed", "index"])
def test_accessible_and_whole(browser: object, pages: dict[str, Path], name: str) -> None:
    opened = Opened(browser, pages[name], wait="h1")
    page = opened.page
    if name != "index":
        page.wait_for_selector(".utterance")
        page.locator("#plots").scroll_into_view_if_needed()
        page.wait_for_selector(".dot-area, #plots:not(:has(.dots))")
        page.click("#open")
        page.wait_for_selector(".utterance:last-child .more")
        for folded in page.locator("main details:not(.utterance) > summary >> visible=true").all():
            folded.click()
    for width, theme in ((1280, "light"), (390, "light"), (390, "dark"), (1280, "dark")):
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(color_scheme=theme)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate(CLIPPED) == []
        if (width, theme) in ((390, "light"), (1280, "dark")):  # axe-core takes long
            assert violations(page) == []
    page.fill("#filter", "wr>1")
    page.click("#help-button")
    assert violations(page) == []
    assert opened.complaints == []


def test_the_index_filters_sorts_and_leads_to_reports(browser: object, tmp_path: Path) -> None:
    record = cascade(tmp_path, 3).run
    other = record.model_copy(update={"flow": "ensemble", "metrics": {}, "name": "late"})
    (tmp_path / "runs" / "base").mkdir(parents=True)
    html_page.write_html(cascade(tmp_path, 3), tmp_path / "runs" / "base" / "report.html")
    runs = [
        RunEntry("late", "completed", "2026-11-26T17:00:00+00:00", other),
        RunEntry("base", "completed with quarantine", "2026-11-26T16:00:00+00:00", record),
        RunEntry("now", "running", "2026-11-26T15:00:00+00:00"),
    ]
    opened = Opened(browser, index_page.write_index(runs, tmp_path), wait="h1")

    def names() -> list[str]:
        return opened.page.locator("tbody th >> visible=true").all_inner_texts()  # type: ignore[no-any-return]

    assert names() == ["late", "base", "now"]
    opened.page.fill("#filter", "flow:cascade bleu>30 data:sample")
    assert names() == ["base"]
    assert opened.page.inner_text("#count") == "1 of 3 runs"
    opened.page.fill("#filter", "bleu>30 flw:x")
    assert opened.page.inner_text("#filter-error") == "no column flw; did you mean flow?"
    opened.page.keyboard.press("Escape")
    opened.page.locator("th button", has_text="run").first.click()
    assert names() == ["base", "late", "now"]
    opened.page.click("tbody >> text=base")
    opened.page.wait_for_selector(".utterance")
    assert opened.page.url.endswith("/runs/base/report.html")
    assert opened.complaints == []
