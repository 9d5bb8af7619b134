"""The ``contribution`` stage: what each part of a finished system adds, from its outputs with fewer parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from prefect import task
from prefect.client.schemas.objects import State

from components import metrics
from components.attribution.ablation import Ablation, ablations_of
from components.attribution.contribution import (
    Contribution,
    measure_contribution,
    statistics_of_outputs,
)
from components.compute.device import pick_device
from components.compute.machine import device_for_key
from components.compute.profiling import measure_card
from components.errors import ConfigError, DataError
from components.experts import contribution as experts
from components.experts import multilingual
from components.experts.config import ExpertsConfig
from components.experts.sample_batches import Sample
from components.files.files import write_json
from components.metrics.languages import transcript_metric
from components.metrics.normalizers import BY_LANGUAGE
from components.metrics.scoring_units import ScoringUnits
from components.metrics.statistics.shapley import Coalition
from components.models import resolve
from components.models.loaders.loading import load_transformers
from components.pipeline.pipeline import DATA, Pipeline
from components.run_record import StageRef
from components.storage.stages.model_labels import label_models
from components.storage.stages.reader import read_best_texts, read_utterances
from components.storage.stages.stage_plan import StagePlan, content_of, library_versions, upstream_of
from components.storage.stages.whole_stage import TABLES, Product, compute_once
from components.storage.store import Store
from components.text.languages import UNDETERMINED
from reports.analyses import contribution_report
from reports.analyses.stage_results import CONTRIBUTIONS, read_contributions
from tasks.artifacts import publish_table
from tasks.execution.executor import PipelineResult
from tasks.execution.joint_execution import execute_together
from tasks.gpu_lock import lock_device
from tasks.stages.metrics import LIBRARIES, libraries_of
from tasks.task_options import NOT_STORED, as_prefect_state, unwrap

STAGE = "contribution"


@dataclass(frozen=True)
class AblatedOutputs:
    """The parts of one system, and the output with each set of them."""

    system: Ablation
    outputs: Mapping[Coalition, StageRef]


class Scoring(NamedTuple):
    """How outputs are scored: by a metric of translations, transcripts by WER under a normalizer."""

    metric: str
    normalizer: str = BY_LANGUAGE


def compute_contributions(
    pipeline: Pipeline, stages: Mapping[str, StageRef], seed: int, store: str | None, scoring: Scoring
) -> StageRef:
    """Compute what each part of a finished system adds; it runs with fewer parts, finished stages are reused.

    Args:
        pipeline: that of the run.
        stages: of the run, by node.
        seed: of the run.
        store: URL of the store.
        scoring: as of the run.

    Raises:
        ConfigError: it has no parts that can be taken away.
    """
    ablations = ablations_of(pipeline, stages)
    if not ablations:
        raise ConfigError(
            "expected a node with several members, inputs, sources, rounds or experts, whose texts have "
            f"references, found none in {', '.join(pipeline.nodes)}"
        )
    systems = {
        f"part{number}-{subset}": fewer
        for number, ablation in enumerate(ablations, 1)
        for subset, fewer in enumerate(ablation.pipelines.values())
    }
    executed = execute_together(systems, dict.fromkeys(systems, stages), store, seed)
    outputs = iter(executed.values())
    parts = [
        AblatedOutputs(ablation, {coalition: _output_of(next(outputs)) for coalition in ablation.pipelines})
        for ablation in ablations
    ]
    ref: StageRef = unwrap(score_parts(parts, stages[DATA], scoring, pipeline.languages[1], store))
    return ref


def _output_of(executed: PipelineResult) -> StageRef:
    executed.raise_first_error()
    (name,) = executed.pipeline.outputs.values()
    if name not in executed.stages:
        raise DataError(f"expected texts of {name} with some of its parts, found none: it had nothing to do")
    return executed.stages[name]


def compute_expert_contributions(
    pipeline: Pipeline, stages: Mapping[str, StageRef], limit: int | None, store: str | None
) -> StageRef:
    """Compute what each expert of a pipeline's model adds, on its development references.

    Raises:
        ConfigError: no node of it gives a model with experts.
    """
    for node in pipeline:
        config = node.settings
        if isinstance(config, ExpertsConfig) and config.num_experts and node.name in stages:
            languages = (config.source_language, config.targets)
            sentences = limit or config.eval_sentences
            ref: StageRef = unwrap(
                score_experts(stages[node.name], config.dev, languages, sentences, store, config.device)
            )
            return ref
    raise ConfigError(f"expected a model with experts, found none in {', '.join(pipeline.nodes)}")


@task(name=STAGE, task_run_name=STAGE, **NOT_STORED)
def score_parts(
    systems: Sequence[AblatedOutputs],
    data: StageRef,
    scoring: Scoring,
    target: str | None,
    store_url: str | None,
) -> StageRef | State[StageRef]:
    """Score the contribution of every part, in points of the metric (of WER for transcripts)."""
    sets = [(n, subset, ref) for n, system in enumerate(systems) for subset, ref in system.outputs.items()]
    plan = StagePlan(
        stage=STAGE,
        kind=STAGE,
        version=f"contribution/3 metrics/{metrics.version}",
        parameters={
            "metric": scoring.metric,
            "target_language": target,
            **({} if scoring.normalizer == BY_LANGUAGE else {"normalizer": scoring.normalizer}),
            "parts": [[system.system.title, *system.system.parts] for system in systems],
            "sets": [[n, *sorted(subset)] for n, subset, _ in sets],
        },
        upstream=upstream_of(data) | {f"set {i}": content_of(ref) for i, (*_, ref) in enumerate(sets)},
        libraries=libraries_of(scoring.normalizer),
    )

    def work(folder: Path) -> Product:
        return _write_contributions(
            [
                _name_models(_score_system(system, data, scoring, target), system.system.models, store_url)
                for system in systems
            ],
            folder,
            data.items,
        )

    return as_prefect_state(_publish(compute_once(Store(store_url), plan, work)))


def _score_system(
    parts: AblatedOutputs, data: StageRef, scoring: Scoring, target: str | None
) -> Contribution:
    system = parts.system
    utterances = list(read_utterances(data))
    languages = {
        u.id: u.source_language if system.transcripts else target or u.target_language or UNDETERMINED
        for u in utterances
    }
    units = ScoringUnits(utterances, "transcript" if system.transcripts else "translation", languages)
    values = statistics_of_outputs(
        {subset: units.split(read_best_texts(ref)) for subset, ref in parts.outputs.items()},
        {key: texts for key, texts in units.references.items() if any(texts)},
        transcript_metric(languages.values()) if system.transcripts else scoring.metric,
        language=units.languages,
        n_total=units.count(data.items),
        normalizer=scoring.normalizer,
    )
    return measure_contribution(system.title, system.parts, values, empty=system.empty)


def _name_models(contribution: Contribution, models: Mapping[str, str], store: str | None) -> Contribution:
    """Return the contribution with the models of its parts, those of the store under names for people."""
    shares = (
        share.model_copy(
            update={
                "part": label_models(share.part, store),
                "model": label_models(models.get(share.part, ""), store),
            }
        )
        for share in contribution.shares
    )
    return contribution.model_copy(update={"shares": tuple(shares)})


@task(name=STAGE, task_run_name=STAGE, **NOT_STORED)
def score_experts(
    trained: StageRef,
    source: str,
    languages: tuple[str, Sequence[str]],
    limit: int | None,
    store_url: str | None,
    device: str = "cpu",
) -> StageRef | State[StageRef]:
    """Score the contribution of every expert of a model's sparse layers to the likelihood of references.

    Args:
        trained: the stage of the model.
        source: parallel text.
        languages: its source language and its target languages.
        limit: sentences per language at most.
        store_url: URL of the store.
        device: where the model computes.
    """
    corpus = multilingual.read(source, *languages, limit)
    plan = StagePlan(
        stage=STAGE,
        kind=STAGE,
        version="contribution-experts/2",
        parameters={"languages": list(languages[1]), "limit": limit, **device_for_key(device)},
        upstream=upstream_of(trained),
        inputs=corpus.digests,
        libraries=library_versions(LIBRARIES),
    )

    def work(folder: Path) -> Product:
        samples = [
            Sample(f"{language}-{number:06d}", language, *pair)
            for language, pairs in corpus.pairs.items()
            for number, pair in enumerate(pairs, 1)
        ]
        checkpoint = resolve(f"store:{trained.key}", str(Store(store_url).root))
        with lock_device(device, alone=True), measure_card(device):
            model, tokenizer = load_transformers(checkpoint, "seq2seq", pick_device(device))
            shares = experts.measure_contributions(model, tokenizer, samples)
        return _write_contributions(shares, folder, len(samples))

    return as_prefect_state(_publish(compute_once(Store(store_url), plan, work)))


def _write_contributions(contributions: Sequence[Contribution], folder: Path, items: int) -> Product:
    write_json(
        folder / CONTRIBUTIONS,
        {"systems": [contribution.model_dump(mode="json") for contribution in contributions]},
    )
    write_json(folder / TABLES, contribution_report.build_tables(contributions))
    return Product([CONTRIBUTIONS, TABLES], items=items)


def _publish(ref: StageRef) -> StageRef:
    for number, contribution in enumerate(read_contributions(ref), 1):
        publish_table(
            contribution_report.build_rows(contribution),
            f"contribution-{number}",
            contribution_report.summarize(contribution),
        )
    return ref
