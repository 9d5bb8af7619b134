"""Tokens of a window -> timed segments and the next window's start, as in openai-whisper's ``transcribe``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from components.compute.openai_whisper import Tokenizer
from components.records import Segment

FRAMES_PER_STAMP = 2
SECONDS_PER_STAMP = 0.02


@dataclass(frozen=True)
class TimedTokens:
    """Text tokens between two times.

    Attributes:
        start: seconds from the start of the window.
        end: seconds from the start of the window.
        tokens: the tokens, without timestamps.
        positions: where they stand among the tokens of the window.
    """

    start: float
    end: float
    tokens: tuple[int, ...]
    positions: tuple[int, ...]


def split_into_segments(
    tokens: Sequence[int], tokenizer: Tokenizer, frames: int
) -> tuple[list[TimedTokens], int]:
    """Return the segments of a window, and how far to advance to the next one.

    A segment that the window's end cut off (two timestamps in a row were followed by text without an end)
    is left out: the next window begins where it began. Segments without length are left out, too, and those
    without a letter or digit: " . . ." is what a beam search writes for noise.

    Args:
        tokens: text and timestamps, without the end of the sequence.
        tokenizer: the model's.
        frames: frames (10 ms) of audio in the window.

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
            times = [(tokens[i] - stamp) * SECONDS_PER_STAMP for i in (begin, cut - 1)]
            pieces.append(_cut_piece(times[0], times[1], tokens, range(begin, cut), eot))
            begin = cut
        if not single_ending:
            advance = (tokens[begin - 1] - stamp) * FRAMES_PER_STAMP
    else:
        stamps = [token - stamp for token in tokens if token >= stamp]
        end = stamps[-1] * SECONDS_PER_STAMP if stamps and stamps[-1] else frames / 100
        pieces.append(_cut_piece(0.0, end, tokens, range(len(tokens)), eot))
    return [p for p in pieces if p.start != p.end and has_words(tokenizer.decode(list(p.tokens)))], advance


def text_positions(tokens: Sequence[int], tokenizer: Tokenizer, frames: int) -> list[int]:
    """Return where the text tokens of a window's segments stand among its ``tokens``."""
    pieces, _ = split_into_segments(tokens, tokenizer, frames)
    return [position for piece in pieces for position in piece.positions]


def _cut_piece(start: float, end: float, tokens: Sequence[int], span: range, eot: int) -> TimedTokens:
    positions = tuple(i for i in span if tokens[i] < eot)
    return TimedTokens(start, end, tuple(tokens[i] for i in positions), positions)


def build_segments(
    pieces: Sequence[TimedTokens], tokenizer: Tokenizer, window: tuple[float, float], previous_end: float
) -> list[Segment]:
    """Return the segments of a window by their timestamps.

    Whisper's times may pass the end of the audio and what the next window says of the same second: here they
    end with the window, and begin when the segment before has ended.

    Args:
        pieces: the segments' tokens and timestamps.
        tokenizer: the model's.
        window: when the window begins and ends, in seconds from the start of the utterance.
        previous_end: when the segment before ended, or 0.
    """
    segments = []
    for piece in pieces:
        start = max(previous_end, min(window[0] + piece.start, window[1]))
        previous_end = max(start, min(window[0] + piece.end, window[1]))
        text = tokenizer.decode(list(piece.tokens)).strip()
        segments.append(Segment(start=start, end=previous_end, text=text))
    return segments


def has_words(text: str) -> bool:
    """Return whether ``text`` has a letter or a digit."""
    return any(map(str.isalnum, text))
