"""A blame as texts: a sentence, a table, and the terminal."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console
from rich.text import Text

from components.analysis.attribution import Attribution
from components.analysis.cascade_attribution import AttributionReport
from components.metrics.bootstrap import MIN_UTTERANCES, Estimate
from components.metrics.table import label_of
from reports.escaping import to_printable
from reports.terminal.run_printing import describe_too_few, new_table
from reports.views.sections import Section


def format_estimate(one: Estimate, sign: bool = True, digits: int = 2) -> str:
    """A number with its interval, where it has one: +2.20 (+1.10 to +3.40)."""
    number = f"{{:{'+' if sign else ''}.{digits}f}}"
    return (number if one.interval is None else f"{number} ({number} to {number})").format(
        one.value, *(one.interval or ())
    )


def summarize(one: Attribution) -> str:
    """The blame by one metric in a line."""
    kept = ", ".join(f"{stage.stage} passes on {stage.kept.value:.0f}%" for stage in one.stages)
    if one.n < MIN_UTTERANCES:
        verdict = describe_too_few(one.n)
    else:
        verdict = f"most is lost in {one.culprit}" if _lossy(one) else "nothing is lost"
    gold = f", with gold transcripts {one.all_gold.value:.1f}" if one.parts else ""
    return f"{label_of(one.metric)} {one.score.value:.1f}{gold}: {kept}; {verdict}"


def _lossy(one: Attribution) -> bool:
    """Whether any stage loses anything, of utterances enough, so that one of them loses most."""
    return one.n >= MIN_UTTERANCES and min(stage.kept.value for stage in one.stages) < 100 - 1e-9


def build_rows(report: AttributionReport) -> Iterator[dict[str, str]]:
    """What each stage, part of a transcript and kind of error costs, in points of the metric."""
    for one in report.blames:
        name = label_of(one.metric)
        for stage in one.stages:
            cells = {"metric": name, "what": to_printable(stage.stage), "costs": format_estimate(stage.gap)}
            cells["passes on %"] = format_estimate(stage.kept, sign=False)
            yield cells | {"most": "yes" if stage.stage == one.culprit and _lossy(one) else ""}
        for part in one.parts:
            cells = {"metric": name, "what": f"transcript: {part.part}", "costs": format_estimate(part.gap)}
            yield cells | {"Shapley": format_estimate(part.shapley)}
    for kind in report.kinds:
        what = f"{kind.errors} {kind.kind} in {kind.utterances} utterances"
        yield {
            "metric": "BLEU",
            "what": what,
            "costs": format_estimate(kind.gain),
            "per 100 errors": f"{kind.per_hundred:+.2f}",
        }


def build_sections(report: AttributionReport) -> list[Section]:
    """The blame as a part of a report."""
    note = ". ".join(summarize(one) for one in report.blames)
    both = report.wer_and_loss
    if both.pearson and both.spearman:
        note += (
            f". WER and the chrF that is lost to it go together by {format_estimate(both.pearson, sign=False)} "
            f"(Pearson), {format_estimate(both.spearman, sign=False)} (Spearman)"
        )
    return [Section("Blame", note + ".", tuple(build_rows(report)))]


def print_blame(report: AttributionReport, console: Console) -> None:
    """The blame as a table, with a sentence for each metric."""
    for one in report.blames:
        console.print(Text(to_printable(summarize(one)), "bold"))
    found = list(build_rows(report))
    columns = list(dict.fromkeys(name for row in found for name in row))
    listed = new_table(*(name if name in ("metric", "what", "most") else f">{name}" for name in columns))
    for row in found:
        listed.add_row(*(Text(row.get(name, "")) for name in columns))
    console.print(listed)
    both = report.wer_and_loss
    if both.pearson and both.spearman:
        text = f"WER and chrF lost to it, {both.n} utterances: Pearson {format_estimate(both.pearson, sign=False)}"
        console.print(Text(f"{text}, Spearman {format_estimate(both.spearman, sign=False)}"))
    for signature in dict.fromkeys(one.signature for one in report.blames):
        console.print(Text(to_printable(signature), "dim"))
