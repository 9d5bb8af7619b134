"""What a run adds that trains a model: its scores, and of a model with experts how it routes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from components import data
from components.errors import ModelError
from components.pipeline.pipeline import Pipeline
from components.pipeline.seen_data import describe_seen
from flows.checks import Check, check_of_test_data
from flows.run import Run
from flows.system import Hooks
from tasks.stages import model_scores

TRAINING = "training"
"""The node that gives the model."""


def _score_model(run: Run, pipeline: Pipeline) -> None:
    """Score the model on the development data and on the test data."""
    parameters, settings = run.parameters, _settings_of(pipeline)
    test = parameters.test  # type: ignore[attr-defined]
    if test is not None:
        loaded = data.load(
            test, source_language=settings.source_language, target_language=settings.target_language
        )
        run.seen_data = describe_seen(pipeline, run.stages, loaded.utterances)
    arguments = (settings, run.stages[TRAINING], test, parameters.beam_size)  # type: ignore[attr-defined]
    run.metrics = model_scores.read_scores(run.add(model_scores.score_model(*arguments, run.store)))


def _score_student(run: Run, pipeline: Pipeline) -> None:
    """Score the student and, beside it, its teacher, where that is one translator that is scored alike."""
    _score_model(run, pipeline)
    parameters: Any = run.parameters
    teacher, settings = parameters.teacher, _settings_of(pipeline)
    if parameters.level == "none":
        return
    if teacher.run is not None or teacher.members:
        run.notes.append(_COMPARE)
        return
    arguments = (settings, teacher.model, parameters.test, parameters.beam_size, run.store)
    try:
        scores = model_scores.read_scores(run.add(model_scores.score_teacher(*arguments)))
        run.metrics = {**run.metrics, **scores}
    except ModelError:  # one that is prompted, say
        run.notes.append(_COMPARE)


_COMPARE = "what the student lost: run its teacher and mt.model=store:RUN on the same data, then compare them"


def _score_experts(run: Run, pipeline: Pipeline) -> None:
    """Record the routing of the model's experts, and score every language."""
    from components.experts.contribution_analysis import ExpertsRequest
    from components.experts.routing_analysis import EXPERT_ROUTING
    from components.experts.routing_stats import warn_of_collapse
    from components.translation.config import TranslationConfig
    from tasks.stages.analysis import run_analysis

    parameters: Any = run.parameters
    config, model = _settings_of(pipeline), run.stages[TRAINING]
    source, limit = parameters.test or config.dev, parameters.test_limit
    if config.num_experts:
        request = ExpertsRequest.of(config, model, source, limit)
        routing = run.add(run_analysis("routing", request, run.store))
        run.notes += warn_of_collapse(EXPERT_ROUTING.read(routing).by_name())
    mt = TranslationConfig(beam_size=parameters.beam_size, n_best=1, device=config.device)
    scores = model_scores.score_languages(config, model, mt, source, limit, run.store)
    run.metrics = model_scores.read_scores(run.add(scores))


def _settings_of(pipeline: Pipeline) -> Any:
    return pipeline.nodes[TRAINING].settings


def _checks_of_test(parameters: Any) -> list[Check]:
    return _check_of(parameters, parameters.kind, parameters.source_language, parameters.target_language)


def _checks_of_student(parameters: Any) -> list[Check]:
    return _check_of(parameters, parameters.student.kind, *parameters.languages.values())


def _checks_of_languages(parameters: Any) -> list[Check]:
    return _check_of(parameters, parameters.kind, parameters.source_language, *parameters.targets)


def _check_of(parameters: Any, learner: str, source: str, *targets: str) -> list[Check]:
    """Return the check of test data: that they exist and, before anything computes, can be scored on."""
    test, limit = parameters.test, getattr(parameters, "test_limit", None)

    def admit(pairs: object) -> None:
        from components.training.checks import check_test_data  # imports torch

        if test is not None:
            check_test_data(learner, test, source, targets, limit)

    return [replace(check_of_test_data(test, source, targets[0]), admit=admit)]


SCORED = Hooks(checks=_checks_of_test, after=_score_model)
DISTILLED = Hooks(checks=_checks_of_student, after=_score_student)
EXPERTS = Hooks(checks=_checks_of_languages, after=_score_experts)
