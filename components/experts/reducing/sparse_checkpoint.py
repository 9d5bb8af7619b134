"""What a checkpoint's configuration says of its layers with experts, without reading a weight."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from transformers import AutoConfig

from components.errors import ModelError, to_one_line
from components.experts.reducing.sparse_layers import SparseLayer, find_sparse_layers
from components.models.architectures import CAUSAL
from components.models.checkpoints import read_json
from components.models.loaders.loading import ARCHITECTURES, AUTO_CLASSES, Kind
from components.records import Checkpoint

EXPERT_COUNTS = ("num_local_experts", "num_experts", "n_routed_experts", "moe_num_experts")
"""What configurations call the number of experts."""
TOP_K = ("num_experts_per_tok", "moe_topk", "moe_k", "top_k_experts", "moe_top_k")
"""What they call the number of experts that compute a token; one where they have none of these (Switch)."""
GROUP_COUNT, GROUPS_PER_TOKEN = "n_group", "topk_group"
"""What they call the groups of neighboring experts (DeepSeek), and how many of them a token chooses from."""


class SparseShape(NamedTuple):
    """The numbers of a configuration that its layers with experts depend on."""

    n_experts: int
    top_k: int
    groups: int = 1
    groups_per_token: int = 1


def shape_of(config: Any) -> SparseShape:
    """Return the numbers of a transformers configuration, wherever it has them."""
    fields = {name: value for name, value in iterate_fields(config.to_dict()) if isinstance(value, int)}
    groups = fields.get(GROUP_COUNT) or 1
    return SparseShape(
        n_experts=max((fields[name] for name in EXPERT_COUNTS if name in fields), default=0),
        top_k=next((fields[name] for name in TOP_K if name in fields), 1),
        groups=groups,
        groups_per_token=fields.get(GROUPS_PER_TOKEN) or groups,
    )


def iterate_fields(values: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Iterate over the fields of a configuration and of those inside it."""
    for name, value in values.items():
        if isinstance(value, dict):
            yield from iterate_fields(value)
        else:
            yield name, value


def read_config(checkpoint: Checkpoint) -> Any:
    """Read a checkpoint's configuration: transformers' or that of our sparse Marian."""
    return AutoConfig.from_pretrained(checkpoint.path, local_files_only=True, trust_remote_code=False)


def kind_of(checkpoint: Checkpoint) -> Kind:
    """Return how a checkpoint is loaded: as a causal or an encoder-decoder model."""
    return "causal" if checkpoint.architecture.endswith(CAUSAL) else "seq2seq"


def build_skeleton(config: Any, architecture: str) -> Any:
    """Build the model of a configuration without memory for its weights (on torch's meta device)."""
    kind: Kind = "seq2seq" if config.is_encoder_decoder else "causal"
    with torch.device("meta"):
        if architecture in ARCHITECTURES:
            return ARCHITECTURES[architecture](config)
        return AUTO_CLASSES[kind][0].from_config(copy.deepcopy(config))


def inspect_layers(checkpoint: Checkpoint) -> dict[str, SparseLayer]:
    """Find the layers with experts of a checkpoint by its configuration alone.

    Raises:
        ModelError: it has none, some that are refused, or transformers does not know the architecture.
    """
    try:
        skeleton = build_skeleton(read_config(checkpoint), checkpoint.architecture)
    except Exception as error:  # transformers raises whatever its many models raise
        raise ModelError(
            f"{checkpoint.reference}: expected a text model with experts, found {checkpoint.architecture}, "
            f"which transformers cannot build as {kind_of(checkpoint)} ({to_one_line(error, 60)})"
        ) from error
    try:
        return find_sparse_layers(skeleton)
    except ModelError as error:
        raise ModelError(f"{checkpoint.reference}: {error}") from None


def stored_dtype(checkpoint: Checkpoint) -> str:
    """Return the name of the type in which a checkpoint's weights are stored, as its configuration says."""
    config = read_json(Path(checkpoint.path) / "config.json")
    return str(config.get("dtype") or config.get("torch_dtype") or "float32").removeprefix("torch.")
