"""The output's tokenizer, one model's or the union of all, and the vocabulary to align embeddings to."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from components.errors import MergeError, to_one_line
from components.merging.io.model_folder import ModelFolder
from components.merging.io.output_files import donor_of
from components.merging.recipe import chat_templates
from components.merging.recipe.recipe import Recipe
from components.merging.tokenizer.embedding_alignment import VocabularyAlignment, vocabulary_size


def tokens_of(recipe: Recipe, folders: Mapping[str, ModelFolder]) -> ModelFolder | None:
    """Return the model whose tokenizer the output has by name; None of the donor's and the union's."""
    return folders.get(recipe.tokenizer.source) if recipe.tokenizer is not None else None


def build_tokenizer(
    recipe: Recipe, folders: Mapping[str, ModelFolder]
) -> tuple[VocabularyAlignment | None, Any]:
    """Build the output's tokenizer.

    Returns:
        The alignment of the models' embeddings to it, and the tokenizer. The first is None where embeddings
        stay as they are, the second where the tokenizer's files are copied.

    Raises:
        MergeError: A tokenizer cannot be loaded, or the recipe's source is not one of its models.
    """
    config = recipe.tokenizer
    if config is None:
        return None, load_tokenizer(donor_of(recipe, folders)) if recipe.chat_template else None
    models = recipe.models
    base = recipe.base_model or models[0]
    tokenizers = {model: load_tokenizer(folders[model]) for model in models}
    if config.source == "union":
        tokenizer = _build_union(base, tokenizers, folders)
    else:
        source_model = base if config.source == "base" else config.source
        if source_model not in folders:
            raise MergeError(
                f"{recipe.where}: expected union, base or a model of the recipe as the tokenizer's source, "
                f"found {source_model}"
            )
        tokenizer = load_tokenizer(folders[source_model])
    tokenizer.add_tokens([token for token in config.tokens if token not in tokenizer.get_vocab()])
    vocabulary = tokenizer.get_vocab()
    tokens: list[str | None] = [None] * (max(vocabulary.values()) + 1)
    for token, row in vocabulary.items():
        tokens[row] = token
    vocabularies = {model: tokenizers[model].get_vocab() for model in models}
    return VocabularyAlignment(folders, vocabularies, tokens, recipe.base_model, config), tokenizer


def load_tokenizer(folder: ModelFolder) -> Any:
    """Load a folder's tokenizer with transformers; no code of the model is run.

    Raises:
        MergeError: There is none that transformers can load.
    """
    from transformers import AutoTokenizer  # noqa: PLC0415 - takes a second; most merges load no tokenizer

    try:
        return AutoTokenizer.from_pretrained(folder.path, local_files_only=True, trust_remote_code=False)
    except Exception as error:  # whatever transformers' many readers raise
        raise MergeError(
            f"{folder.reference}: expected a tokenizer in {folder.path}, transformers cannot load one "
            f"({type(error).__name__}: {to_one_line(error)})"
        ) from error


def _build_union(base: str, tokenizers: Mapping[str, Any], folders: Mapping[str, ModelFolder]) -> Any:
    """Return the base's tokenizer with the tokens of all others added, ordinary ones before special ones."""
    tokenizer = load_tokenizer(folders[base])
    base_tokens = set(tokenizer.get_vocab())
    plain: dict[str, None] = {}
    special: dict[str, Any] = {}
    for model, other in tokenizers.items():
        size = vocabulary_size(folders[model])
        added = {token.content: token for row, token in other.added_tokens_decoder.items() if row < size}
        for token, row in sorted(other.get_vocab().items(), key=lambda item: item[1]):
            if row < size and token not in base_tokens and token not in added:
                plain.setdefault(token)
        special |= {t: token for t, token in added.items() if t not in base_tokens and t not in special}
    tokenizer.add_tokens(list(plain))
    tokenizer.add_tokens(list(special.values()))
    return tokenizer


def save_tokenizer(tokenizer: Any, folder: Path, recipe: Recipe, folders: Mapping[str, ModelFolder]) -> None:
    """Write the output's tokenizer into ``folder``, with the chat template that the recipe names."""
    template = recipe.chat_template
    if template == chat_templates.AUTO:
        template = chat_templates.most_common_template(
            load_tokenizer(folders[model]) for model in recipe.models
        )
    if template is not None:
        tokenizer.chat_template = template
    tokenizer.save_pretrained(folder)
