from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import pytest

from components.nodes.facts import Mode
from components.nodes.kind import KINDS
from components.run_record import PipelineRecord
from components.translation.kinds.translate import Translate
from reports.plots.graph import draw_graph, draw_graphs
from reports.views.run_view import RunView
from tests.reports.example_runs import HOSTILE, cascade, node, routed

SVG = "{http://www.w3.org/2000/svg}"


def texts(tree: ElementTree.Element, name: str) -> list[str]:
    return [one.text or "" for one in tree.iter("text") if one.attrib["class"] == name]


def test_one_box_per_node_with_its_kind_and_one_arrow_per_edge(tmp_path: Path) -> None:
    view = cascade(tmp_path, 3)
    tree = ElementTree.fromstring(draw_graph(view))
    assert texts(tree, "name") == ["data", "asr", "mt"]
    assert texts(tree, "kind") == ["data", "recognize: whisper-base", "translate: multi30k-en-…"]
    assert texts(tree, "cost") == ["reused", "48.7 s", "5.1 s"]
    assert len(tree.findall("path")) == len(view.edges()) == 2
    lefts = [float(box.attrib["x"]) for box in tree.iter("rect")]
    assert lefts == sorted(set(lefts))


class Round(Translate):
    """A kind that waits for all rounds before it."""

    mode = Mode.ROUND


def test_ways_statuses_and_outputs_are_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(KINDS, "refine_round", Round())
    view = routed(tmp_path)
    tree = ElementTree.fromstring(draw_graph(view))
    assert texts(tree, "way") == ["escalate"]
    assert "→ escalate 2, keep 2" in texts(tree, "kind")
    marks = {
        name: group.attrib["class"]
        for name, group in zip(texts(tree, "name"), tree.findall("g"), strict=True)
    }
    assert "failed" in marks["again"]
    assert "skipped" in marks["de-2"]
    assert [name for name, classes in marks.items() if "output" in classes.split()] == ["heard", "de-1"]
    arrows = {(edge.above, edge.below): edge.role for edge in view.edges()}
    assert arrows["doubt", "good"] == "when"
    assert arrows["soup", "de"] == "table"
    assert ("de", "de-2") not in arrows  # it goes on with the round before
    assert view.branches == {"doubt": {"escalate": 2, "keep": 2}, "de-1": {"accepted": 4}}


def test_names_are_escaped(tmp_path: Path) -> None:
    view = cascade(tmp_path, 3)
    graph = PipelineRecord(nodes=(node(HOSTILE, HOSTILE, "data", models={"model": HOSTILE}),))
    run = view.run.model_copy(update={"pipeline": graph})
    tree = ElementTree.fromstring(draw_graph(RunView(run, view.utterances, {})))
    assert not list(tree.iter("script"))
    assert HOSTILE in {(one.text or "").split("\n")[0] for one in tree.iter("title")}


@pytest.mark.parametrize(("length", "drawings"), [(3, 2), (30, 1)])
def test_drawings_of_a_page_share_no_id(tmp_path: Path, length: int, drawings: int) -> None:
    """What is too wide for any page is drawn downwards, once."""
    view = cascade(tmp_path, 3)
    names = ["data", *(f"n{number}" for number in range(length))]
    chain = PipelineRecord(nodes=tuple(node(name, "perturb", above) for above, name in pairwise(names)))
    run = view.run.model_copy(update={"pipeline": chain})
    found = draw_graphs(RunView(run, view.utterances, {}))
    ids = [item.attrib["id"] for text in found for item in ElementTree.fromstring(text).iter("marker")]
    assert (len(found), len(set(ids)), len(ids)) == (drawings, drawings, drawings)


def test_nothing_to_draw(tmp_path: Path) -> None:
    view = cascade(tmp_path, 3)
    assert draw_graph(RunView(view.run.model_copy(update={"pipeline": PipelineRecord()}), [], {})) == ""
