"""Dense models to expert models (sparse upcycling, Komatsuzaki et al., 2022; mergekit's moe mode).

The feed-forward blocks of one or more dense models become the experts; all other weights are the first
model's. With identical experts and renormalized gates the result computes what the dense model does, whatever
the router says. A router starts at random, or from prompts (:data:`MODES`): an expert's row is then the unit
vector along the mean of what its prompts look like.

>>> model = upcycle([first, second], "cheap_embed", experts=4, top_k=2, tokenizer=tok, prompts=[...] * 4)
>>> save_upcycled(model, tok, Path("merged"), lineage=["store:...", "store:..."])
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, get_args

import torch
from torch import Tensor
from transformers import MixtralConfig, MixtralForCausalLM

from components.errors import ConfigError, ModelError
from components.models import resolve
from components.models.loaders.loading import Kind, load_transformers
from components.networks.moe.grouped_experts import GroupedExperts
from components.networks.moe.moe_block import MoEBlock
from components.networks.moe.router import check_top_k
from components.networks.moe.sparse_marian import SparseMarianMTModel, add_random_experts

Mode = Literal["random", "cheap_embed", "hidden"]
MODES: tuple[Mode, ...] = get_args(Mode)
"""How routers start: random, from the prompts' mean embedding, or from their mean input to each layer."""

Prompts = Sequence[Sequence[str]]
LLAMA_LIKE = ("LlamaForCausalLM", "MistralForCausalLM")
SHARED_CONFIG_FIELDS = (
    *("vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads"),
    *("num_key_value_heads", "head_dim", "hidden_act", "max_position_embeddings", "rms_norm_eps"),
    *("rope_parameters", "tie_word_embeddings", "bos_token_id", "eos_token_id", "pad_token_id"),
    *("initializer_range", "attention_dropout"),
)
"""Fields of a Mixtral configuration that are those of the Llama or Mistral one."""


def upcycle(
    dense: Sequence[Any],
    mode: Mode = "random",
    *,
    experts: int,
    top_k: int,
    tokenizer: Any = None,
    prompts: Prompts = (),
) -> Any:
    """Make a model whose expert e is the feed-forward network of ``dense[e mod len(dense)]``.

    Args:
        dense: models of one shape. Marian becomes :class:`SparseMarianMTModel`, Llama and Mistral
            transformers' Mixtral.
        mode: how the routers start.
        experts: number of experts.
        top_k: experts that compute a token.
        tokenizer: the models' tokenizer, for the modes that read prompts.
        prompts: texts of each expert, for the same modes.

    Raises:
        ConfigError: where ``top_k`` or ``prompts`` do not fit the number of experts.
        ModelError: for other architectures, or models of different shapes.
    """
    check_top_k(top_k, experts)
    if mode not in MODES or (mode != "random" and (tokenizer is None or len(prompts) != experts)):
        raise ConfigError(
            f"mode: expected random, or one of {', '.join(MODES[1:])} with a tokenizer and prompts for each "
            f"of the {experts} experts, found {mode!r} with prompts for {len(prompts)}"
        )
    if type(dense[0]).__name__ in LLAMA_LIKE:
        model, names = _upcycle_llama(dense, experts, top_k)
    else:
        model = upcycle_marian(dense, num_local_experts=experts, num_experts_per_tok=top_k)
        names = {name: name for name, m in model.named_modules() if isinstance(m, MoEBlock)}
    if mode != "random":
        rows = prompt_directions(dense[0], tokenizer, prompts, list(names.values()), mode)
        modules = dict(model.named_modules())
        with torch.no_grad():
            for name, source in names.items():
                gate = getattr(modules[name], "router", None) or modules[name].gate  # Mixtral's name for it
                gate.weight.copy_(rows[source])
    return model.eval()


def upcycle_marian(dense: Sequence[Any], **shape: Any) -> SparseMarianMTModel:
    """Upcycle Marian models; ``shape``: fields of SparseMarianConfig (the number of experts, ...)."""
    require_equal_shapes(dense, "MarianMTModel")
    model = add_random_experts(dense[0], **shape)
    parts = [dict(dense_model.named_parameters()) for dense_model in dense]
    with torch.no_grad():
        for name, block in model.named_modules():
            if not isinstance(block, MoEBlock):
                continue
            assert isinstance(block.experts, GroupedExperts)
            layer = name.removesuffix("fc1")
            for parameter_name, source in (("up", "fc1.weight"), ("up_bias", "fc1.bias")):
                _copy_cyclically(getattr(block.experts, parameter_name), [p[layer + source] for p in parts])
            for parameter_name, source in (("down", "fc2.weight"), ("down_bias", "fc2.bias")):
                _copy_cyclically(getattr(block.experts, parameter_name), [p[layer + source] for p in parts])
            if isinstance(block.shared, GroupedExperts):  # so that the model is still the dense one
                block.shared.down.zero_()
    return model


def _upcycle_llama(dense: Sequence[Any], experts: int, top_k: int) -> tuple[Any, dict[str, str]]:
    require_equal_shapes(dense, *LLAMA_LIKE)
    config = dense[0].config
    if getattr(config, "attention_bias", False) or getattr(config, "mlp_bias", False):
        raise ModelError(
            "expected a model without biases, as Mixtral has none, found attention_bias or mlp_bias"
        )
    values = {name: getattr(config, name) for name in SHARED_CONFIG_FIELDS if hasattr(config, name)}
    values["sliding_window"] = getattr(config, "sliding_window", None)
    torch.manual_seed(0)
    model = MixtralForCausalLM(
        MixtralConfig(**values, num_local_experts=experts, num_experts_per_tok=top_k)
    ).to(dense[0].dtype)
    model.load_state_dict(dense[0].state_dict(), strict=False)
    model.generation_config = dense[0].generation_config
    parts = [dict(dense_model.named_parameters()) for dense_model in dense]
    names = {f"model.layers.{n}.mlp": f"model.layers.{n}.mlp" for n in range(config.num_hidden_layers)}
    with torch.no_grad():
        for name in names:
            block = model.get_submodule(name)
            both = [torch.cat([p[f"{name}.gate_proj.weight"], p[f"{name}.up_proj.weight"]]) for p in parts]
            _copy_cyclically(block.experts.gate_up_proj, both)
            _copy_cyclically(block.experts.down_proj, [p[f"{name}.down_proj.weight"] for p in parts])
    return model, names


def _copy_cyclically(stacked: Tensor, sources: Sequence[Tensor]) -> None:
    for e in range(len(stacked)):
        stacked[e] = sources[e % len(sources)]


def require_equal_shapes(models: Sequence[Any], *class_names: str) -> None:
    """Refuse models that are not all of one class, one of ``class_names``, and of one shape: ModelError."""
    first, shapes = models[0], [{n: tuple(p.shape) for n, p in model.named_parameters()} for model in models]
    if type(first).__name__ not in class_names:
        raise ModelError(
            f"expected a dense model to upcycle, one of {', '.join(('MarianMTModel', *LLAMA_LIKE))}, found "
            f"{type(first).__name__}; its feed-forward blocks have no counterpart with experts here"
        )
    for number, (model, shape) in enumerate(zip(models, shapes, strict=True)):
        odd = sorted(n for n in shape.keys() | shapes[0].keys() if shape.get(n) != shapes[0].get(n))
        if odd or type(model) is not type(first):
            name = odd[0] if odd else "class"
            raise ModelError(
                f"expected experts of one shape, found {name} {shapes[0].get(name)} in model 0 and "
                f"{shape.get(name)} in model {number}; upcycle models that were fine-tuned from one another"
            )


@torch.no_grad()
def prompt_directions(
    dense: Any, tokenizer: Any, prompts: Prompts, names: Sequence[str], mode: Mode
) -> dict[str, Tensor]:
    """Return for each feed-forward network of ``names`` unit rows (E, D), one per expert's prompts."""
    rows: dict[str, list[Tensor]] = {name: [] for name in names}
    for texts in prompts:
        sums = _sum_prompt_states(dense, tokenizer, texts, names, mode)
        for name in names:
            rows[name].append(sums[name] / sums[name].norm().clamp_min(1e-8))
    return {name: torch.stack(expert_rows) for name, expert_rows in rows.items()}


def _sum_prompt_states(
    dense: Any, tokenizer: Any, texts: Sequence[str], names: Sequence[str], mode: Mode
) -> dict[str, Tensor]:
    """Sum the embeddings of the prompts' tokens, or what enters each feed-forward network at them."""
    dense.eval()
    ids = [tokenizer(text, return_tensors="pt")["input_ids"].to(dense.device) for text in texts]
    if mode == "cheap_embed":
        total = torch.stack([dense.get_input_embeddings()(token_ids)[0].sum(0) for token_ids in ids]).sum(0)
        return dict.fromkeys(names, total)
    sums: dict[str, Tensor] = {}

    def hook(name: str) -> Any:
        def add(module: Any, inputs: tuple[Tensor, ...]) -> None:
            total = inputs[0].reshape(-1, inputs[0].shape[-1]).sum(0)
            sums[name] = sums.get(name, torch.zeros_like(total)) + total

        return add

    # A Marian layer's block begins at fc1, a Llama layer's is mlp; a translator also needs a target.
    handles = [dense.get_submodule(name).register_forward_pre_hook(hook(name)) for name in names]
    for token_ids in ids:
        if dense.config.is_encoder_decoder:
            dense.generate(input_ids=token_ids, num_beams=1, max_length=2 * token_ids.shape[1] + 10)
        else:
            dense(input_ids=token_ids)
    for handle in handles:
        handle.remove()
    return sums


def load_dense_models(references: Sequence[str], store: str | None) -> tuple[list[Any], Any, list[str]]:
    """Load the dense models of these references: models, the first one's tokenizer, references."""
    dense, tokenizers = [], []
    for reference in references:
        checkpoint = resolve(reference, store)
        kind: Kind = "causal" if checkpoint.architecture in LLAMA_LIKE else "seq2seq"
        model, tokenizer = load_transformers(checkpoint, kind)
        dense.append(model)
        tokenizers.append(tokenizer)
    return dense, tokenizers[0], list(references)


def save_upcycled(model: Any, tokenizer: Any, folder: Path, lineage: Sequence[str]) -> None:
    """Write a folder that transformers (Mixtral) or ``loading`` (Marian) loads."""
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    (folder / "upcycled.json").write_text(json.dumps({"sources": list(lineage)}) + "\n", encoding="utf-8")
