"""docs/results/README.md: one row a question, from what its page has stored."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from benchmarks.claims.experiment import all_results, experiment_named
from benchmarks.common.paths import RESULTS
from benchmarks.common.tables import markdown_table
from benchmarks.pages.page import file_of, headline, is_measured
from components.files.files import write_bytes

INTRODUCTION = """\
# Results

Each page says how it was measured: command, day, version of the code, libraries, models and machine, and
how many of how many utterances were scored; intervals are 95% bootstrap intervals. Pages are written from
[outputs](outputs) by `make pages`, without a model. What was tried and did not work is in [the
log](../log.md)."""

Links = Mapping[str, str]
"""Label -> page without its ending, or a path from docs/results; a row says the result of the first."""


SECTIONS: Mapping[str, tuple[Links, ...]] = {
    "Recognition": (
        {"terms": "families"},
        {"speed": "speed-recognition"},
        {"word times": "word-times"},
    ),
    "Translation and systems of several models": (
        {"translation": "arithmetic", "card": "../../components/packaged/multi30k-en-de/README"},
        {"domain": "domain"},
        {"agreed text": "vocabularies-text"},
        {"speed": "speed-speculative"},
        {"speed": "speed-mbr"},
        {"long recordings": "long-recording"},
        {"context": "context"},
    ),
    "Confidence, routes and pools": (
        {"confidence": "confidence"},
        {"routing": "routing"},
        {"pools": "pools"},
    ),
    "Watching": ({"tests and alarms": "monitoring"},),
    "While the speaker speaks": ({"simultaneous": "simultaneous"},),
    "Search over a pipeline": ({"search": "search"}, {"design": "design"}),
    "One model out of several, and smaller models": (
        {"speed": "speed-merging"},
        {"merging's frontier": "merging-frontier"},
        {"students": "students"},
        {"training over processes": "speed-training"},
        {"fewer experts": "reduced-experts"},
    ),
    "What running costs beside the models": (
        {"nodes side by side": "side-by-side"},
        {"growing data": "growth"},
        {"kills": "kills"},
        {"checkpoints": "checkpoint"},
        {"start-up": "startup"},
        {"scaling": "scaling"},
        {"serving": "serving"},
    ),
    "On a GPU": ({"gpu": "gpu"},),
}


def write_index(folder: Path = RESULTS) -> None:
    """Write the list of results."""
    write_bytes(folder / "README.md", render_index(folder).encode())


def render_index(folder: Path = RESULTS) -> str:
    """The text of the list of results."""
    blocks = [INTRODUCTION]
    for title, rows in SECTIONS.items():
        if cells := [_cells(row, folder) for row in rows if is_measured(next(iter(row.values())), folder)]:
            blocks += [f"## {title}", markdown_table(["question", "result", "page"], cells)]
    if experiments := [_experiment(name) for name in all_results(folder / "outputs")]:
        blocks += ["## Claims of the field", "[Evidence](../evidence.md) says what they answer."]
        blocks += ["\n".join(experiments)]
    return "\n\n".join(blocks) + "\n"


def _experiment(name: str) -> str:
    return f"- [{experiment_named(name).TITLE}]({name.replace('_', '-')}.md)"


def _cells(row: Links, folder: Path) -> list[str]:
    question, result = headline(next(iter(row.values())), folder)
    links = ", ".join(f"[{label}]({file_of(page)}.md)" for label, page in row.items())
    return [question, result.rstrip("."), links]
