"""docs/claims.md and the pages of the experiments, from kept outputs alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from benchmarks.claims.claim import Claim, read_register
from benchmarks.claims.experiment import EXPERIMENTS, experiment_named
from benchmarks.claims.outputs import Outputs, read_outputs
from benchmarks.claims.picture import draw_verdicts
from benchmarks.claims.verdict import Result, judge
from benchmarks.common.manifest import OUTPUTS
from benchmarks.common.tables import markdown_table
from components.files.files import write_bytes

HEAD = """# Claims of the field, measured

Each row is a claim of the lecture on ensembling and mixtures of experts, or of the papers behind it. What
is compared, the expected sign and the design were committed before the run
(`benchmarks/claims/claims.yaml`). The verdict follows by the rule of `benchmarks/claims/verdict.py`:
*holds* if every 95% interval lies on the expected side and p < 0.05 after Holm's correction over the
comparisons of the claim, *holds here with limits* if some do, *contradicted* if none does and one lies on
the other side, else *not shown*. "Could see" is the smallest difference that the experiment would have
found (80% power). Models are small (6 million parameters) and texts are captions: what holds here need
not hold elsewhere. `python -m benchmarks.claims run NAME` measures, `make pages` writes this page.
"""


def write_pages(docs: Path, outputs_folder: Path = OUTPUTS) -> list[Path]:
    """Write docs/claims.md and the page of every experiment that was run; their paths."""
    measured = {name: outputs for name in EXPERIMENTS if (outputs := read_outputs(name, outputs_folder))}
    results: dict[str, Result] = {}
    for name, outputs in measured.items():
        results |= experiment_named(name).results(outputs)
    pages = {docs / "claims.md": claims_page(results, measured)}
    for name, outputs in measured.items():
        page = docs / "results" / f"{name.replace('_', '-')}.md"
        pages[page] = experiment_page(name, outputs, results)
    for path, text in pages.items():
        write_bytes(path, text.encode())
    picture = docs / "claims.svg"
    draw_verdicts([(claim.claim, judge(claim, results)[0]) for claim in registered()], picture)
    return [*pages, picture]


def claims_page(results: Mapping[str, Result], measured: Mapping[str, Outputs]) -> str:
    """One row per claim, with all its comparisons."""
    rows = [_claim_row(claim, results, measured) for claim in read_register()]
    header = ("claim", "compared", "difference (95%), p", "could see", "verdict", "page, command")
    return "\n".join((HEAD, markdown_table(header, rows), ""))


def registered() -> list[Claim]:
    """The claims that comparisons decide; those without stand on pages of measured times."""
    return [claim for claim in read_register() if claim.comparisons]


def _claim_row(
    claim: Claim, results: Mapping[str, Result], measured: Mapping[str, Outputs]
) -> tuple[str, ...]:
    verdict: str
    verdict, rows = judge(claim, results)
    by_name = {comparison.name: (result, p) for comparison, result, p in rows}
    differences, detectable = [], []
    for comparison in claim.comparisons:
        if comparison.name in by_name:
            result, p = by_name[comparison.name]
            differences.append(format_result(result, p, comparison.metric))
            detectable.append(f"{result.detectable:.2g}")
        else:
            differences.append("not measured")
            detectable.append("")
    compared = [f"{c.text} (expected: {c.expected})" for c in claim.comparisons]
    page = claim.experiment.replace("_", "-")
    command = ""
    if claim.experiment in measured:
        command = f"[{page}](results/{page}.md), `{measured[claim.experiment].manifest.command}`"
    elif not claim.comparisons:
        verdict, command = "see its page", f"[{page}](results/{page}.md)"
    text = f"**{claim.claim}** ({', '.join(claim.sources)})<br>{claim.design}"
    lines = ("<br>".join(cells) for cells in (compared, differences, detectable))
    return (text, *lines, verdict, command)


def format_result(result: Result, p: float, metric: str) -> str:
    """``+1.10 bleu (+0.5 to +1.7), p 0.002, 3 seeds x 2,000 sentences``."""
    low, high = result.interval
    written = f"p {p:.4f}" if p >= 0.0001 else "p < 0.0001"
    return f"{result.difference:+.3g} {metric} ({low:+.2g} to {high:+.2g}), {written}; {result.over}"


def experiment_page(name: str, outputs: Outputs, results: Mapping[str, Result]) -> str:
    """Question, verdicts, the experiment's tables, and how they came about."""
    module = experiment_named(name)
    return "\n".join(
        (
            f"# {module.TITLE}",
            "",
            module.QUESTION.strip(),
            "",
            *_verdicts(name, results),
            "",
            *module.page(outputs),
            "",
            *_provenance(outputs),
            "",
        )
    )


def _verdicts(name: str, results: Mapping[str, Result]) -> Iterator[str]:
    claims = [claim for claim in read_register() if claim.experiment == name]
    for claim in claims:
        verdict, rows = judge(claim, results)
        yield f"**{claim.claim}: {verdict}.**"
        for comparison, result, p in rows:
            yield (
                f"- {comparison.text}: {format_result(result, p, comparison.metric)}; "
                f"expected: {comparison.expected}; would have seen {result.detectable:.2g}."
            )
        yield ""


def _provenance(outputs: Outputs) -> Iterator[str]:
    manifest = outputs.manifest
    libraries = ", ".join(f"{name} {version}" for name, version in manifest.libraries.items())
    yield "## How this was made"
    yield ""
    yield f"`{manifest.command}` at {manifest.commit}, {manifest.date}; {manifest.processor}; {libraries}."
    if manifest.models:
        yield ""
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
        yield ""
        yield from (f"- {note}" for note in manifest.notes)
