"""A translation model with experts: several target languages -> one sparse model -> its routers, its scores.

The model is `store:KEY` wherever a translator is named: `antiphon run cascade --set mt.model=store:KEY`.
`python -m flows.experts` takes the options of `antiphon run experts`.
"""

from __future__ import annotations

from prefect import flow
from prefect.client.schemas.objects import State

from components.experts.telemetry import warn_of_collapse
from components.records import RunRecord
from components.translation.config import TranslationConfig
from flows import preflight
from flows.experts_parameters import ExpertsParameters, pipeline
from flows.parameters import flat
from flows.preflight import Need
from flows.running import Run, name_flow_run
from flows.system import run_models
from tasks import model_scores, routing
from tasks.report import report
from tasks.runners import runner


def needs(parameters: ExpertsParameters) -> list[Need]:
    """What the training and its scores need before anything is computed."""
    source, targets = parameters.source_language, parameters.training().targets
    nodes = preflight.of_pipeline(pipeline(parameters), parameters.store, parameters.seed)
    return [*nodes, *(preflight.tested(parameters.test, source, target) for target in targets)]


@flow(name="experts", task_runner=runner(), persist_result=False, flow_run_name=name_flow_run)
@flat(ExpertsParameters)
def experts(parameters: ExpertsParameters) -> RunRecord | State[RunRecord]:
    """Train a translation model with experts (or upcycle one), watch its routers and score every language."""
    config, test = parameters.training(), parameters.test

    def after(run: Run) -> None:
        trained, source, limit = run.stages["training"], test or config.dev, parameters.test_limit
        if config.experts:
            watched = run.add(routing.watch(config, trained, source, limit, run.store_url))
            run.notes += warn_of_collapse(routing.read_layers(watched))
        mt = TranslationConfig(beam_size=parameters.beam_size, n_best=1, device=config.device)
        scored = model_scores.score_languages(config, trained, mt, source, limit, run.store_url)
        run.metrics = model_scores.read_scores(run.add(scored))
        report(run.record, run.store_url)

    return run_models("experts", parameters, pipeline(parameters), needs(parameters), after)


if __name__ == "__main__":
    from flows.cli.main import run_flow_module

    run_flow_module("experts")
