"""Artifacts of a run in the Prefect UI: tables of examples, a summary, plots, the report."""

from __future__ import annotations

import base64
import io
import shlex
import socket
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from prefect.artifacts import (
    create_image_artifact,
    create_markdown_artifact,
    create_table_artifact,
)

from components.files import read_json, read_lines
from components.records import Route
from components.run_record import Score, StageRef
from components.storage.reader import read_nbests, read_quarantined
from components.storage.record_files import OUTPUTS
from components.storage.whole_stage import TABLES

_MAX_EXAMPLES = 20
_MAX_TEXT = 400  # characters of a text in a table
_MAX_REPORT_BYTES = 1_500_000  # bytes, packed: in base64 they fit into the 2 MiB of a URL
_MAX_IMAGE_BYTES = 2_000_000  # bytes of a plot that goes into the database


def _escape(text: str) -> str:
    """Escape a text for a table of the UI, which renders Markdown: no markup, no tags, one line."""
    text = " ".join(text.split())
    text = text if len(text) <= _MAX_TEXT else text[: _MAX_TEXT - 1] + "…"
    return "".join("\\" + mark if mark in "\\`*_[]<>|#!" else mark for mark in text)


def _artifact_key(stage: str, what: str) -> str:
    """Return an artifact's key in the characters that Prefect takes: no underscores."""
    return f"{stage}-{what}".replace("_", "-")


def publish_stage(ref: StageRef) -> None:
    """Publish how a stage came about: computed or reused, by which models, how many records a second."""
    plan = read_json(Path(ref.path) / "plan.json")
    weights = [f"{name} {sha[:12]}" for name, sha in plan["weights"].items()]
    row = {
        "stage": _escape(ref.stage),
        "state": "reused" if ref.reused else "computed",
        "records": ref.items,
        "quarantined": ref.quarantined,
        "records per second": round(ref.items / ref.seconds, 2) if ref.seconds else "",
        "seconds": round(ref.seconds, 2),
        "peak memory MiB": round(ref.peak_memory_bytes / 2**20),
        "models": _escape(", ".join(dict.fromkeys(plan.get("models", {}).values()))),
        "weights (sha256)": ", ".join(weights),
        "key": ref.key[:12],
    }
    text = f"stage {ref.stage}: {row['state']}; a reused stage shows what its computing took"
    create_table_artifact(table=[row], key=_artifact_key(ref.stage, "stage"), description=text)


class SourceAndReference(NamedTuple):
    """The source text and the reference that are shown beside an utterance's output."""

    source: str
    reference: str


LookUp = Callable[[Sequence[str]], Mapping[str, SourceAndReference]]
"""Finds both for some utterances, by id."""


def publish_examples(ref: StageRef, look_up: LookUp | None = None) -> None:
    """Publish a stage's first outputs with sources and references, how it came about, and its quarantine.

    Args:
        ref: the stage.
        look_up: finds sources and references by utterance id.
    """
    publish_stage(ref)
    first = list(islice(read_nbests(ref), _MAX_EXAMPLES))
    beside = look_up([nbest.utterance_id for nbest in first]) if look_up is not None else {}
    rows = []
    for nbest in first:
        source, reference = beside.get(nbest.utterance_id, SourceAndReference("", ""))
        row = {
            "utterance": _escape(nbest.utterance_id),
            "source": _escape(source),
            "output": _escape(nbest.best.text),
            "reference": _escape(reference),
            "log-probability": round(nbest.best.score, 3),
            "hypotheses": len(nbest.hypotheses),
        }
        rows.append(row)
    if rows:
        text = f"first {len(rows)} of {ref.items - ref.quarantined} in stage {ref.stage}"
        create_table_artifact(table=rows, key=_artifact_key(ref.stage, "examples"), description=text)
    publish_quarantine(ref)


def publish_ways(ref: StageRef) -> None:
    """Publish how many utterances a route sent each way, how it came about, and its quarantine."""
    publish_stage(ref)
    ways = Counter(Route.model_validate_json(line).way for line in read_lines(Path(ref.path) / OUTPUTS))
    rows = [{"way": _escape(way), "utterances": count} for way, count in sorted(ways.items())]
    if rows:
        text = f"which way {ref.stage} sent {ref.items - ref.quarantined} utterances"
        create_table_artifact(table=rows, key=_artifact_key(ref.stage, "ways"), description=text)
    publish_quarantine(ref)


def publish_quarantine(ref: StageRef) -> None:
    """Publish a table of the records that a stage quarantined; nothing if there are none."""
    rows = [
        {"utterance": _escape(bad.utterance_id), "reason": _escape(bad.reason), "detail": _escape(bad.detail)}
        for bad in islice(read_quarantined(ref), _MAX_EXAMPLES)
    ]
    if rows:
        text = f"first {len(rows)} of {ref.quarantined} quarantined in stage {ref.stage}"
        create_table_artifact(table=rows, key=_artifact_key(ref.stage, "quarantined"), description=text)


def publish_table(rows: Iterable[Mapping[str, str]], key: str, description: str) -> None:
    """Publish a table of texts; nothing if it has no rows. Rows may have different columns."""
    texts = list(rows)
    columns = dict.fromkeys(name for row in texts for name in row)
    table = [{_escape(name): _escape(row.get(name, "")) for name in columns} for row in texts]
    if table:
        create_table_artifact(table=table, key=key, description=description)


def publish_extras(ref: StageRef) -> None:
    """Publish the tables and plots that a stage keeps beside its records."""
    folder = Path(ref.path)
    if (folder / TABLES).is_file():
        for number, table in enumerate(read_json(folder / TABLES)["tables"], 1):
            publish_table(table["rows"], f"{ref.stage}-table-{number}".replace("_", "-"), table["title"])
    publish_plots(sorted(folder.glob("*.png")))


def publish_summary(run: str, stages: Iterable[StageRef], metrics: Mapping[str, Score]) -> None:
    """Publish scores with their intervals, and what each stage cost, as Markdown."""
    parts = [
        f"# Run {run}",
        "",
        "| metric | value | 95% interval | scored | protocol |",
        "|---|---|---|---|---|",
    ]
    for score in metrics.values():
        interval = "–".join(f"{end:.1f}" for end in score.interval) if score.interval else ""
        signature = score.signature.replace("|", "\\|")
        scored = f"{score.n} of {score.n_total}"
        parts.append(f"| {score.name} | {score.value:.2f} | {interval} | {scored} | `{signature}` |")
    parts += ["", "| stage | items | quarantined | seconds | peak memory | |", "|---|---|---|---|---|---|"]
    parts += [
        f"| {ref.stage} | {ref.items} | {ref.quarantined} | {ref.seconds:.1f} | "
        f"{ref.peak_memory_bytes / 2**20:.0f} MiB | {'reused' if ref.reused else ''} |"
        for ref in stages
    ]
    create_markdown_artifact(markdown="\n".join(parts), key="summary", description=f"run {run}")


def publish_plots(plots: Iterable[Path]) -> None:
    """Publish each PNG or SVG plot as an image of the run."""
    kinds = {".png": "png", ".svg": "svg+xml"}
    for plot in plots:
        if plot.suffix in kinds and plot.stat().st_size <= _MAX_IMAGE_BYTES:
            data = base64.b64encode(plot.read_bytes()).decode("ascii")
            key = "plot-" + plot.stem.lower().replace("_", "-")
            url = f"data:image/{kinds[plot.suffix]};base64,{data}"
            create_image_artifact(image_url=url, key=key, description=plot.stem)


def publish_report(report: Path, store_url: str) -> None:
    """Publish the report as a file to download, where it is small enough, and how to open it elsewhere.

    The UI shows no page of ours, and a browser follows no link from a server's page to a file or to a
    ``data:`` page; a ``data:`` file that it can only save it does save.
    """
    run = report.parent.name
    again = shlex.join(["antiphon", "report", run, "--store", store_url])
    packed = _zip_report(report)
    link = f"[Download the report](data:application/zip;base64,{packed}): a zip file with {report.name}.\n\n"
    text = (
        f"# Report of run {_escape(run)}\n\n{link if packed else ''}"
        f"It is a file on {_escape(socket.gethostname())}:\n\n```\n{report}\n```\n\n"
        f"On another machine that reads the store, this writes it and prints where:\n\n```\n{again}\n```\n"
    )
    create_markdown_artifact(markdown=text, key="report", description=f"report of run {run}")


def _zip_report(report: Path) -> str:
    """Return the page and its data as a zip file in base64; "" where that is too large for Prefect."""
    beside = report.with_name(f"{report.stem}-data")
    files = [report, *(sorted(beside.iterdir()) if beside.is_dir() else ())]
    if sum(path.stat().st_size for path in files) > 10 * _MAX_REPORT_BYTES:
        return ""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in files:
            archive.write(path, path.relative_to(report.parent))
    content = packed.getvalue()
    return base64.b64encode(content).decode("ascii") if len(content) <= _MAX_REPORT_BYTES else ""
