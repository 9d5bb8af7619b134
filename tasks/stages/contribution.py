"""Runs a finished system again with fewer of its parts, to measure what each of them contributes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from components.attribution.ablation import Ablation, ablations_of
from components.attribution.contributions import (
    AblatedOutputs,
    ContributionRequest,
    Scoring,
    has_references,
)
from components.errors import ConfigError, DataError
from components.experts.config import ExpertsConfig
from components.experts.contribution_analysis import ExpertsRequest
from components.pipeline.pipeline import DATA, Node, Pipeline
from components.run_record import StageRef
from components.storage.store import Store
from tasks.execution.executor import PipelineResult
from tasks.execution.joint_execution import execute_together
from tasks.stages.analysis import run_analysis


def compute_contributions(
    pipeline: Pipeline,
    stages: Mapping[str, StageRef],
    seed: int,
    store: Store,
    scoring: Scoring,
    limit: int | None = None,
) -> StageRef:
    """Compute what each part of a finished system adds; it runs with fewer parts, finished stages are reused.

    Where there are none, the experts of a model that it trained are the parts.

    Args:
        pipeline: that of the run.
        stages: of the run, by node.
        seed: of the run.
        store: where everything is kept.
        scoring: as of the run.
        limit: of experts, only the first so many development sentences.

    Raises:
        ConfigError: it has no parts that can be taken away.
    """
    ablations, experts = find_parts(pipeline, stages)
    if experts is not None:
        config = experts.settings
        assert isinstance(config, ExpertsConfig)
        sentences = limit or config.eval_sentences
        return run_analysis(
            "expert_contribution",
            ExpertsRequest.of(config, stages[experts.name], config.dev, sentences),
            store,
        )
    systems = {
        f"part{number}-{subset}": fewer
        for number, ablation in enumerate(ablations, 1)
        for subset, fewer in enumerate(ablation.pipelines.values())
    }
    executed = execute_together(systems, dict.fromkeys(systems, stages), store.backend.url, seed)
    outputs = iter(executed.values())
    parts = [
        AblatedOutputs(ablation, {coalition: _output_of(next(outputs)) for coalition in ablation.pipelines})
        for ablation in ablations
    ]
    request = ContributionRequest(parts, stages[DATA], scoring, pipeline.languages[1])
    return run_analysis("contribution", request, store)


def _output_of(executed: PipelineResult) -> StageRef:
    executed.raise_first_error()
    (name,) = executed.pipeline.outputs.values()
    if name not in executed.stages:
        raise DataError(f"expected texts of {name} with some of its parts, found none: it had nothing to do")
    return executed.stages[name]


def find_parts(pipeline: Pipeline, stages: Mapping[str, StageRef]) -> tuple[Sequence[Ablation], Node | None]:
    """Return the ablations of a finished run, or the first node that trained a model with experts.

    Raises:
        ConfigError: it has no parts that can be taken away.
    """
    every, target = ablations_of(pipeline, stages) if DATA in stages else (), pipeline.languages[1]
    if ablations := [each for each in every if has_references(each, stages[DATA], target)]:
        return ablations, None
    for node in pipeline:
        if isinstance(node.settings, ExpertsConfig) and node.settings.num_experts and node.name in stages:
            return (), node
    raise ConfigError(
        "expected a node with several members, inputs, sources or rounds, whose texts have references, "
        f"or one that trains experts, found none in {', '.join(pipeline.nodes)}"
    )
