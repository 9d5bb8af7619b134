"""mergekit-moe's YAML: which models become the experts of one. Errors name the line."""

from __future__ import annotations

from typing import Any

from components.files.yaml_text import parse_yaml
from components.merging.recipe.reader import DTYPES
from components.merging.recipe.yaml_node import YamlNode

GATE_MODES = ("hidden", "cheap_embed", "random", "uniform_random")
_UNSUPPORTED = {
    "shared_experts": "a shared expert is not made here",
    "negative_prompts": "routers begin with positive prompts only",
    "noise_scale": "experts are copied without noise",
    "residual_scale": "experts are copied at full scale",
    "denoise_experts": "experts are copied as they are",
}
"""Keys that mergekit-moe has and upcycling here has not -> why a recipe with one is refused."""
_KEYS = ("base_model", "gate_mode", "dtype", "experts", "experts_per_token", "architecture", *_UNSUPPORTED)


def read_moe_settings(text: str, where: str) -> dict[str, Any]:
    """Return settings of the kind ``upcycle`` from mergekit-moe's YAML.

    The base, whose attention and norms the result has, must be one of the experts: its expert becomes the
    first, which changes nothing else than the experts' order.

    Args:
        text: the YAML.
        where: what to call it in messages.

    Returns:
        ``models``, ``num_experts``, ``top_k``, ``router``, ``prompts`` and, where it is set, ``dtype``.

    Raises:
        ConfigError: It is no YAML; the message names the line.
        MergeError: A key or value is not mergekit-moe's, or one that is not supported; it is named.
    """
    value, lines = parse_yaml(text, where)
    top = YamlNode(value, (), lines, where)
    values = top.mapping(_KEYS, required=("base_model", "experts"))
    _refuse_unsupported(values)
    if "architecture" in values and values["architecture"].text() not in ("mixtral", "auto"):
        raise values["architecture"].error("expected mixtral, the only architecture that is made here")
    base = values["base_model"].text()
    experts = [_read_expert(node) for node in values["experts"].items()]
    if base not in [model for model, _ in experts]:
        raise values["base_model"].error("expected one of the experts' models, whose weights are the base's")
    experts.sort(key=lambda expert: expert[0] != base)
    gate = values["gate_mode"].choice(GATE_MODES) if "gate_mode" in values else "hidden"
    router = "random" if gate == "uniform_random" else gate
    settings: dict[str, Any] = {
        "models": tuple(model for model, _ in experts),
        "num_experts": len(experts),
        "top_k": values["experts_per_token"].integer() if "experts_per_token" in values else 2,
        "router": router,
        "prompts": () if router == "random" else tuple(prompts for _, prompts in experts),
    }
    if "dtype" in values:
        settings["dtype"] = values["dtype"].choice(DTYPES[:3])
    return settings


def _read_expert(node: YamlNode) -> tuple[str, tuple[str, ...]]:
    values = node.mapping(("source_model", "positive_prompts", *_UNSUPPORTED), required=("source_model",))
    _refuse_unsupported(values)
    prompts = values["positive_prompts"].items() if "positive_prompts" in values else []
    return values["source_model"].text(), tuple(prompt.text() for prompt in prompts)


def _refuse_unsupported(values: dict[str, YamlNode]) -> None:
    for name, reason in _UNSUPPORTED.items():
        if name in values and values[name].value not in ([], {}):
            raise values[name].error(f"{reason}: leave {name} out")
