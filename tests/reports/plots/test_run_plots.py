from __future__ import annotations

from pathlib import Path

from PIL import Image

from reports.plots.run_plots import TITLES, draw_figures, save_figures
from reports.views.run_view import RunView
from tests.reports.example_runs import cascade


def test_every_plot_as_svg_and_png_with_something_in_it(tmp_path: Path) -> None:
    files = save_figures(draw_figures(cascade(tmp_path, 12)), TITLES, tmp_path / "plots")
    assert sorted(f.name for f in files) == sorted(
        f"{n}.{s}" for n in TITLES.keys() - {"chrf_histogram"} for s in ("png", "svg")
    )
    for file in files:
        if file.suffix == ".png":
            assert len(Image.open(file).convert("L").getcolors() or ()) > 10
        else:
            assert file.read_text().lstrip().startswith("<?xml")


def test_a_link_in_the_place_of_a_plot_is_replaced_not_followed(tmp_path: Path) -> None:
    """Somebody who may write to a run's folder must not choose what its owner's next report overwrites."""
    victim = tmp_path / "victim.txt"
    victim.write_text("mine")
    folder = tmp_path / "plots"
    folder.mkdir()
    drawn = draw_figures(RunView(cascade(tmp_path, 2).run, [], {}))
    for name in drawn:
        for suffix in ("svg", "png"):
            (folder / f"{name}.{suffix}").symlink_to(victim)
    files = save_figures(drawn, TITLES, folder)
    assert victim.read_text() == "mine"
    assert len(files) == 2
    assert not any(file.is_symlink() for file in files)
    assert {file.name for file in folder.iterdir()} == {file.name for file in files}


def test_only_what_there_is_data_for(tmp_path: Path) -> None:
    view = cascade(tmp_path, 12)
    assert set(draw_figures(RunView(view.run, view.utterances, {}))) == {"stage_seconds"}
    assert set(draw_figures(RunView(view.run, view.utterances, {"asr": view.outcomes["asr"]}))) == {
        "wer_histogram",
        "stage_seconds",
        "length_score",
    }
    assert set(draw_figures(RunView(view.run, view.utterances, {"mt": view.outcomes["mt"]}))) == {
        "chrf_histogram",
        "stage_seconds",
        "length_score",
    }
    assert draw_figures(RunView(view.run.model_copy(update={"stages": ()}), [], {})) == {}


def test_many_dots_stay_a_small_file(tmp_path: Path) -> None:
    files = save_figures(draw_figures(cascade(tmp_path, 1200, audio=False)), TITLES, tmp_path / "plots")
    assert max(file.stat().st_size for file in files) < 300_000
