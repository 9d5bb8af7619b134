"""Trains pre-translation by jackknifing: each fold is drafted by a model that was trained on the others.

Everything is kept in one folder, and an interrupted training goes on where it stopped: for each fold its
model and its drafts, then the second system, which learns to read source and draft.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path

import torch

from components.errors import DataError
from components.files.files import read_json, write_json
from components.records import NBest, Utterance
from components.stacking.config import JackknifeConfig, PreTranslationConfig
from components.stacking.training.pre_translation import DraftLearner, join_texts, split_folds
from components.stacking.training.train import Progress, training_config
from components.storage.stages.whole_stage import WORK, StageFiles
from components.training.config import TrainingConfig
from components.training.examples.parallel_data import Pair, pairs_of
from components.training.learners.learner import Learner
from components.training.learners.translation_learner import PairLearner, TranslationLearner
from components.training.loop.product import MODEL, make_model
from components.training.loop.trainer import train
from components.translation.config import TranslationConfig
from components.translation.factory import build

Languages = tuple[str, str]
_log = logging.getLogger("antiphon.stacking")


class FoldLearner(TranslationLearner):
    """Learner of the first system, which drafts a fold, from pairs in memory."""

    def __init__(
        self,
        text: Sequence[Pair],
        dev_pairs: Sequence[Pair],
        store: str | None,
        config: TrainingConfig,
        out: Path,
        device: torch.device,
    ) -> None:
        self._set_up(config, text, dev_pairs, out, device, store)

    def export(self, folder: Path) -> None:
        """Write a folder that transformers loads, without the domain's statistics: the model is used once."""
        PairLearner.export(self, folder)


def train_pre_translation(
    folder: Path,
    config: PreTranslationConfig,
    data: Iterable[Utterance],
    dev: tuple[Sequence[Utterance], Sequence[Pair]],
    languages: Languages,
    store: str | None,
    progress: Progress,
) -> StageFiles:
    """Draft every fold, and train the second system on the drafts.

    Args:
        folder: gets everything, unfinished work too.
        config: settings of both trainings.
        data: training utterances with references.
        dev: development utterances for the first systems, and pairs with drafts for the second.
        languages: source and target language.
        store: where ``store:`` references are looked up.
        progress: called with the percentage that is done.

    Raises:
        DataError: there are fewer pairs than folds, or no development data.
    """
    pairs = [(_to_one_line(source), _to_one_line(target)) for source, target in pairs_of(data)]
    sources = list(dict.fromkeys(source for source, _ in pairs))  # those of a source stay in one fold
    if len(sources) < config.folds:
        raise DataError(f"expected at least {config.folds} sources to jackknife, found {len(sources)}")
    dev_pairs = pairs_of(dev[0])
    if not dev_pairs or not dev[1]:
        raise DataError("expected development data with drafts and references, found none")
    drafted: list[Pair] = []
    first = config.folds * config.fold_steps

    def report_after(before: int) -> Progress:
        return lambda steps: progress(100 * (before + steps) / (first + config.steps))

    for fold, numbers in enumerate(split_folds(config.folds, len(sources))):
        own = {sources[number] for number in numbers}
        work = folder / WORK / f"fold-{fold}"
        rest = [pair for pair in pairs if pair[0] not in own]
        held_out = [pair for pair in pairs if pair[0] in own]
        report = report_after(fold * config.fold_steps)
        drafts = _draft_fold(work, config, (rest, dev_pairs, held_out), languages, store, report)
        drafted += [
            (join_texts(source, draft), target)
            for (source, target), draft in zip(held_out, drafts, strict=True)
            if draft
        ]
        _log.info("pre-translation: fold %d of %d is drafted", fold + 1, config.folds)

    def learner(settings: TrainingConfig, out: Path, device: torch.device) -> Learner:
        return DraftLearner(settings, (drafted, list(dev[1])), device, store)

    return make_model(
        training_config(config),
        folder,
        learner,
        DraftLearner.score_name,
        lambda percent: report_after(first)(config.steps * percent / 100),
    )


def _draft_fold(
    work: Path,
    config: PreTranslationConfig,
    pairs: tuple[Sequence[Pair], Sequence[Pair], Sequence[Pair]],
    languages: Languages,
    store: str | None,
    report: Progress,
) -> list[str]:
    """Return greedy translations of one fold by a model that was trained on the others; "" where one failed.

    ``pairs`` are those of the other folds, of the development data, and of the fold; ``report`` is called
    with the steps that are done.
    """
    path = work / "drafts.json"
    if path.is_file():
        return [str(text) for text in read_json(path)["drafts"]]
    rest, dev, held_out = pairs
    learner = partial(FoldLearner, rest, dev, store)
    train(_fold_training_config(config, languages), work, lambda row: report(row["step"]), learner)
    model = str(work / MODEL)
    greedy = TranslationConfig(
        model=model, beam_size=1, n_best=1, batch_size=64, max_tokens=config.max_tokens, device="cpu"
    )
    utterances = [
        Utterance(id=str(n), text=source, source_language=languages[0], target_language=languages[1])
        for n, (source, _) in enumerate(held_out)
    ]
    outcomes = build(greedy, store).translate(utterances)
    drafts = [outcome.best.text if isinstance(outcome, NBest) else "" for outcome in outcomes]
    write_json(path, {"drafts": drafts})
    return drafts


def _fold_training_config(config: JackknifeConfig, languages: Languages) -> TrainingConfig:
    """Return settings of a first system: random weights, the vocabulary of the model ``start``."""
    return TrainingConfig(
        data="train",
        dev="dev",
        source_language=languages[0],
        target_language=languages[1],
        tokenizer=config.init_from,
        seed=config.seed,
        max_steps=config.fold_steps,
        eval_every=max(1, min(500, config.fold_steps)),
        eval_sentences=100,
        average_checkpoints=3,
        threads=config.threads,
        device="cpu",
    )


def pair_with_drafts(
    data: Iterable[Utterance], transcripts: Mapping[str, str], drafts: Mapping[str, str]
) -> list[Pair]:
    """Pair each utterance's transcript (else its text) and draft with each of its references."""
    pairs: list[Pair] = []
    for utterance in data:
        source = transcripts.get(utterance.id, utterance.text)
        if source is not None and utterance.id in drafts:
            source_and_draft = join_texts(source, drafts[utterance.id])
            pairs += [(source_and_draft, reference) for reference in utterance.references if reference]
    return pairs


def _to_one_line(text: str) -> str:
    return " ".join(text.split())
