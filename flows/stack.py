"""The stack: P(Y2 | X, Y1): a second system sees what the first ones said, and the sound.

data (text-only data are spoken first) -> asr -> mt -> stack -> scores -> report. Where no model is named, one
is trained first. `python -m flows.stack` takes the options of `antiphon run stack`.
"""

from __future__ import annotations

from prefect import flow
from prefect.client.schemas.objects import State

from components.errors import DataError
from components.records import RunRecord
from components.stacking import checks
from components.translation.domain_notes import domain_notes
from flows import preflight
from flows.parameters import flat
from flows.preflight import Need
from flows.running import Run, ending, name_flow_run
from flows.stack_learning import check_synthesis, learned
from flows.stack_parameters import (
    StackParameters,
)
from tasks import metrics, recognition, report, rounds, stacking, synthesis, translation
from tasks.options import value_of
from tasks.runners import runner


def needs(parameters: StackParameters) -> list[Need]:
    """What the stages need before anything is computed."""
    url, config, learn = parameters.store, parameters.stack, parameters.learn
    return [
        preflight.readable(parameters),
        preflight.recognized(parameters.asr, url),
        preflight.translated(parameters.mt, url),
        Need(
            "stack",
            lambda: checks.check(config, learn, url),
            lambda pairs: checks.admit(config, learn, url, pairs),
        ),
    ]


@flow(name="stack", task_runner=runner(), persist_result=False, flow_run_name=name_flow_run)
@flat(StackParameters)
def stack(parameters: StackParameters) -> RunRecord | State[RunRecord]:
    """Transcribe and translate a data set, translate it again by a stacked system, score both and report."""
    wanted = needs(parameters)
    preflight.refuse(wanted)
    run = Run("stack", parameters)
    with run:
        loaded = preflight.load(run, parameters, wanted)
        check_synthesis(run, parameters, loaded)
        config = learned(run, parameters)
        if synthesis.is_written(loaded):
            loaded = value_of(synthesis.synthesize(parameters.synthesis, loaded, run.store_url))
        run.stages["data"] = loaded
        heard = value_of(recognition.recognise(parameters.asr, loaded, run.store_url, parameters.seed))
        if heard is None:
            raise DataError(
                f"{parameters.data or parameters.audio}: expected something to listen to, found none"
            )
        run.stages["asr"] = heard
        first = run.add(translation.translate(parameters.mt, (loaded, heard), run.store_url, parameters.seed))
        run.notes += domain_notes(first, parameters.mt.model, loaded, run.store_url)
        read = (loaded, heard, first)
        second = run.add(stacking.stack(config, parameters.mt.model, read, run.store_url, parameters.seed))
        target = parameters.target_language
        scored = run.add(metrics.score(run.stages, target, run.store_url, run.name))
        run.metrics = metrics.read_scores(scored)
        changes = run.add(rounds.score_rounds(loaded, (first, second), target, "bleu", run.store_url))
        run.metrics |= {k: v for k, v in rounds.read_rounds(changes).items() if k == "harm_rate"}
        report.report(run.record, run.store_url)
    return ending(run.record)


if __name__ == "__main__":
    from flows.cli.main import run_flow_module

    run_flow_module("stack")
