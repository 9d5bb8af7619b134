"""The output folder's files beside its weights: configuration, the recipe, and files that are copied."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from components.files.json_text import parse_json
from components.merging.architecture.layer_names import count_layers
from components.merging.io.model_folder import ModelFolder
from components.merging.io.tensor_task import TensorTask
from components.merging.recipe.recipe import Recipe
from components.models.checkpoints import CONFIGURATION_NAMES, TOKENIZER_NAMES

LINEAGE, RECIPE, GENERATION = "merge.json", "mergekit_config.yml", "generation_config.json"
SPECIAL_TOKENS = (
    *("bos_token_id", "eos_token_id", "pad_token_id", "decoder_start_token_id", "unk_token_id"),
    *("forced_bos_token_id", "forced_eos_token_id"),
)
"""Settings that name a token by its id."""
_LAYER_KEYS = ("num_hidden_layers", "n_layer", "n_layers", "num_layers")
_BY_STACK = {
    "encoder": ("encoder_layers", "num_layers", "num_encoder_layers"),
    "decoder": ("decoder_layers", "num_decoder_layers"),
}


def donor_of(recipe: Recipe, folders: Mapping[str, ModelFolder]) -> ModelFolder:
    """Return the model whose configuration and other files the output takes: the base, else the first."""
    return folders[recipe.base_model or recipe.models[0]]


def output_config(
    recipe: Recipe,
    folders: Mapping[str, ModelFolder],
    tasks: Sequence[TensorTask],
    origins: Mapping[str, Sequence[int]],
) -> dict[str, Any]:
    """Return the output's ``config.json``: the donor's, with the output's type and layers.

    Args:
        recipe: the recipe.
        folders: its models by name.
        tasks: the tensors of the output.
        origins: for each stack of layers, the number that each layer of the output has in its input; see
            :func:`~components.merging.output_tensors.map_layer_origins`.
    """
    donor_folder = donor_of(recipe, folders)
    config: dict[str, Any] = json.loads(json.dumps(donor_folder.config))
    floats = {task.out_dtype for task in tasks if task.out_dtype.is_floating_point}
    if len(floats) == 1:
        key = "torch_dtype" if "torch_dtype" in config and "dtype" not in config else "dtype"
        config[key] = str(floats.pop()).removeprefix("torch.")
    for stack, number in count_layers(donor_folder.tensors).items():
        order = list(origins.get(stack, ()))
        if order != list(range(number)):
            _set_layers(config, stack, number, order, alone=len(origins) == 1)
    return config


def _set_layers(config: dict[str, Any], stack: str, old: int, order: Sequence[int], *, alone: bool) -> None:
    """Replace a stack's number of layers, and rearrange lists that have one entry per layer."""
    words = stack.split(".")
    keys = [key for word, stack_keys in _BY_STACK.items() if word in words for key in stack_keys]
    for key in [*keys, *(_LAYER_KEYS if alone else ())]:
        if config.get(key) == old:
            config[key] = len(order)
    for key, value in config.items():
        if alone and isinstance(value, list) and len(value) == old and "layer" in key:
            config[key] = [value[index] for index in order]


def write_files(
    folder: Path,
    recipe: Recipe,
    folders: Mapping[str, ModelFolder],
    config: Mapping[str, Any],
    *,
    tokenizer: bool,
    tokens: ModelFolder | None = None,
) -> None:
    """Write ``config.json`` and the recipe, and copy the donor's other files.

    Args:
        folder: the output.
        recipe: the recipe.
        folders: its models by name.
        config: what ``config.json`` shall hold.
        tokenizer: whether the donor's tokenizer is copied too.
        tokens: the model whose token ids the output has; None where they are the donor's.
    """
    config = config if tokens is None else _with_tokens(config, tokens.config)
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    (folder / RECIPE).write_text(recipe.text, encoding="utf-8")
    source = donor_of(recipe, folders).path
    names = (CONFIGURATION_NAMES | (TOKENIZER_NAMES if tokenizer else frozenset())) - {"config.json"}
    for name in sorted(names):
        if (source / name).is_file():
            shutil.copyfile(source / name, folder / name)
    if tokens is not None and (folder / GENERATION).is_file():
        values = parse_json((folder / GENERATION).read_text(encoding="utf-8"))
        values = _with_tokens(values, {**tokens.config, **_read_generation(tokens)})
        (folder / GENERATION).write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")


def _with_tokens(values: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings with the token ids of another model's."""
    changed = {name: other.get(name, value) for name, value in values.items() if name in SPECIAL_TOKENS}
    bad_words = {"bad_words_ids": other.get("bad_words_ids")} if "bad_words_ids" in values else {}
    return {**values, **changed, **bad_words}


def _read_generation(folder: ModelFolder) -> dict[str, Any]:
    path = folder.path / GENERATION
    values: dict[str, Any] = parse_json(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return values
