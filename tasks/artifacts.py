"""Artifacts of a stage in the Prefect UI: how it came about, examples, quarantine, tables, plots.

Texts stand in Markdown, not in tables: both UIs cut a wide table, and wrap a text.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from prefect.artifacts import create_image_artifact, create_markdown_artifact, create_table_artifact

from components.analysis.formatting import format_memory
from components.analysis.table import Table
from components.files.files import read_json
from components.run_record import StageRef
from components.storage.stages.reader import count_branches, read_plan, read_quarantined
from components.storage.stages.whole_stage import TABLES
from components.text.counted_nouns import format_count
from components.text.escaping import to_printable

MAX_EXAMPLES = 20
_MAX_TEXT = 400  # characters of a text
_MAX_IMAGE_BYTES = 2_000_000  # bytes of a plot that goes into the database


def escape_markdown(text: str, most: int = _MAX_TEXT) -> str:
    """Escape a text for the UI, which renders Markdown: no markup, no tags, one line, so many characters."""
    text = to_printable(" ".join(text.split()))
    text = text if len(text) <= most else text[: most - 1] + "…"
    return "".join("\\" + mark if mark in "\\`*_[]<>|#!&~" else mark for mark in text)


def models_of(ref: StageRef) -> list[str]:
    """Return references of the models that a stage was computed with."""
    return list(dict.fromkeys(read_plan(ref).get("models", {}).values()))


def _artifact_key(stage: str, what: str) -> str:
    """Return an artifact's key in the characters that Prefect takes: no underscores."""
    return f"{stage}-{what}".replace("_", "-")


def _describe_stage(ref: StageRef) -> str:
    """Describe how a stage came about: computed or reused, how fast, by which models."""
    weights = read_plan(ref).get("weights", {})
    rate = f"{ref.items / ref.seconds:.2f} a second, " if ref.seconds else ""
    lines = [
        f"**{'reused' if ref.reused else 'computed'}**: {format_count(ref.items, 'record')}, "
        f"{ref.quarantined} quarantined",
        f"{'when it was computed: ' if ref.reused else ''}{ref.seconds:.2f} s, {rate}"
        f"peak memory {escape_markdown(format_memory(ref.peak_memory_bytes, ref.card_memory))}",
        *(f"model {escape_markdown(model)}" for model in models_of(ref)),
        *(f"weights {escape_markdown(name)}: sha256 {digest[:12]}…" for name, digest in weights.items()),
        f"stage {ref.key[:12]}… of the store",
    ]
    return "".join(f"- {line}\n" for line in lines)


def publish_stage(ref: StageRef) -> None:
    """Publish how a stage came about: computed or reused, by which models, how many records a second."""
    text = "reused" if ref.reused else "computed"
    create_markdown_artifact(
        markdown=_describe_stage(ref), key=_artifact_key(ref.stage, "stage"), description=text
    )


class Example(NamedTuple):
    """An output beside what it was made of and should be; ``scores`` says how good it is."""

    utterance_id: str
    source: str
    output: str
    reference: str
    scores: str


def publish_examples(ref: StageRef, examples: Sequence[Example]) -> None:
    """Publish how a stage came about and its first outputs, and its quarantine."""
    parts = [_describe_stage(ref)]
    for example in examples:
        parts.append(f"\n**{escape_markdown(example.utterance_id)}** {escape_markdown(example.scores)}\n\n")
        texts = {name: getattr(example, name) for name in ("source", "output", "reference")}
        parts += [f"- {name}: {escape_markdown(text)}\n" for name, text in texts.items() if text]
    text = f"first {len(examples)} of {ref.items - ref.quarantined} outputs"
    create_markdown_artifact(
        markdown="".join(parts), key=_artifact_key(ref.stage, "examples"), description=text
    )
    publish_quarantine(ref)


def publish_ways(ref: StageRef) -> None:
    """Publish how many utterances a route sent each way, how it came about, and its quarantine."""
    publish_stage(ref)
    branches = sorted(count_branches(ref).items())
    rows = [{"branch": escape_markdown(branch), "utterances": count} for branch, count in branches]
    if rows:
        text = f"which way {ref.stage} sent {format_count(ref.items - ref.quarantined, 'utterance')}"
        create_table_artifact(table=rows, key=_artifact_key(ref.stage, "branches"), description=text)
    publish_quarantine(ref)


def publish_quarantine(ref: StageRef) -> None:
    """Publish a table of the records that a stage quarantined; nothing if there are none."""
    rows = [
        {
            "utterance": escape_markdown(bad.utterance_id),
            "reason": escape_markdown(bad.reason),
            "detail": escape_markdown(bad.detail),
        }
        for bad in islice(read_quarantined(ref), MAX_EXAMPLES)
    ]
    if rows:
        text = f"first {len(rows)} of {ref.quarantined} quarantined in stage {ref.stage}"
        create_table_artifact(table=rows, key=_artifact_key(ref.stage, "quarantined"), description=text)


def publish_table(rows: Iterable[Mapping[str, str]], key: str, description: str) -> None:
    """Publish a table of texts; nothing if it has no rows. Rows may have different columns."""
    texts = list(rows)
    columns = dict.fromkeys(name for row in texts for name in row)
    table = [{escape_markdown(name): escape_markdown(row.get(name, "")) for name in columns} for row in texts]
    if table:
        create_table_artifact(table=table, key=key, description=description)


def publish_extras(ref: StageRef) -> None:
    """Publish the tables and plots that a node's stage keeps beside its records."""
    folder = Path(ref.path)
    if (folder / TABLES).is_file():
        for number, table in enumerate(read_json(folder / TABLES)["tables"], 1):
            rows = [{**dict.fromkeys(table.get("columns", ()), ""), **row} for row in table["rows"]]
            publish_table(rows, _artifact_key(ref.stage, f"table-{number}"), table["title"])
    _publish_pictures(folder)


def publish_result(ref: StageRef, tables: Sequence[Table], verdict: Sequence[str] = ()) -> None:
    """Publish the verdict of an analysis, its tables, and the pictures of its stage."""
    if verdict:
        text = "\n\n".join(f"**{escape_markdown(line)}**" for line in verdict)
        create_markdown_artifact(
            markdown=text, key=_artifact_key(ref.stage, "verdict"), description=verdict[0]
        )
    for number, table in enumerate(tables):
        rows = [{name: table.text(row, name) for name in table.columns} for row in table.rows]
        title = re.sub(r"[^a-z0-9]+", "-", table.title.lower()).strip("-")
        key = _artifact_key(ref.stage, title) if number else ref.stage.replace("_", "-")
        publish_table(rows, key, table.title)
    _publish_pictures(Path(ref.path))


def _publish_pictures(folder: Path) -> None:
    publish_plots({path: path.stem.replace("_", " ") for path in sorted(folder.glob("*.png"))})


def publish_plots(plots: Mapping[Path, str]) -> None:
    """Publish each PNG or SVG plot as an image of the run, with its title."""
    kinds = {".png": "png", ".svg": "svg+xml"}
    for plot, title in plots.items():
        if plot.suffix in kinds and plot.stat().st_size <= _MAX_IMAGE_BYTES:
            data = base64.b64encode(plot.read_bytes()).decode("ascii")
            key = "plot-" + plot.stem.lower().replace("_", "-")
            url = f"data:image/{kinds[plot.suffix]};base64,{data}"
            create_image_artifact(image_url=url, key=key, description=title)
