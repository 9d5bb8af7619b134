"""Checks of a training's settings before its data are read: shapes, languages, files and models."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from components import data, models
from components.errors import ConfigError, DataError, require_extra
from components.models.checkpoints import read_json
from components.text.languages import check_code
from components.training import initialization
from components.training.config import TrainingConfig
from components.training.examples import parallel_data, speech_data, vocabulary
from components.training.fine_tuning_config import FineTuningConfig
from components.training.marian_model import check_heads
from components.training.meta_config import MetaConfig
from components.training.parallel import compilation
from components.training.parallel.processes import joined_processes
from components.training.students.distillation_config import DistillationConfig
from components.training.students.teachers import require_students_vocabulary, require_weights


def check(config: TrainingConfig, store: str | None) -> None:
    """Refuse settings that cannot work, without reading data.

    Raises:
        ConfigError, DataError, ModelError, StoreError: what is wrong, and what to do.
    """
    check_code(config.source_language)
    check_code(config.target_language)
    for source in (config.data, config.dev):
        data.check(source, config.source_language, config.target_language)
    if isinstance(config, MetaConfig):
        _check_meta(config)
    check_machine(config, store)


def _check_meta(config: MetaConfig) -> None:
    """Refuse the learner meta without tasks, tasks for another one, and what it cannot do. ConfigError."""
    if (config.kind == "meta") != (config.meta is not None):
        raise ConfigError(
            f"meta: expected tasks with learner meta, and with no other, found learner {config.kind}; write "
            "meta: {tasks: [{data: SET, target_language: fr}, ...]}"
        )
    if config.kind == "meta" and (
        config.compile or config.num_microbatches > 1
    ):  # compiled: no second derivative
        raise ConfigError("learner meta: expected neither compile nor num_microbatches; leave them out")
    for task in config.tasks:
        for source in (task.data, str(task.dev)):
            data.check(source, task.source_language, task.target_language)


def check_machine(config: TrainingConfig, store: str | None) -> None:
    """Check device, shape and models, but not the data."""
    processes = joined_processes()
    device = processes.pick_device(config.device)
    processes.require_microbatches(config.num_microbatches)
    if config.compile:
        compilation.check_compiler(device)
        compilation.require_compilable(config.kind)
    if config.kind in ("deliberation", "edit_diffusion"):
        initialization.require_initial_model(config)
    if config.kind == "recognition" and config.init_from is None:
        raise ConfigError(
            "init_from: expected a Whisper model that recognition starts from, found none; set "
            "init_from=packaged:whisper-tiny.en"
        )
    if config.freeze_encoder and config.kind != "recognition":
        raise ConfigError(f"freeze_encoder: expected kind recognition, found {config.kind}; leave it out")
    if isinstance(config, FineTuningConfig) and config.lora is not None:
        _check_lora(config)
    if config.init_from is None:
        check_heads(config)
    for reference in initialization.model_references(config).values():
        models.check(reference, store)


def _check_lora(config: FineTuningConfig) -> None:
    """Refuse an adapter of nothing, of a refiner, or without PEFT. ConfigError."""
    if config.init_from is None or config.kind in ("deliberation", "edit_diffusion", "meta"):
        raise ConfigError(
            "lora: expected a model in init_from that is adapted, and kind translation, language_model or "
            f"recognition, found init_from {config.init_from} and {config.kind}; set init_from or leave lora "
            "out"
        )
    require_extra("lora", "peft", "adapters")


def check_distillation(config: DistillationConfig, store: str | None) -> None:
    """Check a student's training, its teachers' weights, and that they can be resolved."""
    check(config, store)
    if config.teacher_weights:
        require_weights(config.teacher_weights, len(config.teachers))
    for reference in (*config.teachers, *([config.init_layers_from] if config.init_layers_from else [])):
        models.check(reference, store)
    imitated = (*config.teachers, *([config.init_layers_from] if config.init_layers_from else []))
    if imitated and not initialization.model_references(config):
        raise ConfigError(
            f"tokenizer: expected the vocabulary of {imitated[0]}, which a student of its words or layers "
            f"shares, found none; set tokenizer to {imitated[0]}"
        )


def _check_student(config: DistillationConfig, pieces: bytes | None, store: str | None) -> None:
    """Refuse teachers of another vocabulary than the student's, and layers that it cannot begin with."""
    if pieces is not None:
        require_students_vocabulary(config, vocabulary.token_ids(pieces), store)
    if config.init_layers_from is None:
        return
    name, n_decoder = config.init_layers_from, config.decoder_layers or config.num_layers
    sizes: dict[str, Any] = read_json(Path(models.resolve(name, store).path) / "config.json")
    for key, least in (("encoder_layers", config.num_layers), ("decoder_layers", n_decoder)):
        if (layers := sizes.get(key, 0)) < least:
            raise ConfigError(
                f"init_layers_from: expected at least {least} {key}, found {layers} in {name}; make the "
                "student smaller (num_layers, decoder_layers)"
            )
    heads = {f"{side}_attention_heads": config.num_heads for side in ("encoder", "decoder")}
    for key, own in {"d_model": config.d_model, "encoder_ffn_dim": config.ffn_dim, **heads}.items():
        if sizes.get(key) != own:
            raise ConfigError(
                f"init_layers_from: expected {key} {own} as the student's, found {sizes.get(key)} in {name}; "
                "give the student the d_model, ffn_dim and num_heads of its teacher"
            )


def check_initial_model(config: TrainingConfig, store: str | None) -> None:
    """Check by its files what a training starts from; a recognizer's development data are speech, too.

    Raises:
        AntiphonError: in one line, why.
    """
    if config.kind != "recognition":
        pieces = initialization.read_vocabulary(config, store)
        if isinstance(config, DistillationConfig):
            _check_student(config, pieces, store)
        return
    initialization.require_whisper(models.resolve(str(config.init_from), store))
    speech_data.load_utterances(config.dev, (config.source_language, config.target_language))


def check_test_data(
    learner: str, source: str, source_language: str, targets: Sequence[str], limit: int | None
) -> None:
    """Refuse test data that have nothing a finished model could be scored by. DataError."""
    is_recognizer = learner == "recognition"
    for target in targets:
        test = data.load(source, source_language=source_language, target_language=target, limit=limit)
        spoken = [u for u in test.utterances if u.audio is not None and u.transcript is not None]
        if spoken if is_recognizer else parallel_data.pairs_of(test.utterances):
            return
    needed = "speech with transcripts" if is_recognizer else f"text with references in {', '.join(targets)}"
    raise DataError(f"{source}: expected {needed} to score the model on, found none")
