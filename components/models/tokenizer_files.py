"""What a model folder needs for its tokenizer to load, and whether that tokenizer is the model's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from components.errors import ModelError
from components.models.architectures import CAUSAL, CONVERTED, MULTILINGUAL
from components.models.checkpoints import read_json
from components.records import Checkpoint

_MARIAN = ("source.spm", "target.spm", "vocab.json")
_WITHOUT_VOCABULARY = "ByT5"
"""How the names of tokenizers begin whose tokens are the bytes."""


def missing_tokenizer_files(folder: Path) -> str:
    """Return the files without which a translator's or language model's tokenizer cannot be loaded.

    Args:
        folder: a transformers model folder.

    Returns:
        Their names, as ``source.spm, vocab.json``; empty where none is missing, and for models whose
        tokenizer is not read from their folder (Whisper).
    """
    config = read_json(folder / "config.json")
    names = config.get("architectures")
    architecture = str(names[0]) if isinstance(names, list) and names else ""
    if (folder / "tokenizer.json").is_file():
        return ""
    if "MarianMT" in architecture:
        return ", ".join(name for name in _MARIAN if not (folder / name).is_file())
    reads_text = architecture.endswith(CAUSAL) or config.get("model_type") in (*CONVERTED, *MULTILINGUAL)
    if not reads_text or _has_vocabulary(folder):
        return ""
    return "tokenizer.json (nor spiece.model or another vocabulary)"


def refuse_foreign_vocabulary(checkpoint: Checkpoint, model: Any, tokenizer: Any) -> None:
    """Refuse a tokenizer that gives tokens for which the model has no embedding.

    Tokens that were added to a vocabulary do not count, unless every text has them: many language models are
    published with a padding token that was added and is never read.

    Args:
        checkpoint: the checkpoint, for messages.
        model: of transformers.
        tokenizer: the model's.

    Raises:
        ModelError: A token's id is beyond the embedding.
    """
    try:
        rows = model.get_input_embeddings().weight.shape[0]
    except (NotImplementedError, AttributeError):  # it has none, or one in parts
        return
    added = tokenizer.added_tokens_decoder.keys() - {tokenizer.eos_token_id, tokenizer.bos_token_id}
    foreign = {n: token for token, n in tokenizer.get_vocab().items() if not 0 <= n < rows and n not in added}
    if foreign:
        number, token = max(foreign.items())
        raise ModelError(
            f"{checkpoint.reference}: expected tokens from 0 to {rows - 1}, which have an embedding, found "
            f"{number} for {token!r:.80} in the tokenizer of {checkpoint.path}; it belongs to another model"
        )


def _has_vocabulary(folder: Path) -> bool:
    """Whether a folder has a vocabulary of any tokenizer of transformers, or a tokenizer that needs none."""
    config = folder / "tokenizer_config.json"
    if config.is_file() and str(read_json(config).get("tokenizer_class", "")).startswith(_WITHOUT_VOCABULARY):
        return True
    names = [path.name for path in folder.iterdir()]
    return any(name.startswith("vocab") or name.endswith(".model") or name == "tekken.json" for name in names)
