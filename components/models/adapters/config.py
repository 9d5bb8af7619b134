"""``adapter_config.json`` of a PEFT folder: what is read of it, and what is refused by name."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from components.errors import ModelError
from components.models.checkpoints import read_json

ADAPTER_CONFIG, ADAPTER_WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
REFUSED = (
    *("target_parameters", "layer_replication", "use_qalora", "use_bdlora", "arrow_config", "kasa_config"),
    *("velora_config", "monteclora_config", "alora_invocation_tokens", "megatron_config"),
    "trainable_token_indices",
)
"""Settings that make something else of an adapter than W + scale * B A, and are not computed here."""
INITIALIZATIONS = (True, False, None, "gaussian", "eva", "orthogonal")
"""Values of ``init_lora_weights`` that leave the base's weights as they are; pissa, for one, changes them."""


class AdapterConfig(NamedTuple):
    """What decides how an adapter is merged.

    Attributes:
        base: what its training called the base; empty where it says nothing.
        rank: rank of B A where ``rank_pattern`` names no other.
        alpha: numerator of the scale where ``alpha_pattern`` names no other.
        rank_pattern: regular expression of modules -> their rank.
        alpha_pattern: regular expression of modules -> their alpha.
        rank_stabilized: whether the scale is alpha / sqrt(rank) instead of alpha / rank (rsLoRA).
        transposed: whether the base's linear layers store (in, out), as GPT-2's (``fan_in_fan_out``).
        dora: whether it holds magnitudes (DoRA).
        values: the whole file.
    """

    base: str
    rank: int
    alpha: float
    rank_pattern: Mapping[str, int]
    alpha_pattern: Mapping[str, float]
    rank_stabilized: bool
    transposed: bool
    dora: bool
    values: Mapping[str, Any]

    def rank_of(self, module: str) -> int:
        """Return the rank that the file states for a module."""
        return self.rank_pattern.get(_pattern_of(module, self.rank_pattern), self.rank)

    def scale_of(self, module: str) -> float:
        """Return the factor of B A in a module."""
        alpha = self.alpha_pattern.get(_pattern_of(module, self.alpha_pattern), self.alpha)
        rank = self.rank_of(module)
        return alpha / (math.sqrt(rank) if self.rank_stabilized else rank)


def read_adapter_config(folder: Path, reference: str) -> AdapterConfig:
    """Read and check the configuration of a PEFT folder.

    Raises:
        ModelError: It is no LoRA, or of a kind that is not merged here.
    """
    path = folder / ADAPTER_CONFIG
    values = read_json(path)
    kind = values.get("peft_type")
    if str(kind).upper() != "LORA":
        raise ModelError(
            f"{reference}: expected peft_type LORA in {path}, found {kind}; merge it with peft first"
        )
    for name in REFUSED:
        if values.get(name):
            raise ModelError(
                f"{reference}: {name} of {path} is not read here; merge it with peft (merge_and_unload) first"
            )
    if values.get("init_lora_weights") not in INITIALIZATIONS:
        raise ModelError(
            f"{reference}: init_lora_weights {values['init_lora_weights']!r} of {path} changes the base's "
            "weights; convert it to a plain LoRA (peft's path_initial_model_for_weight_conversion)"
        )
    try:
        return _parse(values)
    except (TypeError, ValueError, AttributeError, re.error) as error:
        raise ModelError(
            f"{path}: expected a LoRA's settings, found others ({error}); fetch it again"
        ) from None


def _parse(values: Mapping[str, Any]) -> AdapterConfig:
    rank, alpha = values.get("r", 8), values.get("lora_alpha", 8)
    ranks, alphas = (dict(values.get(name) or {}) for name in ("rank_pattern", "alpha_pattern"))
    for pattern in (*ranks, *alphas):
        re.compile(pattern)
    if not all(isinstance(n, int) and n > 0 for n in (rank, *ranks.values())):
        raise ValueError(f"ranks {[rank, *ranks.values()]}")
    if not all(isinstance(x, int | float) and math.isfinite(x) for x in (alpha, *alphas.values())):
        raise ValueError(f"alphas {[alpha, *alphas.values()]}")
    return AdapterConfig(
        base=str(values.get("base_model_name_or_path") or ""),
        rank=rank,
        alpha=alpha,
        rank_pattern=ranks,
        alpha_pattern=alphas,
        rank_stabilized=bool(values.get("use_rslora")),
        transposed=bool(values.get("fan_in_fan_out")),
        dora=bool(values.get("use_dora")),
        values=values,
    )


def _pattern_of(module: str, patterns: Mapping[str, object]) -> str:
    """Return the first pattern that a module's name ends with, as PEFT matches it; else the name."""
    matches = (pattern for pattern in patterns if re.match(rf"(.*\.)?({pattern})$", module))
    return next(matches, module)
