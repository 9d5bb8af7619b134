"""The last task of a run: plots and the HTML report in the run's folder, linked in the UI."""

from __future__ import annotations

from pathlib import Path

from components.records import RunRecord
from prefect import task
from reports import html, plots, view

from tasks.artifacts import publish_plots, publish_report
from tasks.options import NOT_STORED
from tasks.reading import StoredOutcomes, StoredUtterances
from tasks.store import Store

DECODED = ("asr", "mt", "st")
"""Stages whose outcomes are n-best lists."""


def render(run: RunRecord, store: Store) -> tuple[Path, list[Path]]:
    """Write ``report.html`` and ``plots/`` of a run; gives back their paths."""
    folder = store.run_folder(run.name)
    stages = {ref.stage: ref for ref in run.stages}
    seen = view.RunView(
        run,
        StoredUtterances(stages["data"]),
        {name: StoredOutcomes(stages[name]) for name in DECODED if name in stages},
    )
    images = plots.render(seen, folder / "plots")
    return html.write(seen, folder / "report.html"), images


@task(name="report", **NOT_STORED)
def report(run: RunRecord, store_url: str | None) -> Path:
    """Render the report of a run and publish its plots and a link to it."""
    page, images = render(run, Store(store_url))
    publish_plots(images)
    publish_report(page)
    return page
