"""The last task of a run: plots and the HTML report in the run's folder."""

from __future__ import annotations

from pathlib import Path

from prefect import task

from components.export.beside_report import write_texts_beside_report
from components.files.files import disk_full_as_store_error, write_bytes
from components.run_record import RunRecord
from components.storage.runs.report_files import PLOTS, REPORT, seal_report
from components.storage.store import Store
from reports.page import html_page
from reports.page.report_view import view_of
from reports.page.sample import sample_view
from reports.plots import graph, run_plots
from tasks.artifacts import publish_plots
from tasks.run_artifacts import publish_report, publish_run
from tasks.task_options import NOT_STORED, label_task, unwrap

GRAPH_FILE = "pipeline.svg"


def render(run: RunRecord, store: Store) -> tuple[Path, dict[Path, str]]:
    """Write ``report.html`` and ``plots/`` of a run, with their digests; return its path, and plot -> title.

    Raises:
        StoreError: they cannot be written.
    """
    folder = store.run_folder(run.name)
    write_texts_beside_report(run, folder)  # first: the page links them
    view = sample_view(view_of(run, store))
    with disk_full_as_store_error(f"the report of run {run.name}", folder):
        page = html_page.write_html(view, folder / REPORT)
        plots = [plot for table in view.sections for plot in table.plots]
        drawn = [] if view.systems else run_plots.save_plots(run_plots.list_plots(view), folder / PLOTS)
        images = {path: run_plots.TITLES[path.stem] for path in drawn}
        if plots:
            from components.analysis.figures import save_figures  # noqa: PLC0415 - imports matplotlib

            titles = {plot.name: plot.title for plot in plots}
            images |= {path: titles[path.stem] for path in save_figures(plots, folder / PLOTS)}
        pipeline = graph.draw_svg_file(view)
        if pipeline:
            write_bytes(folder / PLOTS / GRAPH_FILE, pipeline.encode())
            images = {folder / PLOTS / GRAPH_FILE: "Pipeline", **images}
        seal_report(folder)
    return page, images


def publish_run_report(run: RunRecord, store: Store, label: str = "") -> None:
    """Write the report of a run; publish its plots, what was done, and how the report is opened.

    Args:
        run: its record.
        store: where it is kept.
        label: the name of the system in a comparison.
    """
    page: Path = unwrap(label_task(write_report, label)(run, store))
    publish_run(run)
    publish_report(page, store.backend.url)


@task(name="report", task_run_name="report", **NOT_STORED)
def write_report(run: RunRecord, store: Store) -> Path:
    """Write the report of a run and publish its plots."""
    page, images = render(run, store)
    publish_plots(images)
    return page
