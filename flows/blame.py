"""Which stage of a finished run loses what: its transcripts are put right and everything below runs again.

`antiphon blame RUN`, or `python -m flows.blame` with the options of `antiphon run`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State

from components.errors import ConfigError
from components.recognition.config import RecognitionConfig
from components.records import RunRecord, StageRef
from flows.blame_parameters import BlameParameters
from flows.cascade_parameters import CascadeParameters
from flows.parameters import flat
from flows.running import Run, ending, name_flow_run, reopened
from reports.run_outputs import decoded
from tasks import blaming, data, recognition, report, translation
from tasks.options import value_of
from tasks.runners import runner

Read = tuple[StageRef, StageRef]
"""The data and the transcripts."""


@flow(name="blame", task_runner=runner(), persist_result=False, flow_run_name=name_flow_run)
@flat(BlameParameters)
def blame(parameters: BlameParameters) -> RunRecord | State[RunRecord]:
    """Say which stage of a finished run loses what: a copy of the run with the stage ``blame``."""
    found, run = reopened(parameters.run, "blame", parameters, BELOW)
    with run:
        stages = dict(run.stages)
        if "asr" not in stages:
            raise ConfigError(f"run {parameters.run}: expected a run of speech, found no stage asr to blame")
        loaded, heard = stages["data"], stages["asr"]
        blaming.check(loaded)
        spoken = {node.name for node in found.pipeline.nodes if node.transcribes}
        below = [ref for ref in decoded(found) if ref.stage not in spoken]
        last = below[-1].model_copy(update={"stage": " and ".join(ref.stage for ref in below)})
        cut = _recut(run, (loaded, heard), parameters.segments) if parameters.segments else None

        def again(transcripts: StageRef) -> StageRef:
            return BELOW[found.flow](run, run.parameters, (loaded, transcripts))

        ref = blaming.run(loaded, heard, last, again, run.store_url, cut)
        run.stages = stages
        run.add(ref)
        report.report(run.record, run.store_url)
    return ending(run.record)


def _cascade(run: Run, parameters: Any, read: Read) -> StageRef:
    assert isinstance(parameters, CascadeParameters)
    return run.add(translation.translate(parameters.mt, read, run.store_url, parameters.seed))


BELOW: dict[str, Callable[[Run, Any, Read], StageRef]] = {
    "cascade": _cascade,
}
"""Flow -> everything below its recogniser, on other transcripts; gives the stage that is scored."""


def _recut(run: Run, read: Read, segments: str) -> StageRef:
    """The transcripts of the recordings as their gold segments are heard."""
    parameters: Any = run.parameters
    if getattr(parameters.asr, "members", ()):
        raise ConfigError("segments: expected a run of one recogniser, found several")
    asr = RecognitionConfig.model_validate(
        parameters.asr.model_dump(include=set(RecognitionConfig.model_fields))
    )
    languages = (parameters.source_language, parameters.target_language)
    pieces = value_of(data.load(segments, None, *languages, None, run.store_url))
    heard = value_of(recognition.recognise(asr, pieces, run.store_url, parameters.seed))
    if heard is None:
        raise ConfigError(f"segments: expected a manifest with audio, found none in {segments}")
    ref: StageRef = value_of(blaming.joined(*read, pieces, heard, run.store_url))
    return ref


if __name__ == "__main__":
    from flows.cli.main import run_flow_module

    run_flow_module("blame")
