"""An error attribution (the command ``blame``) as texts: a sentence, a table, and the terminal."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console
from rich.text import Text

from components.attribution.attribution import Attribution
from components.attribution.cascade_attribution import AttributionReport
from components.metrics.statistics.bootstrap import MIN_UTTERANCES, Estimate
from components.metrics.table import label_of
from components.text.counted_nouns import format_count
from reports.escaping import to_printable
from reports.terminal.run_printing import describe_too_few
from reports.terminal.tables import new_table
from reports.views.sections import Section


def format_estimate(estimate: Estimate, sign: bool = True, digits: int = 2) -> str:
    """A number with its interval, where it has one: +2.20 (+1.10 to +3.40)."""
    number = f"{{:{'+' if sign else ''}.{digits}f}}"
    return (number if estimate.interval is None else f"{number} ({number} to {number})").format(
        estimate.value, *(estimate.interval or ())
    )


def summarize(attribution: Attribution) -> str:
    """The attribution by one metric in a line."""
    gold = f", with gold transcripts {attribution.all_gold.value:.1f}" if attribution.parts else ""
    stages = "; ".join([*_describe_stages(attribution), _describe_culprit(attribution)])
    return f"{label_of(attribution.metric)} {attribution.score.value:.1f}{gold}: {stages}"


def _describe_stages(attribution: Attribution) -> Iterator[str]:
    """What each stage costs or, where a human's score is known, passes on."""
    for stage in attribution.stages:
        if attribution.is_human and stage.retention is not None:
            yield f"{stage.stage} passes on {stage.retention.value:.0f}%"
        elif stage.retention is not None or stage != attribution.last_lossy:
            yield f"{stage.stage} costs {format_estimate(stage.gap, sign=False, digits=1)}"


def _describe_culprit(attribution: Attribution) -> str:
    if attribution.n < MIN_UTTERANCES:
        return describe_too_few(attribution.n)
    if not attribution.is_human:
        last = attribution.last_lossy
        missing = f"{last.stage} lacks {last.gap.value:.1f} to {attribution.ceiling:.0f}"
        return f"{missing}, which is not all its fault: human translators do not reach it either"
    if attribution.culprit is None:
        return "nothing is lost"
    return f"of a human's {attribution.ceiling:.1f} most is lost in {attribution.culprit}"


def build_rows(report: AttributionReport) -> Iterator[dict[str, str]]:
    """What each stage, part of a transcript and kind of error costs, in points of the metric."""
    for attribution in report.blames:
        name = label_of(attribution.metric)
        for stage in attribution.stages:
            cells = {"metric": name, "what": to_printable(stage.stage), "costs": format_estimate(stage.gap)}
            if stage.retention is not None:
                cells["passes on %"] = format_estimate(stage.retention, sign=False)
            if attribution.is_human and attribution.n >= MIN_UTTERANCES:
                cells["most"] = "yes" if stage.stage == attribution.culprit else ""
            yield cells
        for part in attribution.parts:
            cells = {"metric": name, "what": f"transcript: {part.part}", "costs": format_estimate(part.gap)}
            yield cells | {"Shapley": format_estimate(part.shapley)}
    for kind in report.kinds:
        what = f"{kind.errors} {kind.kind} in {format_count(kind.utterances, 'utterance')}"
        yield {
            "metric": label_of(report.blames[0].metric),
            "what": what,
            "costs": format_estimate(kind.gain),
            "per 100 errors": f"{kind.per_hundred:+.2f}",
        }


def build_sections(report: AttributionReport) -> list[Section]:
    """The attribution as a part of a report."""
    note = ". ".join(summarize(attribution) for attribution in report.blames)
    both = report.wer_and_loss
    if both.pearson and both.spearman:
        pearson, spearman = (format_estimate(number, sign=False) for number in (both.pearson, both.spearman))
        note += f". WER and the chrF that is lost to it go together by {pearson} (Pearson), {spearman} "
        note += "(Spearman)"
    if report.kinds:
        note += (
            f". The intervals of the {len(report.kinds)} kinds of errors are not corrected for their number"
        )
    return [Section("Blame", note + ".", tuple(build_rows(report)))]


def print_blame(report: AttributionReport, console: Console) -> None:
    """Print the attribution as a table, with a sentence for each metric."""
    for attribution in report.blames:
        console.print(Text(to_printable(summarize(attribution)), "bold"))
    rows = list(build_rows(report))
    columns = list(dict.fromkeys(name for row in rows for name in row))
    listed = new_table(*(name if name in ("metric", "what", "most") else f">{name}" for name in columns))
    for row in rows:
        listed.add_row(*(Text(row.get(name, "")) for name in columns))
    console.print(listed)
    both = report.wer_and_loss
    if both.pearson and both.spearman:
        pearson, spearman = (format_estimate(number, sign=False) for number in (both.pearson, both.spearman))
        text = f"WER and chrF lost to it, {both.n} utterances: Pearson {pearson}, Spearman {spearman}"
        console.print(Text(text))
    for signature in dict.fromkeys(attribution.signature for attribution in report.blames):
        console.print(Text(to_printable(signature), "dim"))
