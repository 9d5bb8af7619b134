"""A translation model with experts: several target languages -> one sparse model -> its routers, its scores.

The model is `store:KEY` wherever a translator is named: `antiphon run cascade --set mt.model=store:KEY`.
`antiphon run experts` runs it.
"""

from __future__ import annotations

from prefect.client.schemas.objects import State

from components.experts.routing_stats import warn_of_collapse
from components.run_record import RunRecord
from components.translation.config import TranslationConfig
from flows import preflight
from flows.definition import define_flow
from flows.parameters.experts import ExpertsParameters, pipeline
from flows.preflight import Need
from flows.run import Run
from flows.system import run_models
from tasks.stages import expert_routing, model_scores
from tasks.stages.report import publish_run_report


def needs(parameters: ExpertsParameters) -> list[Need]:
    """The checks of the training and of the test data of every language."""
    source, targets = parameters.source_language, parameters.training().targets
    nodes = preflight.needs_of_pipeline(pipeline(parameters), parameters.store, parameters.seed)
    return [*nodes, *(preflight.need_of_test_data(parameters.test, source, target) for target in targets)]


@define_flow(ExpertsParameters)
def experts(parameters: ExpertsParameters) -> RunRecord | State[RunRecord]:
    """Train a translation model with experts (or upcycle one), record its routing, score every language."""
    config, test = parameters.training(), parameters.test

    def after(run: Run) -> None:
        model, source, limit = run.stages["training"], test or config.dev, parameters.test_limit
        if config.num_experts:
            routing = run.add(expert_routing.record_routing(config, model, source, limit, run.store_url))
            run.notes += warn_of_collapse(expert_routing.read_layers(routing))
        mt = TranslationConfig(beam_size=parameters.beam_size, n_best=1, device=config.device)
        scores = model_scores.score_languages(config, model, mt, source, limit, run.store_url)
        run.metrics = model_scores.read_scores(run.add(scores))
        publish_run_report(run.record, run.store_url)

    return run_models("experts", parameters, pipeline(parameters), needs(parameters), after)
