"""The HTML report of a run: opens from disk, needs no network, runs no script but its own (CSP)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import reduce
from operator import or_
from pathlib import Path
from typing import cast

from markupsafe import Markup

from components.analysis.cost_table import build_cost_section
from components.analysis.formatting import flatten_parameters
from components.analysis.table import Column, Table
from components.files.files import rename_durably, sync_file
from components.metrics.table import sort_metrics
from components.text.escaping import svg_data_uri, to_script_json
from reports.analyses.group_table import build_group_section
from reports.analyses.node_scores import build_node_scores
from reports.analyses.verdict import suggest_first_look
from reports.analyses.word_errors import WordErrors
from reports.page.audio import EMBED_LIMIT, data_uri, select_embeddable
from reports.page.data_blocks import DataBlocks, publish_blocks, temporary_blocks
from reports.page.dot_plots import AS_DOTS, list_dot_plots
from reports.page.template_environment import content_hash, join_scripts, read_template, template_environment
from reports.page.utterance_json import (
    build_details,
    build_index_line,
    columns_of,
    drop_empty_columns,
    list_edited_nodes,
)
from reports.plots import graph, run_plots
from reports.plots.pictures import draw_picture
from reports.views.run_view import RunView
from reports.views.steps import steps_of

PAGE = 50
"""Utterances per block of data, which the script reads when it needs it; and per page of the list."""
SYSTEMS_SHOWN = 10
"""Utterances per page of the list where systems stand beside each other, which takes more room."""
MIN_DOTS = 3
"""Utterances of a plot with a dot for each."""
OPEN_SECTIONS = 4
"""Sections that are open; further ones, and all of a run without scores, are folded."""
_PAGE_BLOCK = "page-"

_SCRIPTS = (
    *("elements.js", "theme.js", "tables.js", "filter.js", "blocks.js", "marks.js", "player.js"),
    *("utterance.js", "systems.js", "steps.js", "list.js", "dots.js"),
)


def write_html(
    view: RunView,
    path: Path | str,
    *,
    embed_limit: int = EMBED_LIMIT,
) -> Path:
    """Write the report of a run to ``path``, whole or not at all, and return the path.

    A small report is one file; the data of a larger one are scripts in ``NAME-data/`` beside it, loaded
    when they are needed. Audio is kept with the data while all of it together is at most ``embed_limit``
    bytes, else linked relatively. Utterances are read, scored and written 50 at a time.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with temporary_blocks(path.parent) as (blocks, folder):
        errors = WordErrors(view)
        columns, flags = _write_blocks(view, path.parent, blocks, embed_limit, errors)
        data = "" if blocks.inline else f"{path.stem}-data"
        files = [name.removeprefix(_PAGE_BLOCK) for name in blocks.files if name.startswith(_PAGE_BLOCK)]
        values = _context(view, data, errors) | {"files": ",".join(files)}
        page = folder / "page.html"
        with page.open("w", encoding="utf-8", newline="\n") as file:
            file.write(
                template_environment()
                .get_template("report.html")
                .render(**values, **_tools(view, columns, flags))
            )
            if blocks.inline:
                blocks.embed(file)
            file.write(f"<script>{join_scripts(_SCRIPTS)}</script>\n</body>\n</html>\n")
        sync_file(page)
        page = page.rename(folder.with_name(f"{folder.name}.html"))
        try:
            publish_blocks(folder, path.parent / f"{path.stem}-data", keep=not blocks.inline)
            rename_durably(page, path)
        finally:
            page.unlink(missing_ok=True)
    return path


def _write_blocks(
    view: RunView, folder: Path, blocks: DataBlocks, embed_limit: int, errors: WordErrors
) -> tuple[list[Column], int]:
    """Write the data of the utterances; returns the columns with numbers, and the flags that any has."""
    audio = select_embeddable((u.audio for u in view.utterances if u.audio), embed_limit)
    columns, index = columns_of(view), list[list[object]]()
    for start in range(0, len(view.utterances), PAGE):
        details = []
        for row in view.rows(start, start + PAGE):
            errors.add(row)
            steps = steps_of(view, row)
            index.append(
                build_index_line(
                    row, columns, view.target_language_of(row.utterance), list_edited_nodes(steps)
                )
            )
            details.append(build_details(view, row, steps, folder, frozenset(audio)))
        blocks.add(f"{_PAGE_BLOCK}{start // PAGE}", details, follows=True)
    used, flags = drop_empty_columns(index, columns), reduce(or_, (cast(int, line[2]) for line in index), 0)
    blocks.add("index", index)
    for sha256, source in audio.items():
        blocks.add(f"audio-{sha256}", data_uri(source))
    return used, flags


def _context(view: RunView, data: str, errors: WordErrors) -> dict[str, object]:
    style, script = read_template("report.css"), join_scripts(_SCRIPTS)
    groups = None if view.systems else build_group_section(view)
    is_scored = bool(view.run.metrics or view.systems)
    lists = bool(view.outcomes or view.values)  # of a search there is nothing to say by utterance
    return {
        "run": view.run,
        "stages": view.stages(),
        "metrics": [view.run.metrics[name] for name in sort_metrics(view.run.metrics)],
        "parameters": list(flatten_parameters(view.run.parameters)),
        "n_utterances": view.n_utterances,
        "n_shown": len(view.utterances),
        "sample": view.sample,
        "audio_seconds": view.audio_seconds,
        "branches": view.branches,
        "graphs": [Markup(drawing) for drawing in graph.draw_graphs(view)],  # noqa: S704 (escaped where drawn)
        "plots": list(_pictures(view)),
        "verdict": [*view.verdict, *(() if view.systems else suggest_first_look(errors, view.overview))],
        "texts": view.texts,
        "sections": [
            *build_node_scores(view.run),
            *build_cost_section(view.cost),
            *map(_draw_plots, view.sections),
            *([groups] if groups else []),
            *errors.sections(),
        ],
        "data": data,
        "style": Markup(style),  # noqa: S704 (our own file)
        "style_hash": content_hash(style),
        "script_hash": content_hash(script),
        "page": PAGE,
        "shown": SYSTEMS_SHOWN if view.systems else PAGE,
        "text_first": not is_scored and lists and len(view.utterances) > 0,
        "open_sections": OPEN_SECTIONS if is_scored or not lists else 0,
        "lists": lists,
    }


def _draw_plots(table: Table) -> Table:
    """Return the table with its plots as pictures."""
    if not table.plots:
        return table
    from components.analysis.figures import to_svg  # noqa: PLC0415 - imports matplotlib

    drawn = ((plot.title, svg_data_uri(to_svg(plot.figure))) for plot in table.plots)
    return replace(table, pictures=(*table.pictures, *drawn))


def _tools(view: RunView, columns: Sequence[Column], flags: int) -> dict[str, object]:
    """Return what the list of utterances is filtered, sorted and marked by, and the plots of dots."""
    sorts: dict[str, Column] = {}
    for column in columns:  # the other end of a column that is there already has a name of its own
        sorts[f"{column.key}-up" if column.key in sorts else column.key] = column
    return {
        "sorts": sorts,
        "flags": flags,
        "systems": list(view.systems),
        "systems_json": Markup(to_script_json(view.systems)),  # noqa: S704 (escaped by it)
        "dots": list(list_dot_plots(view, columns)) if len(view.utterances) >= MIN_DOTS else [],
    }


def _pictures(view: RunView) -> Iterator[tuple[str, str, str]]:
    """(title, description, data URI) of each plot."""
    for name, plot in run_plots.list_plots(view).items():
        if name not in AS_DOTS:
            yield plot.title, run_plots.describe(name, view), svg_data_uri(draw_picture(plot, "svg"))
