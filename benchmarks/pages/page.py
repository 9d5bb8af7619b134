"""A page of docs/results as one row of a table: its title, its question, its text, and the blocks below."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.common.manifest import Manifest
from benchmarks.common.measurements import Measurements, outputs_path, read_measurements
from benchmarks.common.paths import RESULTS
from benchmarks.common.tables import one_paragraph
from components.files.files import write_bytes

MODULES: Mapping[str, tuple[str, ...]] = {
    "word_times": ("word-times",),
    "translation": ("context", "arithmetic", "domain", "vocabularies-text"),
    "long_recording": ("long-recording",),
    "confidence": ("confidence",),
    "monitoring": ("monitoring",),
    "routing": ("routing",),
    "pools": ("pools",),
    "search": ("search",),
    "design": ("design",),
    "families": ("families",),
    "speed": ("speed-mbr", "speed-merging", "speed-speculative", "speed-training"),
    "speed_recognition": ("speed-recognition",),
    "merging_frontier": ("merging-frontier",),
    "students": ("students",),
    "reduced_experts": ("reduced-experts",),
    "running": ("startup",),
    "growing": ("growth", "kills", "side-by-side", "checkpoint"),
    "scaling": ("scaling",),
    "serving": ("serving",),
    "simultaneous": ("simultaneous",),
    "gpu": ("gpu",),
}
"""Module of this package -> the pages in its ``PAGES``."""
PAGES: Mapping[str, str] = {page: module for module, pages in MODULES.items() for page in pages}
"""Page -> the module that has its row."""
TIMED = frozenset(
    (
        *(name for name in PAGES if name.startswith("speed-")),
        *("word-times", "arithmetic", "students"),
        *("startup", "scaling", "growth", "side-by-side", "serving"),
    )
)
"""Pages of times, which name the processor beside the result."""
JOINED: Mapping[str, tuple[str, ...]] = {"speed": tuple(name for name in PAGES if name.startswith("speed-"))}
"""Page of several -> those that are its sections."""


def is_measured(name: str, folder: Path = RESULTS) -> bool:
    """Whether something was measured for a page; it is written once it is."""
    return outputs_path(name, folder).exists()


def file_of(name: str) -> str:
    """The file of a page without its ending: its own, or the one that it is a section of."""
    return next((joined for joined, names in JOINED.items() if name in names), name)


def render_file(file: str, folder: Path = RESULTS) -> str:
    """The text of a file of one page or of several."""
    if file not in JOINED:
        return render(read_measurements(file, folder))
    measured = [name for name in JOINED[file] if is_measured(name, folder)]
    texts = [
        re.sub(r"^#", "##", render(read_measurements(name, folder)), flags=re.MULTILINE) for name in measured
    ]
    return f"# {file.capitalize()}\n\n" + "\n".join(texts)


@dataclass(frozen=True)
class Page:
    """What a page says, as functions of what was measured.

    Attributes:
        title: its first line.
        question: what it answers, in the list of results.
        text: its paragraphs above the blocks; the result and how it was measured.
        result: says in one sentence what came out.
        blocks: makes tables, headings and further paragraphs.
        read: takes what the other functions read from the measurements, mostly one part; all by default.
        facts: gives the values of the fields in title, question and text; a part's own values by default.
        answer: how the result stands in the list of results.
        draw: draws the picture into the folder of the pages.

    Title, question, text and answer may hold ``{result}`` (``{Result}``: as a sentence begins) and facts.
    """

    title: str
    question: str
    text: str
    result: Callable[[Any], str]
    blocks: Callable[[Any], Iterable[str]]
    read: Callable[[Measurements], Any] = lambda measurements: measurements
    facts: Callable[[Any], Mapping[str, Any]] = lambda values: values if isinstance(values, Mapping) else {}
    answer: str = "{result}"
    draw: Callable[[Measurements, Path], None] | None = None

    def headline(self, measurements: Measurements) -> Headline:
        """Make the row of the list of results."""
        values = self.read(measurements)
        fields = self._fields(values)
        return Headline(self.question.format(**fields), self.answer.format(**fields))

    def render(self, measurements: Measurements) -> list[str]:
        """Make the blocks of the page, its title first."""
        values = self.read(measurements)
        fields = self._fields(values)
        paragraphs = (one_paragraph(text.format(**fields)) for text in self.text.split("\n\n"))
        return [f"# {self.title.format(**fields)}", *paragraphs, *self.blocks(values)]

    def _fields(self, values: Any) -> dict[str, Any]:
        result = self.result(values)
        return {**self.facts(values), "result": result, "Result": result[0].upper() + result[1:]}


def part(name: str) -> Callable[[Measurements], Any]:
    """Read one part of the measurements."""
    return itemgetter(name)


class Headline(NamedTuple):
    """What a page answers, in one row of a table."""

    question: str
    result: str


def page_named(name: str) -> Page:
    """Find the row of a page."""
    return importlib.import_module(f"benchmarks.pages.{PAGES[name]}").PAGES[name]


def headline(name: str, folder: Path = RESULTS) -> Headline:
    """Read question and result of a page from what is stored."""
    measurements = read_measurements(name, folder)
    question, result = page_named(name).headline(measurements)
    if name in TIMED:
        result = f"{result.rstrip('.')} ({_processors(measurements)})"
    return Headline(question, result)


def write_page(name: str, folder: Path = RESULTS) -> str:
    """Write a page, and its picture if it has one, from what is stored; gives back the text."""
    measurements = read_measurements(name, folder)
    text = render_file(file_of(name), folder)
    write_bytes(folder / f"{file_of(name)}.md", text.encode())
    if draw := page_named(name).draw:
        draw(measurements, folder)
    return text


def render(measurements: Measurements) -> str:
    """Make the text of a page."""
    title, *rest = page_named(measurements.page).render(measurements)
    if measurements.page in TIMED:
        rest = [f"Measured on: {_processors(measurements)}.", *rest]
    return "\n\n".join([title, *rest, *_notes(measurements), *_origins(measurements)]).strip() + "\n"


def _processors(measurements: Measurements) -> str:
    """The processors that the parts were measured on."""
    return "; ".join(dict.fromkeys(part.manifest.processor for part in measurements.parts.values()))


def _notes(measurements: Measurements) -> list[str]:
    notes = dict.fromkeys(note for part in measurements.parts.values() for note in part.manifest.notes)
    return ["## Notes", "\n".join(f"- {note}" for note in notes)] if notes else []


def _origins(measurements: Measurements) -> list[str]:
    """Where the parts come from: those of one manifest together."""
    names: dict[str, list[str]] = {}
    manifests: dict[str, Manifest] = {}
    for name, part in measurements.parts.items():
        key = part.manifest.model_dump_json(exclude={"models", "settings", "notes"})
        names.setdefault(key, []).append(name)
        manifests[key] = _with_models(part.manifest, manifests.get(key))
    lines = [
        f"- {'' if len(manifests) == 1 else ', '.join(names[key]) + ': '}{_describe(manifest)}"
        for key, manifest in manifests.items()
    ]
    stored = f"Written by `python -m benchmarks.pages {measurements.page}` from "
    stored += f"[outputs/{measurements.page}.jsonl.gz](outputs/{measurements.page}.jsonl.gz)."
    return ["## How it was measured", "\n".join(lines), stored]


def _with_models(manifest: Manifest, earlier: Manifest | None) -> Manifest:
    models = {**(earlier.models if earlier else {}), **manifest.models}
    return manifest.model_copy(update={"models": models})


def _describe(manifest: Manifest) -> str:
    libraries = ", ".join(f"{name} {version}" for name, version in manifest.libraries.items())
    models = ", ".join(f"`{name}` (SHA-256 {digest[:12]})" for name, digest in manifest.models.items())
    load = "" if manifest.load is None else f"load {manifest.load} at the start"
    facts = [manifest.date, f"code {manifest.commit}", manifest.processor, load, libraries, models]
    text = f"`{manifest.command}`; {'; '.join(fact for fact in facts if fact)}."
    return f"{text} {manifest.transcribed_from or ''}".rstrip()
