"""A joint sentencepiece vocabulary, written as a folder that transformers' MarianTokenizer loads.

Ids are sentencepiece's own: ``</s>`` 0, ``<unk>`` 1, pieces from 2 on; ``<pad>`` comes last, as in the
published Marian models. Character coverage is complete, so no character of the training text is unknown.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Sequence
from pathlib import Path

import sentencepiece
from transformers import MarianTokenizer

from components.errors import DataError

EOS, UNKNOWN = 0, 1


def tag(language: str) -> str:
    """Return the piece that asks a model of several target languages for one (as published Marian models)."""
    return f">>{language}<<"


def train(lines: Iterable[str], size: int, symbols: Sequence[str] = ()) -> bytes:
    """Train a unigram model (Kudo, 2018) with at most ``size - 1`` pieces (the pad id is the last one).

    Deterministic; a small text gives fewer pieces.

    Args:
        lines: the text.
        size: pieces at most.
        symbols: become pieces whatever the text, such as the tags of target languages (:func:`tag`).

    Returns:
        The serialized sentencepiece model.

    Raises:
        DataError: where the text has more characters than ``size``.
    """
    buffer = io.BytesIO()
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(lines),
            model_writer=buffer,
            vocab_size=size - 1,
            character_coverage=1.0,
            hard_vocab_limit=False,
            eos_id=EOS,
            unk_id=UNKNOWN,
            bos_id=-1,
            user_defined_symbols=list(symbols),
            pad_id=-1,
            num_threads=1,
            minloglevel=2,
        )
    except RuntimeError as error:
        reason = str(error).splitlines()[-1]
        raise DataError(f"vocabulary: expected a size that suits the text, found {size}; {reason}") from error
    return buffer.getvalue()


def save(model: bytes, folder: Path, source_language: str, target_language: str) -> MarianTokenizer:
    """Write ``source.spm``, ``target.spm``, ``vocab.json`` and the tokenizer's configuration."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.json").write_text(json.dumps(token_ids(model), ensure_ascii=False), encoding="utf-8")
    for name in ("source.spm", "target.spm"):
        (folder / name).write_bytes(model)
    saved = tokenizer(folder, source_language, target_language)
    saved.save_pretrained(folder)
    return saved


def token_ids(model: bytes) -> dict[str, int]:
    """Return the ids of the tokens: those of the pieces, then the pad id."""
    pieces = load(model)
    return {pieces.id_to_piece(i): i for i in range(pieces.get_piece_size())} | {
        "<pad>": pieces.get_piece_size()
    }


def tokenizer(folder: Path, source_language: str, target_language: str) -> MarianTokenizer:
    """Load the tokenizer of a folder that :func:`save` wrote."""
    return MarianTokenizer(
        source_spm=str(folder / "source.spm"),
        target_spm=str(folder / "target.spm"),
        vocab=str(folder / "vocab.json"),
        source_lang=source_language,
        target_lang=target_language,
        model_max_length=512,
    )


def load(model: bytes) -> sentencepiece.SentencePieceProcessor:
    """Load a serialized sentencepiece model."""
    processor = sentencepiece.SentencePieceProcessor()
    processor.LoadFromSerializedProto(model)
    return processor


def has_tag(pieces: sentencepiece.SentencePieceProcessor, language: str) -> bool:
    """Return whether the vocabulary has a tag for the language."""
    return bool(pieces.piece_to_id(tag(language)) != UNKNOWN)
