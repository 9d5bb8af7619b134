"""Does a recognizer write what is not in the sound? Words are silenced, openings replaced, numbers exchanged.

`antiphon probe FILE.yaml --data SET`.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from prefect.client.schemas.objects import State

from components import models
from components.analysis.run_outputs import data_of, output_of
from components.errors import ConfigError
from components.monitoring.probing.analysis import PROBE, ProbeRequest
from components.monitoring.probing.recordings import MANIFEST, make_probes
from components.run_record import RunRecord
from components.storage.stages.reader import read_nbests_by_id, read_utterances
from components.synthesis.config import SynthesisConfig
from components.synthesis.synthesizer import Synthesizer, build
from flows.checks import Check
from flows.definition import define_flow
from flows.parameters.pipeline import PipelineParameters
from flows.parameters.pipeline import pipeline as graph_of
from flows.parameters.probe import ProbeParameters
from flows.run import Run, final_state
from flows.system import NO_HOOKS, System, run_system
from tasks.stages import report
from tasks.stages.analysis import run_analysis
from tasks.task_options import unwrap

RECOGNIZE = "recognize"


@define_flow(ProbeParameters)
def probe(parameters: ProbeParameters) -> RunRecord | State[RunRecord]:
    """Recognize recordings, change them, recognize them again; adds the stage ``probe``."""
    with Run("probe", parameters) as run:
        voice = _voice_of(parameters)
        first = _recognizer_alone(parameters, f"{run.name}.heard", word_times=True)
        heard: RunRecord = unwrap(run_system("pipeline", first, graph_of(first)))
        utterances = list(read_utterances(data_of(heard)))
        folder = run.path / "probes"
        probes = make_probes(
            utterances,
            read_nbests_by_id(output_of(heard, "transcript")),
            folder,
            parameters.words,
            voice,
        )
        changed: dict[str, Any] = {"data": str(folder / MANIFEST), "audio": None, "limit": None}
        second = _recognizer_alone(parameters, f"{run.name}.changed", **changed)
        again: RunRecord = unwrap(run_system("pipeline", second, graph_of(second)))
        transcripts = {u.id: u.transcript for u in utterances if u.transcript}
        request = ProbeRequest(again, probes, transcripts, parameters.language_model)
        for ref in again.stages:
            run.add(ref)
        run.pipeline, run.systems = again.pipeline, {}
        run.add(run_analysis(PROBE.kind, request, run.store))
        report.publish_run_report(run.record, run.store)
    return final_state(run.record)


def checks(parameters: ProbeParameters) -> list[Check]:
    """Return the checks of the recognizer's own graph, of the voice and of the language model."""
    first = _recognizer_alone(parameters, None, word_times=True)
    return [
        *System("pipeline", first, graph_of(first), NO_HOOKS).preflight.checks,
        Check("voice", partial(_voice_of, parameters)),
        Check("language_model", partial(models.check, parameters.language_model, parameters.store)),
    ]


def _voice_of(parameters: ProbeParameters) -> Synthesizer | None:
    """Return what speaks other numbers, if anything does.

    Raises:
        ConfigError: it is not installed.
    """
    return None if parameters.voice is None else build(SynthesisConfig(engine=parameters.voice))


def _recognizer_alone(
    parameters: ProbeParameters, name: str | None, *, word_times: bool = False, **changed: Any
) -> PipelineParameters:
    """Return a run of the probed recognizer alone.

    Raises:
        ConfigError: the graph has no such node.
    """
    nodes = parameters.graph_values.get("nodes")
    known = {
        key: node
        for key, node in (nodes.items() if isinstance(nodes, dict) else ())
        if isinstance(node, dict) and node.get("kind") == RECOGNIZE and node.get("of", "data") == "data"
    }
    name_of = parameters.node or next(iter(known), None)
    if name_of not in known:
        raise ConfigError(
            f"node: expected a node of kind recognize that reads the data, one of "
            f"{', '.join(known) or 'none'}, found {parameters.node!r}"
        )
    node = {key: value for key, value in known[name_of].items() if key != "when"}
    node |= {"word_times": True} if word_times else {}
    graph = {"nodes": {"heard": node}, "outputs": {"transcript": "heard"}}
    fields = PipelineParameters.model_fields
    left_out = ("edits", "blame", "until", "graph")
    values = {key: getattr(parameters, key) for key in fields if key not in left_out}
    return PipelineParameters.model_validate(
        {**values, "graph": graph, "name": name, "replace": True, **changed}
    )
