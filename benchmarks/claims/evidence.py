"""docs/evidence.md: every claim with its answer, in three tiers, and the differences as a forest plot."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from benchmarks.claims.claim import read_register
from benchmarks.claims.outputs import Outputs
from benchmarks.common.tables import markdown_table
from components.claims.answer import format_result
from components.claims.claim import Claim
from components.claims.verdict import Measured, Row, Verdict, judge

HEAD = """# What is known, and how well

Every claim of the lecture on ensembling and mixtures of experts, or of the papers behind it, with the answer
that our measurements give. What is compared and what is expected was committed before the run; what was
changed later says so (`benchmarks/claims/claims.yaml`). The answer follows by rule
(`components/claims/verdict.py`): the *primary* comparison decides, by all its metrics (95% interval on the
expected side, p < 0.05), else it *depends on the metric*; a choice at the edge of its grid *cannot answer*;
*mixed* says which parts of the sentence hold. Nine claims stand on the same seven trainings of 6 million
parameters, so they are not independent. `python -m benchmarks.claims run NAME` measures again, `make pages`
writes this page.

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
    """The page, tier by tier."""
    judged = verdicts(results)
    blocks = [HEAD.strip(), _count(judged)]
    for tier, title in TIERS.items():
        own = [(claim, verdict) for claim, verdict in judged if tier_of(claim, verdict) == tier]
        blocks += [f"## {title}", f"{len(own)} claim{'s' * (len(own) != 1)}."]
        if own:
            header = ("claim", "answer", "compared: difference (95%), p", "data", "page")
            blocks += [markdown_table(header, [_row(*pair, measured) for pair in own])]
    return "\n\n".join(blocks) + "\n"


def _row(claim: Claim, verdict: Verdict, measured: Mapping[str, Outputs]) -> tuple[str, ...]:
    compared = "<br>".join(_compared(verdict.rows)) or claim.design
    rows = [row for row in verdict.rows if row.measured] or verdict.rows
    voices = {row.comparison.voices or claim.voices for row in rows} - {"none"}
    data = ", ".join([*_domains(claim, rows), *(f"{voice} voices" for voice in sorted(voices))])
    page = f"`python -m benchmarks.claims run {claim.experiment}`"
    if claim.experiment in measured:
        name = claim.experiment.replace("_", "-")
        page = f"[{name}](results/{name}.md), {measured[claim.experiment].manifest.date}"
    notes = [f"**{claim.claim}** ({', '.join(claim.sources)})"]
    notes += [f"But: {claim.counter}."] if claim.counter else []
    notes += [f"Changed: {change}." for change in claim.changed]
    return "<br>".join(notes), verdict.text, compared, data, page


def _compared(rows: Sequence[Row]) -> Iterator[str]:
    for row in rows:
        if row.measured:
            values = "; ".join(
                format_result(result, row.p.get(metric, result.p), metric)
                for metric, result in row.measured.by_metric.items()
            )
            (over,) = list(dict.fromkeys(result.over for result in row.measured.by_metric.values()))[:1]
            role = "" if row.role == "primary" else f" ({row.role})"
            yield f"{row.comparison.text}{role}: {values}; {over}"
