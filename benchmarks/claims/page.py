"""docs/evidence.md and the pages of the experiments, from kept outputs alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from benchmarks.claims.claim import read_register
from benchmarks.claims.evidence import evidence_page, table_of, verdicts
from benchmarks.claims.experiment import all_results, experiment_named, results_by_comparison
from benchmarks.claims.forest import draw_forest
from benchmarks.claims.outputs import Outputs, read_outputs
from benchmarks.common.manifest import OUTPUTS
from benchmarks.common.tables import markdown_table
from components.claims.verdict import Measured, judge
from components.files.files import write_bytes


def write_pages(docs: Path, outputs_folder: Path = OUTPUTS) -> list[Path]:
    """Write docs/evidence.md, its picture and the page of every experiment that was run; their paths."""
    own = all_results(outputs_folder)
    measured = {name: outputs for name in own if (outputs := read_outputs(name, outputs_folder))}
    results = results_by_comparison(outputs_folder)
    pages = {docs / "evidence.md": evidence_page(results, measured)}
    for name, outputs in measured.items():
        page = docs / "results" / f"{name.replace('_', '-')}.md"
        pages[page] = experiment_page(name, outputs, own[name], results)
    for path, text in pages.items():
        write_bytes(path, text.encode())
    picture = docs / "evidence.svg"
    draw_forest(verdicts(results), picture)
    return [*pages, picture]


def experiment_page(
    name: str, outputs: Outputs, own: Mapping[str, Measured], results: Mapping[str, Measured]
) -> str:
    """Question, verdicts, the experiment's tables, and how they came about."""
    module = experiment_named(name)
    blocks = (f"# {module.TITLE}", module.QUESTION.strip(), *_verdicts(name, own, results))
    return "\n\n".join((*blocks, *module.page(outputs), *_provenance(outputs))) + "\n"


def _verdicts(name: str, own: Mapping[str, Measured], results: Mapping[str, Measured]) -> Iterator[str]:
    """Claims of an experiment with all their comparisons; of other claims those that it measured."""
    for claim in read_register():
        verdict = judge(claim, results)
        rows = [
            row
            for row in verdict.rows
            if claim.experiment == name or f"{claim.name}.{row.comparison.name}" in own
        ]
        if not rows:
            continue
        yield f"**{claim.claim}**: {verdict.text}."
        yield table_of(rows)


def _provenance(outputs: Outputs) -> Iterator[str]:
    manifest = outputs.manifest
    libraries = ", ".join(f"{name} {version}" for name, version in manifest.libraries.items())
    yield "## How this was made"
    yield f"`{manifest.command}` at {manifest.commit}, {manifest.date}; {manifest.processor}; {libraries}."
    if manifest.models:
        header = ("model", "settings that are not the default", "minutes", "sha256 of the weights")
        rows = [
            (
                model,
                ", ".join(f"{key}={value}" for key, value in about["settings"].items()),
                f"{about['minutes']:.0f}",
                f"`{about['sha256'][:12]}`",
            )
            for model, about in manifest.models.items()
        ]
        yield markdown_table(header, rows)
    if manifest.notes:
        yield "\n".join(f"- {note}" for note in manifest.notes)
