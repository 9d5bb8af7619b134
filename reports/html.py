"""One HTML file per run: opens from disk, asks the network for nothing, runs no script but its own."""

# ruff: noqa: A005 (reports.html is never the standard library's html)

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import TextIO

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from reports import graph, plots
from reports.audio import EMBED_LIMIT, data_uri, embeddable
from reports.entries import details, index_line
from reports.escaping import printable, script_json
from reports.view import RunView

LABELS = {"wer": "WER", "cer": "CER", "bleu": "BLEU", "chrf": "chrF2", "ter": "TER"}
"""Metrics as the field writes them."""

PAGE = 50
"""Utterances per page, and per block of embedded data that the script reads when it needs it."""

_TEMPLATES = Path(str(files("reports").joinpath("templates")))


def write(view: RunView, path: Path | str, *, embed_limit: int = EMBED_LIMIT) -> Path:
    """Write the report of a run to ``path``, whole or not at all, and return the path.

    Audio is embedded while all of it together is at most ``embed_limit`` bytes, else linked relatively.
    Utterances are read, scored and written 50 at a time, so memory grows only with the index of texts.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    try:
        with open(handle, "w", encoding="utf-8", newline="\n") as file:  # noqa: PTH123 (a descriptor)
            _write(view, path.parent, file, embed_limit)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return path


def _write(view: RunView, folder: Path, file: TextIO, embed_limit: int) -> None:
    audio = embeddable((u.audio for u in view.utterances if u.audio), embed_limit)
    # The utterances first, into a file of their own: the plots on top of the page come out of the same pass.
    with tempfile.TemporaryFile("w+", encoding="utf-8", newline="\n") as blocks:
        _write_utterances(view, folder, blocks, frozenset(audio))
        file.write(_environment().get_template("report.html").render(**_context(view)))
        blocks.seek(0)
        shutil.copyfileobj(blocks, file)
    for sha256, source in audio.items():
        _embed(file, f"audio-{sha256}", "text/plain", data_uri(source))
    file.write(f"<script>{_source('report.js')}</script>\n</body>\n</html>\n")


def _write_utterances(view: RunView, folder: Path, file: TextIO, embedded: frozenset[str]) -> None:
    index: list[list[object]] = []
    for start in range(0, len(view.utterances), PAGE):
        rows = list(view.rows(start, start + PAGE))
        index += [index_line(row) for row in rows]
        block = [details(row, folder, embedded) for row in rows]
        _embed(file, f"page-{start // PAGE}", "application/json", script_json(block))
    _embed(file, "index", "application/json", script_json(index))


def _embed(file: TextIO, identifier: str, kind: str, content: str) -> None:
    file.write(f'<script type="{kind}" id="{identifier}">{content}</script>\n')


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    # Everything that is printed into the page passes here, and is escaped after it.
    environment.finalize = lambda value: printable(value) if type(value) is str else value
    environment.filters["seconds"] = seconds
    environment.filters["bytes"] = mebibytes
    environment.filters["label"] = lambda name: LABELS.get(name, name)
    return environment


def _context(view: RunView) -> dict[str, object]:
    style, script = _source("report.css"), _source("report.js")
    return {
        "run": view.run,
        "stages": view.stages(),
        "metrics": [score for score in view.run.metrics.values() if score is not None],
        "parameters": list(_flat(view.run.parameters)),
        "n_utterances": len(view.utterances),
        "audio_seconds": view.audio_seconds,
        "graph": Markup(graph.draw(view)),  # noqa: S704 (escaped where it is drawn)
        "plots": list(_pictures(view)),
        "style": Markup(style),  # noqa: S704 (our own file)
        "style_hash": _hash(style),
        "script_hash": _hash(script),
        "page": PAGE,
    }


def _pictures(view: RunView) -> Iterator[tuple[str, str, str]]:
    """(title, description, data URI) of each plot."""
    for name, figure in plots.figures(view).items():
        encoded = base64.b64encode(plots.svg(figure)).decode("ascii")
        yield plots.TITLES[name], plots.DESCRIPTIONS[name], f"data:image/svg+xml;base64,{encoded}"


def _source(name: str) -> str:
    return (_TEMPLATES / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")


def _flat(parameters: dict[str, object], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Dotted names and values, as ``--set`` takes them."""
    for name, value in parameters.items():
        if isinstance(value, dict) and value:
            yield from _flat(value, f"{prefix}{name}.")
        else:
            text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
            yield f"{prefix}{name}", text


def seconds(value: float) -> str:
    """A duration as a person says it: 0.43 s, 12.4 s, 3 min 05 s, 1 h 02 min."""
    if value < 10:
        return f"{value:.2f} s"
    if value < 60:
        return f"{value:.1f} s"
    minutes, rest = divmod(round(value), 60)
    return f"{minutes} min {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


def mebibytes(value: int) -> str:
    """Bytes as MiB or GiB."""
    return f"{value / 2**30:.2f} GiB" if value >= 2**30 else f"{value / 2**20:.0f} MiB"
