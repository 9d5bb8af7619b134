"""The tokens that a Whisper model writes, as the search knows them."""

from __future__ import annotations

from functools import cache

from whisper.tokenizer import Tokenizer

from components.decoding.scorers import Vocabulary, digest_of


@cache
def _digest(name: str, languages: int) -> str:
    from whisper.tokenizer import get_encoding  # noqa: PLC0415 - reads the vocabulary, once per process

    encoding = get_encoding(name, languages)
    pieces = {repr(encoding.decode_single_token_bytes(i)): i for i in range(encoding.n_vocab)}
    return digest_of(pieces)


def vocabulary_of(tokenizer: Tokenizer, size: int) -> Vocabulary:
    """Whisper's output tokens: end-of-text ends a sequence and pads."""
    name = tokenizer.encoding.name.removesuffix(".tiktoken")
    digest = _digest(name, tokenizer.num_languages)
    return Vocabulary(size=size, eos=(tokenizer.eot,), pad=tokenizer.eot, digest=digest)
