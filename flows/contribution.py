"""What each part of a finished run's system contributes: members, sources, rounds, experts.

The system is run again with fewer of its parts (everything that is shared is reused), or its kept rounds are
read. `antiphon contribution RUN`, or `python -m flows.contribution` with the options of `antiphon run`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State

from components.ensembling.contribution import MOST, Coalition, coalitions
from components.errors import ConfigError
from components.records import RunRecord, StageRef
from flows.cascade_parameters import CascadeRecognition, CascadeTranslation
from flows.contribution_parameters import ContributionParameters
from flows.parameters import flat
from flows.registry import flow_named
from flows.running import Run, ending, name_flow_run, reopened
from tasks.options import value_of
from tasks.runners import runner


@flow(name="contribution", task_runner=runner(), persist_result=False, flow_run_name=name_flow_run)
@flat(ContributionParameters)
def contribution(parameters: ContributionParameters) -> RunRecord | State[RunRecord]:
    """Say what each part of a finished run adds: a copy of the run with the stage ``contribution``."""
    from tasks import report

    found, run = reopened(parameters.run, "contribution", parameters, KINDS)
    with run:
        run.add(KINDS[found.flow](found, run, parameters))
        report.report(run.record, run.store_url)
    return ending(run.record)


def _members(found: RunRecord, run: Run, parameters: ContributionParameters) -> Any:
    """The members of an ensemble: recognisers, and translators; a set of one is that model by itself."""
    from tasks.contributing import Parts, of_systems

    systems = []
    for stage in ("asr", "mt"):
        setting = _set(found)[stage]
        models = [setting["model"], *setting["members"]]
        if stage not in run.stages or len(models) < 2:
            continue
        _check_members(found, stage)
        names = tuple(
            f"{model} #{n}" if models.count(model) > 1 else model for n, model in enumerate(models, 1)
        )
        chosen = dict(zip(names, models, strict=True))

        def of(kept: Coalition, stage: str = stage, chosen: dict[str, str] = chosen) -> dict[str, Any]:
            first, *others = [model for name, model in chosen.items() if name in kept]
            changed = {**_set(found)[stage], "model": first, "members": others}
            if others:
                return {stage: changed}
            if stage == "asr":
                return {stage: {**changed, "combination": "pooled"}}
            single = {**_set(found)["combine"], "method": "linear", "learn": "nothing"}
            return {stage: changed, "combine": single}

        outputs = _outputs(found, run, names, stage, of)
        systems.append(Parts(f"members of {stage}", names, outputs, transcripts=stage == "asr"))
    if not systems:
        raise ConfigError(f"run {found.name}: expected several members, found one of each stage")
    return of_systems(systems, run.stages["data"], parameters.metric, _target(found), run.store_url)


def _check_members(found: RunRecord, stage: str) -> None:
    of = _set(found)
    how = of["combine"] if stage == "mt" else {**of["asr"], "method": of["asr"]["combination"]}
    fixed = of["pool"]["weights"] if how["method"] == "pooled" else how["coefficients"]
    if fixed or (stage == "mt" and of["mt"]["dropout_members"]):
        raise ConfigError(
            f"run {found.name}: expected {stage} members without dropout and without fixed coefficients, "
            "which fit no part of the ensemble; leave coefficients and weights empty (equal) or learned"
        )


def _sources(found: RunRecord, run: Run, parameters: ContributionParameters) -> Any:
    """What a stacked system is told: by the coefficient in late fusion, by a blank in its place elsewhere."""
    from tasks.contributing import Parts, of_systems

    setting = _set(found)["stack"]
    names = SOURCES.get(setting["method"], ())
    if len(names) < 2:
        raise ConfigError(
            f"run {found.name}: expected a method of several sources, found {setting['method']}"
        )

    def of(kept: Coalition) -> dict[str, Any]:
        if setting["method"] == "late_fusion":
            return {"stack": {**setting, "coefficient": float("sound" in kept)}}
        return {"stack": {**setting, "blank": [name for name in names if name not in kept]}}

    outputs = _outputs(found, run, names, "stack", of)
    systems = [Parts(f"sources of {setting['method']}", names, outputs)]
    return of_systems(systems, run.stages["data"], parameters.metric, _target(found), run.store_url)


SOURCES: dict[str, tuple[str, ...]] = {
    "direct": ("sound",),
    "late_fusion": ("transcript", "sound"),
    "dual_source": ("transcript", "sound"),
    "pre_translation": ("transcript", "draft"),
}
"""What each method of stacking is told."""


def _rounds(found: RunRecord, run: Run, parameters: ContributionParameters) -> Any:
    """The kept rounds, each by what it adds to the one before; nothing is computed again."""
    from tasks.contributing import Parts, of_systems

    names = tuple(name for name in run.stages if name.startswith("refine-"))
    firsts = [frozenset(names[:number]) for number in range(len(names) + 1)]
    outputs = dict(zip(firsts, [run.stages["mt"], *(run.stages[name] for name in names)], strict=True))
    systems = [Parts("rounds of refinement", names, outputs, empty="the draft")]
    return of_systems(systems, run.stages["data"], parameters.metric, _target(found), run.store_url)


def _experts(found: RunRecord, run: Run, parameters: ContributionParameters) -> Any:
    """The experts of every sparse layer, by the likelihood of the development references."""
    from components.experts.config import ExpertsConfig
    from tasks.contributing import of_experts

    config = ExpertsConfig.model_validate({name: _set(found)[name] for name in ExpertsConfig.model_fields})
    if not config.experts:
        raise ConfigError(f"run {found.name}: expected a model with experts, found a dense one")
    limit = parameters.limit or config.eval_sentences
    languages = (config.source_language, config.targets)
    return of_experts(run.stages["training"], config.dev, languages, limit, run.store_url)


KINDS: dict[str, Callable[[RunRecord, Run, ContributionParameters], Any]] = {
    "ensemble": _members,
    "stack": _sources,
    "refine": _rounds,
    "experts": _experts,
}
"""Flow -> what its parts are and how one is taken away: the one place to add a kind of part."""


def _set(found: RunRecord) -> dict[str, Any]:
    """The parameters that a run had."""
    return found.parameters


def _target(found: RunRecord) -> str | None:
    target: str | None = _set(found)["target_language"]
    return target


def _outputs(
    found: RunRecord, run: Run, names: tuple[str, ...], stage: str, of: Callable[[Coalition], dict[str, Any]]
) -> dict[Coalition, StageRef]:
    """``stage`` with every set of parts but none, each a run with the parameters that ``of`` changes."""
    if len(names) > MOST:
        raise ConfigError(f"run {found.name}: expected at most {MOST} parts in {stage}, found {len(names)}")
    outputs = {frozenset(names): run.stages[stage]}
    for number, kept in enumerate(coalitions(names)[1:-1], 1):
        values = {**_set(found), **of(kept), "name": f"{run.name}.{stage}-{number}", "replace": True}
        ran = _call(found.flow, values)
        outputs[kept] = {ref.stage: ref for ref in ran.stages}[stage]
    return outputs


def _call(flow_name: str, values: dict[str, Any]) -> RunRecord:
    """One part of the system as a run of its own; an ensemble with one model left is a cascade."""
    if flow_name == "ensemble" and not (values["asr"]["members"] or values["mt"]["members"]):
        flow_name, values = "cascade", dict(values)
        for stage, config in (("asr", CascadeRecognition), ("mt", CascadeTranslation)):
            values[stage] = {k: v for k, v in values[stage].items() if k in config.model_fields}
    entry = flow_named(flow_name)
    checked = entry.parameters.model_validate(
        {name: value for name, value in values.items() if name in entry.parameters.model_fields}
    )
    record: RunRecord = value_of(
        entry.call(**{name: getattr(checked, name) for name in type(checked).model_fields})
    )
    return record


if __name__ == "__main__":
    from flows.cli.main import run_flow_module

    run_flow_module("contribution")
