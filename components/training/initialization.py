"""What a training starts from: vocabulary and weights of another model, or new and random ones."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import MarianTokenizer

from components.errors import ConfigError, ModelError
from components.models import resolve
from components.models.checkpoints import read_json
from components.models.loaders.loading import Kind, load_transformers
from components.models.packages.install_manifest import install_once
from components.records import Checkpoint
from components.training import lora
from components.training.config import TrainingConfig
from components.training.examples import vocabulary
from components.training.examples.parallel_data import Pair
from components.training.fine_tuning_config import FineTuningConfig

PIECES = "source.spm"
KINDS: dict[str, Kind] = {"language_model": "causal", "recognition": "speech"}
"""Kind of a training -> of the model that it starts from, where that is no translator."""
ENCODER = r"(.*\.)?encoder\..*"
"""The layers of an encoder, by their names."""


def model_references(config: TrainingConfig) -> dict[str, str]:
    """Return the references of the models that the settings name, by the setting's name."""
    roles = {"init_from": config.init_from, "tokenizer": config.tokenizer}
    return {role: reference for role, reference in roles.items() if reference}


def require_initial_model(config: TrainingConfig) -> None:
    """Refuse the training of a refiner that names no model to start from.

    Raises:
        ConfigError: where ``init_from`` is empty.
    """
    if config.init_from is None:
        raise ConfigError(
            f"init_from: expected a translation model that {config.kind} starts from, found none; "
            "set init_from=packaged:multi30k-en-de"
        )


def require_whisper(checkpoint: Checkpoint) -> None:
    """Refuse a model that recognition cannot start from.

    Raises:
        ModelError: it is no Whisper.
    """
    if not checkpoint.architecture.startswith("Whisper"):
        raise ModelError(
            f"{checkpoint.reference}: expected a Whisper model, found {checkpoint.architecture}; set "
            "init_from=packaged:whisper-tiny.en"
        )


def load_or_learn_vocabulary(
    config: TrainingConfig, out: Path, learn: Callable[[], bytes], store: str | None
) -> tuple[bytes, MarianTokenizer]:
    """Load or learn the vocabulary of a training, and keep it in ``out/tokenizer``.

    It is the one of an earlier attempt in ``out``, that of another model (``tokenizer``, else ``init_from``),
    or the one that ``learn`` gives. A damaged one is written again.

    Returns:
        The serialized sentencepiece model, and the tokenizer.

    Raises:
        ModelError: where the other model has no joint sentencepiece vocabulary.
        ConfigError: where ``init_from`` has another vocabulary than ``tokenizer``.
    """
    languages = (config.source_language, config.target_language)

    def write(folder: Path) -> None:
        vocabulary.save(read_vocabulary(config, store) or learn(), folder, *languages)

    folder = install_once(out / "tokenizer", write)
    return (folder / PIECES).read_bytes(), vocabulary.tokenizer(folder, *languages)


def read_vocabulary(config: TrainingConfig, store: str | None) -> bytes | None:
    """Read the sentencepiece model of ``tokenizer`` and ``init_from``; None where a training names neither.

    Raises:
        ModelError, ConfigError: as :func:`load_or_learn_vocabulary`.
    """
    others = {_read_pieces(resolve(name, store)) for name in model_references(config).values()}
    if len(others) > 1:
        raise ConfigError(
            f"tokenizer: expected the vocabulary of init_from {config.init_from}, found another one in "
            f"{config.tokenizer}; leave tokenizer out"
        )
    return next(iter(others), None)


def vocabulary_learner(config: TrainingConfig, text: Sequence[Pair]) -> Callable[[], bytes]:
    """Return a function that learns joint sentencepiece pieces from a training text."""
    return lambda: vocabulary.train(itertools.chain(*text), config.vocab_size)


def _read_pieces(checkpoint: Checkpoint) -> bytes:
    folder = Path(checkpoint.path)
    files = [folder / name for name in (PIECES, "target.spm")]
    if not all(file.is_file() for file in files) or files[0].read_bytes() != files[1].read_bytes():
        raise ModelError(
            f"{checkpoint.reference}: expected a joint sentencepiece vocabulary (equal source.spm and "
            f"target.spm) in {folder}; name a model that the train flow made"
        )
    pieces = files[0].read_bytes()
    if read_json(folder / "vocab.json") != vocabulary.token_ids(pieces):
        raise ModelError(
            f"{checkpoint.reference}: expected the ids of source.spm in {folder / 'vocab.json'}, found "
            "others; name a model that the train flow made"
        )
    return pieces


def load_initial_model(config: TrainingConfig, store: str | None) -> Any:
    """Load the model of ``init_from`` with this training's dropout; None where the setting is empty.

    The model's shape counts, not that of the settings.
    """
    if config.init_from is None:
        return None
    checkpoint = resolve(config.init_from, store)
    model, _ = load_transformers(checkpoint, KINDS.get(config.kind, "seq2seq"))
    with torch.device("meta"):  # loading forgets what the architecture does not train, such as sinusoids
        trains = {name: w.requires_grad for name, w in type(model)(model.config).named_parameters()}
    for name, weight in model.named_parameters():
        weight.requires_grad_(trains[name])
    if config.kind != "recognition":  # Whisper was trained without
        set_dropout(model, config.dropout)
    if isinstance(config, FineTuningConfig) and config.lora is not None:
        torch.manual_seed(config.seed)
        frozen = ENCODER if config.freeze_encoder else None
        lora.add_matrices(model, config.lora, config.init_from, checkpoint.sha256, frozen)
    return model


def set_dropout(model: Any, dropout: float) -> None:
    """Set the dropout of a model, in place: of Llama on attention, of others everywhere but there."""
    name = "attention_dropout" if model.config.model_type == "llama" else "dropout"
    setattr(model.config, name, dropout)
    for module in model.modules():  # layers hold copies, and Marian's attention calls its own dropout, too
        is_other = name == "dropout" and hasattr(module, "q_proj")
        if isinstance(getattr(module, name, None), int | float) and not is_other:
            setattr(module, name, dropout)


def save_model(model: Any, folder: Path) -> None:
    """Write a model's weights and configuration, or its adapter where only that was trained."""
    if lora.is_adapted(model):
        lora.save_adapter(model, folder)
    else:
        model.save_pretrained(folder)
