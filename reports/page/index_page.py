"""The index of a store: a page with every run, its data, models, scores and report; sorts and filters."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from markupsafe import Markup

from components.files.files import write_bytes
from components.metrics.table import METRICS, label_of
from components.run_record import RunRecord
from components.storage.runs.run_listing import RunEntry
from reports.page.template_environment import content_hash, join_scripts, read_template, template_environment

NAME = "index.html"
"""Of the page, in the store's folder."""
COLUMNS = ("wer", "cer", "bleu", "chrf")
"""Scores that have a column, where any run has them."""
MAX_FILES = 3
"""Files of a run that are named."""
_SCRIPTS = ("elements.js", "theme.js", "tables.js", "filter.js", "runs.js")


class RunLine(NamedTuple):
    """A run of the index; texts are empty and numbers None where nothing is known."""

    name: str
    status: str
    started: str
    flow: str = ""
    data: str = ""
    models: tuple[str, ...] = ()
    scores: tuple[float | None, ...] = ()
    utterances: int | None = None
    quarantined: int | None = None
    seconds: float | None = None
    accepted: bool = False
    report: str = ""
    """Address of its report, relative to the page."""


def write_index(runs: Sequence[RunEntry], folder: Path) -> Path:
    """Write the index of the store in ``folder``, whole or not at all, and return its path.

    Args:
        runs: of the store.
        folder: the store's, in which reports lie at ``runs/NAME/report.html``.
    """
    names = [n for n in COLUMNS if any(run.record and n in run.record.metrics for run in runs)]
    style, script = read_template("report.css"), join_scripts(_SCRIPTS)
    page = (
        template_environment()
        .get_template("index.html")
        .render(
            runs=[_line(run, names, folder) for run in runs],
            columns=[(name, label_of(name), METRICS[name].higher_is_better) for name in names],
            style=Markup(style),  # noqa: S704 (our own file)
            style_hash=content_hash(style),
            script=Markup(script),  # noqa: S704 (our own files)
            script_hash=content_hash(script),
        )
    )
    path = folder / NAME
    write_bytes(path, page.encode())
    return path


def _line(run: RunEntry, names: Sequence[str], folder: Path) -> RunLine:
    report = folder / "runs" / run.name / "report.html"
    address = f"./runs/{quote(run.name)}/report.html" if report.is_file() else ""
    if run.record is None:
        return RunLine(run.name, run.status, run.started, scores=(None,) * len(names), report=address)
    record = run.record
    scores = [record.metrics.get(name) for name in names]
    return RunLine(
        name=run.name,
        status=run.status,
        started=run.started,
        flow=record.flow,
        data=", ".join(_data_of(record)),
        models=tuple(_models_of(record)),
        scores=tuple(None if score is None else score.value for score in scores),
        utterances=next((ref.items for ref in record.stages if ref.stage == "data"), None),
        quarantined=sum(ref.quarantined for ref in {ref.key: ref for ref in record.stages}.values()),
        seconds=_seconds_between(record.started, record.finished),
        accepted=run.acceptance is not None,
        report=address,
    )


def _data_of(record: RunRecord) -> Iterator[str]:
    """Yield the files of the data set or the recordings by their names, or the runs that were compared."""
    if record.systems:
        yield from record.systems.values()
        return
    for parameter, separator in (("data", ","), ("audio", "\n")):
        value = str(record.parameters.get(parameter) or "")
        names = [Path(part).name for part in value.split(separator) if part]
        yield from names[:MAX_FILES]
        if len(names) > MAX_FILES:
            yield f"{len(names) - MAX_FILES:,} more"


def _models_of(record: RunRecord) -> Iterator[str]:
    """References of the models of all nodes, each once, without what every reference begins with."""
    for name in dict.fromkeys(model for node in record.pipeline.nodes for model in node.models.values()):
        yield name.removeprefix("packaged:")


def _seconds_between(start: str, end: str) -> float | None:
    try:
        return (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds()
    except (ValueError, TypeError):
        return None
