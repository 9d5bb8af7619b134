"""Artifacts of a flow run in the Prefect UI: summary, lineage, report."""

from __future__ import annotations

import base64
import io
import os
import shlex
import socket
import zipfile
from collections.abc import Set
from pathlib import Path

from prefect.artifacts import create_markdown_artifact

from components.analysis.formatting import format_memory
from components.run_record import RunRecord, StageRef
from components.storage.stages.reader import read_plan
from components.storage.stages.stage_plan import content_of
from reports.analyses.verdict import verdict_of
from reports.terminal.run_printing import format_interval
from tasks.artifacts import escape_markdown, models_of

REPORTS_URL = "ANTIPHON_REPORTS_URL"
"""Environment variable: the address under which a web server shows the folder ``runs`` of the store."""
_MAX_REPORT_BYTES = 1_500_000  # bytes, packed: in base64 they fit into the 2 MiB of a URL


def publish_run(run: RunRecord) -> None:
    """Publish the scores and the costs of a run, and which stage was made of which."""
    publish_summary(run)
    publish_lineage(run)


def publish_summary(run: RunRecord) -> None:
    """Publish the verdict, scores with their intervals and protocols, and what each stage cost."""
    parts = [f"# Run {escape_markdown(run.name)}\n"]
    parts += [f"**{escape_markdown(sentence.text)}**\n" for sentence in verdict_of(run)]
    if run.metrics:
        parts += ["| metric | value | 95% interval | scored |", "|---|---|---|---|"]
    for name, score in run.metrics.items():
        interval, scored = format_interval(score), f"{score.n} of {score.n_total}"
        parts.append(f"| {escape_markdown(name)} | {score.value:.2f} | {interval} | {scored} |")
    parts += [
        "",
        "| stage | items | quarantined | seconds | peak memory | state |",
        "|---|---|---|---|---|---|",
    ]
    parts += [
        f"| {escape_markdown(ref.stage)} | {ref.items} | {ref.quarantined} | {ref.seconds:.1f} | "
        f"{escape_markdown(format_memory(ref.peak_memory_bytes, ref.card_memory))} | "
        f"{'reused' if ref.reused else ''} |"
        for ref in run.stages
    ]
    parts += ["", *(f"- {escape_markdown(note)}" for note in run.notes)]
    if run.metrics:
        parts += ["", "How each metric was computed:", ""]
    for name, score in run.metrics.items():  # with spaces, at which a line can be broken
        parts.append(f"- {escape_markdown(name)}: {escape_markdown(score.signature.replace('|', ', '))}")
    create_markdown_artifact(markdown="\n".join(parts), key="summary", description=f"run {run.name}")


def publish_lineage(run: RunRecord) -> None:
    """Publish which stage was made of which, by which models, and whether it was computed or reused.

    The keys are those of the store, where the folder of a stage begins with the characters that are shown.
    """
    keys = {ref.stage: ref.key for ref in run.stages}
    parts = ["| stage | made of | by | state | key |", "|---|---|---|---|---|"]
    for ref in run.stages:
        sources = ", ".join(f"{escape_markdown(name)} {keys[name][:8]}" for name in _inputs_of(run, ref))
        models = ", ".join(escape_markdown(model) for model in models_of(ref))
        state = "reused" if ref.reused else "computed"
        parts.append(f"| {escape_markdown(ref.stage)} | {sources} | {models} | {state} | {ref.key[:8]} |")
    text = f"{sum(ref.reused for ref in run.stages)} of {len(run.stages)} stages reused"
    create_markdown_artifact(markdown="\n".join(parts), key="lineage", description=text)


def _inputs_of(run: RunRecord, ref: StageRef) -> list[str]:
    """Return the names of the stages that a stage reads: of a node, or by the plan of what is none."""
    node = run.pipeline.node(ref.stage)
    if node is None:
        read = read_plan(ref).get("upstream", {}).values()
        return [other.stage for other in run.stages if content_of(other) in read]
    stages = {ref.stage for ref in run.stages}
    return list(
        dict.fromkeys(stage for name in node.reads.values() for stage in _find_stages(run, name, stages))
    )


def _find_stages(run: RunRecord, name: str, stages: Set[str]) -> list[str]:
    """Return the stage of a node; where it had nothing to do, the stages whose outputs went past it."""
    node = run.pipeline.node(name)
    if name in stages or node is None:
        return [name] if name in stages else []
    return [stage for read in node.inputs for stage in _find_stages(run, read, stages)]


def publish_report(report: Path, store_url: str) -> None:
    """Publish how the report is opened: a link to it, a download where it is small enough, a command.

    The UI shows no page of ours. A browser follows no link from a server's page to a file or to a ``data:``
    page; a ``data:`` file that it can only save it does save, but the V2 UI removes such links.
    """
    run = report.parent.name
    again = shlex.join(["antiphon", "report", run, "--store", store_url])
    base, packed = os.environ.get(REPORTS_URL, "").rstrip("/"), _zip_report(report)
    branches = []
    if base:
        branches.append(f"[Open the report]({base}/{run}/{report.name})")
    if packed:
        branches.append(
            f"[Download the report](data:application/zip;base64,{packed}): a zip file with {report.name}"
            " (in the V1 UI; V2 removes such links)"
        )
    branches += [
        f"It is a file on {escape_markdown(socket.gethostname())}:\n\n```\n{report}\n```",
        f"On another machine that reads the store, this writes it and prints where:\n\n```\n{again}\n```",
    ]
    if not base:
        branches.append(
            f"With {REPORTS_URL} set for the worker a link stands here (docs/use/deployments.md).".replace(
                "_", "\\_"
            )
        )
    text = f"# Report of run {escape_markdown(run)}\n\n" + "\n\n".join(branches)
    create_markdown_artifact(markdown=text, key="report", description=f"report of run {run}")


def _zip_report(report: Path) -> str:
    """Return the page and its data as a zip file in base64; "" where that is too large for Prefect."""
    beside = report.with_name(f"{report.stem}-data")
    files = [report, *(sorted(beside.iterdir()) if beside.is_dir() else ())]
    if sum(path.stat().st_size for path in files) > 10 * _MAX_REPORT_BYTES:
        return ""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for path in files:
            archive.write(path, path.relative_to(report.parent))
    content = packed.getvalue()
    return base64.b64encode(content).decode("ascii") if len(content) <= _MAX_REPORT_BYTES else ""
