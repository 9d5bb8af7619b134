from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

from views import HOSTILE, cascade

from reports.graph import draw
from reports.view import RunView

SVG = "{http://www.w3.org/2000/svg}"


def test_one_box_per_stage_and_one_arrow_per_edge(tmp_path: Path) -> None:
    view = cascade(tmp_path, 3)
    tree = ElementTree.fromstring(draw(view))
    assert len(tree.findall("g")) == 4
    assert len(tree.findall("path")) == len(view.edges())
    lefts = [float(box.attrib["x"]) for box in tree.iter("rect")]
    assert lefts == sorted(set(lefts))


def test_names_are_escaped(tmp_path: Path) -> None:
    view = cascade(tmp_path, 3)
    run = view.run.model_copy(
        update={"stages": tuple(s.model_copy(update={"stage": HOSTILE}) for s in view.run.stages)}
    )
    tree = ElementTree.fromstring(draw(RunView(run, view.utterances, {})))
    assert not list(tree.iter("script"))


def test_nothing_to_draw(tmp_path: Path) -> None:
    view = cascade(tmp_path, 3)
    assert draw(RunView(view.run.model_copy(update={"stages": ()}), [], {})) == ""
