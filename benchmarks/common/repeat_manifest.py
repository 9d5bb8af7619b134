"""A larger data set out of the sample set: its recordings again and again, under new ids."""

from __future__ import annotations

import json
from pathlib import Path

from components.data import load


def write_manifest(path: Path, count: int, longest: float = 30.0) -> Path:
    """Write a manifest of ``count`` spoken utterances of at most ``longest`` seconds; gives back its path."""
    spoken = [u for u in load("sample").utterances if u.audio is not None and u.audio.seconds <= longest]
    with path.open("w", encoding="utf-8") as file:
        for number in range(count):
            utterance = spoken[number % len(spoken)]
            assert utterance.audio is not None
            record = {
                "id": f"{utterance.id}#{number:05d}",
                "audio": utterance.audio.path,
                "source_language": utterance.source_language,
                "target_language": utterance.target_language,
                "transcript": utterance.transcript,
                "references": list(utterance.references),
            }
            file.write(json.dumps(record, ensure_ascii=False) + "\n")
    return path
