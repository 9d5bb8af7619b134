"""The human recordings of the shared data folder as utterances."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import soundfile

from benchmarks.common.paths import data_set
from components import audio
from components.records import Utterance

PAUSE = 0.6


def load_recordings(language: str | None = None) -> list[Utterance]:
    """All recordings, or those of one language."""
    folder = data_set("audio")
    rows = map(json.loads, (folder / "manifest.jsonl").read_text(encoding="utf-8").splitlines())
    return [
        Utterance(
            id=row["file"],
            audio=audio.describe(folder / row["file"]),
            source_language=row["language"],
            transcript=row["transcript"],
        )
        for row in rows
        if language in (None, row["language"])
    ]


def decode_audio(utterance: Utterance) -> np.ndarray:
    return audio.decode(utterance.audio)


def join_recordings(utterances: list[Utterance], path: Path) -> Utterance:
    """One long recording: all of them with a pause after each.

    Those without a transcript are left out: what is heard in them would count as inserted words.
    """
    utterances = [u for u in utterances if u.transcript is not None]
    pause = np.zeros(int(PAUSE * audio.SAMPLE_RATE), np.float32)
    parts = [part for utterance in utterances for part in (decode_audio(utterance), pause)]
    soundfile.write(path, np.concatenate(parts), audio.SAMPLE_RATE, subtype="PCM_16")
    return Utterance(
        id="joined",
        audio=audio.describe(path),
        source_language=utterances[0].source_language,
        transcript=" ".join(str(u.transcript) for u in utterances),
    )


def seconds_of(utterances: list[Utterance]) -> float:
    return sum(u.audio.seconds for u in utterances if u.audio)
