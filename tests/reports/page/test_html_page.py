from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from components.analysis.formatting import format_seconds
from components.errors import AntiphonError
from reports.page import html_page
from reports.views.run_view import RunView
from tests.reports.example_runs import BIDI, HOSTILE, cascade


class Elements(HTMLParser):
    """What a browser would see: elements with attributes, and the text of scripts by id."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: dict[str, str] = {}
        self._script: str | None = None
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._script = (dict(attrs).get("id") or "") if tag == "script" else None

    def handle_endtag(self, tag: str) -> None:
        self._script = None

    def handle_data(self, data: str) -> None:
        if self._script is not None:
            self.scripts[self._script] = self.scripts.get(self._script, "") + data


@pytest.fixture
def page(tmp_path: Path) -> Elements:
    return Elements(
        html_page.write_html(cascade(tmp_path, 60), tmp_path / "report.html").read_text(encoding="utf-8")
    )


def test_hostile_text_adds_no_element(page: Elements, tmp_path: Path) -> None:
    scripts = [attrs for tag, attrs in page.elements if tag == "script"]
    assert [s.get("type") for s in scripts].count(None) == 1  # our own
    assert not [
        attrs for _, attrs in page.elements for name in attrs if name.startswith("on") or name == "style"
    ]
    assert HOSTILE in json.loads(page.scripts["page-0"])[0]["references"]


def test_the_time_is_written_for_people(tmp_path: Path) -> None:
    text = html_page.write_html(cascade(tmp_path, 2), tmp_path / "report.html").read_text(encoding="utf-8")
    assert '<time datetime="2026-11-24T16:01:00+00:00">2026-11-24 16:01 UTC</time>' in text


def test_hostile_names_and_parameters_are_text(tmp_path: Path) -> None:
    view = cascade(tmp_path, 2)
    run = view.run.model_copy(
        update={
            "name": HOSTILE,
            "notes": (HOSTILE, BIDI),
            "versions": {HOSTILE: HOSTILE},
            "parameters": {HOSTILE: HOSTILE, "asr": {"model": HOSTILE}},
            "stages": tuple(ref.model_copy(update={"stage": HOSTILE}) for ref in view.run.stages[:1]),
        }
    )
    text = html_page.write_html(RunView(run, view.utterances, view.outcomes), tmp_path / "r.html").read_text(
        encoding="utf-8"
    )
    result = Elements(text)
    assert "\u202e" not in text
    assert [a.get("type") for tag, a in result.elements if tag == "script"].count(None) == 1
    assert not [a for tag, a in result.elements if tag == "img" and a.get("src") == "x"]
    assert not [a for _, a in result.elements if any(name.startswith("on") for name in a)]


def test_nothing_is_fetched_and_only_our_script_may_run(page: Elements) -> None:
    for _, attrs in page.elements:
        for name in ("src", "href"):
            value = attrs.get(name)
            assert value is None or value.startswith(("data:", "#")), value
    policy = (
        next(a["content"] for _, a in page.elements if a.get("http-equiv") == "Content-Security-Policy") or ""
    )
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe" not in policy


def test_data_is_whole_and_in_pages(page: Elements) -> None:
    index = json.loads(page.scripts["index"])
    first, second = json.loads(page.scripts["page-0"]), json.loads(page.scripts["page-1"])
    assert (len(index), len(first), len(second)) == (60, 50, 10)
    assert first[1]["stages"] == [
        {
            "stage": "asr",
            "recognition": True,
            "reason": "unreadable audio",
            "detail": "expected audio, found <b>text</b>",
        }
    ]
    assert [edit[0] for edit in first[5]["stages"][0]["edits"]] == ["e", "s", *"eeeee"]
    assert first[5]["audio"]["embedded"] == "a" * 64
    assert json.loads(page.scripts["audio-" + "a" * 64]).startswith("data:audio/wav;base64,")


def test_large_audio_is_linked(tmp_path: Path) -> None:
    text = html_page.write_html(
        cascade(tmp_path, 3), tmp_path / "runs" / "r.html", embed_limit=100
    ).read_text()
    entry = json.loads(Elements(text).scripts["page-0"])[0]
    assert entry["audio"]["link"] == "./../clip%20one.wav"
    assert "data:audio" not in text


def test_same_run_same_bytes(tmp_path: Path) -> None:
    view = cascade(tmp_path, 5)
    assert (
        html_page.write_html(view, tmp_path / "a.html").read_bytes()
        == html_page.write_html(view, tmp_path / "b.html").read_bytes()
    )


def test_empty_run_has_a_report(tmp_path: Path) -> None:
    view = cascade(tmp_path, 1)
    run = view.run.model_copy(update={"stages": (), "metrics": {}, "parameters": {}, "versions": {}})
    text = html_page.write_html(RunView(run, [], {}), tmp_path / "r.html").read_text()
    assert json.loads(Elements(text).scripts["index"]) == []


def test_a_failure_leaves_the_old_report_and_no_litter(tmp_path: Path) -> None:
    view = cascade(tmp_path, 2, audio=False)
    path = html_page.write_html(view, tmp_path / "r.html")
    before = path.read_bytes()

    class Failing(dict[str, object]):
        def get(self, key: str, default: object = None) -> object:
            raise AntiphonError("broken")

    with pytest.raises(AntiphonError):
        html_page.write_html(RunView(view.run, view.utterances, {"asr": Failing()}), path)  # type: ignore[dict-item]
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["r.html"]


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0.00 s"), (9.99, "9.99 s"), (12.34, "12.3 s"), (185, "3 min 05 s"), (3720, "1 h 02 min")],
)
def test_seconds(value: float, text: str) -> None:
    assert format_seconds(value) == text


def test_templates_are_short() -> None:
    folder = Path(html_page.__file__).parent / "templates"
    for path in folder.iterdir():
        assert len(re.findall("\n", path.read_text(encoding="utf-8"))) <= 250, path
