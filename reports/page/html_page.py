"""The HTML report of a run: opens from disk, needs no network, runs no script but its own (CSP)."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from importlib.resources import files
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from matplotlib.figure import Figure

from components.files import rename_durably, sync_file
from components.metrics.table import label_of
from reports.escaping import to_printable
from reports.formatting import format_bytes, format_seconds
from reports.page.audio import EMBED_LIMIT, data_uri, select_embeddable
from reports.page.data_blocks import DataBlocks, publish_blocks, temporary_blocks
from reports.page.utterance_json import BASE_COLUMNS, build_details, build_index_line
from reports.plots import graph, run_plots
from reports.views.run_view import RunView

PAGE = 50
"""Utterances per page, and per block of data that the script reads when it needs it."""

_SCRIPTS = ("blocks.js", "utterance.js", "steps.js", "report.js")
_TEMPLATES = Path(str(files("reports.page").joinpath("templates")))


def write_html(
    view: RunView,
    path: Path | str,
    *,
    embed_limit: int = EMBED_LIMIT,
    figures: Callable[[], Mapping[str, Figure]] | None = None,
) -> Path:
    """Write the report of a run to ``path``, whole or not at all, and return the path.

    A small report is one file; the data of a larger one are scripts in ``NAME-data/`` beside it, loaded
    when they are needed. Audio is kept with the data while all of it together is at most ``embed_limit``
    bytes, else linked relatively. Utterances are read, scored and written 50 at a time. ``figures`` gives the
    run's plots where the caller has a use for them, too; it is called when everything has been scored.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with temporary_blocks(path.parent) as (blocks, folder):
        _write_blocks(view, path.parent, blocks, embed_limit)
        data = "" if blocks.inline else f"{path.stem}-data"
        page = folder / "page.html"
        plots = figures() if figures else run_plots.draw_figures(view)
        with page.open("w", encoding="utf-8", newline="\n") as file:
            file.write(_environment().get_template("report.html").render(**_context(view, data, plots)))
            if blocks.inline:
                blocks.embed(file)
            file.write(f"<script>{_script()}</script>\n</body>\n</html>\n")
        sync_file(page)
        page = page.rename(folder.with_name(f"{folder.name}.html"))
        try:
            publish_blocks(folder, path.parent / f"{path.stem}-data", keep=not blocks.inline)
            rename_durably(page, path)
        finally:
            page.unlink(missing_ok=True)
    return path


def _write_blocks(view: RunView, folder: Path, blocks: DataBlocks, embed_limit: int) -> None:
    audio = select_embeddable((u.audio for u in view.utterances if u.audio), embed_limit)
    index: list[list[object]] = []
    for start in range(0, len(view.utterances), PAGE):
        rows = list(view.rows(start, start + PAGE))
        index += [build_index_line(row, view.columns) for row in rows]
        blocks.add(
            f"page-{start // PAGE}", [build_details(view, row, folder, frozenset(audio)) for row in rows]
        )
    blocks.add("index", index)
    for sha256, source in audio.items():
        blocks.add(f"audio-{sha256}", data_uri(source))


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    # Everything that is printed into the page passes here, and is escaped after it.
    environment.finalize = lambda value: to_printable(value) if type(value) is str else value
    environment.filters["seconds"] = format_seconds
    environment.filters["bytes"] = format_bytes
    environment.filters["label"] = label_of
    return environment


def _context(view: RunView, data: str, figures: Mapping[str, Figure]) -> dict[str, object]:
    style, script = _source("report.css"), _script()
    return {
        "run": view.run,
        "stages": view.stages(),
        "metrics": view.run.scores,
        "parameters": list(_flatten(view.run.parameters)),
        "n_utterances": len(view.utterances),
        "audio_seconds": view.audio_seconds,
        "ways": view.ways,
        "graph": Markup(graph.draw_graph(view)),  # noqa: S704 (escaped where it is drawn)
        "plots": list(_pictures(figures)),
        "sections": view.sections,
        "columns": [*BASE_COLUMNS, *view.columns],
        "data": data,
        "style": Markup(style),  # noqa: S704 (our own file)
        "style_hash": _hash(style),
        "script_hash": _hash(script),
        "page": PAGE,
    }


def _pictures(figures: Mapping[str, Figure]) -> Iterator[tuple[str, str, str]]:
    """(title, description, data URI) of each plot."""
    for name, figure in figures.items():
        yield run_plots.TITLES[name], run_plots.DESCRIPTIONS[name], run_plots.to_data_uri(figure)


def _source(name: str) -> str:
    return (_TEMPLATES / name).read_text(encoding="utf-8")


def _script() -> str:
    """The page's script, joined from its files."""
    return '"use strict";\n(() => {\n' + "".join(map(_source, _SCRIPTS)) + "})();\n"


def _hash(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")


def _flatten(parameters: dict[str, object], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Dotted names and values of nested parameters, as ``--set`` takes them."""
    for name, value in parameters.items():
        if isinstance(value, dict) and value:
            yield from _flatten(value, f"{prefix}{name}.")
        else:
            text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
            yield f"{prefix}{name}", text
