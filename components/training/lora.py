"""LoRA of a model in training: PEFT puts the matrices in, and they alone are trained and written."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from safetensors.torch import save_file

from components.errors import ConfigError, to_one_line
from components.models.adapters.config import ADAPTER_WEIGHTS
from components.models.adapters.tensors import BASE_DIGEST, PREFIX
from components.training.fine_tuning_config import LoraSettings

_CONFIG, _BASE = "antiphon_lora", "antiphon_base_sha256"
_log = logging.getLogger("antiphon.training")


def add_matrices(
    model: Any, settings: LoraSettings, base: str, base_sha256: str, frozen: str | None = None
) -> None:
    """Put low-rank matrices into a model, in place; its own weights are frozen.

    B is zero, so that the model computes what it did. A is random: the caller seeds.

    Args:
        model: a transformers model.
        settings: rank, scale, dropout, and which layers.
        base: reference of the model, which the adapter's folder names.
        base_sha256: its digest, by which another base is refused.
        frozen: a pattern of layers that get none.

    Raises:
        ConfigError: The model has no such layers, or no weights for them alone.
    """
    from peft import LoraConfig, inject_adapter_in_model  # noqa: PLC0415 - an extra

    targets = settings.target_modules
    config = LoraConfig(
        r=settings.rank,
        lora_alpha=settings.alpha,
        lora_dropout=settings.dropout,
        target_modules=targets if isinstance(targets, str) else list(targets),
        exclude_modules=frozen,
        base_model_name_or_path=base.removeprefix("hub:"),
    )
    output = getattr(model.get_output_embeddings(), "weight", None)
    layers = model.named_modules(remove_duplicate=False)
    tied = [name for name, layer in layers if getattr(layer, "weight", None) is output]
    try:
        inject_adapter_in_model(config, model)
    except ValueError as error:
        raise ConfigError(
            f"lora.target_modules: expected names of linear layers of {base}, found {targets!r} "
            f"({to_one_line(error, 120)})"
        ) from error
    adapted = [name for name in tied if hasattr(model.get_submodule(name), "lora_A")]
    if adapted and len(tied) > 1:
        raise ConfigError(
            f"lora.target_modules: expected layers with weights of their own, found {adapted[0]} of {base}, "
            "where the output layer is the embedding, too; leave it out"
        )
    setattr(model, _CONFIG, config)
    setattr(model, _BASE, base_sha256)
    trained = sum(weight.numel() for weight in model.parameters() if weight.requires_grad)
    every = sum(weight.numel() for weight in model.parameters())
    _log.info("LoRA of rank %d: %s of %s weights are trained", settings.rank, f"{trained:,}", f"{every:,}")


def is_adapted(model: Any) -> bool:
    """Return whether :func:`add_matrices` was called on a model."""
    return hasattr(model, _CONFIG)


def save_adapter(model: Any, folder: Path) -> None:
    """Write the matrices of a model as a folder that PEFT loads."""
    from peft import get_peft_model_state_dict  # noqa: PLC0415 - an extra

    folder.mkdir(parents=True, exist_ok=True)
    state = get_peft_model_state_dict(model, save_embedding_layers=False)
    tensors = {f"{PREFIX}{name}": tensor.detach().cpu().contiguous() for name, tensor in state.items()}
    metadata = {"format": "pt", BASE_DIGEST: getattr(model, _BASE)}
    save_file(tensors, folder / ADAPTER_WEIGHTS, metadata=metadata)
    config = getattr(model, _CONFIG)
    config.inference_mode = True
    config.save_pretrained(folder)
