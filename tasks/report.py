"""The last task of a run: plots and the HTML report in the run's folder, named in the UI."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from prefect import task

from components.files import told_when_full, write_bytes
from components.records import RunRecord
from components.storage.store import Store
from reports import comparison_plots, graph, html, plots
from reports.report_view import view_of
from reports.results import read_comparison
from tasks.artifacts import publish_plots, publish_report
from tasks.options import NOT_STORED

PICTURE = "pipeline.svg"


def render(run: RunRecord, store: Store) -> tuple[Path, list[Path]]:
    """Write ``report.html`` and ``plots/`` of a run; gives back their paths. StoreError."""
    folder = store.run_folder(run.name)
    seen = view_of(run, store)
    drawn = cache(lambda: plots.figures(seen))
    with told_when_full(f"the report of run {run.name}", folder):
        page = html.write(seen, folder / "report.html", figures=drawn)
        compared = [ref for ref in run.stages if ref.kind == "comparison"]
        if compared:
            images = comparison_plots.render(read_comparison(compared[0]), folder / "plots")
        else:
            images = plots.saved(drawn(), plots.TITLES, folder / "plots")
        pipeline = graph.picture(seen)
        if pipeline:
            write_bytes(folder / "plots" / PICTURE, pipeline.encode())
            images = [folder / "plots" / PICTURE, *images]
    return page, images


def render_again(name: str, store: Store) -> Path:
    """Write the report of a recorded run again; gives back its path. StoreError."""
    with store.recorded_run(name) as run:
        page, _ = render(run, store)
        store.place.send_run(name)
    return page


@task(name="report", task_run_name="report", **NOT_STORED)
def report(run: RunRecord, store_url: str | None) -> Path:
    """Render the report of a run and publish its plots and where it is."""
    store = Store(store_url)
    page, images = render(run, store)
    publish_plots(image for image in images if image.suffix == ".png" or image.name == PICTURE)
    publish_report(page, store.place.url)
    return page
