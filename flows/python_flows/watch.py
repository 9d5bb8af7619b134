"""Is a run over new data, without references, as the accepted one? Alarms, stage by stage.

`antiphon watch RUN --accepted NAME`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

from prefect.client.schemas.objects import State

from components.editing.correction import latest_by_id, read_stored_corrections
from components.editing.corrections_stage import KIND as FROM_STORE
from components.editing.corrections_stage import store_corrections
from components.editing.editable_text import EditableText, certainty_of
from components.editing.kinds.edit_by_reviewer import ReviewAnswers
from components.editing.questions import answers_as_corrections
from components.editing.run_texts import node_to_edit, texts_of_node
from components.errors import ConfigError
from components.export.for_edit import write_for_edit
from components.monitoring.drift.analysis import WATCH, WatchRequest, require_new
from components.monitoring.drift.findings import WatchFindings
from components.monitoring.drift.profile import Profile, load_profile
from components.monitoring.drift.watched_place import WatchedPlace
from components.nodes.questions import Question
from components.pipeline.steps.editing import SUFFIX
from components.run_record import RunRecord, StageRef
from components.storage.runs.accepted_runs import list_accepted
from components.storage.store import Store
from flows.checks import Check
from flows.definition import define_flow
from flows.parameters.base import DataParameters
from flows.parameters.watch import WatchParameters
from flows.python_flows.finished_runs.reopened_run import reopen_run
from flows.registry import flow_named
from flows.run import Run, final_state
from flows.system import run_system
from tasks.execution.reviewers import REVIEWERS
from tasks.stages import report
from tasks.stages.analysis import run_analysis
from tasks.task_options import unwrap

Corrected = Mapping[str, Mapping[str, str]]


@define_flow(WatchParameters)
def watch(parameters: WatchParameters) -> RunRecord | State[RunRecord]:
    """Compare new runs with the accepted one; adds the stage ``watch`` to a copy of the last of them."""
    accepted, profile = _find_accepted(parameters)  # what it lacks is told before anything is computed
    store = Store(parameters.store)
    names = list(parameters.runs) or [_run_accepted_graph(accepted, parameters).name]
    records = [store.load_run(name) for name in names]
    require_new(records, profile, store)
    place = WatchedPlace(accepted, records[-1].parameters, store)
    record, run = reopen_run(names[-1], "watch", parameters)
    with run:
        corrected = _read_corrections(records)
        request = WatchRequest(
            records, profile, parameters.alpha, corrected, parameters.review, place.earlier
        )
        ref = _watch(run, request)
        if not parameters.runs:  # those may be edited by hand
            place.add(ref)
        findings = WATCH.read(ref)
        if findings.change is not None and parameters.review and findings.score is None:
            answers = _ask(record, findings, parameters.hours, run)
            findings = WATCH.read(_watch(run, replace(request, corrected=answers)))
        _write_list(record, findings, run)
        report.publish_run_report(run.record, run.store)
    return final_state(run.record)


def checks(parameters: WatchParameters) -> list[Check]:
    """Return the check that there is something to watch, and something accepted to compare it with."""
    return [Check("watch", partial(_require_new_runs, parameters))]


def _require_new_runs(parameters: WatchParameters) -> None:
    _, profile = _find_accepted(parameters)
    store = Store(parameters.store)
    if parameters.runs:
        require_new([store.load_run(name) for name in parameters.runs], profile, store)


def _watch(run: Run, request: WatchRequest) -> StageRef:
    return run.add(run_analysis(WATCH.kind, request, run.store))


def _find_accepted(parameters: WatchParameters) -> tuple[RunRecord, Profile]:
    """Return the accepted run (the one named, else the only one of the new runs' flow) and its profile.

    Raises:
        ConfigError: none, or several; or nothing new to compare with it.
        DataError: it has too few utterances.
        StoreError: one of the runs is not there.
    """
    parameters.check_source()
    store = Store(parameters.store)
    new = [store.read_run(name) for name in parameters.runs]
    if parameters.accepted is not None:
        accepted = store.read_run(parameters.accepted)
        return accepted, load_profile(accepted, store)
    like = [other for other in list_accepted(store) if other.flow == new[-1].flow]
    if len(like) != 1:
        names = ", ".join(other.name for other in like) or "none"
        raise ConfigError(
            f"accepted: expected one accepted run of {new[-1].flow}, found {names}; accept one (antiphon "
            "runs accept RUN), or name it: --accepted NAME"
        )
    return like[0], load_profile(like[0], store)


def _run_accepted_graph(accepted: RunRecord, parameters: WatchParameters) -> RunRecord:
    """Run the flow of the accepted run, with its settings, over the new data; what is stored is reused."""
    entry = flow_named(accepted.flow)
    if not issubclass(entry.parameters, DataParameters):
        raise ConfigError(f"run {accepted.name}: expected a run over data, found one of {accepted.flow}")
    values = {
        **accepted.parameters,
        "data": parameters.data,
        "audio": parameters.audio,
        "limit": None,
        "name": WatchedPlace(accepted, parameters.model_dump(), Store(parameters.store)).run_name,
        "replace": True,
        "store": parameters.store,
    }
    new = entry.parameters.model_validate(values)
    record: RunRecord = unwrap(run_system(accepted.flow, new, entry.pipeline(new), entry.hooks))
    return record


def _read_corrections(records: list[RunRecord]) -> Corrected:
    """Return the texts that people gave in these runs, by node and utterance."""
    corrected: dict[str, dict[str, str]] = {}
    for run in records:
        for ref in run.stages:
            if ref.kind in (FROM_STORE, ReviewAnswers.name):
                for each in latest_by_id(read_stored_corrections(Path(ref.path))).values():
                    corrected.setdefault(each.node.removesuffix(SUFFIX), {})[each.id] = each.text
    return corrected


def _listed_texts(record: RunRecord, findings: WatchFindings) -> dict[str, EditableText]:
    """Return the texts that are proposed for correction, of the last run."""
    if findings.node is None:
        return {}
    texts = texts_of_node(record, node_to_edit(record, findings.node))
    return {key: texts[key] for key in findings.proposed if key in texts}


def _write_list(record: RunRecord, findings: WatchFindings, run: Run) -> None:
    """Write what is proposed as a table that `antiphon edit` and `edit_by_reviewer` read."""
    texts = _listed_texts(record, findings)
    if texts and findings.score is None:
        path = run.path / f"correct-{findings.node}.tsv"
        write_for_edit(texts, "tsv", path, str(findings.node), overwrite=True)
        run.notes.append(
            f"to correct: {path}, then antiphon edit {record.name} {findings.node} --from that file, and "
            "antiphon watch the edited run"
        )


def _ask(record: RunRecord, findings: WatchFindings, hours: float, run: Run) -> Corrected:
    """Wait for a person's corrections of what is proposed; they stay in the store, as a stage of the run."""
    node, texts = str(findings.node), _listed_texts(record, findings)
    questions = [
        Question(key, each.text, certainty_of(each.hypothesis), each.source or "")
        for key, each in texts.items()
    ]
    answers = REVIEWERS.only().ask(node, questions, hours)
    run.add(store_corrections(run.store, node, answers_as_corrections(questions, answers, node), None))
    return {node: dict(answers.texts)}
