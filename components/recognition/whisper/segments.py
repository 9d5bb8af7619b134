"""Tokens of a window -> timed segments and the next window's start, as in openai-whisper's ``transcribe``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from whisper.tokenizer import Tokenizer

FRAMES_PER_STAMP = 2
SECONDS_PER_STAMP = 0.02


@dataclass(frozen=True)
class TimedTokens:
    """Text tokens between two times, in seconds from the start of the window."""

    start: float
    end: float
    tokens: tuple[int, ...]


def split_into_segments(
    tokens: Sequence[int], tokenizer: Tokenizer, frames: int
) -> tuple[list[TimedTokens], int]:
    """The segments of a window, and how far to advance to the next one.

    A segment that the window's end cut off (two timestamps in a row were followed by text without an end)
    is left out: the next window begins where it began. Segments without length are left out, too, and those
    without a letter or digit: " . . ." is what a beam search writes for noise.

    Args:
        tokens: Text and timestamps, without the end of the sequence.
        tokenizer: The model's.
        frames: Frames (10 ms) of audio in the window.

    Returns:
        The segments in order, and the frames from this window's start to the next one's.
    """
    stamp, eot = tokenizer.timestamp_begin, tokenizer.eot
    is_stamp = [token >= stamp for token in tokens]
    single_ending = is_stamp[-2:] == [False, True]
    cuts = [i for i in range(1, len(tokens)) if is_stamp[i] and is_stamp[i - 1]]
    pieces: list[TimedTokens] = []
    advance = frames
    if cuts:
        if single_ending:
            cuts.append(len(tokens))
        begin = 0
        for cut in cuts:
            part = tokens[begin:cut]
            times = ((part[0] - stamp) * SECONDS_PER_STAMP, (part[-1] - stamp) * SECONDS_PER_STAMP)
            pieces.append(TimedTokens(*times, tuple(t for t in part if t < eot)))
            begin = cut
        if not single_ending:
            advance = (tokens[begin - 1] - stamp) * FRAMES_PER_STAMP
    else:
        stamps = [token - stamp for token in tokens if token >= stamp]
        end = stamps[-1] * SECONDS_PER_STAMP if stamps and stamps[-1] else frames / 100
        pieces.append(TimedTokens(0.0, end, tuple(t for t in tokens if t < eot)))
    return [p for p in pieces if p.start != p.end and has_words(tokenizer.decode(list(p.tokens)))], advance


def has_words(text: str) -> bool:
    """Whether ``text`` has a letter or a digit."""
    return any(map(str.isalnum, text))
