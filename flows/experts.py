"""A translation model with experts: several target languages -> one sparse model -> its routers, its scores.

The model is `store:KEY` wherever a translator is named: `antiphon run cascade --set mt.model=store:KEY`.
`python -m flows.experts` takes the options of `antiphon run experts`.
"""

from __future__ import annotations

from prefect import flow
from prefect.client.schemas.objects import State

from components.records import RunRecord
from components.translation.config import TranslationConfig
from flows import preflight
from flows.experts_parameters import ExpertsParameters
from flows.parameters import flat
from flows.preflight import Need
from flows.running import Run, ending, name_flow_run
from tasks.runners import runner


def needs(parameters: ExpertsParameters) -> list[Need]:
    """What the stages need before anything is computed."""
    from components.experts import checks

    config = parameters.training()
    tested = [preflight.tested(parameters.test, config.source_language, target) for target in config.targets]
    return [Need("training", lambda: checks.check(config, parameters.store)), *tested]


@flow(name="experts", task_runner=runner(), persist_result=False, flow_run_name=name_flow_run)
@flat(ExpertsParameters)
def experts(parameters: ExpertsParameters) -> RunRecord | State[RunRecord]:
    """Train a translation model with experts (or upcycle one), watch its routers and score every language."""
    from components.experts.telemetry import warn_of_collapse
    from tasks import experts as stages
    from tasks import training
    from tasks.report import report

    preflight.refuse(needs(parameters))
    config = parameters.training()
    run = Run("experts", parameters)
    with run:
        trained = run.add(stages.train(config, run.store_url))
        run.notes.append(f"model store:{trained.key}")
        source, limit = parameters.test or config.dev, parameters.test_limit
        if config.experts:
            watched = run.add(stages.watch(config, trained, source, limit, run.store_url))
            run.notes += warn_of_collapse(stages.read_layers(watched))
        mt = TranslationConfig(beam_size=parameters.beam_size, n_best=1, device=config.device)
        scored = run.add(stages.score(config, trained, mt, source, limit, run.store_url))
        run.metrics = training.read_scores(scored)
        training.publish(run.record)
        report(run.record, run.store_url)
    return ending(run.record)


if __name__ == "__main__":
    from flows.cli.main import run_flow_module

    run_flow_module("experts")
