"""Conversion of COMET's Lightning checkpoints into model folders.

A checkpoint of Unbabel is ``hparams.yaml`` and ``checkpoints/model.ckpt``. It has neither the configuration
nor the tokenizer of its encoder, which come from the encoder's own folder or repository.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from components.errors import ConfigError, ModelError, to_one_line
from components.files.file_limits import refuse_irregular
from components.files.yaml_text import parse_yaml
from components.models.architectures import COMET
from components.models.checkpoints import TOKENIZER_NAMES, VOCABULARIES, WEIGHTS, has_vocabulary, read_json
from components.networks.comet import LAYER_WEIGHTS, POOLS

HPARAMS, CKPT = "hparams.yaml", Path("checkpoints/model.ckpt")
CLASSES = ("regression_metric", "referenceless_regression_metric", "unified_metric", "xcomet_metric")
"""COMET's classes that can be read; ranking models have no score of their own."""
ENCODERS = {"XLM-RoBERTa": "xlm-roberta", "XLM-RoBERTa-XL": "xlm-roberta-xl"}
"""COMET's name of an encoder -> ``model_type`` of its configuration."""
SPARSEMAX_PATCH = "sparsemax_patch"
"""A way to weigh layers that COMET since 2.2.4 reads as softmax."""
DEFAULTS: dict[str, Any] = {
    "layer_transformation": "softmax",
    "layer_norm": True,
    "pool": "avg",
    "word_layer": 24,
    "hidden_sizes": [3072, 1024],
    "activations": "Tanh",
    "final_activation": None,
    "input_segments": ["mt", "src", "ref"],
    "word_level_training": False,
    "error_labels": ["minor", "major"],
}
"""COMET's own, for what older ``hparams.yaml`` leave out."""
CHOICES: dict[str, tuple[str, ...]] = {
    "class_identifier": CLASSES,
    "encoder_model": tuple(ENCODERS),
    "layer_transformation": (*LAYER_WEIGHTS, SPARSEMAX_PATCH),
    "pool": POOLS,
}
"""Hyperparameter -> the values that can be read."""
_ONLY_TRAINING = ("dropout_mask", "dropout_fill", "position_ids", "wordloss.weight", "sentloss.weight")
"""Ends of the names of tensors that only training reads, or that follow from the configuration."""


def is_lightning_folder(folder: Path) -> bool:
    """Return whether a folder is a checkpoint of COMET as Unbabel publishes them."""
    return (folder / HPARAMS).is_file() and (folder / CKPT).is_file()


def read_hparams(folder: Path) -> dict[str, Any]:
    """Read ``hparams.yaml``: plain values only.

    Raises:
        ModelError: it is damaged, or of a class or an encoder that cannot be read.
    """
    path = folder / HPARAMS
    try:
        refuse_irregular(path)
        values, _ = parse_yaml(path.read_text(encoding="utf-8"), str(path))
    except (OSError, ValueError, ConfigError) as error:
        raise ModelError(f"{path}: expected YAML of plain values, found {to_one_line(error)}") from None
    if not isinstance(values, dict):
        raise ModelError(f"{path}: expected names and values, found {type(values).__name__}")
    for name, known in CHOICES.items():
        value = values.get(name, DEFAULTS.get(name))
        if value not in known:
            raise ModelError(f"{path}: expected {name} as one of {', '.join(known)}, found {value!r}")
    return dict(values)


def convert_comet(source: Path, encoder: Path, folder: Path) -> None:
    """Convert a Lightning checkpoint.

    Args:
        source: the checkpoint's folder.
        encoder: holds the configuration and the tokenizer of its encoder; weights there are not read.
        folder: the folder to fill.

    Raises:
        ModelError: the checkpoint cannot be read without running code, or the encoder is another one.
    """
    hparams = read_hparams(source)
    encoder_config = read_json(encoder / "config.json")
    expected = ENCODERS[hparams["encoder_model"]]
    if encoder_config.get("model_type") != expected:
        raise ModelError(
            f"{encoder / 'config.json'}: expected model_type {expected}, the encoder of {source}, found "
            f"{encoder_config.get('model_type')!r}"
        )
    tensors = read_state_dict(source / CKPT)
    save_file(tensors, folder / WEIGHTS, metadata={"format": "pt"})
    config = {"architectures": [COMET], "metric": metric_settings(hparams), "encoder": encoder_config}
    (folder / "config.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    copy_tokenizer(encoder, folder)


def metric_settings(hparams: dict[str, Any]) -> dict[str, Any]:
    """Return what of the hyperparameters decides scores, under one name each."""
    settings = {name: hparams.get(name, value) for name, value in DEFAULTS.items()}
    settings["class_identifier"] = hparams["class_identifier"]
    settings["layer"] = hparams.get("sent_layer", hparams.get("layer", "mix"))
    if settings["layer_transformation"] == SPARSEMAX_PATCH:
        settings["layer_transformation"] = "softmax"
    if settings["class_identifier"] == "xcomet_metric":
        settings |= {"input_segments": ["mt", "src", "ref"], "word_level_training": True}
    return settings


def read_state_dict(path: Path) -> dict[str, Tensor]:
    """Read the weights of a Lightning or torch checkpoint with ``weights_only=True``.

    Raises:
        ModelError: it would have to run code, or holds no weights.
    """
    try:
        loaded = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except Exception as error:  # what a damaged or hostile file makes torch raise has no common class
        raise ModelError(
            f"{path}: expected a checkpoint that torch.load(weights_only=True) accepts, found something else "
            f"({to_one_line(error, 300)}); other pickles can run code and are refused"
        ) from error
    state = loaded.get("state_dict", loaded) if isinstance(loaded, dict) else None
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise ModelError(f"{path}: expected a state_dict of tensors, found something else")
    return {
        str(name): tensor.contiguous()
        for name, tensor in state.items()
        if not str(name).endswith(_ONLY_TRAINING)
    }


def copy_tokenizer(source: Path, folder: Path) -> None:
    """Copy the tokenizer's files; ModelError where there are none."""
    if not has_vocabulary(source):
        raise ModelError(f"{source}: expected a tokenizer, one of {', '.join(VOCABULARIES)}, found none")
    for name in sorted(path.name for path in source.iterdir() if path.name in TOKENIZER_NAMES):
        shutil.copyfile(source / name, folder / name)
