"""What is needed of openai-whisper: the one module that imports it.

Its networks, tokenizer, mel filters and tables are read; all that is decoded is decoded by our own search, of
which the library's is the oracle in tests.
"""

from __future__ import annotations

from pathlib import Path

import whisper
from whisper.audio import (
    CHUNK_LENGTH,
    HOP_LENGTH,
    N_FFT,
    N_FRAMES,
    N_SAMPLES,
    SAMPLE_RATE,
    TOKENS_PER_SECOND,
    log_mel_spectrogram,
    mel_filters,
)
from whisper.model import AudioEncoder, LayerNorm, ModelDimensions, ResidualAttentionBlock, Whisper
from whisper.timing import WordTiming, merge_punctuations
from whisper.tokenizer import LANGUAGES, TO_LANGUAGE_CODE, Tokenizer, get_encoding, get_tokenizer

__all__ = (
    "ADDRESSES",
    "ALIGNMENT_HEADS",
    "ASSETS",
    "CHUNK_LENGTH",
    "HOP_LENGTH",
    "LANGUAGES",
    "N_FFT",
    "N_FRAMES",
    "N_SAMPLES",
    "SAMPLE_RATE",
    "TOKENS_PER_SECOND",
    "AudioEncoder",
    "LayerNorm",
    "ModelDimensions",
    "ResidualAttentionBlock",
    "Tokenizer",
    "Whisper",
    "WordTiming",
    "find_language",
    "get_encoding",
    "get_tokenizer",
    "log_mel_spectrogram",
    "mel_filters",
    "merge_punctuations",
)

# openai-whisper publishes addresses and alignment heads in these two tables only.
ADDRESSES: dict[str, str] = whisper._MODELS
"""Name of a model -> where its file is, with its digest."""
ALIGNMENT_HEADS: dict[str, bytes] = whisper._ALIGNMENT_HEADS
"""Name of a model -> its alignment heads, packed."""
ASSETS = Path(whisper.__file__).parent / "assets"
"""Folder of the vocabularies."""


_OWN_CODES = {"jv": "jw", "nb": "no"}
"""ISO's code -> Whisper's, of Javanese and of the Norwegian that its ``no`` is."""


def find_language(code: str, count: int) -> str | None:
    """Return Whisper's code of a language, or None where a model does not know it.

    Args:
        code: two letters, or the English name.
        count: how many languages the model knows.
    """
    code = str(TO_LANGUAGE_CODE.get(code, code))
    code = _OWN_CODES.get(code, code)
    return code if code in tuple(LANGUAGES)[:count] else None
