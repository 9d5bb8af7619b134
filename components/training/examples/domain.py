"""The domain record of a trained translation model: what texts it was made for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from components.files.files import write_atomically
from components.models.checkpoints import DOMAIN
from components.records import Utterance
from components.training.config import TrainingConfig
from components.training.examples import parallel_data
from components.translation.config import TranslationConfig
from components.translation.context.domain import measure_domain
from components.translation.factory import build

MAX_TEXTS = 500
"""Development texts that are translated: enough for the limits, and 7 CPU seconds for a model of 6 M."""


def write_domain(folder: Path, config: TrainingConfig, store: str | None) -> None:
    """Measure the model in ``folder`` on its training and development texts; write the record beside it."""
    languages = (config.source_language, config.target_language)
    training_texts = [source for source, _ in parallel_data.training_pairs(config, languages)]
    held_out = [source for source, _ in parallel_data.read_pairs(config.dev, languages)[0][:MAX_TEXTS]]
    translator = build(TranslationConfig(model=str(folder), n_best=1, device=config.device), store)
    domain = measure_domain(
        f"text like that of {config.data}",
        (sentence.tokens for sentence in translator.sentences_of(_utterances(training_texts, languages))),
        translator.score_sentences(_utterances(held_out, languages)),
    )
    write_atomically(folder / DOMAIN, (domain.model_dump_json(indent=1) + "\n").encode())


def _utterances(texts: Sequence[str], languages: tuple[str, str]) -> list[Utterance]:
    source, target = languages
    return [
        Utterance(id=str(number), text=text, source_language=source, target_language=target)
        for number, text in enumerate(texts)
    ]
