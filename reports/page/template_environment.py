"""Templates of the pages: where they lie, how values are escaped in them, hashes for their policy."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from components.analysis.formatting import format_memory, format_rtfx, format_seconds
from components.metrics.table import label_of
from components.text.escaping import to_printable

TEMPLATES = Path(str(files("reports.page").joinpath("templates")))
"""The folder of the templates."""

LONG_WORD = 24
"""Letters above which a word is broken."""


def has_long_word(text: str) -> bool:
    """Return whether a text has a word that a cell of a table must break."""
    return any(len(word) > LONG_WORD for word in text.split())


@cache
def template_environment() -> Environment:
    """Jinja with escaping of everything that is printed into a page; it compiles a template once."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    # Everything that is printed into the page passes here, and is escaped after it.
    environment.finalize = lambda value: to_printable(value) if type(value) is str else value
    environment.filters["seconds"] = format_seconds
    environment.filters["memory"] = format_memory
    environment.filters["rtfx"] = format_rtfx
    environment.filters["label"] = label_of
    environment.filters["has_long_word"] = has_long_word
    return environment


@cache
def read_template(name: str) -> str:
    """Return the text of a template, a script or a style sheet."""
    return (TEMPLATES / name).read_text(encoding="utf-8")


def join_scripts(names: Sequence[str]) -> str:
    """Return a page's script, joined from its files."""
    return '"use strict";\n(() => {\n' + "".join(map(read_template, names)) + "})();\n"


def content_hash(text: str) -> str:
    """Return SHA-256 in base64, as a content security policy states it."""
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")
