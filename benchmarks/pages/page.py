"""How a page of docs/results is put together: its own text, the notes, and how it was measured."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

from benchmarks.common.manifest import Manifest
from benchmarks.common.measurements import Measurements, read_measurements
from benchmarks.common.paths import RESULTS
from components.files.files import write_bytes

PAGES: Mapping[str, str] = {
    name: f"benchmarks.pages.{name.replace('-', '_')}"
    for name in (
        *("recognition", "non-speech", "padding", "word-times", "long-audio", "long-recording"),
        *("context", "arithmetic", "domain", "pruning", "confidence", "routing", "pools", "search"),
        *("families", "vocabularies-text"),
        *(
            "speed-recognition",
            "speed-ensembles",
            "speed-pools",
            "speed-mbr",
            "speed-merging",
            "speed-experts",
            "speed-speculative",
            "speed-training",
        ),
        *("merging-frontier", "students", "reduced-experts"),
        *("speed-report", "orchestration", "following", "startup", "memory", "scaling"),
        "gpu",
    )
}
"""Page -> the module that writes it."""
TIMED = frozenset(
    (
        *(name for name in PAGES if name.startswith("speed-")),
        *("padding", "word-times", "arithmetic", "students"),
        *("orchestration", "following", "startup", "scaling"),
    )
)
"""Pages of times, which name the processor beside the result."""


class Headline(NamedTuple):
    """What a page answers, in one row of a table."""

    question: str
    result: str


def page_module(name: str) -> ModuleType:
    """The module that writes a page."""
    return importlib.import_module(PAGES[name])


def headline(name: str, folder: Path = RESULTS) -> Headline:
    """Question and result of a page."""
    measurements = read_measurements(name, folder)
    question, result = page_module(name).headline(measurements)
    if name in TIMED:
        result = f"{result.rstrip('.')} ({_processors(measurements)})"
    return Headline(question, result)


def write_page(name: str, folder: Path = RESULTS) -> str:
    """Write a page, and its picture if it has one, from what is stored; gives back the text."""
    measurements = read_measurements(name, folder)
    module = page_module(name)
    text = render(measurements)
    write_bytes(folder / f"{name}.md", text.encode())
    if hasattr(module, "draw"):
        module.draw(measurements, folder)
    return text


def render(measurements: Measurements) -> str:
    """The text of a page."""
    body = page_module(measurements.page).page(measurements).strip()
    if measurements.page in TIMED:
        title, rest = body.split("\n\n", 1)
        body = f"{title}\n\nMeasured on: {_processors(measurements)}.\n\n{rest}"
    return "\n\n".join([body, *_notes(measurements), *_origins(measurements)]) + "\n"


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
