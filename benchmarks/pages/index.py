"""docs/results/README.md: one row a question, from what its page has stored."""

# ruff: noqa: E501 - results by hand, of pages that store nothing yet

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from benchmarks.claims.claim import read_register
from benchmarks.claims.experiment import EXPERIMENTS, experiment_named
from benchmarks.claims.outputs import read_outputs
from benchmarks.claims.verdict import judge
from benchmarks.common.measurements import outputs_path
from benchmarks.common.paths import RESULTS
from benchmarks.common.tables import markdown_table
from benchmarks.pages.page import Headline, headline
from components.files import write_bytes

INTRODUCTION = """\
# Results

Each page says how it was measured: command, day, version of the code, libraries, models and machine, and
how many of how many utterances were scored; intervals are 95% bootstrap intervals. Pages are written from
[outputs](outputs) by `make pages`, without a model. What was tried and did not work is in [the
log](../log.md)."""
WITHOUT_OUTPUTS = """\
These pages are from before outputs were stored, and stand as the command on them wrote them: {pages}."""


class Row(NamedTuple):
    """A question. Its result is that of the first page of ``links`` if that stores outputs, else ``headline``.

    Attributes:
        links: Label -> page without its ending, or a path from docs/results.
        headline: By hand, of pages that store nothing yet.
    """

    links: Mapping[str, str]
    headline: Headline | None = None


SECTIONS: Mapping[str, tuple[Row, ...]] = {
    "Recognition": (
        Row({"recognition": "recognition"}),
        Row({"non-speech": "non-speech"}),
        Row({"terms": "families"}),
        Row({"speed": "speed-recognition"}),
        Row({"padding": "padding", "why": "../decisions/0019-whisper-padding-stride"}),
        Row({"word times": "word-times"}),
        Row({"long audio": "long-audio"}),
    ),
    "Translation and systems of several models": (
        Row(
            {"its card": "../../components/packaged/multi30k-en-de/README"},
            Headline(
                "How good is `packaged:multi30k-en-de`?",
                "39.2 BLEU (37.6 to 40.8) on test_2016_flickr, sacreBLEU cased 13a, beam 5, 1,000 of 1,000",
            ),
        ),
        Row({"domain": "domain"}),
        Row(
            {"ensembles": "ensembles", "bagging": "bagging", "int8": "ensembles-int8"},
            Headline(
                "Does an ensemble beat its best member?",
                "three seeds mixed at every token: +1.1 BLEU (0.5 to 2.0) on test_2016_flickr; two bags: no gain that can be told (+0.3, -0.7 to 1.1)",
            ),
        ),
        Row({"speed": "speed-ensembles"}),
        Row({"agreed text": "vocabularies-text"}),
        Row({"speed": "speed-speculative"}),
        Row(
            {"rover": "rover", "speed": "speed-pools", "of many samples": "speed-mbr"},
            Headline(
                "Do three recognizers vote better than one?",
                "no difference that can be told on 55 recordings: WER 4.7 (2.8 to 7.1) by ROVER with equal votes, 5.2 (3.0 to 7.8) by the best of them",
            ),
        ),
        Row(
            {"captions": "stacking-captions", "into English": "stacking-english"},
            Headline(
                "Does a second system that also hears the sound beat its cascade on ordinary speech?",
                "on spoken captions +1.6 BLEU (0.4 to 2.9) with a frozen text model and a known voice, no difference that can be told with an unknown one",
            ),
        ),
        Row(
            {"refinement": "refinement"},
            Headline(
                "Does a second look improve a good translation?",
                "not here: a small language model without a gate takes 4.2 BLEU (1.1 to 7.7) off 50 captions and nothing under a gate; deliberation (300 updates) -1.0 (-1.8 to -0.2), edit diffusion -0.2",
            ),
        ),
        Row(
            {"error attribution": "blame"},
            Headline(
                "Which stage of a cascade loses what?",
                "gold transcripts are worth 2.7 BLEU (0.5 to 5.3) before Whisper base (WER 6.2, 50 of 50)",
            ),
        ),
        Row({"long recordings": "long-recording"}),
        Row({"context": "context"}),
    ),
    "Confidence, routes and pools": (
        Row({"confidence": "confidence"}),
        Row({"routing": "routing"}),
        Row({"pools": "pools"}),
    ),
    "Search over a pipeline": (Row({"search": "search"}),),
    "One model out of several, and smaller models": (
        Row({"speed": "speed-merging"}),
        Row({"merging's frontier": "merging-frontier"}),
        Row({"students": "students"}),
        Row(
            {"merging": "merging"},
            Headline(
                "What are averages, soups and task vectors worth?",
                "the mean of the last 5 checkpoints gains 1.9 BLEU (1.0 to 2.7), as their ensemble does; soups and task vectors are on the page",
            ),
        ),
        Row(
            {"distillation": "distillation"},
            Headline(
                "What does a small student lose?",
                "2+1 layers, 400 updates on 4,000 pairs: 33.9 BLEU taught by an ensemble's outputs, 32.0 by its distributions, 25.9 by no one (ensemble 39.4), 4 to 4.8 times faster than the ensemble",
            ),
        ),
        Row({"training over processes": "speed-training"}),
        Row({"pruning": "pruning"}),
        Row({"speed": "speed-experts", "quality": "experts"}),
        Row({"fewer experts": "reduced-experts"}),
        Row(
            {"meta-learning": "meta"},
            Headline(
                "Does meta-learning help a direction of few pairs?",
                "no difference to multilingual training that can be told, at the same updates on 100 to 3,000 pairs",
            ),
        ),
    ),
    "What running costs beside the models": (
        Row({"orchestration": "orchestration"}),
        Row({"concurrent nodes": "following"}),
        Row({"start-up": "startup"}),
        Row({"memory": "memory"}),
        Row({"report": "speed-report"}),
        Row({"scaling": "scaling"}),
    ),
    "On a GPU": (Row({"gpu": "gpu"}),),
}


def write_index(folder: Path = RESULTS) -> None:
    """Write the list of results."""
    write_bytes(folder / "README.md", render_index(folder).encode())


def render_index(folder: Path = RESULTS) -> str:
    """The text of the list of results."""
    blocks = [INTRODUCTION]
    if older := _pages_without_outputs(folder):
        blocks += [WITHOUT_OUTPUTS.format(pages=", ".join(f"[{page}]({page}.md)" for page in older))]
    for title, rows in SECTIONS.items():
        cells = [_cells(row, folder) for row in rows]
        blocks += [f"## {title}", markdown_table(["question", "result", "page"], cells)]
    if experiments := _experiments(folder):
        blocks += ["## [Claims of the field](../claims.md)"]
        blocks += [markdown_table(["experiment", "verdicts", "page"], experiments)]
    return "\n\n".join(blocks) + "\n"


def _pages_without_outputs(folder: Path) -> list[str]:
    """Pages of results in the list that have no outputs beside them."""
    pages = (page for rows in SECTIONS.values() for row in rows for page in row.links.values())
    return [page for page in pages if "/" not in page and not outputs_path(page, folder).exists()]


def _experiments(folder: Path) -> list[list[str]]:
    """One row for each experiment behind docs/claims.md that was run."""
    rows = []
    for name in EXPERIMENTS:
        if outputs := read_outputs(name, folder / "outputs"):
            results, page = experiment_named(name).results(outputs), name.replace("_", "-")
            claims = [claim for claim in read_register() if claim.experiment == name]
            verdicts = "; ".join(f"{claim.claim}: **{judge(claim, results)[0]}**" for claim in claims)
            rows.append([experiment_named(name).TITLE, verdicts, f"[{page}]({page}.md)"])
    return rows


def _cells(row: Row, folder: Path) -> list[str]:
    question, result = row.headline or headline(next(iter(row.links.values())), folder)
    links = ", ".join(f"[{label}]({page}.md)" for label, page in row.links.items())
    return [question, result.rstrip("."), links]
