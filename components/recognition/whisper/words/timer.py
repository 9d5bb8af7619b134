"""Word times by the attention of the alignment heads: an entry of ``antiphon.word_timers``."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from components.decoding.models.alignment_heads import alignment_scores
from components.recognition.vad.windows import detect_speech, find_speech
from components.recognition.whisper.words.alignment import align
from components.recognition.whisper.words.speech import hold_to_speech
from components.recognition.whisper.words.word_times import build_segments_with_words
from components.records import Segment


class AttentionTimer:
    """A :class:`~components.recognition.whisper.word_timer.WordTimer`, openai-whisper's method."""

    read_attention = staticmethod(alignment_scores)
    align = staticmethod(align)
    build_segments = staticmethod(build_segments_with_words)

    def hold(self, segments: Sequence[Segment], samples: NDArray[np.float32]) -> tuple[Segment, ...]:
        """Return segments whose words begin and end with the speech in the audio."""
        return hold_to_speech(segments, find_speech(detect_speech(samples)))


TIMER = AttentionTimer()
