"""The report in a real browser: headless Chromium, from disk, with the network watched."""

from __future__ import annotations

import io
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from components.analysis.table import Column, Table
from components.comparison.comparison import compare
from components.comparison.comparison_settings import ComparisonSettings
from components.comparison.views import tables as comparison_report
from reports.page import data_blocks, html_page
from tests.components.analysis.test_comparison import UTTERANCES, system
from tests.reports.example_runs import HOSTILE, cascade, routed
from tests.reports.page.opened import MARKS, Opened, playwright
from tests.reports.views.test_sections import with_members

pytestmark = MARKS


def write_report(factory: pytest.TempPathFactory, utterances: int) -> Path:
    folder = factory.mktemp("report")
    return html_page.write_html(cascade(folder, utterances), folder / "report.html")


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_report(tmp_path_factory, 60)


def test_opens_quietly_and_injected_text_is_text(browser: object, report: Path) -> None:
    opened = Opened(browser, report)
    opened.page.click("#open")
    opened.page.wait_for_selector(".utterance:last-child .more audio")
    assert opened.page.evaluate("window.injected") is None
    assert "<script>window.injected = 1</script>" in opened.page.inner_text("#list")
    assert opened.page.locator("#list img, #list script").count() == 0
    assert opened.complaints == []
    assert [url for url in opened.requests if not url.startswith(("data:", report.as_uri()))] == []


def test_policy_stops_a_script_that_is_not_ours(browser: object, report: Path) -> None:
    opened = Opened(browser, report)
    opened.page.evaluate(
        "() => { const s = document.createElement('script'); s.textContent = 'window.injected = 3';"
        " document.body.append(s); }"
    )
    assert opened.page.evaluate("window.injected") is None
    assert any("Content Security Policy" in complaint for complaint in opened.complaints)


def test_search_sort_and_pages(browser: object, report: Path) -> None:
    opened = Opened(browser, report)
    assert len(opened.ids()) == 50
    opened.page.click("#next")
    assert opened.ids()[0] == "caption-0050"
    opened.page.keyboard.press("/")
    opened.page.keyboard.type("PUDDLE caption-001")
    opened.wait_for(2)
    assert opened.ids() == ["caption-0014", "caption-0019"]
    opened.page.keyboard.press("Escape")
    opened.page.select_option("#sort", "wer")
    values = [float(v) for v in opened.page.locator(".figures span:nth-child(2)").all_inner_texts()]
    assert values[0] == max(values) > 0
    opened.page.click("text=+ quarantined")
    opened.wait_for(1)
    assert opened.ids() == ["caption-0001"]
    assert "unreadable audio" in opened.page.inner_text("#list")


def test_nbest_opens_by_keyboard(browser: object, report: Path) -> None:
    opened = Opened(browser, report)
    opened.page.locator(".utterance summary").nth(3).focus()
    opened.page.keyboard.press("Enter")
    opened.page.wait_for_selector(".utterance[open] .more tbody tr")
    assert opened.page.locator(".more tbody").first.locator("tr").count() == 3
    assert opened.page.locator(".features tbody tr").count() == 6
    playwright.expect(opened.page.locator(".features table").first).to_be_hidden()
    assert opened.page.locator(".more .tokens span").count() > 3
    opened.page.keyboard.press("Enter")
    playwright.expect(opened.page.locator(".utterance[open]")).to_have_count(0)


@pytest.mark.parametrize("embed_limit", [html_page.EMBED_LIMIT, 1])
def test_audio_plays_from_the_file_itself_or_a_link(
    browser: object, tmp_path: Path, embed_limit: int
) -> None:
    path = tmp_path / "runs" / "r.html"
    opened = Opened(browser, html_page.write_html(cascade(tmp_path, 4), path, embed_limit=embed_limit))
    opened.page.locator(".utterance summary").nth(3).click()
    opened.page.wait_for_selector("audio")
    seconds = opened.page.evaluate(
        "() => new Promise((done, fail) => { const a = document.querySelector('audio');"
        " a.onloadedmetadata = () => done(a.duration); a.onerror = () => fail(a.error.message); a.load(); })"
    )
    assert seconds == pytest.approx(0.4, abs=0.05)
    assert opened.complaints == []


@pytest.mark.parametrize("width", [320, 1280])
def test_an_utterance_is_walked_node_by_node(browser: object, tmp_path: Path, width: int) -> None:
    opened = Opened(browser, html_page.write_html(routed(tmp_path), tmp_path / "report.html"), width=width)
    opened.page.click("#open")
    opened.page.wait_for_selector(".utterance:last-child .steps")
    first, second, third = (opened.page.locator(".steps").nth(n) for n in range(3))
    names = first.locator("li b").all_inner_texts()
    assert [name.strip() for name in names] == [
        *("data", "fast", "doubt", "good", "heard", "de", "again", "de-1", "de-2"),
    ]
    figures = opened.page.locator(".figures").first.locator("span:nth-child(odd)").all_inner_texts()
    assert figures[-2:] == ["chrF2 de", "chrF2 de-1"]
    assert "escalate" in first.locator(".way-taken").inner_text()
    assert first.locator("li", has_text="the same as good").count() == 1
    assert first.locator("li", has_text="de-1").locator("ins.i").all_inner_texts() == ["große"]
    assert HOSTILE in second.locator(".ended").inner_text()
    assert "not sent here: doubt said keep" in third.inner_text()
    drawing = opened.page.locator(".drawing g.node rect >> visible=true")
    playwright.expect(drawing).to_have_count(10)  # one for both widths: this graph is too long for any page
    assert opened.page.evaluate("document.documentElement.scrollWidth") <= width
    assert opened.page.evaluate("window.injected") is None
    assert opened.complaints == []


def colors(opened: Opened) -> set[object]:
    image = Image.open(io.BytesIO(opened.page.screenshot())).convert("RGB")
    return {color for _, color in image.getcolors(image.width * image.height) or ()}


def test_light_dark_and_the_toggle(browser: object, report: Path) -> None:
    paper = "getComputedStyle(document.body).backgroundColor"
    light, dark = Opened(browser, report), Opened(browser, report, dark=True)
    assert len(colors(light)) > 100
    assert len(colors(dark)) > 100
    before, other = light.page.evaluate(paper), dark.page.evaluate(paper)
    assert before != other
    light.page.click("#theme")
    assert light.page.evaluate(paper) == other


@pytest.mark.parametrize("width", [390, 1280])
def test_the_hypotheses_come_first_and_are_seen_whole(browser: object, report: Path, width: int) -> None:
    opened = Opened(browser, report, width=width)
    opened.page.click("#open")
    opened.page.wait_for_selector(".utterance:last-child .more tbody tr")
    assert opened.page.locator(".more thead").first.locator("th").all_inner_texts()[1] == "hypothesis"
    texts = opened.page.locator(".more td.text")
    assert texts.count() > 50
    for box in (texts.nth(n).bounding_box() for n in range(0, texts.count(), 20)):
        assert 0 <= box["x"] < box["x"] + box["width"] <= width
        assert box["width"] > 0.3 * width or width > 1000


@pytest.mark.parametrize("width", [390, 1280])
def test_a_comparison_shows_difference_p_and_verdict_beside_the_score(
    browser: object, tmp_path: Path, width: int
) -> None:
    systems = [system("base", 1), system("good", 3)]
    result = compare(UTTERANCES, systems, ComparisonSettings(), language="de", source_language="en")[0]
    view = replace(cascade(tmp_path, 3), sections=comparison_report.build_tables(result))
    opened = Opened(browser, html_page.write_html(view, tmp_path / "report.html"), width=width)
    row = opened.page.locator("#section-1 tbody tr", has_text="better").first
    for cell in row.locator("td").all():
        box = cell.bounding_box()
        assert 0 <= box["x"] < box["x"] + box["width"] <= width
    assert opened.page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("width", [320, 390, 768])
def test_a_narrow_screen_scrolls_one_way_only(browser: object, report: Path, width: int) -> None:
    opened = Opened(browser, report, width=width)
    opened.page.click("#open")
    opened.page.wait_for_selector(".utterance:last-child .more")
    assert opened.page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """So many utterances that their data lie beside the page: more than the size that is set here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(data_blocks, "MAX_INLINE_CHARACTERS", 2**17)
        patch.setattr(data_blocks, "FILE_CHARACTERS", 2**19)
        return write_report(tmp_path_factory, 1050)


def test_many_utterances_open_with_one_page_drawn(browser: object, large: Path) -> None:
    """One block of the data is read to open the page, the index once it is searched."""
    opened = Opened(browser, large)
    assert opened.page.locator(".utterance").count() == 50
    assert opened.page.inner_text("#count") == "1,050 utterances"
    read = [url.rpartition("/")[2] for url in opened.requests]
    assert read == ["report.html", "page-0.js"]
    opened.page.fill("#filter", "caption-1049")
    opened.wait_for(1)
    assert opened.ids() == ["caption-1049"]
    index, last = (url.rpartition("/")[2] for url in opened.requests[2:])
    assert index == "index.js" and re.fullmatch(r"page-[12]\d\.js", last)
    opened.page.locator(".utterance summary").click()
    opened.page.wait_for_selector("audio[src^='data:audio/wav']")
    opened.page.fill("#filter", "")
    opened.page.select_option("#sort", "wer")
    opened.wait_for(50)
    assert opened.complaints == []


def test_a_lost_data_folder_is_told(browser: object, large: Path, tmp_path: Path) -> None:
    page = browser.new_page()  # type: ignore[attr-defined]
    page.goto(Path(shutil.copy(large, tmp_path)).as_uri())
    playwright.expect(page.locator("#count")).to_contain_text("keep the folder beside the page")


def test_blame_members_and_keys(browser: object, tmp_path: Path) -> None:
    values = {f"caption-{n:04d}": {"gap asr": float(n % 7)} for n in range(60)}
    view = replace(
        with_members(cascade(tmp_path, 60)),
        columns=[Column("gap asr", "lost to the transcript, most first")],
        values=values,
        sections=[Table("Blame", "asr loses most", ({"stage": "asr", "keeps": "40%"},))],
    )
    opened = Opened(browser, html_page.write_html(view, tmp_path / "report.html"))
    assert opened.page.inner_text("#section-1 td >> nth=0") == "asr"
    opened.page.select_option("#sort", "gap-asr")
    playwright.expect(opened.page.locator(".who b").first).to_have_text("caption-0006")
    opened.page.locator("body").press("j")
    opened.page.keyboard.press("j")
    opened.page.keyboard.press("Enter")
    opened.page.wait_for_selector(".utterance:nth-child(2)[open] .members")
    assert opened.page.locator(".members thead th").count() == 3  # the token, and a column per member
    assert opened.page.locator(".members td.best").count() > 3
    assert "gap asr 6" in opened.page.inner_text(".utterance:nth-child(2) .more")
    opened.page.keyboard.press("n")
    opened.wait_for(10)
    opened.page.keyboard.press("p")
    opened.wait_for(50)
    assert opened.complaints == []
