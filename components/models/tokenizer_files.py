"""What a model folder needs for its tokenizer to load, told before transformers tries."""

from __future__ import annotations

from pathlib import Path

from components.models.architectures import CAUSAL, CONVERTED, MULTILINGUAL
from components.models.checkpoints import read_json

_MARIAN = ("source.spm", "target.spm", "vocab.json")
_VOCABULARIES = (
    *("tokenizer.model", "sentencepiece.bpe.model", "spiece.model"),
    *("vocab.json", "vocab.txt", "tekken.json"),
)
"""Files of which one is the vocabulary of other architectures, where there is no tokenizer.json."""


def missing_tokenizer_files(folder: Path) -> str:
    """The files without which a translator's or language model's tokenizer cannot be loaded.

    Args:
        folder: A transformers model folder.

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
    if not reads_text or any((folder / name).is_file() for name in _VOCABULARIES):
        return ""
    return "tokenizer.json (nor spiece.model or another vocabulary)"
