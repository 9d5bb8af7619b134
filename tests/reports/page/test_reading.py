"""Reading a report in a real browser: filters, links, systems side by side, dots, words in time."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import pytest

from components.analysis.table import Column
from components.export.recording_text import RecordingText, make_part
from components.records import Hypothesis, NBest, Segment, Utterance, Word
from reports.page import html_page
from reports.page.talk_page import encode_page
from reports.views.run_view import RunView
from tests.reports.example_runs import HOSTILE, SENTENCES, cascade, nbest, node, stage, tone
from tests.reports.page.opened import MARKS, Opened, playwright

pytestmark = MARKS


def labeled(folder: Path) -> RunView:
    """Utterances of two languages, two domains and three speakers; a source text with decomposed letters."""
    view = cascade(folder, 12)
    utterances = [
        one.model_copy(
            update={
                "source_language": "en-US" if n % 2 else "en",
                "domain": ("news", HOSTILE)[n % 2],
                "speaker": ("Ada", 'J. "Doe", Jr.', None)[n % 3],
                "text": "Cafe\u0301" if n == 7 else one.text,
            }
        )
        for n, one in enumerate(view.utterances)
    ]
    return replace(view, utterances=utterances)


def two_systems(folder: Path) -> RunView:
    """Two systems that share their recognizer; the second drops a word of every translation."""
    view = cascade(folder, 6)
    mt: dict[str, object] = dict(view.outcomes["mt"])
    for key, outcome in view.outcomes["mt"].items():
        mt[key] = nbest(key, [outcome.best.text.rpartition(" ")[0]], "b")
    names = {"a: mt": view.outcomes["mt"], "b: mt": mt}
    graph = view.run.pipeline.model_copy(
        update={
            "nodes": (
                node("a, b: asr", "recognize", "data", language="source"),
                *(node(name, "translate", "a, b: asr") for name in names),
            )
        }
    )
    stages = (stage("data", 6, 0, 0.1), *(stage(name, 6, 0, 1.0) for name in ("a, b: asr", *names)))
    run = view.run.model_copy(update={"pipeline": graph, "stages": stages, "metrics": {}})
    return RunView(
        run,
        view.utterances,
        {"a, b: asr": view.outcomes["asr"], **names},  # type: ignore[dict-item]
        columns=[Column("change: b", "b above a, most first"), Column("change: b", "b below a", "smallest")],
        values={one.id: {"change: b": float(n)} for n, one in enumerate(view.utterances)},
        systems={
            "a": {"transcript": "a, b: asr", "translation": "a: mt"},
            "b": {"transcript": "a, b: asr", "translation": "b: mt"},
        },
    )


@pytest.fixture(scope="module")
def page(browser: object, tmp_path_factory: pytest.TempPathFactory) -> Opened:
    folder = tmp_path_factory.mktemp("reading")
    return Opened(browser, html_page.write_html(labeled(folder), folder / "report.html"))


@pytest.mark.parametrize(
    ("expression", "numbers"),
    [
        ("wer>0 wer<=20", [3, 5, 6, 9]),
        ("wer:0..20 -wer=0", [3, 5, 6, 9]),
        ("lang:en-us", [1, 3, 5, 7, 9, 11]),
        ("lang:en-us domain:news", []),
        ("lang:en -lang:en-US quarantined", []),
        ("speaker:ada", [0, 3, 6, 9]),
        (r'speaker:"J. \"Doe\", Jr."', [1, 4, 7, 10]),
        ('speaker:"" to:de,fr', [2, 5, 8, 11]),
        ("id:caption-0003,caption-0004 -quarantined", [3, 4]),
        ('"blue shirt" errors', [6]),
        ("TEXT:PUDDLE -length>9", [4, 9]),
        ('"quarantined"', []),
        ("caf\u00e9", [7]),
        ("text:CAFE\u0301", [7]),
        ("quarantined", [1]),
    ],
)
def test_filter_expressions_select(page: Opened, expression: str, numbers: list[int]) -> None:
    page.page.fill("#filter", "id:none")
    page.wait_for(0)
    page.page.fill("#filter", expression)
    page.wait_for(len(numbers))
    assert page.ids() == [f"caption-{number:04d}" for number in numbers]
    assert page.page.inner_text("#filter-error") == ""


@pytest.mark.parametrize(
    ("expression", "error"),
    [
        ("wr>20", "no column wr; did you mean wer?"),
        ("wer>many", "expected a number after wer>, found many"),
        ("wer>", "expected a number after wer>"),
        ("lang>de", "lang is a text: write lang:de"),
        ('two "boys', 'expected a closing " after "boys'),
        ("lang:", 'expected a text after lang: ("" stands for none)'),
        ("constructor:x", "no column constructor; ? lists them"),
        ("quarantined:yes", "no column quarantined: it stands alone"),
    ],
)
def test_a_filter_that_cannot_be_read_is_told_in_place(page: Opened, expression: str, error: str) -> None:
    page.page.fill("#filter", "quarantined")
    page.wait_for(1)
    page.page.fill("#filter", expression)
    playwright.expect(page.page.locator("#filter-error")).to_have_text(error)
    assert page.ids() == ["caption-0001"]  # what was listed stays


def test_chips_combine_and_the_way_back_leads_back(browser: object, tmp_path: Path) -> None:
    opened = Opened(browser, html_page.write_html(labeled(tmp_path), tmp_path / "report.html"))
    opened.page.click("text=+ with word errors")
    errors = opened.page.locator("#chips .on")
    playwright.expect(errors).to_have_count(1)
    count = opened.page.locator(".utterance").count()
    assert 0 < count < 12
    opened.page.select_option("#sort", "wer")
    opened.page.locator("#section-1 a").first.click()  # the utterances of the first group
    playwright.expect(opened.page.locator("#filter")).to_have_value('lang="en" to="de"')
    opened.wait_for(6)  # as many as the table counts: those of en-US are another group
    assert "filter=lang" in opened.page.url
    opened.page.go_back()
    playwright.expect(opened.page.locator("#filter")).to_have_value("errors")
    assert opened.page.input_value("#sort") == "wer"
    opened.page.go_back()
    playwright.expect(opened.page.locator("#sort")).to_have_value("order")
    opened.page.locator("#chips .on").click()
    opened.wait_for(12)
    assert opened.complaints == []


def test_a_link_opens_its_utterance(browser: object, tmp_path: Path) -> None:
    path = html_page.write_html(cascade(tmp_path, 60), tmp_path / "report.html")
    opened = Opened(browser, path, fragment="#filter=puddle&utterance=caption-0054")
    playwright.expect(opened.page.locator(".utterance[open]")).to_have_attribute("data-id", "caption-0054")
    assert opened.page.evaluate("document.activeElement.closest('.utterance').dataset.id") == "caption-0054"
    assert opened.page.input_value("#filter") == "puddle"
    # One that the filter leaves out is listed without it.
    opened.page.goto(path.as_uri() + "#filter=puddle&utterance=caption-0055")
    playwright.expect(opened.page.locator(".utterance[open]")).to_have_attribute("data-id", "caption-0055")
    assert opened.page.input_value("#filter") == ""
    assert opened.page.locator("#where").inner_text() == "51–60 of 60"
    link = opened.page.locator(".utterance[open] .about a").get_attribute("href")
    assert link == "#utterance=caption-0055"
    opened.page.goto(path.as_uri() + "#utterance=" + quote(HOSTILE, safe=""))
    playwright.expect(opened.page.locator("#count")).to_contain_text("expected an utterance of this run")
    assert opened.page.evaluate("window.injected") is None
    assert opened.complaints == []


@pytest.mark.parametrize("width", [390, 1280])
def test_systems_stand_side_by_side_marked_against_what_the_reader_chooses(
    browser: object, tmp_path: Path, width: int
) -> None:
    path = html_page.write_html(two_systems(tmp_path), tmp_path / "report.html")
    opened = Opened(browser, path, width=width)
    fourth = opened.page.locator(".utterance").nth(3).locator(".system")
    assert fourth.locator("h3").all_inner_texts() == ["a", "b"]
    first, second = (fourth.nth(n).bounding_box() for n in range(2))
    assert (second["y"] > first["y"]) == (width < 700)
    assert second["x"] + second["width"] <= width
    assert "right only in a: Hauses" in fourth.nth(1).inner_text()
    assert fourth.nth(1).locator("del.d").count() == 0
    opened.page.select_option("#against", "a")
    playwright.expect(fourth.nth(1).locator("del.d").first).to_have_text("Hauses")
    assert fourth.nth(0).locator("del, ins, mark").count() == 0
    alike = opened.page.locator(".utterance").nth(4).locator(".system").nth(1)
    assert alike.locator("p", has_text="A boy jumps").inner_text() == f"{SENTENCES[4][0]} (the same)"
    assert "against=a" in opened.page.url
    assert [o.get_attribute("value") for o in opened.page.locator("#sort option").all()] == [
        *("order", "length", "change-b", "change-b-up"),
    ]
    phrases = opened.page.locator("section", has_text="Phrases that one system has").last
    row = phrases.locator("tbody tr", has_text="Hauses").first
    row.locator("a").first.click()
    opened.wait_for(1)
    assert opened.ids() == ["caption-0003"]
    assert opened.complaints == []


def test_dots_lead_to_their_utterance_by_mouse_and_by_key(browser: object, tmp_path: Path) -> None:
    opened = Opened(browser, html_page.write_html(cascade(tmp_path, 30), tmp_path / "report.html"))
    opened.page.locator("#plots").scroll_into_view_if_needed()
    area = opened.page.locator(".dot-area").first
    playwright.expect(area).to_have_attribute("aria-label", "Recognition against translation: 29 utterances; "
        "left and right go from dot to dot, Enter opens the utterance")  # fmt: skip
    ring = opened.page.locator(".dot-plot .ring").first
    playwright.expect(ring).to_be_hidden()  # it stood outside the card
    area.focus()
    opened.page.keyboard.press("ArrowRight")
    playwright.expect(ring).to_be_visible()
    link = opened.page.locator(".dot-link").first
    playwright.expect(link).to_contain_text("WER (%) 0")
    target = link.inner_text().partition(":")[0]
    opened.page.keyboard.press("Enter")
    playwright.expect(opened.page.locator(".utterance[open]")).to_have_attribute("data-id", target)
    opened.page.locator(".dot-plot").nth(1).scroll_into_view_if_needed()
    dots = opened.page.locator(".dot-plot .dots").nth(1).bounding_box()
    opened.page.mouse.click(dots["x"] + dots["width"], dots["y"] + dots["height"])
    opened.page.wait_for_timeout(200)
    assert opened.page.locator(".utterance[open]").count() >= 1
    assert opened.complaints == []


def test_words_are_lit_while_they_are_heard(browser: object, tmp_path: Path) -> None:
    view = cascade(tmp_path, 6)
    key = "caption-0003"
    timed = (Word(start=0.0, end=0.1, text=" People", probability=0.9), Word(start=0.1, end=0.3, text=" are"))
    segments = (
        Segment(start=0, end=0.3, text="People are", words=timed),
        Segment(start=0.3, end=0.4, text="x"),
        *(Segment(start=0.3 + n / 200, end=0.4, text="word " * 60) for n in range(20)),
    )
    outcomes = {name: dict(of) for name, of in view.outcomes.items()}
    for name, parts in (("asr", segments), ("mt", (Segment(start=0, end=0.4, text=HOSTILE),))):
        outcome = outcomes[name][key]
        best = outcome.best.model_copy(update={"segments": parts})
        outcomes[name][key] = outcome.model_copy(update={"hypotheses": (best,)})
    path = html_page.write_html(replace(view, outcomes=outcomes), tmp_path / "report.html")
    opened = Opened(browser, path, fragment=f"#utterance={key}")
    opened.page.wait_for_selector("audio[src]")
    texts = opened.page.locator(".utterance[open] .timed")
    assert texts.nth(0).locator("p span").all_inner_texts()[:3] == [" People", " are", "x "]
    assert HOSTILE in texts.nth(1).inner_text()
    scrolls = texts.nth(0).evaluate(
        "(node) => [node, node.querySelector('p')].map((e) => getComputedStyle(e).overflowY)"
    )
    assert scrolls == ["auto", "visible"]  # what has the focus
    texts.nth(0).locator("span", has_text="are").click()
    playwright.expect(texts.nth(0).locator(".now")).to_have_count(1)
    assert texts.nth(1).locator(".now").inner_text().strip() == HOSTILE
    assert opened.page.evaluate("document.querySelector('audio').currentTime") >= 0.1
    opened.page.evaluate("document.querySelector('audio').pause()")
    texts.nth(0).focus()
    for _ in range(3):
        opened.page.keyboard.press("ArrowLeft")
    playwright.expect(texts.nth(0).locator(".now")).to_have_text("People")
    assert opened.page.locator(".now[aria-current]").count() == 2
    for _ in range(20):
        opened.page.keyboard.press("ArrowRight")
    lit, box = texts.nth(0).locator(".now").bounding_box(), texts.nth(0).bounding_box()
    assert box["y"] <= lit["y"] < box["y"] + box["height"]
    assert opened.complaints == []


def test_the_page_of_a_talk_scrolls_along_with_its_sound(browser: object, tmp_path: Path) -> None:
    parts = tuple(Segment(start=n / 10, end=(n + 1) / 10, text=f"Sentence {n}.") for n in range(60))
    spoken = Utterance(id="talk", audio=tone(tmp_path / "talk.wav", seconds=6), source_language="en")
    best = Hypothesis(text="-", score=-1.0, n_tokens=1, system="model", segments=parts)
    part = make_part(spoken, NBest(utterance_id="talk", hypotheses=(best,)), "en")
    page = tmp_path / "talk.html"
    page.write_bytes(encode_page(RecordingText("talk", "asr", timed=True, parts=[part])))
    opened = Opened(browser, page, wait="#segments li")

    def hear(seconds: float) -> list[float]:
        """Go there, and return where the lit row then is, and how far the page has scrolled."""
        opened.page.evaluate(
            "(seconds) => { document.getElementById('sound').currentTime = seconds; }", seconds
        )
        playwright.expect(opened.page.locator("li.now")).to_contain_text(f"Sentence {int(seconds * 10)}.")
        return opened.page.evaluate(  # type: ignore[no-any-return]
            "[document.querySelector('li.now').getBoundingClientRect().top, scrollY]"
        )

    assert hear(0.05)[1] == 0
    top, scrolled = hear(5.05)
    assert scrolled > 0
    assert 0 < top < 900
    opened.page.evaluate("scrollTo(0, 0)")  # the reader looks elsewhere
    assert hear(5.15)[1] == 0
    assert opened.complaints == []


def test_an_utterance_says_who_speaks(browser: object, tmp_path: Path) -> None:
    view, key = cascade(tmp_path, 6), "caption-0003"
    spoken = ((0.0, "How are you?", "speaker 1"), (0.2, HOSTILE, HOSTILE), (0.3, "Well.", HOSTILE))
    parts = tuple(Segment(start=at, end=at + 0.1, text=text, speaker=who) for at, text, who in spoken)
    outcomes = {name: dict(of) for name, of in view.outcomes.items()}
    outcome = outcomes["asr"][key]
    best = outcome.best.model_copy(update={"segments": parts})
    outcomes["asr"][key] = outcome.model_copy(update={"hypotheses": (best,)})
    path = html_page.write_html(replace(view, outcomes=outcomes), tmp_path / "report.html")
    opened = Opened(browser, path, fragment=f"#utterance={key}")
    turns = opened.page.locator(".utterance[open] .lines .out > div:has(b)")
    assert [turn.strip() for turn in turns.all_inner_texts()] == [
        "speaker 1: How are you?",
        f"{HOSTILE}: {HOSTILE} Well.",
    ]
    assert opened.page.locator(".utterance[open] .timed b").count() == 2
    assert opened.complaints == []


def test_tables_sort_and_give_tsv(browser: object, tmp_path: Path) -> None:
    opened = Opened(browser, html_page.write_html(labeled(tmp_path), tmp_path / "report.html"))
    table = opened.page.locator("table[data-title='Scores by group']")
    table.locator("th button", has_text="utterances").click()
    counts = [int(cell) for cell in table.locator("td[data-label='utterances']").all_inner_texts()]
    assert counts == sorted(counts, reverse=True)
    assert len(set(counts)) > 1
    assert table.locator("th[aria-sort='descending']").count() == 1
    with opened.page.expect_download() as download:
        opened.page.click("[aria-label='Download the table Scores by group as TSV']")
    assert download.value.suggested_filename == "scores-by-group.tsv"
    lines = Path(download.value.path()).read_text(encoding="utf-8").splitlines()
    assert lines[0].split("\t")[:3] == ["group", "is", "utterances"]
    assert len(lines) == 1 + len(counts)
    assert {line.count("\t") for line in lines} == {lines[0].count("\t")}
    assert opened.complaints == []
