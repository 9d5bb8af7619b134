"""The last task of a run: plots and the HTML report in the run's folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from prefect import task

from components.analysis.external_scores import measure_scores
from components.errors import ConfigError
from components.export.beside_report import write_texts_beside_report
from components.files.files import disk_full_as_store_error, write_bytes
from components.metrics.metric import Output
from components.metrics.scores_file import load_scores
from components.metrics.scores_settings import ScoresFile
from components.metrics.scoring_units import ScoringUnits
from components.run_record import RunRecord
from components.storage.runs.report_files import PLOTS, REPORT, seal_report
from components.storage.runs.run_listing import list_runs
from components.storage.store import Store
from components.text.languages import UNDETERMINED
from reports.analyses.stage_results import read_comparison, read_confidence
from reports.page import html_page, index_page
from reports.page.report_view import view_of
from reports.plots import graph, run_plots
from reports.views.run_outputs import load_utterances
from tasks.artifacts import publish_plots
from tasks.run_artifacts import publish_report, publish_run
from tasks.task_options import NOT_STORED, label_task, unwrap

GRAPH_FILE = "pipeline.svg"


def render(run: RunRecord, store: Store) -> tuple[Path, list[Path]]:
    """Write ``report.html`` and ``plots/`` of a run, with their digests, and return their paths.

    Raises:
        StoreError: they cannot be written.
    """
    folder = store.run_folder(run.name)
    write_texts_beside_report(run, folder)  # first: the page links them
    view = view_of(run, store)
    with disk_full_as_store_error(f"the report of run {run.name}", folder):
        page = html_page.write_html(view, folder / REPORT)
        compared = [ref for ref in run.stages if ref.kind == "comparison"]
        if compared:
            from reports.plots import comparison_plots  # noqa: PLC0415 - imports matplotlib

            images = comparison_plots.save_plots(read_comparison(compared[0]), folder / PLOTS)
        else:
            images = run_plots.save_plots(run_plots.list_plots(view), folder / PLOTS)
        measured = [ref for ref in run.stages if ref.kind == "confidence"]
        if measured:
            from reports.plots import confidence_plots  # noqa: PLC0415 - imports matplotlib

            images += confidence_plots.save_plots(read_confidence(measured[0]), folder / PLOTS)
        pipeline = graph.draw_svg_file(view)
        if pipeline:
            write_bytes(folder / PLOTS / GRAPH_FILE, pipeline.encode())
            images = [folder / PLOTS / GRAPH_FILE, *images]
        seal_report(folder)
    return page, images


def render_again(name: str, store: Store) -> Path:
    """Write the report of a recorded run again and return its path.

    Raises:
        StoreError: there is no such run, or it cannot be written.
    """
    with store.lock_recorded_run(name) as run:
        page, _ = render(run, store)
        store.backend.upload_run(name)
    return page


def add_scores(name: str, files: Sequence[ScoresFile], store: Store) -> list[str]:
    """Add external scores of a recorded run to its record; returns what of them was left out.

    Raises:
        ConfigError: a file cannot be read, has no scores of the run, or the run compares others.
        StoreError: there is no such run, or it cannot be written.
    """
    entries = load_scores(files)
    with store.lock_recorded_run(name) as run:
        if run.systems:
            others = " ".join(run.systems.values())
            raise ConfigError(f"run {name} compares others: antiphon compare {others} --scores NAME=FILE")
        utterances = load_utterances(run)
        ids = [
            unit.id
            for output in get_args(Output)
            for unit in ScoringUnits(utterances, output, UNDETERMINED).utterances
        ]
        metrics, notes = dict(run.metrics), list[str]()
        for entry in entries:
            tables, omitted = measure_scores(entry, [name], list(dict.fromkeys(ids)), len(utterances))
            metrics[entry.name] = tables[name].to_score()
            notes += omitted
        store.save_run(run.model_copy(update={"metrics": metrics}))
    return notes


def publish_run_report(run: RunRecord, store_url: str | None, label: str = "") -> None:
    """Write the report of a run; publish its plots, what was done, and how the report is opened.

    Args:
        run: its record.
        store_url: URL of the store.
        label: the name of the system in a comparison.
    """
    page: Path = unwrap(label_task(write_report, label)(run, store_url))
    publish_run(run)
    publish_report(page, Store(store_url).backend.url)


def write_store_index(store: Store) -> Path:
    """Write the index of a store's runs and return its path.

    Raises:
        StoreError: it cannot be written.
    """
    with disk_full_as_store_error("the index of the runs", store.root):
        return index_page.write_index(list_runs(store), store.root)


@task(name="report", task_run_name="report", **NOT_STORED)
def write_report(run: RunRecord, store_url: str | None) -> Path:
    """Write the report of a run and publish its plots."""
    page, images = render(run, Store(store_url))
    publish_plots(image for image in images if image.suffix == ".png" or image.name == GRAPH_FILE)
    return page
