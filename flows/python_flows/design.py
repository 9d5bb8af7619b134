"""Data and limits in, the systems worth having out: `antiphon design GOAL.yaml`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from prefect.client.schemas.objects import State

from components.confidence.estimators.sources import locate_estimator
from components.data.stage import store_part
from components.design.analysis import DESIGN, DesignRequest
from components.design.candidates import (
    Candidate,
    check_templates,
    licensed,
    licensed_systems,
    list_alone,
    list_candidates,
)
from components.design.models import list_models
from components.design.racing.race import FEW, count_rungs
from components.design.study import Design
from components.design.unreferenced import EXPECTED, Unreferenced, with_estimator
from components.errors import AntiphonError, ConfigError
from components.files.canonical_json import digest_of
from components.files.digests import file_digest
from components.files.files import write_bytes
from components.files.yaml_text import format_yaml
from components.metrics.statistics.bootstrap import MIN_UTTERANCES
from components.pipeline.pipeline import Pipeline
from components.run_record import RunRecord, StageRef
from components.storage.stages.reader import has_references, profiles_of, read_utterances
from components.text.languages import UNDETERMINED
from components.tuning.confirmation import refuse_overlap
from flows.checks import Check, check_of_data, run_checks
from flows.definition import define_flow
from flows.parameters.pipeline_files import is_pipeline_file
from flows.parameters.searches.design import DesignParameters
from flows.parameters.searches.own_systems import list_own_systems
from flows.python_flows.tuning_data import (
    TuningData,
    count_references,
    make_context,
    require_references,
    split_data,
)
from flows.run import Run, final_state
from tasks.stages import report
from tasks.stages.searches.computed_try import TryContext
from tasks.stages.searches.design import DesignSearch
from tasks.stages.searches.unreferenced_scores import Scorer, score_by_agreement, score_by_estimator

RECOMMENDED, FRONT = "recommended.yaml", "front"
CONFIRM_BLOCKS, LEAST_BLOCK = 10, 8
"""Blocks in which costs are measured for the tests of limits, and the fewest utterances of one."""


@define_flow(DesignParameters)
def design(parameters: DesignParameters) -> RunRecord | State[RunRecord]:
    """Search the graphs that templates make of the models; the front is claimed on data that it never saw."""
    run_checks(checks(parameters))
    run = Run("design", parameters)
    with run:
        loaded = split_data(run, parameters)
        search, confirm = loaded
        refuse_overlap(list(read_utterances(confirm)), {"data": list(read_utterances(search))})
        if confirm.items < FEW:
            run.notes.append(f"{confirm.items} utterances to confirm on tell hardly anything apart")
        candidates, notes = _list_candidates(parameters, search)
        run.notes += notes
        context = _make_context(run, parameters, candidates, search)
        contexts, without = _set_scorers(
            [context, replace(context, blocks=_cut_confirm(confirm, run))], parameters, candidates, loaded
        )
        design_search = DesignSearch(
            candidates,
            search=contexts[0],
            confirm=contexts[1],
            limits=parameters.limits,
            cost=parameters.cost,
            tries=parameters.tries,
            share=parameters.share,
            batch=parameters.parallel,
            budget=parameters.budget,
            margin=parameters.margin,
            notes=notes,
            without=without,
        )
        keys = {each.name: _digest_keys(context, parameters, each.graph) for each in candidates}
        if without is not None and parameters.estimator is not None:
            file = locate_estimator(parameters.estimator, parameters.store)
            keys["estimator"] = file_digest(file)
        request = DesignRequest(
            parameters.goal_values(), search, confirm, keys, parameters.seed, design_search.find
        )
        ref = run.add(DESIGN.run(request, run.store))
        _write_systems(run, parameters, DESIGN.read(ref), _languages_of(search))
        report.publish_run_report(run.record, run.store)
    return final_state(run.record)


def checks(parameters: DesignParameters) -> list[Check]:
    """Return the checks of the goal and of the data."""
    files = [
        Check(name, partial(list_own_systems, name, parameters, parameters.confirm, parameters.tries))
        for name in parameters.templates
        if is_pipeline_file(name)
    ]
    rows = [name for name in parameters.templates if not is_pipeline_file(name)]
    named = Check("templates", partial(check_templates, rows))
    return [Check("goal", parameters.check_goal), *files, named, check_of_data(parameters.data_set)]


def _list_candidates(parameters: DesignParameters, data: StageRef) -> tuple[list[Candidate], list[str]]:
    """Return the candidates, and what was left out of them."""
    first = next(iter(read_utterances(data)))
    profiles = list(profiles_of(data))
    source = parameters.source_language or next((p.source_language for p in profiles), None) or UNDETERMINED
    targets = {p.target_language for p in profiles} - {None}
    target = parameters.target_language or next(iter(sorted(map(str, targets))), None)
    files = [name for name in parameters.templates if is_pipeline_file(name)]
    rows = [name for name in parameters.templates if name not in files]
    candidates, notes = list[Candidate](), list[str]()
    if rows or not files:
        models = list_models(parameters.models, source, target, parameters.store)
        models, notes = licensed(models, parameters.limits)
        candidates = list_candidates(
            models,
            is_spoken=first.audio is not None,
            target=target,
            templates=rows,
            goal=parameters.goal,
            left_out=notes,
        )
    for file in files:
        own = list_own_systems(file, parameters, parameters.confirm, parameters.tries)
        allowed, left_out = licensed_systems(own, parameters.limits)
        candidates, notes = [*candidates, *allowed], [*notes, *left_out]
    _refuse_others(candidates, "transcript" if target is None else "translation")
    return candidates, notes


def _refuse_others(candidates: Sequence[Candidate], role: str) -> None:
    """Refuse systems without the output that is scored, of one name, and none at all."""
    if not candidates:
        raise ConfigError("limits.licences: expected a system whose models all have one, found none")
    ((name, times),) = Counter(each.name for each in candidates).most_common(1)
    if times > 1:
        raise ConfigError(f"templates: expected a name for each system, found {name} twice; rename a file")
    other = next((each for each in candidates if role not in each.graph["outputs"]), None)
    if other is not None:
        found = ", ".join(other.graph["outputs"]) or "none"
        raise ConfigError(f"templates: expected an output {role} of {other.name}, found {found}")


def _make_context(
    run: Run, parameters: DesignParameters, candidates: Sequence[Candidate], data: StageRef
) -> TryContext:
    def read(settings: Mapping[str, object]) -> Pipeline:
        graph = settings["graph"]
        assert isinstance(graph, dict)
        return parameters.read_graph(graph)

    rungs = count_rungs(data.items - data.quarantined, parameters.rungs, parameters.reduction_factor)
    return make_context(run, parameters, [parameters.objective(candidates[0])], (data, rungs), read)


def _set_scorers(
    contexts: Sequence[TryContext],
    parameters: DesignParameters,
    candidates: Sequence[Candidate],
    loaded: TuningData,
) -> tuple[Sequence[TryContext], Unreferenced | None]:
    """Return the contexts of the search and of the data to confirm on, and what scores without references."""
    objective, is_bare = contexts[0].objectives[0], not any(map(has_references, loaded))
    if not is_bare or objective.metric not in EXPECTED:
        require_references(objective, loaded)
    n = loaded.confirm.items if is_bare else count_references(objective, loaded.confirm)
    if n < MIN_UTTERANCES:
        raise ConfigError(
            f"confirm: expected at least {MIN_UTTERANCES} utterances to claim a front on, found {n}; with "
            "fewer nothing can be told apart"
        )
    if not is_bare:
        return contexts, None
    metric = objective.metric
    if parameters.estimator is not None:
        assert objective.row is not None
        make = partial(_make_estimated, contexts[0].make_pipeline, objective.row.output, parameters.estimator)
        scored = [replace(each, make_pipeline=make) for each in contexts]
        scorers = [score_by_estimator(each, parameters.estimator) for each in scored]
        without = Unreferenced(metric, parameters.estimator, agrees=False)
    else:
        scored = list(contexts)
        scorers, name = _agree_with_largest(contexts, list_alone(candidates))
        without = Unreferenced(metric, name, agrees=True)
    return [replace(each, scorer=by) for each, by in zip(scored, scorers, strict=True)], without


def _agree_with_largest(
    contexts: Sequence[TryContext], alone: Sequence[Candidate]
) -> tuple[list[Scorer], str]:
    """Return how systems are scored by the largest one that can be computed, and its name."""
    faults = []
    for each in alone:
        try:
            return [score_by_agreement(context, each.graph, each.name) for context in contexts], each.name
        except AntiphonError as error:
            faults.append(str(error))
    raise ConfigError(
        "data: expected references, or a system of the templates single or cascade to agree with, found "
        f"neither{': '.join(['', *faults])}"
    )


def _make_estimated(
    make: Callable[[Mapping[str, object]], Pipeline],
    output: str,
    estimator: str,
    settings: Mapping[str, object],
) -> Pipeline:
    graph = settings["graph"]
    assert isinstance(graph, dict)
    return make({"graph": with_estimator(graph, output, estimator)})


def _cut_confirm(confirm: StageRef, run: Run) -> list[StageRef]:
    """Cut the data to confirm on into blocks, whose costs say how much costs vary."""
    n = max(1, min(CONFIRM_BLOCKS, confirm.items // LEAST_BLOCK))
    total = confirm.items - confirm.quarantined
    return [store_part(confirm, list(range(start, total, n)), run.store) for start in range(n)]


def _digest_keys(context: TryContext, parameters: DesignParameters, graph: Mapping[str, Any]) -> str:
    """Return the digest of the keys of a candidate's stages; of its graph where it cannot be planned."""
    try:
        return context.digest_keys(parameters.read_graph(graph))
    except AntiphonError:  # it fails in the race, by name
        return digest_of(graph)


def _languages_of(data: StageRef) -> dict[str, str]:
    """Return the languages that all of the data have, which nobody states to a server."""
    profiles = list(profiles_of(data))
    found = {}
    for name in ("source_language", "target_language"):
        codes = {getattr(profile, name) for profile in profiles}
        if len(codes) == 1 and (code := codes.pop()) not in (None, UNDETERMINED):
            found[name] = code
    return found


def _write_systems(
    run: Run, parameters: DesignParameters, design: Design, languages: Mapping[str, str]
) -> None:
    """Write the systems of the front as files that `antiphon run`, `serve` and `deploy` take."""
    for position, each in enumerate(map(design.candidate, design.front), 1):
        graph = parameters.graph_of({**each.graph, **languages})
        content = f"# {each.name}\n{format_yaml(graph)}".encode()
        write_bytes(run.path / FRONT / f"{position}.yaml", content)
        if each.number == design.recommended:
            write_bytes(run.path / RECOMMENDED, content)
