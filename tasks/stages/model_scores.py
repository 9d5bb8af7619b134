"""The ``scores`` stage: scores of a trained model on data sets."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from prefect import task
from prefect.client.schemas.objects import State

from components import data, metrics, models
from components.compute.machine import device_for_key, resolve_device_type, resolve_dtype_name
from components.compute.profiling import measure_card
from components.experts.config import ExpertsConfig
from components.files.files import read_json, write_json
from components.models.weight_digests import resolve_weight_digests
from components.recognition.backends import BACKENDS
from components.run_record import Score, StageRef
from components.storage.stages.stage_plan import StagePlan, library_versions, upstream_of
from components.storage.stages.whole_stage import StageFiles, compute_once
from components.storage.store import Store
from components.training.config import TrainingConfig
from components.training.examples import parallel_data
from components.training.learners import recognition_scoring as recognizers
from components.training.loop import scoring
from components.translation import factory
from components.translation.config import TranslationConfig
from components.translation.translator import Translator
from tasks.gpu_lock import lock_device
from tasks.task_options import NOT_STORED, as_prefect_state

LIBRARIES = ("torch", "transformers", "sentencepiece", "sacrebleu")
SCORES = "scores.json"


@task(name="scores", **NOT_STORED)
def score_model(
    config: TrainingConfig, trained: StageRef, test: str | None, beam_size: int, store: Store
) -> StageRef | State[StageRef]:
    """Score the model on the development set (``dev_bleu``) and on a test set (``bleu``), if any."""
    sets = {"dev_": config.dev} | ({"": test} if test is not None else {})
    keyed = {"stage": "scores", "upstream": upstream_of(trained)}
    return _score_on_sets(config, f"store:{trained.key}", sets, beam_size, store, keyed)


@task(name="scores", **NOT_STORED)
def score_teacher(
    config: TrainingConfig, teacher: str, test: str | None, beam_size: int, store: Store
) -> StageRef | State[StageRef]:
    """Score the model that taught a student as the student is: ``teacher_dev_bleu``, ``teacher_bleu`` ..."""
    sets = {"teacher_dev_": config.dev} | ({"teacher_": test} if test is not None else {})
    named = {"teacher": teacher}
    weights = resolve_weight_digests(named, str(store.root))
    keyed = {"stage": "teacher-scores", "kind": "scores", "weights": weights, "models": named}
    return _score_on_sets(config, teacher, sets, beam_size, store, keyed)


def _score_on_sets(
    config: TrainingConfig,
    model: str,
    sets: Mapping[str, str],
    beam_size: int,
    store: Store,
    keyed: Mapping[str, Any],
) -> StageRef | State[StageRef]:
    """Score a model on data sets, by what stands before the names of their scores; ``keyed`` names it."""
    languages = (config.source_language, config.target_language)
    decoder = BACKENDS["whisper"].version if config.kind == "recognition" else Translator.version
    plan = StagePlan(
        version=f"training-scores/{decoder} metrics/{metrics.version}",
        parameters={"beam_size": beam_size, "languages": list(languages), **device_for_key(config.device)},
        inputs={f"{name}data": _data_digest(config, source, languages) for name, source in sets.items()},
        libraries=library_versions(LIBRARIES),
        **keyed,
    )

    def work(folder: Path) -> StageFiles:
        path = Path(models.resolve(model, str(store.root)).path)
        with lock_device(config.device, alone=True), measure_card(config.device):
            scores = [
                score.model_copy(update={"name": prefix + score.name})
                for prefix, source in sets.items()
                for score in _score_set(config, path, source, beam_size).values()
            ]
        return _write_scores(folder, scores)

    return as_prefect_state(compute_once(store, plan, work))


def _data_digest(config: TrainingConfig, source: str, languages: tuple[str, str]) -> str:
    if config.kind == "recognition":
        return data.load(source, source_language=languages[0], target_language=languages[1]).digest
    return parallel_data.read_pairs(source, languages)[1]


def _score_set(config: TrainingConfig, model: Path, source: str, beam_size: int) -> dict[str, Score]:
    languages = (config.source_language, config.target_language)
    if config.kind == "recognition":
        return recognizers.score_recognizer(str(model), source, languages, beam_size, config.device)
    if config.kind == "language_model":
        return scoring.score_perplexity(model, source, languages, device=config.device)
    if config.kind in ("deliberation", "edit_diffusion"):
        dataset = data.load(source, source_language=languages[0], target_language=languages[1])
        mt = TranslationConfig(
            model=str(model), beam_size=beam_size, n_best=1, batch_size=64, device=config.device
        )
        return scoring.score_translator(factory.build(mt), dataset, languages[1])
    return scoring.score_translations(model, source, languages, beam_size, device=config.device)


@task(name="scores", **NOT_STORED)
def score_languages(
    config: ExpertsConfig,
    trained: StageRef,
    mt: TranslationConfig,
    source: str,
    limit: int | None,
    store: Store,
) -> StageRef | State[StageRef]:
    """Score every target language (``bleu_de``, ...) by BLEU, chrF and TER, translated by our decoder."""
    sets = {
        target: data.load(source, source_language=config.source_language, target_language=target, limit=limit)
        for target in config.targets
    }
    plan = StagePlan(
        stage="scores",
        version=f"experts-scores/{Translator.version} metrics/{metrics.version}",
        parameters=mt.settings_for_key({"device", "model"})
        | {"device": resolve_device_type(mt.device), "dtype": resolve_dtype_name(mt.dtype, mt.device)},
        upstream=upstream_of(trained),
        inputs={target: dataset.digest for target, dataset in sets.items()},
        libraries=library_versions(LIBRARIES),
    )

    def work(folder: Path) -> StageFiles:
        with lock_device(mt.device, alone=True), measure_card(mt.device):
            setting = mt.model_copy(update={"model": f"store:{trained.key}"})
            translator = factory.build(setting, str(store.root))
            scores = [
                score.model_copy(update={"name": f"{name}_{target}"})
                for target, dataset in sets.items()
                for name, score in scoring.score_translator(translator, dataset, target).items()
            ]
        return _write_scores(folder, scores)

    return as_prefect_state(compute_once(store, plan, work))


def _write_scores(folder: Path, scores: list[Score]) -> StageFiles:
    write_json(folder / SCORES, {score.name: score.model_dump(mode="json") for score in scores})
    return StageFiles([SCORES], items=max(score.n_total for score in scores))


def read_scores(ref: StageRef) -> dict[str, Score]:
    """Return the scores that a ``scores`` stage holds."""
    stored = read_json(Path(ref.path) / SCORES)
    return {name: Score.model_validate(score) for name, score in stored.items()}
