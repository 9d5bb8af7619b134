"""A question asked of a user's systems: the verdict, and a page that says all that decides it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from components.claims.question import Question, Systems
from components.claims.systems.workbench import digest_of
from components.claims.verdict import Result, Verdict, judge
from components.errors import AntiphonError


def ask(question: Question, systems: Systems) -> Verdict:
    """Return the verdict of a claim on these systems."""
    question.check(systems.models, dev=bool(systems.dev))
    question.check_data(systems.dev, systems.test)
    systems.work.check(systems.models, question.recognizers, systems.languages)
    measured = question.measure(systems)
    return judge(question.claim, {f"{question.claim.name}.{name}": value for name, value in measured.items()})


def format_result(result: Result, p: float, metric: str) -> str:
    """Return ``+1.10 bleu (+0.5 to +1.7), p 0.002``."""
    low, high = result.interval
    written = f"p {p:.4f}" if p >= 0.0001 else "p < 0.0001"
    return f"{result.difference:+z.3g} {metric} ({low:+z.2g} to {high:+z.2g}), {written}"


def write_answer(
    question: Question, systems: Systems, verdict: Verdict, data: Sequence[str], command: str
) -> str:
    """Return the page in Markdown: sentence, answer, comparisons, models and data."""
    claim = question.claim
    lines = [f"# {claim.claim}", "", f"**{verdict.text}**", "", f"{claim.design}.", ""]
    lines += [
        "| compared | difference (95%), p | over | could see | expected | answer |",
        "|---|---|---|---|---|---|",
    ]
    for row in verdict.rows:
        for metric, result in row.measured.by_metric.items() if row.measured else ():
            cells = (
                f"{row.comparison.text} ({row.role})",
                format_result(result, row.p.get(metric, result.p), metric),
                result.over,
                f"{result.detectable:.2g}",
                row.comparison.expected_of(metric) if metric in row.comparison.metrics else "the same sign",
                row.decision,
            )
            lines.append(f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |")
    lines += ["", "| model | sha256 of the weights |", "|---|---|"]
    lines += [f"| `{model}` | `{_digest(model)}` |" for model in systems.models]
    lines += ["", *(f"- {line}" for line in data)]
    lines += [
        f"- {datetime.now(UTC).date().isoformat()}: `{command}`",
        "- The rule: the primary comparison decides, by all its metrics, at 95% and p < 0.05; parts of the "
        "sentence make it mixed; context decides nothing. One set of models says nothing of other trainings: "
        "intervals are then over utterances alone.",
        "",
    ]
    return "\n".join(lines)


def _digest(model: str) -> str:
    try:
        return digest_of(model)[:16]
    except AntiphonError:
        return "no weights of ours"
