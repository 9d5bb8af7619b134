"""Folders of refinement networks (deliberation, edit diffusion): config.json, safetensors, tokenizer files.

config.json is the base model's (Marian), with ``architectures`` naming the network and ``antiphon`` its own
settings. Tied weights are stored once, computed positions not at all. No code comes with a model.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers import GenerationConfig, MarianConfig, MarianMTModel, MarianTokenizer

from components.compute.device import DTYPES
from components.decoding.scorers import digest_of
from components.errors import ConfigError, ModelError
from components.models.architectures import DELIBERATION, EDIT_DIFFUSION
from components.models.checkpoints import read_json
from components.models.weights import copy_weights_into
from components.networks.deliberation import DeliberationNetwork
from components.networks.edit_diffusion import EditDiffusionNetwork
from components.records import Checkpoint

NETWORK_BUILDERS: dict[str, Callable[[Any, dict[str, int]], nn.Module]] = {
    DELIBERATION: lambda base, settings: DeliberationNetwork(base),
    EDIT_DIFFUSION: lambda base, settings: EditDiffusionNetwork(base, settings["steps"]),
}
"""Architecture, as config.json names it -> (base model, settings) -> the network."""
_ARCHITECTURE_OF: dict[type[nn.Module], str] = {
    DeliberationNetwork: DELIBERATION,
    EditDiffusionNetwork: EDIT_DIFFUSION,
}


def tensors_to_store(network: nn.Module) -> dict[str, Tensor]:
    """Return the stored tensors by name, tied ones once: trained weights, and the output layer's bias."""
    named = {name: weight.data for name, weight in network.named_parameters() if weight.requires_grad}
    return named | {name: buffer for name, buffer in network.named_buffers() if not name.startswith("_")}


def save_network(network: Any, tokenizer: Any, folder: Path) -> None:
    """Write a deliberation or edit-diffusion network and its tokenizer to ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    config = network.config.to_dict()
    config["architectures"] = [_ARCHITECTURE_OF[type(network)]]
    config["antiphon"] = {"steps": getattr(network, "steps", 0)}
    text = json.dumps(config, indent=2, sort_keys=True, default=str)
    (folder / "config.json").write_text(text + "\n", encoding="utf-8")
    base = network.first if hasattr(network, "first") else network.base
    base.generation_config.save_pretrained(folder)
    tensors = {name: tensor.detach().contiguous() for name, tensor in tensors_to_store(network).items()}
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    tokenizer.save_pretrained(folder)


def load_refiner(
    checkpoint: Checkpoint, device: str, dtype: str, wrap: Callable[[Any, str, str], Any]
) -> tuple[Any, Any]:
    """Load a network that is used as a translator, and its tokenizer.

    Args:
        checkpoint: its folder.
        device: where it goes.
        dtype: name of the type of its weights.
        wrap: makes of the network, the digest of its vocabulary and its name what a search decodes.

    Raises:
        ConfigError: It does not compute in ``dtype``.
        ModelError: As :func:`load_network`.
    """
    if dtype not in DTYPES:
        raise ConfigError(f"{checkpoint.reference}: expected dtype {', '.join(DTYPES)}, found {dtype}")
    network, tokenizer = load_network(checkpoint, device, DTYPES[dtype])
    return wrap(network, digest_of(tokenizer.get_vocab()), checkpoint.reference), tokenizer


def load_network(
    checkpoint: Checkpoint, device: torch.device | str = "cpu", dtype: torch.dtype = torch.float32
) -> tuple[Any, Any]:
    """Load a network in evaluation mode, and its tokenizer.

    Raises:
        ModelError: where the checkpoint is of another kind or does not fit its config.json.
    """
    make = NETWORK_BUILDERS.get(checkpoint.architecture)
    if make is None:
        raise ModelError(
            f"{checkpoint.reference}: expected one of {', '.join(NETWORK_BUILDERS)}, found "
            f"{checkpoint.architecture}"
        )
    folder = Path(checkpoint.path)
    values = read_json(folder / "config.json")
    settings = values.pop("antiphon", None)
    if not isinstance(settings, dict):
        raise ModelError(
            f"{folder / 'config.json'}: expected antiphon with the network's settings, found none"
        )
    base: Any = MarianMTModel(MarianConfig.from_dict(values))
    base.generation_config = GenerationConfig.from_pretrained(folder)
    network = make(base, settings)
    copy_weights_into(checkpoint, tensors_to_store(network))
    tokenizer = MarianTokenizer.from_pretrained(folder, local_files_only=True)
    return network.to(device, dtype).eval(), tokenizer
