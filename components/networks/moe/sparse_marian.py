"""A Marian translation model with experts in the place of its feed-forward networks.

The folder is that of a Marian model with ``SparseMarianMTModel`` as its architecture, ``experts`` in its
``config.json``, and the layers' experts stacked: ``...layers.N.fc1.router.weight`` (E, D),
``...fc1.experts.up`` (E, F, D) and ``down`` (E, D, F) with their biases.
``load_transformers`` loads it; transformers alone refuses its ``model_type``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn
from transformers import AutoConfig, MarianConfig, MarianMTModel

from components.networks.moe.grouped_experts import GroupedExperts
from components.networks.moe.moe_block import MoEBlock, moe_blocks
from components.networks.moe.router import ExpertChoiceRouter, Router


class SparseMarianConfig(MarianConfig):  # type: ignore[no-untyped-call]
    """A Marian configuration and the shape of the sparse layers.

    ``encoder_ffn_dim`` and ``decoder_ffn_dim`` are the widths inside one expert; ``num_local_experts`` and
    ``num_experts_per_tok`` are named as in transformers' Mixtral.
    """

    model_type = "antiphon_sparse_marian"
    num_local_experts: int = 8
    num_experts_per_tok: int = 2
    sparse_every: int = 1
    noisy_gating: bool = False
    expert_capacity: float | None = None
    num_shared_experts: int = 0
    encoder_routing: str = "token_choice"


AutoConfig.register(SparseMarianConfig.model_type, SparseMarianConfig)  # for AutoTokenizer, which reads it


class SparseMarianMTModel(MarianMTModel):  # type: ignore[no-untyped-call]
    """Marian with experts in every ``sparse_every``-th layer, counted from the last one down."""

    config_class = SparseMarianConfig

    def __init__(self, config: SparseMarianConfig) -> None:
        super().__init__(config)
        encoder = set(self.model.encoder.layers)
        for layer, inner in sparse_layers(self):
            _make_sparse(layer, config, inner, config.encoder_routing if layer in encoder else "token_choice")
        if config.encoder_routing == "expert_choice":
            self.model.encoder.register_forward_pre_hook(_mask_blocks, with_kwargs=True)
        self.post_init()  # type: ignore[no-untyped-call]


def sparse_layers(model: Any) -> list[tuple[Any, int]]:
    """List the layers of a Marian model that have (or get) experts, each with its feed-forward width."""
    config, layers = model.config, []
    for side, inner in ((model.model.encoder, "encoder_ffn_dim"), (model.model.decoder, "decoder_ffn_dim")):
        layers += [
            (layer, getattr(config, inner)) for layer in list(side.layers)[:: -config.sparse_every][::-1]
        ]
    return layers


ROUTERS: dict[str, type[Router]] = {"token_choice": Router, "expert_choice": ExpertChoiceRouter}
"""Routers by the names that a configuration has."""


def _mask_blocks(encoder: Any, arguments: tuple[Any, ...], named: dict[str, Any]) -> None:
    """Keep padding from experts that choose among the tokens of a sentence."""
    mask = named.get("attention_mask", arguments[1] if len(arguments) > 1 else None)
    positions = None if mask is None else mask.flatten().nonzero()[:, 0]
    for block in moe_blocks(encoder).values():
        if positions is not None or block.recorder is None:  # else record_routing has set them
            block.positions = positions


def _make_sparse(layer: Any, config: SparseMarianConfig, inner: int, routing: str) -> None:
    """Replace a Marian layer's two linear maps, and the activation between them, by experts.

    The layer computes ``fc2(activation_fn(fc1(x)))``: the experts stand as ``fc1``, the rest passes through.
    """
    count, width = config.num_local_experts, config.d_model
    experts = GroupedExperts(count, width, inner, activation=config.activation_function, bias=True)
    router = ROUTERS[routing](width, count, config.num_experts_per_tok, noisy=config.noisy_gating)
    shared = None
    if config.num_shared_experts:
        shared_inner, act = inner * config.num_shared_experts, config.activation_function
        shared = GroupedExperts(1, width, shared_inner, activation=act, bias=True)
    layer.fc1 = MoEBlock(router, experts, config.expert_capacity, shared)
    layer.fc2, layer.activation_fn, layer.activation_dropout = nn.Identity(), nn.Identity(), 0.0


def layer_masks(source: Tensor, target: Tensor) -> Callable[[str], Tensor]:
    """Return the mask of a layer by its name, for :func:`~components.networks.moe.moe_block.record_routing`.

    Args:
        source: mask of the source (N, S), for layers of the encoder.
        target: mask of the target (N, T), for layers of the decoder.
    """
    return lambda name: source if ".encoder." in name else target


def sparse_config_of(dense: MarianConfig, **shape: Any) -> SparseMarianConfig:
    """Return a dense Marian model's configuration with experts; ``shape``: fields of SparseMarianConfig."""
    values = {k: v for k, v in dense.to_dict().items() if k not in ("model_type", "architectures")}
    return SparseMarianConfig(**{**values, **shape, "architectures": ["SparseMarianMTModel"]})


def add_random_experts(dense: Any, **shape: Any) -> SparseMarianMTModel:
    """Return a copy of ``dense`` with random experts as its feed-forward networks; other weights stay."""
    model = SparseMarianMTModel(sparse_config_of(dense.config, **shape))
    model.load_state_dict(dense.state_dict(), strict=False)
    model.generation_config = dense.generation_config
    return model
