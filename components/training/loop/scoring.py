"""Scores of a finished model on a data set: of its translations by beam search, or its perplexity."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import torch

from components import data
from components.compute.device import pick_device
from components.metrics.statistics.bootstrap import PROTOCOL, ratio_interval
from components.metrics.translation_quality.translation import translation_scores
from components.models.checkpoints import checkpoint_of
from components.models.loaders.loading import load_transformers
from components.records import NBest
from components.run_record import Score
from components.training.examples import parallel_data
from components.training.examples.batches import Example
from components.training.initialization import PIECES
from components.training.learners import language_model_learner
from components.training.loop import validation
from components.translation.translator import Translator


def load_translation_model(folder: Path, device: str = "cpu") -> tuple[Any, Any]:
    """Load model (float32, evaluation mode) and tokenizer of a folder onto a device.

    Raises:
        ModelError: where a tensor is missing or there is one too many.
    """
    return load_transformers(checkpoint_of(folder, str(folder)), "seq2seq", pick_device(device))


def score_translations(
    folder: Path,
    source: str,
    languages: tuple[str, str],
    beam_size: int,
    limit: int | None = None,
    device: str = "cpu",
) -> dict[str, Score]:
    """Score the model in ``folder`` on the data set ``source``: BLEU, chrF and TER.

    Decoding is transformers' ``generate`` (beam search, length-normalized). Utterances without text count
    in ``n_total`` only.
    """
    dataset = data.load(source, source_language=languages[0], target_language=languages[1], limit=limit)
    texts = {u.id: u.text or u.transcript for u in dataset.utterances}
    nonempty = {name: text for name, text in texts.items() if text}
    model, tokenizer = load_translation_model(folder, device)
    translations = validation.translate(model, tokenizer, list(nonempty.values()), beam_size)
    return translation_scores(
        {u.id: u.references for u in dataset.utterances if u.id in nonempty},
        dict(zip(nonempty, translations, strict=True)),
        language=languages[1],
        n_total=len(dataset.utterances) + len(dataset.quarantined),
    )


def score_translator(translator: Translator, dataset: data.Dataset, language: str) -> dict[str, Score]:
    """Score a translator, so our own decoder, on a data set: BLEU, chrF and TER."""
    outcomes = translator.translate(dataset.utterances)
    texts = {outcome.utterance_id: outcome.best.text for outcome in outcomes if isinstance(outcome, NBest)}
    return translation_scores(
        {u.id: u.references for u in dataset.utterances if u.id in texts},
        texts,
        language=language,
        n_total=len(dataset.utterances) + len(dataset.quarantined),
    )


@torch.no_grad()
def score_perplexity(
    folder: Path, source: str, languages: tuple[str, str], device: str = "cpu"
) -> dict[str, Score]:
    """Score the language model in ``folder`` on the target texts of ``source``: perplexity per piece."""
    model, _ = load_transformers(checkpoint_of(folder, str(folder)), "causal", pick_device(device))
    text, _ = parallel_data.read_pairs(source, languages)
    examples = parallel_data.encode_pairs(
        text, (folder / PIECES).read_bytes(), model.config.max_position_embeddings - 1
    )
    losses, counts = zip(*(_nats(model, example) for example in examples), strict=True)
    interval = ratio_interval(losses, counts)
    score = Score(
        name="perplexity",
        value=math.exp(sum(losses) / sum(counts)),
        higher_is_better=False,
        interval=interval and (math.exp(interval[0]), math.exp(interval[1])),
        n=len(examples),
        n_total=len(text),
        signature=f"per piece, eos counted|pieces:{model.config.vocab_size}|{PROTOCOL}",
    )
    return {score.name: score}


def _nats(model: torch.nn.Module, example: Example) -> tuple[float, int]:
    loss, count = language_model_learner.mean_loss(model, [Example(example.target, example.target)], 0.0)
    return loss.item() * count, count
