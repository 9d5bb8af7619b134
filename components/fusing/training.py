"""Trains a correction model on n-best lists and references, by the training loop."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import torch

from components.errors import DataError
from components.files.files import write_json
from components.fusing.candidates import collect_texts
from components.fusing.config import FuseTrainingConfig
from components.fusing.prompted import Question
from components.fusing.trained import SETTINGS, join_question
from components.records import NBest, Utterance
from components.stacking.training.pre_translation import DraftLearner
from components.stacking.training.train import Progress, training_config
from components.storage.stages.whole_stage import StageFiles
from components.training.config import TrainingConfig
from components.training.examples.parallel_data import Pair
from components.training.learners.learner import Learner
from components.training.loop.product import make_model

MIN_PAIRS = 50
"""Least pairs that something can be learned from."""


class FusedSet(NamedTuple):
    """A data set with references: its utterances, and every system's n-best lists by utterance id."""

    utterances: Iterable[Utterance]
    lists: Sequence[Mapping[str, NBest]]


class FuseLearner(DraftLearner):
    """Learner of a correction model: it starts from a text model and reads the candidates as one text."""

    reads: Mapping[str, int]

    def export(self, folder: Path) -> None:
        """Write a folder that transformers loads, with what the model reads."""
        super().export(folder)
        write_json(folder / SETTINGS, dict(self.reads))


def train_fuser(
    folder: Path,
    config: FuseTrainingConfig,
    sets: tuple[FusedSet, FusedSet],
    store: str | None,
    progress: Progress,
    *,
    transcripts: bool,
) -> StageFiles:
    """Train a correction model.

    Args:
        folder: gets the model, and unfinished work.
        config: settings of the training.
        sets: for training and for development. The lists of the first must be of systems that were not
            trained on its references, or the model learns from errors that are too rare.
        store: where ``store:`` references are looked up.
        progress: called with the percentage that is done.
        transcripts: whether the lists are transcripts, which have no source text.

    Raises:
        DataError: a set has too few utterances with candidates and references.
    """
    dev = list(sets[1].utterances)
    language = next((u.source_language if transcripts else u.target_language for u in dev), None)
    sets = (sets[0], sets[1]._replace(utterances=dev))
    pairs = tuple(make_pairs(part, config.candidates, transcripts=transcripts) for part in sets)
    for name, part, least in zip(("training", "development"), pairs, (MIN_PAIRS, 1), strict=True):
        if len(part) < least:
            raise DataError(
                f"expected at least {least} {name} utterances with candidates and references, found "
                f"{len(part)}; give more data"
            )

    def learner(settings: TrainingConfig, out: Path, device: torch.device) -> Learner:
        learner = FuseLearner(settings, (pairs[0], pairs[1]), device, store)
        learner.language = language
        learner.reads = {"candidates": config.candidates, "source": int(not transcripts)}
        return learner

    return make_model(training_config(config), folder, learner, FuseLearner.score_name, progress)


def make_pairs(fused: FusedSet, candidates: int, *, transcripts: bool) -> list[Pair]:
    """Return the candidates of each utterance as one text, beside each of its references."""
    pairs: list[Pair] = []
    for utterance in fused.utterances:
        lists = [nbest for by_id in fused.lists if (nbest := by_id.get(utterance.id)) is not None]
        texts = collect_texts(lists, candidates) if lists else []
        source = "" if transcripts else utterance.text or utterance.transcript or ""
        references = (utterance.transcript or "",) if transcripts else utterance.references
        if texts and (transcripts or source.strip()):
            question = Question(texts, source, ("", ""))
            pairs += [
                (join_question(question, candidates), " ".join(reference.split()))
                for reference in references
                if reference.strip()
            ]
    return pairs
