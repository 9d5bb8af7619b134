"""Word times by the attention of the alignment heads: an entry of ``antiphon.word_timers``.

Aligned tokens of a window become segments with words, as in openai-whisper's ``add_word_timestamps``. Three
things differ. Words are split segment by segment, so that the words of a segment are its text. A segment
begins with its first word and ends with its last, also where openai-whisper moves a word past the segment's
border. And times never fall: where its rules make two words overlap, the later one begins when the earlier
one ends.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import chain, pairwise
from statistics import fmean, median

import numpy as np
from numpy.typing import NDArray

from components.compute.openai_whisper import Tokenizer, WordTiming, merge_punctuations
from components.decoding.models.alignment_heads import alignment_scores
from components.recognition.vad.windows import detect_speech, find_speech
from components.recognition.whisper.backend import TokenAlignment
from components.recognition.whisper.words.alignment import align
from components.recognition.whisper.words.segments import TimedTokens
from components.recognition.whisper.words.speech import hold_to_speech
from components.records import Segment, Word

OPENING_MARKS = "\"'“¿([{-"
"""Marks that belong to the word after them; these and the other constants are openai-whisper's."""
CLOSING_MARKS = "\"'.。,，!！?？:：”)]}、"
"""Marks that belong to the word before them."""
SENTENCE_ENDS = ".。!！?？"
MAX_TYPICAL_SECONDS = 0.7
"""What a word lasts, at most, as far as the rules are concerned; none may last twice that beside a pause."""
MAX_MISFIT_SECONDS = 0.5
"""A word may pass its segment's timestamp by that much; beyond it the timestamp is believed."""


def build_segments_with_words(
    pieces: Sequence[TimedTokens],
    alignment: TokenAlignment,
    tokenizer: Tokenizer,
    window: tuple[float, float],
    previous_end: float,
) -> list[Segment]:
    """Return the segments of a window with the times and probabilities of their words.

    Args:
        pieces: the segments' tokens and timestamps.
        alignment: of their tokens.
        tokenizer: the model's, of the text's language.
        window: when the window begins and ends, in seconds from the start of the utterance.
        previous_end: when the segment before ended, or 0.
    """
    words_by_piece = _split_into_words(pieces, alignment, tokenizer)
    words = list(chain.from_iterable(words_by_piece))
    durations = [word.end - word.start for word in words if word.end > word.start]
    typical = min(MAX_TYPICAL_SECONDS, median(durations)) if durations else 0.0
    if durations:
        _shorten_at_sentence_ends(words, 2 * typical)
    segments, spoken_until = [], previous_end
    log_probs = iter(alignment.log_probs)
    for piece, timings in zip(pieces, words_by_piece, strict=True):
        merge_punctuations(timings, OPENING_MARKS, CLOSING_MARKS)
        spoken = [_move(timing, window[0]) for timing in timings if timing.word]
        _shorten_after_pause(spoken, typical, spoken_until)
        spoken_until = _prefer_timestamps(spoken, window[0] + piece.start, window[0] + piece.end, typical)
        timed_words = _order(spoken, previous_end, window[1])
        previous_end = timed_words[-1].end
        segments.append(
            Segment(
                start=timed_words[0].start,
                end=previous_end,
                text=tokenizer.decode(list(piece.tokens)).strip(),
                words=timed_words,
                mean_log_prob=fmean(next(log_probs) for _ in piece.tokens),
            )
        )
    return segments


def _split_into_words(
    pieces: Sequence[TimedTokens], alignment: TokenAlignment, tokenizer: Tokenizer
) -> list[list[WordTiming]]:
    """The words of each piece with their times from the start of the window; marks are words of their own."""
    words_by_piece, position = [], 0
    for piece in pieces:
        timings = []
        for word, tokens in _split_tokens(piece.tokens, tokenizer):
            end = position + len(tokens)
            probability = fmean(map(math.exp, alignment.log_probs[position:end]))
            times = alignment.times
            timings.append(WordTiming(word, tokens, times[position], times[end], probability))
            position = end
        words_by_piece.append(timings)
    return words_by_piece


def _split_tokens(tokens: Sequence[int], tokenizer: Tokenizer) -> Iterator[tuple[str, list[int]]]:
    """Words with their tokens, all of them.

    openai-whisper's split fails at the end of a text, or leaves out what follows, where bytes of a character
    are missing: behind an end-of-text it does not fail, and what it left out is one word.
    """
    length = n_tokens = 0
    for word, part in zip(*tokenizer.split_to_word_tokens([*tokens, tokenizer.eot]), strict=True):
        if part != [tokenizer.eot]:
            yield word, part
            length, n_tokens = length + len(word), n_tokens + len(part)
    if n_tokens < len(tokens):
        yield tokenizer.decode(list(tokens))[length:], list(tokens[n_tokens:])


def _move(timing: WordTiming, seconds: float) -> WordTiming:
    """Return the same word later, its times rounded to 10 ms."""
    timing.start, timing.end = round(seconds + timing.start, 2), round(seconds + timing.end, 2)
    return timing


def _shorten_at_sentence_ends(words: Sequence[WordTiming], longest: float) -> None:
    """Cut a sentence's closing mark and the word after it, where pauses are counted to them; in place."""
    for before, word in pairwise(words):
        if word.end - word.start > longest:
            if word.word in SENTENCE_ENDS:
                word.end = word.start + longest
            elif before.word in SENTENCE_ENDS:
                word.start = word.end - longest


def _shorten_after_pause(words: Sequence[WordTiming], typical: float, previous_end: float) -> None:
    """Cut the first and second word of a segment after a pause where they are too long; in place."""
    first, longest = words[0], 2 * typical
    second = words[1] if len(words) > 1 else None
    too_long = first.end - first.start > longest
    too_long |= second is not None and second.end - first.start > 2 * longest
    if first.end - previous_end > 4 * typical and too_long:
        if second is not None and second.end - second.start > longest:
            first.end = second.start = max(second.end / 2, second.end - longest)
        first.start = max(0, first.end - longest)


def _prefer_timestamps(words: Sequence[WordTiming], start: float, end: float, typical: float) -> float:
    """Cut the first or last word where it goes far beyond the segment's timestamps; in place.

    Returns:
        When the segment ends, which may be before its last word: the pause after it is counted from there.
    """
    first, final = words[0], words[-1]
    if first.start + MAX_MISFIT_SECONDS < start < first.end:
        first.start = max(0, min(first.end - typical, start))
    if final.start < end < final.end - MAX_MISFIT_SECONDS:
        final.end = max(final.start + typical, end)
    else:
        end = final.end
    return end


def _order(words: Sequence[WordTiming], previous_end: float, window_end: float) -> tuple[Word, ...]:
    """Return words that begin when those before have ended, or later, and end with the window."""
    ordered = []
    for word in words:
        start = max(previous_end, min(word.start, window_end))
        previous_end = max(start, min(word.end, window_end))
        probability = round(min(1.0, word.probability), 4)
        ordered.append(Word(start=start, end=previous_end, text=word.word, probability=probability))
    return tuple(ordered)


class AttentionTimer:
    """A :class:`~components.recognition.whisper.word_timer.WordTimer`, openai-whisper's method."""

    read_attention = staticmethod(alignment_scores)
    align = staticmethod(align)
    build_segments = staticmethod(build_segments_with_words)

    def hold(self, segments: Sequence[Segment], samples: NDArray[np.float32]) -> tuple[Segment, ...]:
        """Return segments whose words begin and end with the speech in the audio."""
        return hold_to_speech(segments, find_speech(detect_speech(samples)))


TIMER = AttentionTimer()
