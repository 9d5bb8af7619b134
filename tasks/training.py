"""The ``training`` stage: parallel text becomes a translation model that ``store:KEY`` names."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from prefect import get_run_logger, task
from prefect.client.schemas.objects import State

from components import metrics
from components.device import pick_device
from components.errors import StoreError
from components.files import read_json, told_when_full, write_json
from components.models.weights import weights_of
from components.profiling import measure_cost
from components.records import RunRecord, Score, StageRef
from components.refining import scoring as refiners
from components.storage.stage_plan import StagePlan, library_versions, read_by
from components.storage.stage_writer import Writer, opened
from components.storage.store import Store
from components.training import curve, loop, pairs, scoring, starting
from components.training.config import TrainingConfig
from components.training.learner import Learner, MakeLearner
from components.training.learners import LEARNERS
from tasks.artifacts import publish_plots, publish_summary
from tasks.options import NOT_STORED, shown
from tasks.progress import ProgressBar
from tasks.slots import device_slot

LIBRARIES = ("torch", "transformers", "sentencepiece", "sacrebleu")
MODEL, METRICS, CURVE, SCORES = "model", "metrics.jsonl", "learning-curve.png", "scores.json"
REFINERS = {"deliberation": {"drafts", "anchor"}, "edit_diffusion": {"noise_steps"}}
"""Kinds of :mod:`components.refining`, with the settings that only they have."""
WORK = "work"
CHECKPOINTS = "checkpoints"  # as components.models finds ``store:KEY@STEP``


def plan_of(config: TrainingConfig, store_url: str | None) -> StagePlan:
    """What decides the model: settings, data, machine type, libraries. Reads the data, trains nothing."""
    languages = (config.source_language, config.target_language)
    elsewhere = {"data", "dev", "seed", "device", "start", "tokenizer"}
    other = {name for kind, names in REFINERS.items() if kind != config.kind for name in names}
    parameters = config.model_dump(mode="json", exclude=elsewhere | other)
    begins = starting.references(config, store_url)
    return StagePlan(
        stage="training",
        version=f"training/{loop.VERSION}",
        parameters={**parameters, "device": pick_device(config.device).type},
        inputs={
            "data": pairs.read(config.data, languages, config.limit)[1],
            "dev": pairs.read(config.dev, languages)[1],
        },
        weights=weights_of(**begins),
        seed=config.seed,
        libraries=library_versions(LIBRARIES),
        models={role: checkpoint.reference for role, checkpoint in begins.items()},
    )


@task(name="training", **NOT_STORED)
def train(config: TrainingConfig, store_url: str | None) -> StageRef | State[StageRef]:
    """Train a model, or go on from the last checkpoint of an interrupted run; a finished one is reused."""
    learner = LEARNERS[config.kind]
    make = partial(learner, store=store_url)
    return shown(made(config, partial(plan_of, config, store_url), make, learner.score_name, store_url))


def made(
    config: TrainingConfig,
    plan_now: Callable[[], StagePlan],
    learner: MakeLearner,
    score: str,
    store_url: str | None,
) -> StageRef:
    """The stage of a plan, trained as the learner has it unless it is finished; ``score`` names its score.

    Raises:
        StoreError: data or models changed before the learner had read them.
    """
    plan = plan_now()

    def learner_of_the_plan(config: TrainingConfig, out: Path, device: torch.device) -> Learner:
        found = learner(config, out, device)
        if plan_now().key != plan.key:
            raise StoreError("training: expected data and models as planned, found others: run it again")
        return found

    with opened(Store(store_url), plan, records=False) as writer:
        ref = write_model(config, writer, learner_of_the_plan, score)
    publish_plots([Path(ref.path) / CURVE])
    get_run_logger().info("training: the model is store:%s", ref.key)
    return ref


def write_model(config: TrainingConfig, writer: Writer, learner: MakeLearner, score: str) -> StageRef:
    """Train what ``learner`` makes (or go on) and seal the stage, unless it is; ``score`` names its
    development score.
    """
    ref = writer.ref or _train_and_seal(config, writer, learner, score)
    # Checkpoints: three times the model, needed no more; also those that a kill at this point left.
    shutil.rmtree(writer.path / WORK, ignore_errors=True)
    return ref


def _train_and_seal(config: TrainingConfig, writer: Writer, learner: MakeLearner, score: str) -> StageRef:
    work, watch = writer.path / WORK, _Watch(config, score)
    with told_when_full("the training", writer.path):
        with device_slot(config.device), measure_cost() as cost:
            state = loop.train(config, work, watch, learner)
        curve.plot(state.history, writer.path / CURVE, score)
        shutil.copyfile(work / METRICS, writer.path / METRICS)
        shutil.copytree(work / MODEL, writer.path / MODEL, dirs_exist_ok=True)
        if config.keep:
            shutil.copytree(work / "kept", writer.path / CHECKPOINTS, dirs_exist_ok=True)
    writer.seconds, writer.peak_memory_bytes = state.seconds, cost.peak_memory_bytes
    models = [file for name in (MODEL, CHECKPOINTS) for file in (writer.path / name).rglob("*.*")]
    files = [str(path.relative_to(writer.path)) for path in models if path.is_file()]
    return writer.seal([METRICS, CURVE, *files], items=len(state.history))


class _Watch:
    """Each evaluation as a log line, and as a progress bar that grows."""

    def __init__(self, config: TrainingConfig, score: str) -> None:
        self._config, self._score = config, score
        self._log = get_run_logger()
        self._bar = ProgressBar("training", f"{config.max_steps} steps at most")
        self._begun = time.monotonic()

    def __call__(self, row: dict[str, float]) -> None:
        """Show one row of the metrics."""
        config = self._config
        self._log.info(
            "step %d of %d, epoch %d, %.1f min: loss %.3f, dev loss %.3f, dev %s %.2f (best at step %d)",
            *(row["step"], config.max_steps, row["epoch"], row["minutes"], row["train_loss"]),
            *(row["dev_loss"], self._score, row[f"dev_{self._score}"], row["best_step"]),
        )
        share = row["step"] / config.max_steps
        if config.max_minutes is not None:
            share = max(share, row["minutes"] / config.max_minutes)
        percent = min(100.0, 100.0 * share)
        self._bar.show(percent)


@task(name="scores", **NOT_STORED)
def score(
    config: TrainingConfig, trained: StageRef, test: str | None, beam_size: int, store_url: str | None
) -> StageRef | State[StageRef]:
    """Score the model on the development set (``dev_bleu``) and, where named, a test set (``bleu``)."""
    languages = (config.source_language, config.target_language)
    sets = {"dev_": config.dev} | ({"": test} if test is not None else {})
    plan = StagePlan(
        stage="scores",
        version=f"training-scores/1 metrics/{metrics.version}",
        parameters={"beam_size": beam_size, "languages": list(languages)},
        upstream=read_by(trained),
        inputs={f"{name}data": pairs.read(source, languages)[1] for name, source in sets.items()},
        libraries=library_versions(LIBRARIES),
    )
    with opened(Store(store_url), plan, records=False) as writer:
        ref = writer.ref
        if ref is None:
            found: dict[str, Score] = {}
            with measure_cost() as cost:
                for name, source in sets.items():
                    scored = _scores(config, Path(trained.path) / MODEL, source, beam_size)
                    found |= {name + k: v.model_copy(update={"name": name + k}) for k, v in scored.items()}
            write_json(writer.path / SCORES, {k: v.model_dump(mode="json") for k, v in found.items()})
            writer.seconds, writer.peak_memory_bytes = cost.seconds, cost.peak_memory_bytes
            ref = writer.seal([SCORES], items=max(score.n_total for score in found.values()))
    return shown(ref)


def _scores(config: TrainingConfig, model: Path, source: str, beam_size: int) -> dict[str, Score]:
    languages = (config.source_language, config.target_language)
    if config.kind == "language_model":
        return scoring.perplexity(model, source, languages)
    if config.kind in REFINERS:
        return refiners.scores(model, source, languages, beam_size)
    return scoring.scores(model, source, languages, beam_size)


def read_scores(ref: StageRef) -> dict[str, Score]:
    """The scores that a ``scores`` stage holds."""
    stored = read_json(Path(ref.path) / SCORES)
    return {name: Score.model_validate(score) for name, score in stored.items()}


def publish(run: RunRecord) -> None:
    """The summary of a training run in the Prefect UI."""
    publish_summary(run.name, run.stages, run.metrics)
