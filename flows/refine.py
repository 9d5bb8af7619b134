"""Refinement: a draft (a first pass, or a finished run's) is looked at again, round by round.

Each round is a stage of the store, so an interrupted run goes on at its round. `python -m flows.refine` takes
the options of `antiphon run refine`.
"""

from __future__ import annotations

from prefect import flow
from prefect.client.schemas.objects import State

from components.errors import ConfigError
from components.records import RunRecord, StageRef
from components.refining import checks
from components.storage.store import Store
from components.translation.domain_notes import domain_notes
from flows import preflight
from flows.parameters import flat
from flows.preflight import Need
from flows.refine_parameters import RefineParameters
from flows.running import Run, ending, name_flow_run
from tasks import metrics, recognition, refining, report, translation
from tasks import rounds as rounds_stage
from tasks.options import value_of
from tasks.runners import runner


def needs(parameters: RefineParameters) -> list[Need]:
    """What the stages need before anything is computed."""
    url, config = parameters.store, parameters.refine
    rounds = Need("refine", lambda: checks.check(config, url), lambda pairs: checks.admit(config, url, pairs))
    if parameters.draft is not None:
        return [Need("draft", lambda: _draft(parameters)), rounds]
    return [
        preflight.readable(parameters),
        preflight.recognized(parameters.asr, url),
        preflight.translated(parameters.mt, url),
        rounds,
    ]


def _draft(parameters: RefineParameters) -> dict[str, StageRef]:
    """The stages of the run whose draft is refined. ConfigError, StoreError."""
    stages = {ref.stage: ref for ref in Store(parameters.store).load_run(str(parameters.draft)).stages}
    if "data" not in stages or "mt" not in stages:
        raise ConfigError(
            f"draft {parameters.draft}: expected a run with the stages data and mt, "
            f"found {', '.join(stages)}; run the cascade first"
        )
    return stages


@flow(name="refine", task_runner=runner(), persist_result=False, flow_run_name=name_flow_run)
@flat(RefineParameters)
def refine(parameters: RefineParameters) -> RunRecord | State[RunRecord]:
    """Draft a data set (or take a finished run's draft), refine it round by round, score and report."""
    preflight.refuse(needs(parameters))
    run = Run("refine", parameters)
    with run:
        loaded, heard, first = _drafted(run, parameters)
        rounds = refined(parameters, (loaded, heard), first, run)
        target = parameters.target_language
        ended = rounds_stage.reasons(rounds[-1])
        run.notes.append(f"{len(rounds) - 1} rounds; utterances ended by: {_listed(ended)}")
        last = {"data": loaded, "mt": rounds[-1]} | ({"asr": heard} if heard is not None else {})
        scored = run.add(metrics.score(last, target, run.store_url, run.name))
        run.metrics = metrics.read_scores(scored)
        curve = rounds_stage.score_rounds(loaded, rounds, target, parameters.refine.reported, run.store_url)
        run.metrics |= rounds_stage.read_rounds(run.add(curve))
        report.report(run.record, run.store_url)
    return ending(run.record)


def refined(
    parameters: RefineParameters, read: tuple[StageRef, StageRef | None], first: StageRef, run: Run
) -> tuple[StageRef, ...]:
    """The draft ``first`` and its rounds, until the budget is spent or nothing goes on."""
    rounds: tuple[StageRef, ...] = (first,)
    budget = (parameters.rounds, parameters.target_language)
    for _ in range(parameters.rounds):
        done = refining.refine(parameters.refine, read, rounds, budget, run.store_url, parameters.seed)
        rounds = (*rounds, run.add(done))
        if refining.all_stopped(rounds[-1]):
            break
    return rounds


def _listed(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items())


def _drafted(run: Run, parameters: RefineParameters) -> tuple[StageRef, StageRef | None, StageRef]:
    """The stages data, asr (None for text) and mt: a finished run's, or made now."""
    if parameters.draft is not None:
        stages = _draft(parameters)
        for name in ("data", "asr", "mt"):
            if name in stages:
                run.add(stages[name].model_copy(update={"reused": True}))
        preflight.admit(needs(parameters), stages["data"])
        return stages["data"], stages.get("asr"), stages["mt"]
    loaded = preflight.load(run, parameters, needs(parameters))
    heard = value_of(recognition.recognise(parameters.asr, loaded, run.store_url, parameters.seed))
    if heard is not None:
        heard = run.add(heard)
    read = (loaded,) if heard is None else (loaded, heard)
    first = run.add(translation.translate(parameters.mt, read, run.store_url, parameters.seed))
    run.notes += domain_notes(first, parameters.mt.model, loaded, run.store_url)
    return loaded, heard, first


if __name__ == "__main__":
    from flows.cli.main import run_flow_module

    run_flow_module("refine")
