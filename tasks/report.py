"""The last task of a run: plots and the HTML report in the run's folder, linked in the UI."""

from __future__ import annotations

from pathlib import Path

from prefect import task

from components import models
from components.errors import AntiphonError
from components.records import Checkpoint, RunRecord
from reports import html, plots
from reports.view import RunView
from tasks.artifacts import publish_plots, publish_report
from tasks.options import NOT_STORED
from tasks.reading import StoredOutcomes, StoredUtterances
from tasks.store import Store

DECODED = ("asr", "mt", "st", "stack")
"""Stages whose outcomes are n-best lists."""


def view_of(run: RunRecord, store: Store) -> RunView:
    """A run as its reports see it; records are read from the store when they are asked for."""
    stages = {ref.stage: ref for ref in run.stages}
    return RunView(
        run,
        StoredUtterances(stages["data"]) if "data" in stages else (),
        {name: StoredOutcomes(stages[name]) for name in DECODED if name in stages},
        _models(run, store),
    )


def _models(run: RunRecord, store: Store) -> dict[str, Checkpoint]:
    """The models of the stages, as far as they are still there."""
    found: dict[str, Checkpoint] = {}
    for name in {ref.stage for ref in run.stages} & set(DECODED):
        settings = run.parameters.get(name)
        try:
            if isinstance(settings, dict):
                found[name] = models.resolve(str(settings["model"]), str(store.root))
        except AntiphonError:
            continue
    return found


def render(run: RunRecord, store: Store) -> tuple[Path, list[Path]]:
    """Write ``report.html`` and ``plots/`` of a run; gives back their paths."""
    folder = store.run_folder(run.name)
    seen = view_of(run, store)
    page = html.write(seen, folder / "report.html")
    return page, plots.render(seen, folder / "plots")  # second: it reuses the numbers of the report's pass


@task(name="report", **NOT_STORED)
def report(run: RunRecord, store_url: str | None) -> Path:
    """Render the report of a run and publish its plots and a link to it."""
    page, images = render(run, Store(store_url))
    publish_plots(image for image in images if image.suffix == ".png")
    publish_report(page)
    return page
