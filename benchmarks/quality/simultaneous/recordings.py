"""Recordings of several sentences, as a simultaneous system hears them: short ones joined with pauses.

Captions by a synthetic voice with German translations; prompts by professional speakers, English and French,
and single English sentences by others, with transcripts.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import soundfile

from benchmarks.common.paths import data_set
from components import audio
from components.records import ReferenceSegment, Utterance

PAUSE = 0.5
"""Seconds of silence between two sentences."""
JOINED = {"captions": 3, "people": 8, "people_fr": 8}
"""Set -> sentences of a recording."""
LANGUAGES = {"captions": "en", "people": "en", "people_fr": "fr"}
"""Set -> what is spoken."""
LEAST_WORDS = 3
"""Of a sentence by people: the prompts have single letters and numbers."""


def make_set(name: str, work: Path) -> list[Utterance]:
    """Return the recordings of a set; they are written into a folder.

    Args:
        name: ``captions``, ``people`` or ``people_fr``.
        work: the folder.
    """
    rows = list(_captions() if name == "captions" else _people(LANGUAGES[name]))
    size = JOINED[name]
    groups = [rows[start : start + size] for start in range(0, len(rows), size)]
    return [
        _join(f"{name}-{number:03d}", LANGUAGES[name], group, work) for number, group in enumerate(groups)
    ]


def _captions() -> Iterator[tuple[Path, str, str | None]]:
    """Yield recording, transcript and translation of each."""
    for row in _read(data_set("spoken") / "manifest.jsonl"):
        yield data_set("spoken") / row["file"], row["transcript"], row["translation"]["de"]


def _people(language: str) -> Iterator[tuple[Path, str, str | None]]:
    for folder, manifest in (
        (data_set("audio"), "manifest.jsonl"),
        (data_set("asterisk"), f"{language}.jsonl"),
    ):
        for row in _read(folder / manifest):
            words = str(row["transcript"] or "").split()
            if row["language"] == language and len(words) >= LEAST_WORDS:
                yield folder / row["file"], row["transcript"], None


def _read(path: Path) -> Iterator[dict[str, str | dict[str, str]]]:
    yield from map(json.loads, path.read_text(encoding="utf-8").splitlines())


def _join(key: str, language: str, rows: Sequence[tuple[Path, str, str | None]], work: Path) -> Utterance:
    """Return one recording of several; it begins with the first and ends with the last."""
    path, segments, pieces, at = work / f"{key}.flac", list[ReferenceSegment](), list[np.ndarray](), 0.0
    for number, (file, transcript, translation) in enumerate(rows):
        samples = audio.decode(audio.describe(file))
        if number:
            pieces.append(np.zeros(round(PAUSE * audio.SAMPLE_RATE), np.float32))
            at += PAUSE
        pieces.append(samples)
        end = at + len(samples) / audio.SAMPLE_RATE
        references = () if translation is None else (translation,)
        segments.append(ReferenceSegment(start=at, end=end, transcript=transcript, references=references))
        at = end
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        joined = np.concatenate(pieces).clip(-1, 1)
        soundfile.write(path, joined, audio.SAMPLE_RATE, format="FLAC", subtype="PCM_16")
    return Utterance(
        id=key,
        audio=audio.describe(path),
        source_language=language,
        target_language="de" if segments[0].references else None,
        reference_segments=tuple(segments),
    )
