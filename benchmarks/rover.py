"""ROVER and minimum Bayes risk over three recognisers."""

from __future__ import annotations

import json

from benchmarks.hearing import heard
from benchmarks.recordings import SHARED, recordings
from components import audio
from components.records import Utterance

SYSTEMS: dict[str, dict[str, object]] = {
    "whisper-base": {"model": "packaged:whisper-base"},
    "whisper-tiny.en": {"model": "packaged:whisper-tiny.en"},
    "pocketsphinx": {"model": "sphinx:en-us", "backend": "pocketsphinx"},
}


def spoken() -> list[Utterance]:
    """The development data: 50 captions spoken by a synthetic voice."""
    folder = SHARED / "data" / "spoken"
    rows = map(json.loads, (folder / "manifest.jsonl").read_text(encoding="utf-8").splitlines())
    return [
        Utterance(
            id=row["file"],
            audio=audio.describe(folder / row["file"]),
            source_language="en",
            transcript=row["transcript"],
        )
        for row in rows
    ]


if __name__ == "__main__":
    for name, settings in SYSTEMS.items():
        for data in (spoken(), recordings("en")):
            lists, seconds = heard(settings, data)
            print(name, len(data), len(lists), round(seconds, 1), flush=True)
