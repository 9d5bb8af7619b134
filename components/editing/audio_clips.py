"""Recordings of questions as ``data:`` URIs, which a form's players need no file and no network for."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence

import soundfile

from components import audio
from components.errors import AntiphonError
from components.nodes.questions import Question
from components.records import Audio

MAX_SECONDS = 60.0
"""Of one recording; the beginning is taken."""
_MAX_TOTAL_SECONDS = 1200.0
"""Of all of a form: about 5 MB, which Prefect keeps in its database."""


def clip_seconds(questions: Sequence[Question]) -> float:
    """Return how many seconds of each recording a form of these questions carries."""
    return min(MAX_SECONDS, _MAX_TOTAL_SECONDS / max(1, len(questions)))


def encode_clip(recording: Audio, seconds: float) -> str:
    """Return the first seconds of a recording as MP3 in a ``data:`` URI; empty where it cannot be read."""
    stretch = recording.model_copy(update={"seconds": min(recording.seconds, seconds)})
    encoded = io.BytesIO()
    try:
        samples = audio.decode(stretch).clip(-1, 1)
        quality = {"compression_level": 0.9, "bitrate_mode": "VARIABLE"}  # 26 kbit a second
        soundfile.write(encoded, samples, audio.SAMPLE_RATE, format="MP3", **quality)
    except (AntiphonError, OSError, soundfile.LibsndfileError):
        return ""  # the form is of use without it
    return f"data:audio/mpeg;base64,{base64.b64encode(encoded.getvalue()).decode('ascii')}"
