"""When a decoded window is silence, and when it has to be decoded again at a higher temperature.

The thresholds and their order are those of openai-whisper's ``transcribe``; the check for repeated n-grams is
ours, because short repetitions pass the compression ratio, and so is the choice where no attempt passes.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence

from components.recognition.config import RecognitionConfig

MIN_LOOP_TOKENS = 24
MIN_LOOP_REPEATS = 4


def compression_ratio(text: str) -> float:
    """Return letters per byte after zlib: above 2.4 the text repeats itself.

    Each letter is one byte. openai-whisper takes those of UTF-8, two or three for a letter of Cyrillic or
    Devanagari, where usual text compresses as a loop does in English.
    """
    others = sorted({letter for letter in text if not letter.isascii()})
    table = {ord(letter): chr(128 + number) for number, letter in enumerate(others)}
    data = text.translate(table).encode("latin-1") if len(others) <= 128 else text.encode("utf-8")
    return len(data) / len(zlib.compress(data))


def repeats_ngram(tokens: Sequence[int]) -> bool:
    """Return whether an n-gram is repeated back to back, at least 4 times and over at least 24 tokens."""
    for n in range(1, len(tokens) // MIN_LOOP_REPEATS + 1):
        run = 0
        needed = max(MIN_LOOP_REPEATS * n, MIN_LOOP_TOKENS) - n
        for i in range(n, len(tokens)):
            run = run + 1 if tokens[i] == tokens[i - n] else 0
            if run >= needed:
                return True
    return False


def is_silence(
    config: RecognitionConfig, no_speech: float, mean_log_prob: float, voiced: bool = True
) -> bool:
    """Return whether nothing was said: by the no-speech probability, and a low score or no detected voice.

    The voice is asked, too, because a beam search finds a likely text for noise.

    Args:
        config: the thresholds.
        no_speech: the model's no-speech probability.
        mean_log_prob: of the best text, nats per token.
        voiced: whether voice activity detection found anything in the window.
    """
    unsure = not mean_log_prob > config.log_prob_threshold
    return no_speech > config.no_speech_threshold and (unsure or not voiced)


def needs_fallback(config: RecognitionConfig, text: str, tokens: Sequence[int], mean_log_prob: float) -> bool:
    """Return whether the text of a window that is not silence is improbable or repeats itself."""
    return mean_log_prob < config.log_prob_threshold or is_repetitive(config, text, tokens)


def plausibility(
    config: RecognitionConfig, text: str, tokens: Sequence[int], mean_log_prob: float
) -> tuple[bool, bool, float]:
    """Sort key among texts of which none is accepted.

    First what is likely and no loop: alike sentences compress well, too, and the text that a high temperature
    draws in their stead is another one. Then what does not repeat itself, then the likeliest.
    """
    is_likely = mean_log_prob >= config.log_prob_threshold and not repeats_ngram(tokens)
    return is_likely, not is_repetitive(config, text, tokens), mean_log_prob


def is_repetitive(config: RecognitionConfig, text: str, tokens: Sequence[int]) -> bool:
    """Return whether a text repeats itself: by its compression ratio or its n-grams."""
    return compression_ratio(text) > config.compression_ratio_threshold or repeats_ngram(tokens)
