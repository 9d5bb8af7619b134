"""Words that are written stay as they are: the token behind them begins a word of its own."""

from __future__ import annotations

from functools import cache

from components.decoding.constraints.logits_processors import LogitsProcessor
from components.decoding.constraints.token_constraints import suppress_at
from components.recognition.whisper.backend import ModelDimensions


def keep_words_whole(dims: ModelDimensions, written: int) -> LogitsProcessor:
    """Forbid the token behind ``written`` ones to go on with the last word, by letters or by marks."""
    return suppress_at(written, _list_inner_tokens(dims))


@cache
def _list_inner_tokens(dims: ModelDimensions) -> tuple[int, ...]:
    """Return the text tokens that do not begin with a space."""
    tokenizer = dims.get_tokenizer(None, "transcribe")
    pieces = map(tokenizer.encoding.decode_single_token_bytes, range(tokenizer.eot))
    return tuple(token for token, piece in enumerate(pieces) if not piece.startswith(b" "))
