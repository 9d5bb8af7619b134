"""The data sets of the pages on confidence, routes and pools, as manifests of a work folder."""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks.common.recordings import load_recordings
from benchmarks.common.sections import option
from benchmarks.quality.confidence.spoken_captions import CLEAN, write_manifest
from components.files.files import write_bytes

TEST, DEV, TRAIN = "test_2016_flickr", "val", "train"
DEV_CAPTIONS = 300
"""Captions of val that estimators are fitted on and that stop trainings; the others choose settings."""
DEV_RECORDINGS = 3 * DEV_CAPTIONS
"""Of the development set: each caption clean and with noise at 10 and 5 dB."""
WORK = option(Path("confidence-work"), "folder of data and store")


def spoken_manifest(work: Path, split: str) -> Path:
    """The manifest of the spoken captions of a split; made where it is missing."""
    path = work / f"{split}.jsonl"
    return path if path.exists() else write_manifest(work, split)


def tuning_manifest(work: Path) -> Path:
    """The manifest of the clean recordings of val that estimators are not fitted on: 200."""
    rows = spoken_manifest(work, DEV).read_text(encoding="utf-8").splitlines(keepends=True)
    path = work / "tuning.jsonl"
    clean_rows = [row for row in rows[DEV_RECORDINGS:] if json.loads(row)["domain"] == "clean"]
    write_bytes(path, "".join(clean_rows).encode())
    return path


def clean_manifests(work: Path) -> dict[str, Path]:
    """The manifests of clean recordings: ``train``, ``dev`` and ``tuning`` (two parts of val), ``test``."""
    paths = {split: work / f"{split}-clean.jsonl" for split in (TRAIN, DEV, TEST)}
    for split, path in paths.items():
        if not path.exists():
            write_manifest(work, split, CLEAN)
    rows = paths[DEV].read_text(encoding="utf-8").splitlines(keepends=True)
    parts = {"dev": rows[:DEV_CAPTIONS], "tuning": rows[DEV_CAPTIONS:]}
    for name, part in parts.items():
        write_bytes(work / f"{name}-clean.jsonl", "".join(part).encode())
    return {
        "train": paths[TRAIN],
        "test": paths[TEST],
        **{name: work / f"{name}-clean.jsonl" for name in parts},
    }


def human_manifest(work: Path) -> Path:
    """The manifest of the English human recordings that have a transcript."""
    rows = [
        {"id": u.id, "audio": u.audio.path, "source_language": "en", "transcript": u.transcript}
        for u in load_recordings("en")
        if u.audio is not None and u.transcript
    ]
    path = work / "human.jsonl"
    write_bytes(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode())
    return path
