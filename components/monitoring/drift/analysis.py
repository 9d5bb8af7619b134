"""The analysis ``watch``: new runs without references against an accepted one, stage by stage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from typing_extensions import override

from components.analysis.analysis import Analysis, Computed, Event
from components.analysis.run_outputs import language_of
from components.analysis.table import Sentence, Table
from components.files.canonical_json import digest_of
from components.files.files import write_json
from components.monitoring.drift import sound
from components.monitoring.drift.detection import ALPHA, detect
from components.monitoring.drift.findings import (
    ScoreVerdict,
    WatchFindings,
    choose_examples,
    make_change,
    make_rows,
    propose,
    trace_stages,
)
from components.monitoring.drift.pairing import join_profiles, pair_signals, prepend_earlier
from components.monitoring.drift.profile import PROFILE, Profile, profile_measured
from components.monitoring.drift.score import judge
from components.monitoring.drift.stage_signals import Measured, measure_data, measure_stages
from components.monitoring.drift.tables import build_tables, describe
from components.pipeline.pipeline import DATA
from components.pipeline.steps.editing import SUFFIX
from components.run_record import RunRecord
from components.storage.stages.stage_plan import StagePlan, content_of, library_versions
from components.storage.store import Store

VERSION = "watch/6"
ALARM = "antiphon.watch.alarm"
"""Event: a watched run is no longer as the accepted one; automations/watch.yaml waits for it.

Later looks at a place send it again where a further stage has changed."""


@dataclass(frozen=True)
class WatchRequest:
    """What is watched.

    Attributes:
        runs: finished, in the order of time.
        accepted: the profile of the accepted run.
        alpha: probability of any false alarm, ever.
        corrected: node -> utterance id -> text that a person gave or approved.
        answers_alarm: whether it answers an alarm; then it gives none, else each would ask for the next.
        earlier: what earlier looks at the same place have met.
    """

    runs: Sequence[RunRecord]
    accepted: Profile
    alpha: float = ALPHA
    corrected: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    answers_alarm: bool = False
    earlier: Profile | None = None


class WatchAnalysis(Analysis[WatchRequest, WatchFindings]):
    """Whether a system is still as good as the accepted run, where nobody has references."""

    kind, file, record = "watch", "watch.json", WatchFindings
    noun, remedy = "what was found by watching", "watch the run again"

    @override
    def plan(self, request: WatchRequest, store: Store) -> StagePlan:
        return StagePlan(
            stage=self.kind,
            kind=self.kind,
            version=f"{VERSION}/2 sound/{sound.VERSION}",
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
                "earlier": digest_of(request.earlier and request.earlier.model_dump(mode="json")),
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
        here = join_profiles(profiles, request.accepted)
        write_json(folder / PROFILE, here.model_dump(mode="json"))
        new = here if request.earlier is None else prepend_earlier(request.earlier, here)
        earlier = len(new.ids) - len(here.ids)
        detection = detect(pair_signals(request.accepted, new), new.ids, request.alpha)
        change = make_change(detection, new.ids)
        node = _node_to_correct(request.runs[-1], change.stage if change else DATA)
        texts = _texts_of(measured, node)
        proposed = propose(detection, new.ids, texts, earlier)
        places, evidence = trace_stages(detection, len(new.ids))
        findings = WatchFindings(
            accepted=request.accepted.run,
            runs=tuple(run.name for run in request.runs),
            n_accepted=len(request.accepted.ids),
            n=len(new.ids),
            left_out=sum(len(profile.ids) for profile in profiles) - len(here.ids),
            earlier=earlier,
            alpha=request.alpha,
            change=change,
            signals=make_rows(detection),
            unwatched=tuple(s.stage for s in request.accepted.stages if new.stage(s.stage) is None),
            examples=choose_examples(detection, new.ids, texts, earlier),
            node=node,
            proposed=proposed,
            evidence=evidence,
            places=places,
            answers_alarm=request.answers_alarm,
            is_known=change is not None and detection.stages_in_alarm <= _stages_known(request),
            score=_judge(request, node, texts, proposed, measured),
        )
        return Computed(findings, len(new.ids), [PROFILE])

    @override
    def tables(self, findings: WatchFindings) -> list[Table]:
        return build_tables(findings)

    @override
    def verdict(self, findings: WatchFindings) -> list[Sentence]:
        return [Sentence(f"{line}.") for line in describe(findings)]

    @override
    def events(self, findings: WatchFindings) -> list[Event]:
        change = findings.change
        if change is None or findings.answers_alarm or findings.is_known:
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


def require_new(runs: Sequence[RunRecord], accepted: Profile, store: Store) -> None:
    """Refuse runs whose utterances the accepted run has; only their data sets are read.

    Raises:
        DataError: no utterance is new.
    """
    join_profiles([profile_measured(run.name, measure_data(run, store)) for run in runs], accepted)


def _stages_known(request: WatchRequest) -> frozenset[str]:
    """Return the stages of which the last look at the place gave an alarm."""
    if request.earlier is None:
        return frozenset()
    pairs = pair_signals(request.accepted, request.earlier)
    return detect(pairs, request.earlier.ids, request.alpha).stages_in_alarm


def _node_to_correct(run: RunRecord, stage: str) -> str | None:
    """Return the stage that changed if it gives texts, else the node of the transcript, else the first."""
    texts = {node.name for node in run.pipeline.needed_for_outputs() if node.output == "text"}
    names = [ref.stage for ref in run.stages if ref.stage in texts]  # not a recognizer that only met texts
    if stage in names:
        return stage
    transcript = run.pipeline.outputs.get("transcript")
    name = transcript if transcript in names else next(iter(names), None)
    return None if name is None else name.removesuffix(SUFFIX)


def _texts_of(measured: Sequence[Measured], node: str | None) -> dict[str, str]:
    texts: dict[str, str] = {}
    for each in measured:
        for stage in each.stages:
            if stage.stage == node:
                texts |= stage.texts
    return texts


def _judge(
    request: WatchRequest,
    node: str | None,
    texts: Mapping[str, str],
    proposed: Sequence[str],
    measured: Sequence[Measured],
) -> ScoreVerdict | None:
    """Score by corrections of the node; proposed texts that were not changed are approved."""
    record = request.runs[-1].pipeline.node(node or "")
    corrected = request.corrected.get(node or "", {})
    if record is None or not corrected:
        return None
    approved = {key: texts[key] for key in proposed if key in texts}
    languages = {
        key: language_of(run, record, utterance)
        for run, each in zip(request.runs, measured, strict=True)
        for key, utterance in each.utterances.items()
    }
    return judge(record.name, texts, {**approved, **corrected}, languages, request.accepted)
