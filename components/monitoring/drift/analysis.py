"""The analysis ``watch``: new runs without references against an accepted one, stage by stage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from typing_extensions import override

from components.analysis.analysis import Analysis, Computed, Event
from components.analysis.table import Link, Plot, Sentence, Table, link_to_utterance
from components.files.canonical_json import digest_of
from components.monitoring.drift import findings as found
from components.monitoring.drift import sound
from components.monitoring.drift.detection import ALPHA, detect
from components.monitoring.drift.findings import ScoreVerdict, WatchFindings, label_of_signal
from components.monitoring.drift.pairing import join_profiles, pair_signals
from components.monitoring.drift.profile import Profile, profile_measured
from components.monitoring.drift.score import judge
from components.monitoring.drift.stage_signals import Measured, measure_stages
from components.pipeline.pipeline import DATA
from components.pipeline.steps.editing import SUFFIX
from components.run_record import RunRecord
from components.storage.stages.stage_plan import StagePlan, content_of, library_versions
from components.storage.store import Store
from components.text.escaping import to_printable

if TYPE_CHECKING:
    from matplotlib.figure import Figure

VERSION = "watch/1"
ALARM = "antiphon.watch.alarm"
"""Event: a watched run is no longer as the accepted one; automations/watch.yaml waits for it."""


@dataclass(frozen=True)
class WatchRequest:
    """What is watched.

    Attributes:
        runs: finished, in the order of time.
        accepted: the profile of the accepted run.
        alpha: probability of any false alarm, ever.
        corrected: node -> utterance id -> text that a person gave or approved.
        answers_alarm: whether it answers an alarm; then it gives none, else each would ask for the next.
    """

    runs: Sequence[RunRecord]
    accepted: Profile
    alpha: float = ALPHA
    corrected: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    answers_alarm: bool = False


class WatchAnalysis(Analysis[WatchRequest, WatchFindings]):
    """Whether a system is still as good as the accepted run, where nobody has references."""

    kind, file, record = "watch", "watch.json", WatchFindings
    noun, remedy = "what was found by watching", "watch the run again"

    @override
    def plan(self, request: WatchRequest, store: Store) -> StagePlan:
        return StagePlan(
            stage=self.kind,
            kind=self.kind,
            version=f"{VERSION} sound/{sound.VERSION}",
            parameters={
                "alpha": request.alpha,
                "runs": [run.name for run in request.runs],
                "answers_alarm": request.answers_alarm,
            },
            upstream={
                f"{number}/{ref.stage}": content_of(ref)
                for number, run in enumerate(request.runs)
                for ref in run.stages
            },
            inputs={
                "accepted": digest_of(request.accepted.model_dump(mode="json")),
                "corrected": digest_of({node: dict(of) for node, of in request.corrected.items()}),
            },
            libraries=library_versions(("numpy", "av")),
        )

    @override
    def compute(self, request: WatchRequest, store: Store, folder: Path) -> Computed[WatchFindings]:
        measured = [measure_stages(run, store) for run in request.runs]
        profiles = [
            profile_measured(run.name, each, request.accepted)
            for run, each in zip(request.runs, measured, strict=True)
        ]
        new = join_profiles(profiles, request.accepted)
        detection = detect(pair_signals(request.accepted, new), new.ids, request.alpha)
        change = found.make_change(detection, new.ids)
        node = _node_to_correct(request.runs[-1], change.stage if change else DATA)
        shown = _texts_of(measured, node)
        proposed = found.propose(detection, new.ids, shown)
        places, evidence = found.trace_stages(detection, len(new.ids))
        findings = WatchFindings(
            accepted=request.accepted.run,
            runs=tuple(run.name for run in request.runs),
            n_accepted=len(request.accepted.ids),
            n=len(new.ids),
            left_out=sum(len(profile.ids) for profile in profiles) - len(new.ids),
            alpha=request.alpha,
            change=change,
            signals=found.make_rows(detection),
            examples=found.choose_examples(detection, new.ids, shown),
            node=node,
            proposed=proposed,
            evidence=evidence,
            places=places,
            answers_alarm=request.answers_alarm,
            score=_judge(request, node, proposed, measured),
        )
        return Computed(findings, len(new.ids))

    @override
    def tables(self, findings: WatchFindings) -> list[Table]:
        return [_signal_table(findings), *_example_tables(findings)]

    @override
    def verdict(self, findings: WatchFindings) -> list[Sentence]:
        return [Sentence(f"{line}.") for line in describe(findings)]

    @override
    def events(self, findings: WatchFindings) -> list[Event]:
        change = findings.change
        if change is None or findings.answers_alarm:
            return []
        payload = {
            "run": findings.runs[-1],
            "runs": list(findings.runs),
            "accepted": findings.accepted,
            **change.model_dump(mode="json"),
            "text": describe(findings)[0],
        }
        return [Event(ALARM, f"run.{findings.runs[-1]}", findings.runs[-1], payload)]


WATCH = WatchAnalysis()


def describe(findings: WatchFindings) -> list[str]:
    """Return what was found, in sentences without a full stop."""
    change, lines = findings.change, list[str]()
    against = f"{findings.n:,} new utterances against {findings.n_accepted:,} of {findings.accepted}"
    if change is None:
        lines.append(f"No change was found in {against}")
    else:
        row = next(r for r in findings.signals if (r.stage, r.signal) == (change.stage, change.signal))
        since = row.new if row.since is None else row.since
        means = f"{_number(row.accepted)} before, {_number(since)} since"
        lines.append(
            f"Changed first: {to_printable(change.stage)}, {label_of_signal(change.signal)} is "
            f"{change.direction} ({means}), since about utterance {change.onset:,} "
            f"({to_printable(change.onset_id)}); found at {change.alarm:,} by "
            f"{to_printable(change.found_by)}, in {against}"
        )
    if findings.score is not None:
        lines.append(describe_score(findings.score))
    elif change is not None and findings.node and findings.proposed:
        lines.append(
            f"Whether it is worse, {len(findings.proposed)} corrected texts of {to_printable(findings.node)} "
            "will say: the list of utterances to correct is beside the report"
        )
    return lines


def describe_score(score: ScoreVerdict) -> str:
    """``By 30 corrected texts of asr: WER 12.1 against 6.1 accepted, +6.0 (95% +2.1 to +10.3): worse``."""
    text = f"By {score.n} corrected texts of {to_printable(score.node)}: WER {score.wer:.1f}"
    if score.difference is not None:
        text += f" against {score.accepted:.1f} accepted, {score.difference:+.1f}"
    if score.interval is not None:
        text += " (95% {:+.1f} to {:+.1f})".format(*score.interval)
    return f"{text}: {score.verdict}"


def _number(value: float) -> str:
    return f"{value:.3g}"


def _node_to_correct(run: RunRecord, stage: str) -> str | None:
    """Return the stage that changed if it gives texts, else the node of the transcript, else the first."""
    names = [node.name for node in run.pipeline.needed_for_outputs() if node.output == "text"]
    if stage in names:
        return stage
    transcript = run.pipeline.outputs.get("transcript")
    chosen = transcript if transcript in names else next(iter(names), None)
    return None if chosen is None else chosen.removesuffix(SUFFIX)


def _texts_of(measured: Sequence[Measured], node: str | None) -> dict[str, str]:
    texts: dict[str, str] = {}
    for each in measured:
        for stage in each.stages:
            if stage.stage == node:
                texts |= stage.texts
    return texts


def _judge(
    request: WatchRequest, node: str | None, proposed: Sequence[str], measured: Sequence[Measured]
) -> ScoreVerdict | None:
    """Score by corrections of the node; proposed texts that were not changed are approved."""
    corrected = request.corrected.get(node or "", {})
    if node is None or not corrected:
        return None
    texts = _texts_of(measured, node)
    approved = {key: texts[key] for key in proposed if key in texts}
    languages = {key: u.source_language for each in measured for key, u in each.utterances.items()}
    return judge(node, texts, {**approved, **corrected}, languages, request.accepted)


def _signal_table(findings: WatchFindings) -> Table:
    rows = tuple(
        {
            "stage": to_printable(row.stage),
            "signal": label_of_signal(row.signal),
            "accepted": _number(row.accepted),
            "new": _number(row.new),
            "since the change": "" if row.since is None else _number(row.since),
            "evidence": f"{row.evidence:+.1f}",
            "alarm at": "" if row.alarm is None else f"{row.alarm:,}",
        }
        for row in findings.signals
    )
    note = (
        "Means of each signal. Evidence: powers of ten above what gives alarm, the most so far; any false "
        f"alarm ever has a probability of at most {findings.alpha:.0%}, however often one looks, as long as "
        "utterances are independent. A stage that changed changes those below it."
    )
    plot = Plot("watch_evidence", "Evidence of a change, stage by stage", partial(_draw, findings))
    protocol = f"conformal test martingales|alpha:{findings.alpha:g} over {len(findings.signals)} signals"
    return Table("Signals", note, rows, (plot,), protocol=protocol)


def _example_tables(findings: WatchFindings) -> list[Table]:
    if findings.change is None:
        return []
    label = label_of_signal(findings.change.signal)
    rows: tuple[Mapping[str, str | Link], ...] = tuple(
        {"utterance": link_to_utterance(each.id), label: _number(each.value), "text": to_printable(each.text)}
        for each in findings.examples
    )
    listed: tuple[Mapping[str, str | Link], ...] = tuple(
        {"utterance": link_to_utterance(key)} for key in findings.proposed
    )
    note = (
        f"Every k-th utterance since the change in the order of the signal: their corrections say what "
        f"{findings.node} loses. antiphon edit RUN {findings.node} --from the file beside this report, then "
        "watch the edited run."
    )
    return [
        Table("What shows the change best", "", rows),
        Table("To correct by hand", note, listed if findings.score is None else ()),
    ]


def _draw(findings: WatchFindings) -> Figure:
    from components.analysis.figures import new_axes, plot_style  # noqa: PLC0415 - imports matplotlib

    with plot_style():
        figure, plot = new_axes(3.2)
        for stage, trace in findings.evidence.items():
            plot.plot(findings.places, trace, label=to_printable(stage)[:24])
        plot.axhline(0, color="#7d8590", linewidth=1, linestyle="--")
        plot.set(xlabel="new utterances", ylabel="evidence above alarm (powers of ten)")
        plot.legend()
    return figure
