"""Multi30k captions with speech: manifests that every flow reads. Audio is made once and never committed."""

from __future__ import annotations

import json
import random
from pathlib import Path

from benchmarks.common.paths import SHARED
from components.data import load
from components.records import Utterance
from components.synthesis.config import SynthesisConfig
from components.synthesis.synthesizer import build

SIZES = {"train": ("train", 1000), "dev": ("val", 80), "test": ("test_2016_flickr", 200)}
VOICES = {"train": ("slt", "rms"), "dev": ("slt",), "test": ("slt",)}
SEED = 7


def write_manifests(folder: Path) -> dict[str, Path]:
    """``train``, ``dev``, ``test`` (flite) and ``piper`` (the shared folder's 50) as manifests."""
    paths = {name: _synthesize_split(name, folder) for name in SIZES}
    shared = SHARED / "data" / "spoken" / "manifest.jsonl"
    return {**paths, "piper": shared}


def _synthesize_split(name: str, folder: Path) -> Path:
    path = folder / f"{name}.jsonl"
    if path.exists():
        return path
    split, size = SIZES[name]
    voice = build(SynthesisConfig(engine="flite", voices=VOICES[name]))
    rows = [
        row(u)
        for u in voice.synthesize(_draw_captions(split, size), folder / name)
        if isinstance(u, Utterance)
    ]
    path.write_text(
        "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in rows), encoding="utf-8"
    )
    return path


def _draw_captions(split: str, size: int) -> list[Utterance]:
    """Some utterances of a split, the same ones every time; none of the shared folder's 50."""
    everything = list(load(f"multi30k:{split}", target_language="de").utterances)
    # The shared folder speaks every twentieth caption of the test set.
    fit = [u for i, u in enumerate(everything) if split != "test_2016_flickr" or i % 20]
    return sorted(random.Random(SEED).sample(fit, size), key=lambda u: u.id)


def row(utterance: Utterance) -> dict[str, object]:
    """A spoken utterance as a line of our manifest."""
    assert utterance.audio is not None
    return {
        "id": utterance.id,
        "audio": utterance.audio.path,
        "sha256": utterance.audio.sha256,
        "source_language": utterance.source_language,
        "target_language": utterance.target_language,
        "transcript": utterance.transcript,
        "references": list(utterance.references),
    }
