"""Training data of pre-translation: every part of the data translated by a model that never saw it.

``folds`` writes the parts as parallel text, so that each is trained and translated by the stages that any
parallel text is; ``drafts`` puts the translations together again.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import torch
from prefect import get_run_logger, task
from prefect.client.schemas.objects import State

from components.errors import DataError
from components.files import write_bytes
from components.models.weights import weights_at
from components.records import StageRef
from components.stacking.config import LearnConfig
from components.stacking.pre_translation import DraftLearner, folds, with_draft
from components.storage.reader import best_texts, utterances
from components.storage.stage_plan import StagePlan, content_of, library_versions, read_by
from components.storage.stage_writer import compute_once, opened
from components.storage.store import Store
from components.training import pairs
from components.training.config import VERSION, TrainingConfig
from components.training.pairs import Pair
from components.training.product import CURVE, make_model
from tasks.artifacts import publish_plots
from tasks.model_scores import LIBRARIES
from tasks.options import NOT_STORED, shown
from tasks.stack_training import training_of


def texts_of(ref: StageRef, fold: int, part: str, languages: tuple[str, str]) -> str:
    """Part ``fold`` of a ``folds`` stage (``held``: itself, ``rest``: the others) as text is named."""
    return ",".join(str(Path(ref.path) / f"{part}-{fold}.{language}") for language in languages)


@task(name="folds", **NOT_STORED)
def cut(
    learn: LearnConfig, data: StageRef, languages: tuple[str, str], store_url: str | None
) -> StageRef | State[StageRef]:
    """Cut the training pairs into parts, and write each part and all but each part as parallel text."""
    plan = StagePlan(
        stage="folds",
        version="folds/1",
        parameters={"folds": learn.folds, "languages": list(languages)},
        upstream=read_by(data),
    )
    with opened(Store(store_url), plan, records=False) as writer:
        if writer.ref is None:
            everything = [_one_line(pair) for pair in pairs.of_utterances(utterances(data))]
            if len(everything) < learn.folds:
                raise DataError(
                    f"expected at least {learn.folds} pairs to jackknife, found {len(everything)}"
                )
            names = []
            for fold, held in enumerate(folds(learn.folds, len(everything))):
                chosen = set(held)
                parts = {"held": [p for i, p in enumerate(everything) if i in chosen]}
                parts["rest"] = [p for i, p in enumerate(everything) if i not in chosen]
                for part, found in parts.items():
                    for side, language in enumerate(languages):
                        names.append(f"{part}-{fold}.{language}")
                        text = "".join(pair[side] + "\n" for pair in found)
                        write_bytes(writer.path / names[-1], text.encode("utf-8"))
            writer.seal(names, items=len(everything))
        assert writer.ref is not None
        ref = writer.ref
    return shown(ref)


def _one_line(pair: Pair) -> Pair:
    return " ".join(pair[0].split()), " ".join(pair[1].split())


def fold_training(learn: LearnConfig, ref: StageRef, fold: int, languages: tuple[str, str]) -> TrainingConfig:
    """The first system without part ``fold``: from random weights, in the vocabulary of ``learn.start``."""
    return TrainingConfig(
        data=texts_of(ref, fold, "rest", languages),
        dev=learn.dev,
        source_language=languages[0],
        target_language=languages[1],
        tokenizer=learn.start,
        seed=learn.seed,
        max_steps=learn.fold_steps,
        eval_every=max(1, min(500, learn.fold_steps)),
        eval_sentences=100,
        average=3,
        threads=learn.threads,
        device="cpu",
    )


Translated = tuple[StageRef, ...]
"""A data set, its translations, and where it is spoken what was heard."""


def joined_pairs(translated: Sequence[Translated]) -> list[Pair]:
    """Source with draft, and reference, of every translated utterance."""
    found = []
    for data, mt, *asr in translated:
        drafts, heard = best_texts(mt), best_texts(asr[0]) if asr else {}
        for utterance in utterances(data):
            source = heard.get(utterance.id, utterance.text)
            if source is not None and utterance.id in drafts:
                found += [(with_draft(source, drafts[utterance.id]), r) for r in utterance.references if r]
    return found


@task(name="pre-translation training", **NOT_STORED)
def train_second(
    learn: LearnConfig, parts: Sequence[Translated], dev: Translated, store_url: str | None
) -> StageRef | State[StageRef]:
    """Train the second system on the parts and their out-of-part drafts; a finished one is reused."""
    config = training_of(learn, learn.seed)
    read = [*((f"part-{i}-{r.stage}", r) for i, part in enumerate(parts) for r in part)]
    read += [(f"dev-{r.stage}", r) for r in dev]
    named = {"start": learn.start}
    plan = StagePlan(
        stage="training",
        version=f"pre-translation-training/{VERSION}",
        parameters=config.model_dump(mode="json", exclude={"data", "dev", "start", "seed"}),
        upstream={name: content_of(r) for name, r in read},
        weights=weights_at(named, store_url),
        seed=learn.seed,
        libraries=library_versions(LIBRARIES),
        models=named,
    )
    make = partial(_learner, parts, dev, store_url)
    ref = compute_once(
        Store(store_url), plan, lambda folder: make_model(config, folder, make, DraftLearner.score_name)
    )
    publish_plots([Path(ref.path) / CURVE])
    get_run_logger().info("training: the second system is store:%s", ref.key)
    return shown(ref)


def _learner(
    parts: Sequence[Translated],
    dev: Translated,
    store_url: str | None,
    config: TrainingConfig,
    out: Path,
    device: torch.device,
) -> DraftLearner:
    return DraftLearner(config, (joined_pairs(parts), joined_pairs([dev])), device, store_url)
