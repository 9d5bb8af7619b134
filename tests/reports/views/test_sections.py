from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from components.analysis.table import Column, Table, load_pictures
from components.records import Token
from reports.page import data_blocks, html_page
from reports.views.run_view import RunView
from tests.reports.example_runs import BIDI, HOSTILE, cascade
from tests.reports.page.test_html_page import Elements

SVG = "<svg xmlns='http://www.w3.org/2000/svg'/>"


def with_members(view: RunView) -> RunView:
    """Two members for each token of each translation."""
    changed = {}
    for key, outcome in view.outcomes["mt"].items():
        best = outcome.best
        tokens = tuple(
            Token(piece=t.piece, log_prob=t.log_prob, members={HOSTILE: -0.25, "b": -1.5})
            for t in best.tokens
        )
        first = best.model_copy(update={"tokens": tokens, "features": {"round": 2.0}})
        changed[key] = outcome.model_copy(update={"hypotheses": (first, *outcome.hypotheses[1:])})
    return replace(view, outcomes={**view.outcomes, "mt": changed})


def test_sections_and_columns_are_shown_and_escaped(tmp_path: Path) -> None:
    (tmp_path / "curve.svg").write_text(SVG)
    (tmp_path / "curve.png").write_bytes(b"png")
    (tmp_path / "notes.txt").write_text("no picture")
    pictures = load_pictures(tmp_path.glob("*"))
    assert [name for name, _ in pictures] == ["curve"]
    assert pictures[0][1].startswith("data:image/svg+xml;base64,")
    rows = ({"expert": HOSTILE, "load": "3"}, {"load": BIDI, "dropped": "1"})
    section = Table("Router", HOSTILE, rows, pictures=pictures)
    assert section.columns == ("expert", "load", "dropped")
    view = replace(
        cascade(tmp_path, 3),
        sections=[section],
        columns=[Column("gap asr", HOSTILE)],
        values={"caption-0002": {"gap asr": 12.5}},
    )
    page = Elements(html_page.write_html(view, tmp_path / "r.html").read_text(encoding="utf-8"))
    assert "section-1" in [attrs.get("id") for tag, attrs in page.elements if tag == "section"]
    assert not [attrs for tag, attrs in page.elements if tag == "img" and attrs.get("src") == "x"]
    assert [attrs.get("type") for tag, attrs in page.elements if tag == "script"].count(None) == 1
    options = [attrs for tag, attrs in page.elements if tag == "option"]
    wanted = {"value": "gap-asr", "data-name": "gap asr", "data-key": "gap-asr", "data-first": "largest"}
    assert wanted in options
    index = json.loads(page.scripts["index"])
    assert [line[1][-1] for line in index] == [None, None, 12.5]
    assert json.loads(page.scripts["page-0"])[2]["values"] == {"gap asr": 12.5}


def test_members_and_features_of_hypotheses(tmp_path: Path) -> None:
    page = Elements(html_page.write_html(with_members(cascade(tmp_path, 4)), tmp_path / "r.html").read_text())
    mt = json.loads(page.scripts["page-0"])[3]["stages"][1]
    _, _, count, tokens, features = mt["nbest"][0]
    assert (len(tokens), features) == (count, {"round": 2.0})
    assert tokens[0][2] == {HOSTILE: -0.25, "b": -1.5}
    assert "round" not in mt["nbest"][1][4]


def test_a_large_report_keeps_its_data_beside_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data_blocks, "MAX_INLINE_CHARACTERS", 2**17)  # large by a tenth of the utterances
    monkeypatch.setattr(data_blocks, "FILE_CHARACTERS", 2**18)
    path = html_page.write_html(cascade(tmp_path, 250), tmp_path / "large.html")
    folder = tmp_path / "large-data"
    assert path.stat().st_size < 300_000
    files = {p.name for p in folder.iterdir()} - {"index.js", f"audio-{'a' * 64}.js"}
    assert 1 < len(files) < 10
    firsts = re.search(r'data-files="([0-9,]+)"', path.read_text())
    assert firsts and files == {f"page-{n}.js" for n in firsts[1].split(",")}
    blocks = [line.split('"')[1] for name in files for line in (folder / name).read_text().splitlines()]
    assert sorted(blocks) == sorted(f"page-{n}" for n in range(5))
    assert sum(p.stat().st_size for p in folder.iterdir()) > 2**17
    text = (folder / "page-0.js").read_text(encoding="ascii").splitlines(keepends=True)[0]
    assert text.startswith('antiphon("page-0",[')
    assert "<" not in text
    rows = json.loads(text.removeprefix('antiphon("page-0",').removesuffix(");\n"))
    assert rows[0]["references"] == [HOSTILE]
    # A smaller report in its place takes the folder away, and nothing else is left behind.
    html_page.write_html(cascade(tmp_path, 3), path)
    assert {p.name for p in tmp_path.iterdir()} == {"large.html", "clip one.wav"}
