"""Merge the adapters of a recipe: into a new adapter, or with ``base_model`` into a new model."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from safetensors.torch import save_file
from torch import Tensor

from components.errors import MergeError, require_extra
from components.merging.adapters.methods import (
    AdapterMergeSettings,
    merge_module,
    output_rank,
)
from components.merging.recipe.adapters import read_adapter_settings
from components.merging.recipe.model_names import reference_of
from components.merging.recipe.recipe import Recipe
from components.models import resolve
from components.models.adapted_references import parts_of
from components.models.adapters.adapted_model import check_adapters, write_model
from components.models.adapters.config import ADAPTER_CONFIG, ADAPTER_WEIGHTS
from components.models.adapters.sources import resolve_adapter
from components.models.adapters.tensors import BASE_DIGEST, PREFIX, Adapter, open_adapter
from components.models.packages.fetching import print_to_stderr


def merge_adapters(
    recipe: Recipe, folder: Path, seed: int, store: str | None, references: Mapping[str, str]
) -> list[Adapter]:
    """Write the merged adapter of a recipe, or the model with it, into an empty folder.

    Args:
        recipe: one with ``adapters``.
        folder: where to write.
        seed: of the methods that drop at random.
        store: folder or URL of the store that ``store:KEY`` refers to; None for the default.
        references: model references by name in the recipe, for nodes of a pipeline.

    Returns:
        The adapters that were merged.

    Raises:
        MergeError: They do not fit together, or the method does not take them.
        ModelError: One of them cannot be read, or is of another base.
    """
    adapters = open_adapters(recipe, store, references)
    if recipe.base_model is None:
        write_merged(adapters, read_adapter_settings(recipe), folder, seed)
        return adapters
    base = resolve(parts_of(_reference(recipe, 1, references))[0], store)
    with TemporaryDirectory() as temporary:
        write_merged(adapters, read_adapter_settings(recipe), Path(temporary), seed)
        write_model(base, [(open_adapter(Path(temporary), recipe.where), 1.0)], folder)
    return adapters


def open_adapters(recipe: Recipe, store: str | None, references: Mapping[str, str]) -> list[Adapter]:
    """Find the adapters of a recipe, and check that they can be merged.

    Raises:
        ConfigError: PEFT is not installed.
        MergeError: They do not fit together.
        ModelError: One of them cannot be read, or is of another base.
    """
    require_extra("adapters: merging them with each other", "peft", "adapters")
    first = 0 if recipe.base_model is None else 1
    adapters = []
    for number in range(len(recipe.adapters)):
        reference = _reference(recipe, first + number, references)
        adapters.append(resolve_adapter(parts_of(reference)[-1], store, print_to_stderr))
    settings = read_adapter_settings(recipe)
    output_rank(adapters, settings)
    for adapter in adapters:
        _refuse_unmergeable(adapter, adapters[0])
    if recipe.base_model is not None:
        base = resolve(parts_of(_reference(recipe, 1, references))[0], store)
        for adapter in adapters:
            check_adapters(base, [(adapter, 1.0)])
    return adapters


def _reference(recipe: Recipe, number: int, references: Mapping[str, str]) -> str:
    """Return the reference of a model of the recipe, in the order of ``recipe.models``."""
    names = recipe.models
    return references.get(names[number]) or reference_of(names[number], recipe)


def _refuse_unmergeable(adapter: Adapter, first: Adapter) -> None:
    """Raise :class:`MergeError` for parts that are no A and B, and for adapters of different bases."""
    if adapter.whole or adapter.config.dora or any("bias" in slots for slots in adapter.modules.values()):
        part = "DoRA" if adapter.config.dora else "biases or modules_to_save"
        raise MergeError(
            f"{adapter.reference}: expected a plain LoRA, found {part}, which cannot be merged with another; "
            "merge it into its base (BASE+ADAPTER)"
        )
    for what, one, other in (
        ("fan_in_fan_out", first.config.transposed, adapter.config.transposed),
        ("base_model_name_or_path", first.config.base, adapter.config.base),
        ("base", first.base_sha256, adapter.base_sha256),
    ):
        if one != other:
            raise MergeError(
                f"{adapter.reference}: expected adapters of one base, found {what} {other!r} beside "
                f"{one!r} of {first.reference}"
            )
    for module in adapter.modules.keys() & first.modules.keys():
        if _shape(adapter, module) != _shape(first, module):
            raise MergeError(f"{adapter.reference}: {module} has another shape than in {first.reference}")


def _shape(adapter: Adapter, module: str) -> tuple[object, ...]:
    """Return the kind of a module, and the shape of what is added to it."""
    slots = adapter.modules[module]
    kind = "embedding_" if "embedding_A" in slots else ""
    a, b = (adapter.shapes[slots[slot]] for slot in ((f"{kind}A", f"{kind}B")))  # type: ignore[index]
    return kind, b[0], a[1]


@torch.no_grad()
def write_merged(
    adapters: Sequence[Adapter], settings: AdapterMergeSettings, folder: Path, seed: int
) -> None:
    """Write the PEFT folder of the merged adapters; its scale is 1.

    Args:
        adapters: in the order of the weights.
        settings: how they are merged.
        folder: where to write.
        seed: of the methods that drop at random.
    """
    rank = output_rank(adapters, settings)
    torch.manual_seed(seed)
    tensors: dict[str, Tensor] = {}
    modules = sorted({module for adapter in adapters for module in adapter.modules})
    for module in modules:
        embedded = any("embedding_A" in a.modules.get(module, ()) for a in adapters)
        names = ("lora_embedding_A", "lora_embedding_B") if embedded else ("lora_A.weight", "lora_B.weight")
        pair = merge_module(module, adapters, settings, rank)
        for name, tensor in zip(names, pair, strict=True):
            tensors[f"{PREFIX}{module}.{name}"] = tensor.contiguous()
    first = adapters[0]
    metadata = {"format": "pt"} | ({BASE_DIGEST: first.base_sha256} if first.base_sha256 else {})
    save_file(tensors, folder / ADAPTER_WEIGHTS, metadata=metadata)
    changed = {"r": rank, "lora_alpha": rank, "rank_pattern": {}, "alpha_pattern": {}, "use_rslora": False}
    changed |= {"target_modules": modules, "exclude_modules": None, "inference_mode": True}
    values = {**first.config.values, **changed}
    (folder / ADAPTER_CONFIG).write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")


def describe(recipe: Recipe, adapters: Sequence[Adapter]) -> list[str]:
    """Return a line for every adapter of a recipe: its share, rank and modules."""
    settings = read_adapter_settings(recipe)
    return [
        f"{adapter.reference}: weight {weight:g}, rank {adapter.config.rank}, {len(adapter.modules)} "
        f"modules, sha256 {adapter.sha256[:12]}"
        for adapter, weight in zip(adapters, settings.weights, strict=True)
    ]
