"""The output's tokenizer: one model's, or the union of all; and what it means for the embeddings."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from transformers import AutoTokenizer

from components.errors import MergeError
from components.merging import chat_templates
from components.merging.folders import Folder
from components.merging.packaging import donor
from components.merging.recipe import Recipe
from components.merging.vocabularies import Alignment, vocabulary_size


def align(recipe: Recipe, folders: Mapping[str, Folder]) -> tuple[Alignment | None, Any]:
    """The alignment that ``recipe`` asks for, and the output's tokenizer; None for what it leaves as it is.

    Raises:
        MergeError: a tokenizer cannot be loaded, or the source is not a model of the recipe.
    """
    wanted = recipe.vocabulary
    if wanted is None:
        return None, load(donor(recipe, folders)) if recipe.chat_template else None
    models = recipe.models
    base = recipe.base or models[0]
    tokenizers = {model: load(folders[model]) for model in models}
    if wanted.source == "union":
        tokenizer = _union(base, tokenizers, folders)
    else:
        chosen = base if wanted.source == "base" else wanted.source
        if chosen not in folders:
            raise MergeError(f"{recipe.where}: tokenizer source {chosen} is not a model of the recipe")
        tokenizer = load(folders[chosen])
    tokenizer.add_tokens([token for token in wanted.tokens if token not in tokenizer.get_vocab()])
    vocabulary = tokenizer.get_vocab()
    tokens: list[str | None] = [None] * (max(vocabulary.values()) + 1)
    for token, row in vocabulary.items():
        tokens[row] = token
    vocabularies = {model: tokenizers[model].get_vocab() for model in models}
    return Alignment(folders, vocabularies, tokens, recipe.base, wanted), tokenizer


def load(folder: Folder) -> Any:
    """The tokenizer of a folder. Raises :class:`MergeError`; runs no code of the model."""
    try:
        return AutoTokenizer.from_pretrained(folder.path, local_files_only=True, trust_remote_code=False)
    except Exception as error:  # whatever transformers' many readers raise
        said = " ".join(str(error).split())[:200]
        raise MergeError(
            f"{folder.reference}: expected a tokenizer in {folder.path}, transformers cannot load one "
            f"({type(error).__name__}: {said})"
        ) from error


def _union(base: str, tokenizers: Mapping[str, Any], folders: Mapping[str, Folder]) -> Any:
    """The base's tokenizer with every token of the others added, ordinary ones first."""
    tokenizer = load(folders[base])
    have = set(tokenizer.get_vocab())
    plain: dict[str, None] = {}
    special: dict[str, Any] = {}
    for model, other in tokenizers.items():
        size = vocabulary_size(folders[model])
        added = {token.content: token for row, token in other.added_tokens_decoder.items() if row < size}
        for token, row in sorted(other.get_vocab().items(), key=lambda item: item[1]):
            if row < size and token not in have and token not in added:
                plain.setdefault(token)
        special |= {t: token for t, token in added.items() if t not in have and t not in special}
    tokenizer.add_tokens(list(plain))
    tokenizer.add_tokens(list(special.values()))
    return tokenizer


def save(tokenizer: Any, folder: Path, recipe: Recipe, folders: Mapping[str, Folder]) -> None:
    """Write the output's tokenizer, with the chat template that the recipe names."""
    template = recipe.chat_template
    if template == chat_templates.AUTO:
        template = chat_templates.usual(load(folders[model]) for model in recipe.models)
    if template is not None:
        tokenizer.chat_template = template
    tokenizer.save_pretrained(folder)
