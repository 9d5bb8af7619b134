"""Tied weights: one tensor in memory that may be stored under several names, and is merged once.

Which names a model ties is in transformers' classes; here it is told by the names themselves, so that no
class has to be built to read a folder.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

GROUPS: tuple[tuple[str, ...], ...] = (
    (
        "model.shared.weight",
        "model.encoder.embed_tokens.weight",
        "model.decoder.embed_tokens.weight",
        "lm_head.weight",
    ),
    ("shared.weight", "encoder.embed_tokens.weight", "decoder.embed_tokens.weight", "lm_head.weight"),
    ("model.decoder.embed_tokens.weight", "proj_out.weight"),
    ("model.embed_tokens.weight", "lm_head.weight"),
    ("model.decoder.embed_tokens.weight", "lm_head.weight"),
    ("transformer.wte.weight", "lm_head.weight"),
    ("gpt_neox.embed_in.weight", "embed_out.weight"),
)
"""Names that may be tied, by family: Marian, BART, M2M, NLLB; T5; Whisper; Llama, Qwen, Gemma, Mistral; OPT;
GPT-2; GPT-NeoX."""

UNTIED_BY_DEFAULT = frozenset({"llama", "mistral", "mixtral", "qwen2", "qwen3", "gpt_neox", "phi", "phi3"})
"""Model types whose configuration leaves ``tie_word_embeddings`` out when it is false."""


def ties_embeddings(config: Mapping[str, object]) -> bool:
    """Return whether a ``config.json`` ties the output layer to the embedding."""
    stated = config.get("tie_word_embeddings")
    if isinstance(stated, bool):
        return stated
    return config.get("model_type") not in UNTIED_BY_DEFAULT


def map_tied_names(config: Mapping[str, object], stored: Collection[str]) -> dict[str, str]:
    """Map each stored name but the first of a tied group to that first one; empty where nothing is tied."""
    if not ties_embeddings(config):
        return {}
    representative_of: dict[str, str] = {}
    for group in GROUPS:
        present = [name for name in group if name in stored and name not in representative_of]
        for name in present[1:]:
            representative_of[name] = present[0]
    return representative_of


def find_collision(names: Iterable[str], stored: Collection[str]) -> str | None:
    """Find a tensor that another model ties to a second one and this model keeps apart.

    Args:
        names: the tensors of this model.
        stored: the names that the other model stores.

    Returns:
        The name of the first such tensor; None without one.
    """
    taken: set[str | None] = {None}
    for name in sorted(names, key=lambda name: name not in stored):
        stored_name = find_stored_name(name, stored)
        if stored_name in taken and stored_name is not None:
            return name
        taken.add(stored_name)
    return None


def find_stored_name(name: str, stored: Collection[str]) -> str | None:
    """Find the name under which a model stores a tensor: its own, or one that it may be tied to.

    Args:
        name: the tensor.
        stored: the names that the model stores.

    Returns:
        A name of ``stored``; None where it has neither.
    """
    if name in stored:
        return name
    for group in GROUPS:
        if name in group:
            present = [other for other in group if other in stored]
            if present:
                return present[0]
    return None
