"""docs/evidence.md: every claim with its answer, in three tiers, and the differences as a forest plot."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from benchmarks.claims.claim import read_register
from benchmarks.claims.outputs import Outputs
from benchmarks.common.tables import markdown_table
from components.claims.answer import format_result
from components.claims.claim import Claim
from components.claims.verdict import Measured, Result, Row, Verdict, judge

HEAD = """# What is known, and how well

Every claim of the lecture on ensembling and mixtures of experts, or of the papers behind it, with the answer
that our measurements give. What is compared and what is expected was committed before the run
(`benchmarks/claims/claims.yaml`); what was changed later stands [beside the claim](#claim-by-claim).

The answer follows by rule (`components/claims/verdict.py`):

| answer | when |
| --- | --- |
| **holds** | by all its metrics the primary comparison has its 95% interval on the expected side, p < 0.05 |
| **contradicted** | the interval lies on the other side |
| **not shown** | it is not told from no difference |
| **depends on the metric** | its metrics answer differently |
| **mixed** | parts of the sentence have other answers than its primary comparison |
| **cannot answer** | a choice lies at the edge of its grid, or the claim says what else is missing |

Nine claims stand on the same seven trainings of 6 million parameters, so they are not independent.
`python -m benchmarks.claims run NAME` measures again, `make pages` writes this page.

![Differences of the primary comparisons with their 95% intervals](evidence.svg)
"""
TIERS = {
    1: "Tier 1: replicated over seeds, two metrics, two domains",
    2: "Tier 2: one domain, or one metric, or no replication, or not decided alike",
    3: "Tier 3: no answer, or not measured",
}
MIN_SEEDS = 3


def verdicts(results: Mapping[str, Measured]) -> list[tuple[Claim, Verdict]]:
    """All registered claims that comparisons decide, with their verdicts."""
    return [(claim, judge(claim, results)) for claim in read_register() if claim.primary]


def tier_of(claim: Claim, verdict: Verdict) -> int:
    """1 where every domain decides alike, with seeds and two metrics; 3 where nothing answers."""
    if verdict.word in ("cannot answer", "not measured"):
        return 3
    decided = _decided(verdict)
    replicated = all(row.measured and row.measured.seeds >= MIN_SEEDS for row in decided)
    metrics = min(len((*row.comparison.metrics, *row.comparison.signs)) for row in decided)
    decides = verdict.word in ("holds", "contradicted")  # what was not shown may be there, and small
    return 1 if decides and replicated and metrics > 1 and len(_domains(claim, decided)) > 1 else 2


def _decided(verdict: Verdict) -> list[Row]:
    """What was measured of the comparisons that decide."""
    return [row for row in verdict.rows if row.role != "context" and row.measured]


def _domains(claim: Claim, rows: Sequence[Row]) -> list[str]:
    labels = (row.comparison.domain or claim.domain for row in rows)
    return list(dict.fromkeys(domain for label in labels for domain in label.split(" and ")))


def _count(judged: Sequence[tuple[Claim, Verdict]]) -> str:
    """How many claims have an answer, and from how much."""
    answered = [(claim, _decided(verdict)) for claim, verdict in judged if tier_of(claim, verdict) < 3]
    broad = sum(len(_domains(claim, rows)) > 1 for claim, rows in answered)
    spoken = sum(
        any((row.comparison.voices or claim.voices) == "human" for row in rows) for claim, rows in answered
    )
    return (
        f"{len(answered)} of {len(judged)} claims have an answer: {broad} from two domains or more, "
        f"{spoken} from human voices among others."
    )


def evidence_page(results: Mapping[str, Measured], measured: Mapping[str, Outputs]) -> str:
    """The page: a table of answers for each tier, then every claim with all that was compared."""
    judged = verdicts(results)
    blocks = [HEAD.strip(), _count(judged)]
    for tier, title in TIERS.items():
        own = [(claim, verdict) for claim, verdict in judged if tier_of(claim, verdict) == tier]
        blocks += [f"## {title}", f"{len(own)} claim{'s' * (len(own) != 1)}."]
        if own:
            header = ("claim", "answer", "primary comparison (95%)", "data", "page")
            blocks += [markdown_table(header, [_row(*pair, measured) for pair in own])]
    blocks += ["## Claim by claim"]
    for claim, verdict in judged:
        blocks += _section(claim, verdict)
    return "\n\n".join(blocks) + "\n"


def _row(claim: Claim, verdict: Verdict, measured: Mapping[str, Outputs]) -> tuple[str, ...]:
    primary = "<br>".join(
        f"{result.difference:+.3g} {metric} ({result.interval[0]:+.2g} to {result.interval[1]:+.2g})"
        for row in verdict.rows
        if row.role == "primary" and row.measured
        for metric, result in row.measured.by_metric.items()
    )
    rows = [row for row in verdict.rows if row.measured] or verdict.rows
    voices = {row.comparison.voices or claim.voices for row in rows} - {"none"}
    data = ", ".join([*_domains(claim, rows), *(f"{voice} voices" for voice in sorted(voices))])
    page = f"`python -m benchmarks.claims run {claim.experiment}`"
    if claim.experiment in measured:
        name = claim.experiment.replace("_", "-")
        page = f"[{name}](results/{name}.md), {measured[claim.experiment].manifest.date}"
    anchor = re.sub(r"[^\w -]", "", claim.claim.lower()).replace(" ", "-")  # as GitHub makes it of a heading
    return f"[{claim.claim}](#{anchor})", f"**{verdict.word}**", primary, data, page


def _section(claim: Claim, verdict: Verdict) -> Iterator[str]:
    """A claim with its sources, its answer, what was compared, and what was changed since."""
    yield f"### {claim.claim}"
    counter = f" But: {claim.counter}." if claim.counter else ""
    yield f"{', '.join(claim.sources)}. **{_capital(verdict.text)}.**{counter}"
    yield f"{_capital(claim.design)}."
    if measured := [row for row in verdict.rows if row.measured]:
        yield table_of(measured)
    if claim.changed:
        yield "\n".join(
            ("Changed since it was registered:", "", *(f"- {change}" for change in claim.changed))
        )


def table_of(rows: Iterable[Row]) -> str:
    """Comparisons with their differences by every metric, what was expected and would have been seen."""
    header = ("role", "compared", "expected", "difference (95%), p", "would have seen", "over", "answer")
    return markdown_table(header, [_compared(row, row.measured.by_metric) for row in rows if row.measured])


def _compared(row: Row, results: Mapping[str, Result]) -> tuple[str, ...]:
    return (
        row.role,
        row.comparison.text,
        _lines(row.comparison.expected_of(metric) for metric in results),
        _lines(
            format_result(result, row.p.get(metric, result.p), metric) for metric, result in results.items()
        ),
        _lines(f"{result.detectable:.2g}" for result in results.values()),
        _lines(result.over for result in results.values()),
        row.decision,
    )


def _lines(of_metrics: Iterable[str]) -> str:
    """One line for each metric, or one for all where they are alike."""
    lines = list(of_metrics)
    return "<br>".join(lines if len(set(lines)) > 1 else lines[:1])


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
