"""Refinement: a draft (a first pass, or a finished run's) is looked at again, round by round.

Each round is a stage of the store, so an interrupted run goes on at its round. `python -m flows.refine` takes
the options of `antiphon run refine`.
"""

from __future__ import annotations

from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State

from components.errors import AntiphonError, ConfigError
from components.pipeline.pipeline import Pipeline
from components.pipeline.reader import read
from components.records import RunRecord, StageRef
from components.storage.store import Store
from flows.parameters import flat
from flows.refine_parameters import RefineParameters
from flows.running import Run, name_flow_run
from flows.system import Hooks, run_system
from tasks import rounds
from tasks.runners import runner


def pipeline(parameters: RefineParameters) -> Pipeline:
    """``asr``, ``mt``, and the rounds ``refine-1``, ``refine-2``, ... over its translations."""
    if parameters.draft is None:
        nodes = {
            "asr": {"kind": "recognize", **parameters.asr.model_dump()},
            "mt": {"kind": "translate", "of": "asr", **parameters.mt.model_dump()},
        }
    else:
        nodes = _stored(_draft(parameters))
    settings = {**parameters.refine.model_dump(), "rounds": parameters.rounds}
    nodes["refine"] = {"kind": "refine", "of": "mt", **settings}
    return read({"nodes": nodes, **parameters.languages})


def _draft(parameters: RefineParameters) -> dict[str, StageRef]:
    """The stages of the run whose draft is refined. ConfigError, StoreError."""
    try:
        run = Store(parameters.store).load_run(str(parameters.draft))
    except AntiphonError as error:
        raise ConfigError(f"draft: {error}") from error
    stages = {ref.stage: ref for ref in run.stages}
    if "data" not in stages or "mt" not in stages:
        raise ConfigError(
            f"draft {parameters.draft}: expected a run with the stages data and mt, "
            f"found {', '.join(stages)}; run the cascade first"
        )
    return stages


def _stored(stages: dict[str, StageRef]) -> dict[str, dict[str, Any]]:
    """The nodes of a finished run's draft, which are computed already."""
    nodes: dict[str, dict[str, Any]] = {}
    if "asr" in stages:
        nodes["asr"] = {"kind": "stored", "key": stages["asr"].key}
    nodes["mt"] = {
        "kind": "stored",
        "to": "target",
        "of": "asr" if "asr" in stages else "data",
        "key": stages["mt"].key,
    }
    return nodes


@flow(name="refine", task_runner=runner(), persist_result=False, flow_run_name=name_flow_run)
@flat(RefineParameters)
def refine(parameters: RefineParameters) -> RunRecord | State[RunRecord]:
    """Draft a data set (or take a finished run's draft), refine it round by round, score and report."""
    return run_system("refine", parameters, pipeline(parameters), HOOKS)


def _data_of_draft(parameters: RefineParameters) -> StageRef | None:
    return None if parameters.draft is None else _draft(parameters)["data"]


def _score_rounds(run: Run, graph: Pipeline) -> None:
    """What each round was worth, and why it ended."""
    parameters = run.parameters
    assert isinstance(parameters, RefineParameters)
    stages = rounds.rounds_of(graph, run.stages, "refine")
    if not stages:
        return
    run.notes.append(f"{len(stages) - 1} rounds; utterances ended by: {_listed(rounds.reasons(stages[-1]))}")
    target, reported = parameters.target_language, parameters.refine.reported
    curve = run.add(rounds.score_rounds(run.stages["data"], stages, target, reported, run.store_url))
    run.metrics |= rounds.read_rounds(curve)


HOOKS = Hooks(data=_data_of_draft, after=_score_rounds)


def _listed(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items())


if __name__ == "__main__":
    from flows.cli.main import run_flow_module

    run_flow_module("refine")
