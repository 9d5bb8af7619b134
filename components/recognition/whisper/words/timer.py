"""Word times by the attention of the alignment heads: an entry of ``antiphon.word_timers``."""

from __future__ import annotations

from components.decoding.models.alignment_heads import alignment_scores
from components.recognition.whisper.words.alignment import align
from components.recognition.whisper.words.word_times import build_segments_with_words


class AttentionTimer:
    """A :class:`~components.recognition.whisper.word_timer.WordTimer`, openai-whisper's method."""

    read_attention = staticmethod(alignment_scores)
    align = staticmethod(align)
    build_segments = staticmethod(build_segments_with_words)


TIMER = AttentionTimer()
