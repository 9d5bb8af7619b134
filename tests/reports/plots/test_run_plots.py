from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from reports.plots import pictures
from reports.plots.run_plots import TITLES, list_plots, save_plots
from reports.views.run_view import RunView
from tests.reports.example_runs import cascade


def test_every_plot_is_a_file_with_something_in_it(tmp_path: Path) -> None:
    files = save_plots(list_plots(cascade(tmp_path, 12)), tmp_path / "plots")
    assert {f.name for f in files} == {f"{name}.png" for name in TITLES.keys() - {"chrf_histogram"}}
    for file in files:
        assert len(Image.open(file).convert("L").getcolors() or ()) > 10


def test_a_link_in_the_place_of_a_plot_is_replaced_not_followed(tmp_path: Path) -> None:
    """Somebody who may write to a run's folder must not choose what its owner's next report overwrites."""
    victim = tmp_path / "victim.txt"
    victim.write_text("mine")
    folder = tmp_path / "plots"
    folder.mkdir()
    drawn = list_plots(RunView(cascade(tmp_path, 2).run, [], {}))
    for name in drawn:
        (folder / f"{name}.png").symlink_to(victim)
    files = save_plots(drawn, folder)
    assert victim.read_text() == "mine"
    assert len(files) == 1
    assert not any(file.is_symlink() for file in files)
    assert {file.name for file in folder.iterdir()} == {file.name for file in files}


def test_only_what_there_is_data_for(tmp_path: Path) -> None:
    view = cascade(tmp_path, 12)
    assert set(list_plots(RunView(view.run, view.utterances, {}))) == {"stage_seconds"}
    assert set(list_plots(RunView(view.run, view.utterances, {"asr": view.outcomes["asr"]}))) == {
        "wer_histogram",
        "stage_seconds",
        "length_score",
    }
    assert set(list_plots(RunView(view.run, view.utterances, {"mt": view.outcomes["mt"]}))) == {
        "chrf_histogram",
        "stage_seconds",
        "length_score",
    }
    assert list_plots(RunView(view.run.model_copy(update={"stages": ()}), [], {})) == {}


def test_a_plot_is_drawn_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTIPHON_CACHE", str(tmp_path / "cache"))
    plot = list_plots(cascade(tmp_path, 12))["wer_histogram"]
    first = pictures.draw_picture(plot, "svg")
    other = pictures.draw_picture(plot._replace(data=([1.0, 2.0], *plot.data[1:])), "svg")
    assert first != other
    monkeypatch.setattr(pictures, "_draw", lambda *_: pytest.fail("drawn again"))
    assert pictures.draw_picture(plot, "svg") == first


def test_many_dots_stay_a_small_file(tmp_path: Path) -> None:
    files = save_plots(list_plots(cascade(tmp_path, 1200, audio=False)), tmp_path / "plots")
    assert max(file.stat().st_size for file in files) < 300_000
