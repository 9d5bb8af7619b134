"""The cascade: data -> speech recognition -> translation -> scores -> report.

Text-only data skip the recognition. `python -m flows.cascade` takes the options of `antiphon run cascade`.
"""

from __future__ import annotations

from functools import partial

from prefect import flow
from prefect.client.schemas.objects import State

from components.records import RunRecord, StageRef
from components.translation.domain_notes import domain_notes
from flows import preflight
from flows.cascade_parameters import CascadeParameters
from flows.parameters import flat
from flows.preflight import Need
from flows.running import Run, ending, name_flow_run
from tasks import blaming, metrics, recognition, report, translation
from tasks.options import value_of
from tasks.runners import runner


def needs(parameters: CascadeParameters) -> list[Need]:
    """What the stages need before anything is computed."""
    url = parameters.store
    return [
        preflight.readable(parameters),
        preflight.recognized(parameters.asr, url),
        preflight.translated(parameters.mt, url),
    ]


@flow(name="cascade", task_runner=runner(), persist_result=False, flow_run_name=name_flow_run)
@flat(CascadeParameters)
def cascade(parameters: CascadeParameters) -> RunRecord | State[RunRecord]:
    """Transcribe and translate a data set, score both stages and report."""
    wanted = needs(parameters)
    preflight.refuse(wanted)
    run = Run("cascade", parameters)
    with run:
        loaded = preflight.load(run, parameters, wanted)
        if parameters.blame:
            blaming.check(loaded)
        read: tuple[StageRef, ...] = (loaded,)
        heard = value_of(recognition.recognise(parameters.asr, loaded, run.store_url, parameters.seed))
        if heard is not None:
            read = (loaded, run.add(heard))
        said = run.add(translation.translate(parameters.mt, read, run.store_url, parameters.seed))
        run.notes += domain_notes(said, parameters.mt.model, loaded, run.store_url)
        scored = run.add(metrics.score(run.stages, parameters.target_language, run.store_url, run.name))
        run.metrics = metrics.read_scores(scored)
        if parameters.blame and "asr" in run.stages:
            again = partial(_again, parameters, loaded, run.store_url)
            run.add(blaming.run(loaded, run.stages["asr"], said, again, run.store_url))
        report.report(run.record, run.store_url)
    return ending(run.record)


def _again(
    parameters: CascadeParameters, loaded: StageRef, store_url: str | None, heard: StageRef
) -> StageRef:
    """Everything below the recognition, on other transcripts."""
    ref: StageRef = value_of(
        translation.translate(parameters.mt, (loaded, heard), store_url, parameters.seed)
    )
    return ref


if __name__ == "__main__":
    from flows.cli.main import run_flow_module

    run_flow_module("cascade")
